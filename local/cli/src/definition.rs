//! A definition as people keep it: JSON or YAML, with placeholders.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::Path;

use asl::Diagnostic;
use asl::placeholders::{Filled, Unset, Values};

use crate::{error::Error, project::read_text, standins::pair};

/// A definition as JSON, its placeholders filled in.
pub struct Read {
    filled: Filled,
    /// Whether lines and columns of the text are not those of its file.
    is_rewritten: bool,
}

impl Deref for Read {
    type Target = Filled;

    fn deref(&self) -> &Filled {
        &self.filled
    }
}

impl Read {
    /// A definition that is in no file of its own.
    pub fn made(text: &str) -> Read {
        Read {
            filled: Values::default().fill(text, Unset::Stays),
            is_rewritten: true,
        }
    }

    /// Findings in the text with their places in its file, as far as there are any.
    pub fn placed(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        if self.is_rewritten {
            found.iter_mut().for_each(|one| one.position = None);
        }
        found
    }
}

/// Reads a definition from a file, or from standard input for `-`.
///
/// # Errors
/// The file cannot be read, or is YAML with an error.
pub fn read(path: &Path, values: &Values, unset: Unset) -> Result<Read, Error> {
    let text = read_text(path)?;
    let json = as_json(path, &text)?;
    Ok(Read {
        filled: values.fill(json.as_ref().unwrap_or(&text), unset),
        is_rewritten: json.is_some(),
    })
}

/// The values of `--set NAME=VALUE` arguments.
///
/// # Errors
/// One without `=`, or a name that is given twice.
pub fn values(arguments: &[String]) -> Result<Values, Error> {
    let mut values = BTreeMap::new();
    for argument in arguments {
        let (name, value) = pair("--set", argument, "NAME=VALUE")?;
        if values.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Error::Usage(format!("--set {name} is given twice")));
        }
    }
    Ok(Values::from(values))
}

/// The JSON of a text that is YAML.
fn as_json(path: &Path, text: &str) -> Result<Option<String>, Error> {
    let document = is_yaml(path, text).then(|| stack::yaml::parse(text, path));
    Ok(document.transpose()?.map(|document| document.to_string()))
}

/// By the file's name; standard input by its first character.
fn is_yaml(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => true,
        Some(_) => false,
        None => path == Path::new("-") && !text.trim_start().starts_with(['{', '[']),
    }
}

/// Refuses values for placeholders that no definition has.
///
/// # Errors
/// Such a value.
pub fn check_used(values: &Values, used: &BTreeSet<String>) -> Result<(), Error> {
    let unused: Vec<&str> = values
        .names()
        .filter(|name| !used.contains(*name))
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--set {}: the definition has no such placeholder",
        unused.join(", --set ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_told_by_its_name() {
        for (path, text, yaml) in [
            ("m.asl.yaml", "{}", true),
            ("m.yml", "StartAt: A", true),
            ("m.asl.json", "StartAt: A", false),
            ("machine", "StartAt: A", false),
            ("-", "StartAt: A", true),
            ("-", " {}", false),
        ] {
            assert_eq!(is_yaml(Path::new(path), text), yaml, "{path}");
        }
    }
}
