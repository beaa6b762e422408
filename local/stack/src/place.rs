//! The line of a value, found again by its path when it is to be told.

use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};

use super::StackError;

/// Puts the file and, where the path is found in it, the line into an error.
pub fn located(error: StackError, file: &Path) -> StackError {
    let StackError::Invalid { mut place, message } = error else {
        return error;
    };
    if place.file.as_os_str().is_empty() {
        file.clone_into(&mut place.file);
        place.line = std::fs::read_to_string(file)
            .ok()
            .and_then(|text| line(&text, &place.at));
    }
    StackError::Invalid { place, message }
}

/// The line of the value at a path, or of the one that it is missing in.
fn line(text: &str, at: &str) -> Option<usize> {
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let (mut node, mut found) = (documents.first()?, None);
    let mut rest = at;
    while !rest.is_empty() {
        // Keys may hold dots: the longest that is there is meant.
        let Some((line, child, after)) = child(node, rest) else {
            // A value that is missing is told by what it is missing in; what lies in another file is not.
            return found.filter(|_| !rest.contains('.'));
        };
        (found, node, rest) = (Some(line), child, after);
    }
    found
}

fn child<'a, 'b>(
    node: &'a MarkedYaml<'a>,
    path: &'b str,
) -> Option<(usize, &'a MarkedYaml<'a>, &'b str)> {
    match &node.data {
        YamlData::Mapping(mapping) => {
            let fits = mapping.iter().filter_map(|(key, value)| {
                let name = key.data.as_str()?;
                let rest = path.strip_prefix(name)?;
                let rest = match rest.strip_prefix('.') {
                    Some(rest) => rest,
                    None if rest.is_empty() => rest,
                    None => return None,
                };
                Some((key.span.start.line(), value, rest))
            });
            fits.min_by_key(|(_, _, rest)| rest.len())
        }
        YamlData::Sequence(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = items.get(index.parse::<usize>().ok()?)?;
            Some((item.span.start.line(), item, rest))
        }
        YamlData::Tagged(_, inner) => child(inner, path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_line_of_its_key() {
        let text = "a:\n  b.c:\n    - x\n    - {y: 1,\n       z: 2}\nd: 1\n";
        for (at, expected) in [
            ("a", Some(1)),
            ("a.b.c", Some(2)),
            ("a.b.c.0", Some(3)),
            ("a.b.c.1.z", Some(5)),
            ("a.b.c.1.missing", Some(4)),
            ("a.other.file", None),
            ("d", Some(6)),
        ] {
            assert_eq!(line(text, at), expected, "{at}");
        }
    }
}
