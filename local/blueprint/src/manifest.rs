//! Edits of Cargo.toml that leave comments and order as they are.

use toml_edit::{DocumentMut, Item, Value};

use crate::Error;

/// The manifest with `folder` among the workspace's members, or `None` if it is, perhaps by `functions/*`.
///
/// # Errors
/// [`Error::Manifest`] if it is no workspace's manifest.
pub fn with_member(text: &str, folder: &str) -> Result<Option<String>, Error> {
    let mut document = parse(text)?;
    let members = document
        .get_mut("workspace")
        .and_then(|workspace| workspace.get_mut("members"))
        .and_then(Item::as_array_mut)
        .ok_or_else(|| Error::Manifest("it has no list workspace.members".to_owned()))?;
    let is_of = |member: &Value| {
        let Some(member) = member.as_str() else {
            return false;
        };
        let parent = folder.rsplit_once('/').map(|(parent, _)| parent);
        member == folder
            || member
                .strip_suffix("/*")
                .is_some_and(|it| Some(it) == parent)
    };
    if members.iter().any(is_of) {
        return Ok(None);
    }
    members.push(folder);
    Ok(Some(document.to_string()))
}

/// Where the libraries of a project come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A checkout on this machine.
    Path(String),
    /// A Git repository, at its default branch or at one commit.
    Git {
        /// Its address.
        url: String,
        /// The commit.
        rev: Option<String>,
    },
}

/// The manifest whose dependencies with a path below `sample` come from `origin`.
///
/// # Errors
/// [`Error::Manifest`] if it has no workspace dependencies.
pub fn with_origin(text: &str, sample: &str, origin: &Origin) -> Result<String, Error> {
    let mut document = parse(text)?;
    let dependencies = document
        .get_mut("workspace")
        .and_then(|workspace| workspace.get_mut("dependencies"))
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| Error::Manifest("it has no workspace.dependencies".to_owned()))?;
    for (_, dependency) in dependencies.iter_mut() {
        let Some(entries) = dependency.as_inline_table_mut() else {
            continue;
        };
        let path = entries.get("path").and_then(Value::as_str);
        let Some(below) = path.and_then(|path| path.strip_prefix(sample)) else {
            continue;
        };
        match origin {
            Origin::Path(path) => {
                let path = format!("{path}{below}");
                entries.insert("path", path.into());
            }
            Origin::Git { url, rev } => {
                entries.remove("path");
                entries.insert("git", url.as_str().into());
                if let Some(rev) = rev {
                    entries.insert("rev", rev.as_str().into());
                }
            }
        }
        entries.fmt();
    }
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, Error> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| Error::Manifest(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_where_no_pattern_has_it() {
        let text = "[workspace]\n# ours\nmembers = [\"functions/*\", \"workers/a\"] # two\n";
        assert_eq!(with_member(text, "functions/b").unwrap(), None);
        assert_eq!(with_member(text, "workers/a").unwrap(), None);
        assert_eq!(
            with_member(text, "workers/b").unwrap().unwrap(),
            "[workspace]\n# ours\nmembers = [\"functions/*\", \"workers/a\", \"workers/b\"] # two\n"
        );
        let error = with_member("[package]\n", "workers/b").unwrap_err();
        assert!(error.to_string().contains("workspace.members"), "{error}");
    }

    #[test]
    fn libraries_come_by_path_or_by_git() {
        let text = "[workspace.dependencies]\njobs = { path = \"/origin/shared/jobs\" } # ours\nserde = \"1\"\n";
        let path = Origin::Path("../hybrid".to_owned());
        assert_eq!(
            with_origin(text, "/origin", &path).unwrap(),
            "[workspace.dependencies]\njobs = { path = \"../hybrid/shared/jobs\" } # ours\nserde = \"1\"\n"
        );
        let git = Origin::Git {
            url: "https://example.com/h.git".to_owned(),
            rev: Some("abc".to_owned()),
        };
        assert_eq!(
            with_origin(text, "/origin", &git).unwrap(),
            "[workspace.dependencies]\njobs = { git = \"https://example.com/h.git\", rev = \"abc\" } # ours\nserde = \"1\"\n"
        );
    }
}
