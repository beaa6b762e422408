//! A definition as people keep it: JSON or YAML, with placeholders.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{
    error::Error,
    placeholders::{Filled, Settings, Unset},
    project::read_text,
};

/// Reads a definition from a file, or from standard input for `-`, as JSON with its placeholders filled in.
///
/// # Errors
/// The file cannot be read, or is YAML with an error.
pub fn read(path: &Path, settings: &Settings, unset: Unset) -> Result<Filled, Error> {
    let json = json(path)?;
    let mut filled = settings.fill(&json.text, unset);
    filled.is_rewritten = json.is_rewritten;
    Ok(filled)
}

/// Reads a definition as JSON with its placeholders as they are.
///
/// # Errors
/// As [`read`].
pub fn json(path: &Path) -> Result<Filled, Error> {
    let text = read_text(path)?;
    let json = as_json(path, &text)?;
    Ok(Filled {
        is_rewritten: json.is_some(),
        text: json.unwrap_or(text),
        ..Filled::default()
    })
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
pub fn check_used(settings: &Settings, used: &BTreeSet<String>) -> Result<(), Error> {
    let unused: Vec<&str> = settings
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
