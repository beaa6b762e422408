//! Adds entries to YAML text at the place where they belong and leaves everything else as it was written.
//!
//! The parser finds the collection, the entry's text goes behind its last line, and the result must mean what the text
//! meant before and the entry besides: else the edit is refused, and nothing is written.

use std::path::Path;

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};
use serde_json::Value;
use stack::yaml;

use crate::Error;

/// The text with every entry of `fragment` that the collection at `path` lacks, or `None` if it has them all.
///
/// `path` is dotted: `Resources.WorkerRole.Properties.Policies.0`. The fragment is YAML of its own, a mapping for a
/// mapping and a list for a list.
///
/// # Errors
/// [`Error::NoPlace`] without such a collection, [`Error::Edit`] if it cannot be extended.
pub fn insert(
    text: &str,
    file: &Path,
    path: &str,
    fragment: &str,
) -> Result<Option<String>, Error> {
    let mut extended: Option<String> = None;
    for entry in entries(fragment) {
        let text = extended.as_deref().unwrap_or(text);
        if let Some(next) = insert_one(text, file, path, &entry)? {
            extended = Some(next);
        }
    }
    Ok(extended)
}

fn insert_one(text: &str, file: &Path, path: &str, entry: &str) -> Result<Option<String>, Error> {
    let before = yaml::parse(text, file)?;
    let added = yaml::parse(entry, file)?;
    let no_place = || Error::NoPlace {
        file: file.to_path_buf(),
        path: path.to_owned(),
    };
    let pointer = format!("/{}", path.replace('.', "/"));
    let collection = before.pointer(&pointer).ok_or_else(no_place)?;
    if has(collection, &added) {
        return Ok(None);
    }
    let documents = MarkedYaml::load_from_str(text).map_err(|error| Error::Edit {
        file: file.to_path_buf(),
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    let root = documents.first().ok_or_else(no_place)?;
    let place = Place::find(root, path).ok_or_else(no_place)?;
    let after = place.extended(text, entry, &added);
    let (mut here, mut everywhere) = (before.clone(), before.clone());
    if let Some(collection) = here.pointer_mut(&pointer) {
        join(collection, &added);
        let joined = collection.clone();
        replace(
            &mut everywhere,
            &before.pointer(&pointer).cloned().unwrap_or_default(),
            &joined,
        );
    }
    // What an alias repeats has the entry too.
    if yaml::parse(&after, file).is_ok_and(|after| after == here || after == everywhere) {
        return Ok(Some(after));
    }
    Err(Error::Edit {
        file: file.to_path_buf(),
        path: path.to_owned(),
        why: "it is written in a way that this does not extend; add the entry by hand".to_owned(),
    })
}

/// Each entry with the comments and blank lines before it.
fn entries(fragment: &str) -> Vec<String> {
    let (mut entries, mut entry, mut begun) = (Vec::new(), String::new(), false);
    for line in fragment.lines() {
        let is_content = !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let begins = is_content && !line.starts_with(' ');
        let leads = !is_content && !line.starts_with(' ');
        if begun && (begins || leads) {
            entries.push(std::mem::take(&mut entry));
            begun = false;
        }
        begun |= begins;
        entry.push_str(line);
        entry.push('\n');
    }
    if begun {
        entries.push(entry);
    }
    entries
}

/// Whether the collection has the entry: a mapping its key, a list an equal item.
fn has(collection: &Value, added: &Value) -> bool {
    match (collection, added) {
        (Value::Object(all), Value::Object(one)) => one.keys().all(|key| all.contains_key(key)),
        (Value::Array(all), Value::Array(one)) => one.iter().all(|item| all.contains(item)),
        _ => false,
    }
}

fn join(collection: &mut Value, added: &Value) {
    match (collection, added) {
        (Value::Object(all), Value::Object(one)) => all.extend(one.clone()),
        (Value::Array(all), Value::Array(one)) => all.extend(one.iter().cloned()),
        // Nothing stands behind the key yet.
        (empty @ Value::Null, one) => *empty = one.clone(),
        _ => {}
    }
}

fn replace(node: &mut Value, old: &Value, new: &Value) {
    if node == old {
        *node = new.clone();
        return;
    }
    match node {
        Value::Object(entries) => entries.values_mut().for_each(|it| replace(it, old, new)),
        Value::Array(items) => items.iter_mut().for_each(|it| replace(it, old, new)),
        _ => {}
    }
}

/// Where a collection stands.
struct Place {
    /// Line of its first entry, or of the key that has nothing behind it; from 0.
    line: usize,
    /// Column of its entries.
    column: usize,
    /// Whether it is a list.
    is_list: bool,
    /// Letter at which it begins, unless nothing stands behind its key.
    opens: Option<usize>,
}

impl Place {
    fn find(root: &MarkedYaml<'_>, path: &str) -> Option<Self> {
        // The document's own entries stand at its margin.
        let mut place = Self::of(root, 0, 0);
        let mut node = root;
        for part in path.split('.') {
            let (line, indent, child) = match &node.data {
                YamlData::Mapping(entries) => {
                    let (key, child) = entries
                        .iter()
                        .find(|(key, _)| key.data.as_str() == Some(part))?;
                    let start = key.span.start;
                    (start.line() - 1, start.col() + 2, child)
                }
                YamlData::Sequence(items) => {
                    let child = items.get(part.parse::<usize>().ok()?)?;
                    let start = child.span.start;
                    (start.line() - 1, start.col(), child)
                }
                _ => return None,
            };
            node = untagged(child);
            place = Self::of(node, line, indent);
        }
        Some(place)
    }

    /// `line` and `column` are those of a collection without entries.
    fn of(node: &MarkedYaml<'_>, line: usize, column: usize) -> Self {
        let first = match &node.data {
            YamlData::Mapping(entries) => entries.keys().next().map(|key| key.span.start),
            YamlData::Sequence(items) => items.first().map(|item| item.span.start),
            _ => None,
        };
        let opens = node.span.start.index();
        let is_collection = matches!(node.data, YamlData::Mapping(_) | YamlData::Sequence(_));
        Self {
            line: first.map_or(line, |start| start.line() - 1),
            column: first.map_or(column, |start| start.col()),
            is_list: matches!(node.data, YamlData::Sequence(_)),
            opens: is_collection.then_some(opens),
        }
    }

    fn extended(&self, text: &str, entry: &str, added: &Value) -> String {
        match self.opening_bracket(text) {
            Some(open) => in_brackets(text, open, entry, added),
            None => self.in_lines(text, entry),
        }
    }

    /// Byte of the bracket, if the collection has some. An anchor may stand before it.
    fn opening_bracket(&self, text: &str) -> Option<usize> {
        let (mut byte, _) = text.char_indices().nth(self.opens?)?;
        if text[byte..].starts_with('&') {
            let anchor = text[byte..].find(char::is_whitespace)?;
            byte += anchor + text[byte + anchor..].find(|letter: char| !letter.is_whitespace())?;
        }
        text[byte..].starts_with(['[', '{']).then_some(byte)
    }

    fn in_lines(&self, text: &str, entry: &str) -> String {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let is_item = self.is_list;
        // The dash stands before the item.
        let column = match lines.get(self.line) {
            Some(first) if is_item && self.opens.is_some() => indent(first),
            _ => self.column,
        };
        let mut end = self.line + 1;
        for (number, line) in lines.iter().enumerate().skip(self.line + 1) {
            let trimmed = line.trim();
            if trimmed.is_empty() {
                continue;
            }
            let deeper = indent(line) > column;
            let level = indent(line) == column;
            if trimmed.starts_with('#') {
                // At the same level it may as well lead to what follows.
                continue;
            }
            if !(deeper || level && (!is_item || trimmed.starts_with("- "))) {
                break;
            }
            end = number + 1;
        }
        // Comments right behind the last entry that are indented as it is are about this collection.
        let comments = lines[end..]
            .iter()
            .take_while(|line| line.trim_start().starts_with('#') && indent(line) >= column);
        end += comments.count();
        let mut written: String = lines[..end].concat();
        if !written.ends_with('\n') {
            written.push('\n');
        }
        let is_first = self.opens.is_none();
        for line in entry.lines() {
            if line.trim().is_empty() {
                if !is_first {
                    written.push('\n');
                }
                continue;
            }
            written.push_str(&" ".repeat(column));
            written.push_str(line);
            written.push('\n');
        }
        written + &lines[end..].concat()
    }
}

fn untagged<'a, 'b>(node: &'a MarkedYaml<'b>) -> &'a MarkedYaml<'b> {
    match &node.data {
        YamlData::Tagged(_, inner) => untagged(inner),
        _ => node,
    }
}

fn in_brackets(text: &str, open: usize, entry: &str, added: &Value) -> String {
    let close = open + closing(&text[open..]);
    let inner = text[open + 1..close].trim_end();
    let item = match added {
        Value::Array(_) => entry.trim().trim_start_matches("- "),
        _ => entry.trim(),
    };
    let separator = if inner.trim().is_empty() { "" } else { ", " };
    let end = open + 1 + inner.len();
    format!("{}{separator}{item}{}", &text[..end], &text[end..])
}

/// Where the bracket that `text` begins with is closed.
fn closing(text: &str) -> usize {
    let (mut open, mut quote) = (0u32, None);
    for (index, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[' | '{') => open += 1,
            (None, ']' | '}') if open == 1 => return index,
            (None, ']' | '}') => open -= 1,
            (None, _) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, path: &str, fragment: &str) -> Option<String> {
        insert(text, Path::new("t.yml"), path, fragment).unwrap()
    }

    #[test]
    fn an_entry_goes_behind_the_last_one_and_comments_stay() {
        let text = "# head\na:\n  x: 1 # one\n  y:\n    - deep\n\n# of b\nb: 2\n";
        assert_eq!(
            edited(text, "a", "\n# why\nz: {n: 1}\n").unwrap(),
            "# head\na:\n  x: 1 # one\n  y:\n    - deep\n\n  # why\n  z: {n: 1}\n\n# of b\nb: 2\n"
        );
    }

    #[test]
    fn every_way_to_write_a_collection_is_extended() {
        for (text, path, fragment, expected) in [
            ("a:\nb: 1\n", "a", "\nx: 1\n", "a:\n  x: 1\nb: 1\n"),
            ("a: []\n", "a", "- !Ref X\n", "a: [!Ref X]\n"),
            ("a: &n [1]\nb: *n\n", "a", "- 2\n", "a: &n [1, 2]\nb: *n\n"),
            ("a: [1, 'x]']\n", "a", "- 2\n", "a: [1, 'x]', 2]\n"),
            ("a: {x: [1]}\n", "a.x", "- 2\n", "a: {x: [1, 2]}\n"),
            ("a:\n- 1\nb: 2\n", "a", "- 2\n", "a:\n- 1\n- 2\nb: 2\n"),
            ("a:\n  - 1", "a", "- 2\n", "a:\n  - 1\n  - 2\n"),
            (
                "a:\n  - k:\n      - 1\n    l: 2\n",
                "a.0.k",
                "- x: 1\n  y: 2\n",
                "a:\n  - k:\n      - 1\n      - x: 1\n        y: 2\n    l: 2\n",
            ),
            (
                "a:\n  t: |\n    x: 1\n     y\n",
                "a",
                "b: 1\n",
                "a:\n  t: |\n    x: 1\n     y\n  b: 1\n",
            ),
            (
                "a:\n  - 1\n  # more:\n# of b\nb: 2\n",
                "a",
                "- 2\n",
                "a:\n  - 1\n  # more:\n  - 2\n# of b\nb: 2\n",
            ),
            ("ä: [1]\nb: [ü]\n", "b", "- 2\n", "ä: [1]\nb: [ü, 2]\n"),
        ] {
            assert_eq!(
                edited(text, path, fragment).as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_there_is_not_added_again() {
        assert_eq!(edited("a:\n  x: 1\n", "a", "x: 2\n"), None);
        assert_eq!(edited("a: [!Ref X]\n", "a", "- !Ref X\n"), None);
        assert_eq!(
            edited("a:\n  x: 1\n", "a", "x: 2\ny: 3\n").unwrap(),
            "a:\n  x: 1\n  y: 3\n"
        );
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        let error = insert("a: 1\n", Path::new("t.yml"), "b.c", "x: 1\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.yml has no b.c to add to; `hybrid new` extends projects that are laid out as `hybrid new project` lays them out"
        );
        let error = insert("a: 1\n", Path::new("t.yml"), "a", "x: 1\n").unwrap_err();
        assert!(matches!(error, Error::Edit { .. }), "{error}");
    }
}
