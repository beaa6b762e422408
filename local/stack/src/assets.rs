//! Packages that a template names by bucket and key, as files on this machine: what `cdk synth` and `sls package` leave
//! beside it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::variables::read_document;
use super::{Code, StackError};

/// Files and folders by object key.
#[derive(Debug, Default)]
pub struct Assets {
    by_key: BTreeMap<String, PathBuf>,
    /// Folder of archives whose keys end in their names.
    packaged: Option<PathBuf>,
}

impl Assets {
    /// Those of the template at `path`.
    pub fn beside(path: &Path) -> Result<Assets, StackError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut assets = Assets::default();
        if folder.ends_with(".serverless") {
            assets.packaged = Some(folder.to_owned());
        }
        if let Some(stack) = name.strip_suffix(".template.json") {
            let manifest = folder.join(format!("{stack}.assets.json"));
            if manifest.is_file() {
                assets.read_manifest(folder, &read_document(&manifest)?);
            }
        }
        Ok(assets)
    }

    /// <https://docs.aws.amazon.com/cdk/v2/guide/assets.html>
    fn read_manifest(&mut self, folder: &Path, manifest: &Value) {
        for asset in manifest["files"]
            .as_object()
            .into_iter()
            .flat_map(|files| files.values())
        {
            let Some(path) = asset["source"]["path"].as_str() else {
                continue;
            };
            let destinations = asset["destinations"].as_object();
            for place in destinations.into_iter().flat_map(|places| places.values()) {
                if let Some(key) = place["objectKey"].as_str() {
                    self.by_key.insert(key.to_owned(), folder.join(path));
                }
            }
        }
    }

    /// The file or folder of an object.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        if let Some(path) = self.by_key.get(key) {
            return Some(path.clone());
        }
        let archive = self.packaged.as_ref()?.join(key.rsplit('/').next()?);
        archive.exists().then_some(archive)
    }

    /// The code in an object.
    pub fn code(&self, bucket: &str, key: &str) -> Code {
        match self.file(key) {
            Some(path) => code_at(path),
            None => Code::Elsewhere(format!("s3://{bucket}/{key}")),
        }
    }

    /// Name of the stack of the template at `path`.
    pub fn stack_name(&self, path: &Path) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(stack) = name.strip_suffix(".template.json") {
            return stack.to_owned();
        }
        folder_name(path.parent().unwrap_or(Path::new("")))
    }
}

/// Code in a folder or an archive.
pub fn code_at(path: PathBuf) -> Code {
    match path.is_file() {
        true => Code::Archive(path),
        false => Code::Folder(path),
    }
}

/// The template of what `cdk synth` has made in a folder.
///
/// # Errors
/// There are several, of which one has to be named, or none.
pub fn synthesized(folder: &Path) -> Result<PathBuf, StackError> {
    let manifest = read_document(&folder.join("manifest.json"))?;
    let artifacts = manifest["artifacts"].as_object().into_iter().flatten();
    let stacks: Vec<PathBuf> = artifacts
        .filter(|(_, artifact)| artifact["type"] == "aws:cloudformation:stack")
        .filter_map(|(_, artifact)| artifact["properties"]["templateFile"].as_str())
        .map(|file| folder.join(file))
        .collect();
    let message = match stacks.as_slice() {
        [one] => return Ok(one.clone()),
        [] => "no stack in manifest.json; run `cdk synth`".to_owned(),
        several => {
            let names = several.iter().map(|path| path.display().to_string());
            let names: Vec<String> = names.collect();
            format!(
                "several stacks: name one by --project: {}",
                names.join(", ")
            )
        }
    };
    Err(StackError::NoStack {
        path: folder.to_owned(),
        message,
    })
}

/// A name for a stack whose file names none: that of the folder, as far as a stack's name may have it.
pub(super) fn folder_name(folder: &Path) -> String {
    const MADE: [&str; 4] = [".aws-sam", "build", "cdk.out", ".serverless"];
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let names = folder.components().rev().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let name = names.into_iter().find(|name| !MADE.contains(name));
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.unwrap_or_default().chars().map(allowed).collect();
    let name = name.trim_matches('-');
    match name.is_empty() {
        true => "stack".to_owned(),
        false => name.to_owned(),
    }
}
