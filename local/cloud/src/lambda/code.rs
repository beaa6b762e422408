//! The code of functions that requests bring, and of those that a stack has in no folder: zip archives, with an executable
//! named `bootstrap` where the function has no language of ours.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html>

use std::fs;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zip::ZipArchive;
use zip::result::ZipError;

use super::Lambda;
use super::settings::Settings;
use crate::action::LambdaAction;
use crate::error::ServiceError;
use crate::private;

/// Largest archive in a request, bytes.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const ARCHIVE_LIMIT: usize = 50 * 1_024 * 1_024;
/// Largest code once it is unpacked, bytes.
const CODE_LIMIT: u64 = 262_144_000;
/// What Lambda starts.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// Why an archive cannot be a function's code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again: {0}")]
    Zip(#[from] ZipError),
    #[error("ZipFile is not Base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("The archive must be at most {ARCHIVE_LIMIT} bytes")]
    Archive,
    #[error("Unzipped size must be smaller than {CODE_LIMIT} bytes")]
    Unzipped,
    #[error("The archive has no file {BOOTSTRAP} at its root, which a provided runtime starts")]
    NoBootstrap,
    #[error("The archive's entry {0} leads out of its folder")]
    Outside(String),
    #[error("The code cannot be kept: {0}")]
    Io(#[from] io::Error),
}

impl From<CodeError> for ServiceError {
    fn from(error: CodeError) -> ServiceError {
        let code = match error {
            CodeError::Io(_) => {
                return Self::with_status(500, "ServiceException", error.to_string());
            }
            _ => "InvalidParameterValueException",
        };
        ServiceError::new(code, error.to_string())
    }
}

/// The members by which a request names an archive in a bucket.
const FROM_OBJECT: [&str; 2] = ["S3Bucket", "S3Key"];

impl Lambda {
    /// Puts the archive that a request names in a bucket into the request, as if it had brought it.
    pub(super) async fn fetch_code(
        &self,
        action: LambdaAction,
        request: &mut Value,
    ) -> Result<(), ServiceError> {
        let code = match action {
            LambdaAction::CreateFunction => request.get_mut("Code"),
            LambdaAction::UpdateFunctionCode => Some(request),
            _ => None,
        };
        let Some(code) = code else { return Ok(()) };
        let named = FROM_OBJECT.map(|member| code[member].as_str().map(str::to_owned));
        let (bucket, key) = match named {
            [None, None] => return Ok(()),
            [Some(bucket), Some(key)] if code["ZipFile"].is_null() => (bucket, key),
            _ => {
                return Err(ServiceError::new(
                    "InvalidParameterValueException",
                    "Please provide ZipFile, or S3Bucket and S3Key.",
                ));
            }
        };
        let Some(objects) = self.inner.objects.get() else {
            return Err(ServiceError::with_status(
                500,
                "ServiceException",
                "There is no S3 here",
            ));
        };
        let archive = objects.get(&bucket, &key).await.map_err(|error| {
            ServiceError::new(
                "InvalidParameterValueException",
                format!(
                    "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                    error.code, error.message
                ),
            )
        })?;
        code["ZipFile"] = STANDARD.encode(archive).into();
        Ok(())
    }
}

/// Unpacked code.
#[derive(Debug, PartialEq)]
pub(super) struct Code {
    folder: PathBuf,
    size: u64,
    sha256: String,
}

impl Code {
    /// Reads an archive in Base64 and, unless it is a trial, unpacks it below `root` in a folder of its own.
    pub(super) fn unpack(
        zip_file: &str,
        root: &Path,
        runtime: &str,
        trial: bool,
    ) -> Result<Code, CodeError> {
        let bytes = STANDARD.decode(zip_file)?;
        if bytes.len() > ARCHIVE_LIMIT {
            return Err(CodeError::Archive);
        }
        Code::of_archive(bytes, root, runtime.starts_with("provided"), trial)
    }

    fn of_archive(
        bytes: Vec<u8>,
        root: &Path,
        needs_bootstrap: bool,
        trial: bool,
    ) -> Result<Code, CodeError> {
        let digest = Sha256::digest(&bytes);
        let folder = root.join(hex::encode(digest));
        let code = Code {
            size: bytes.len() as u64,
            sha256: STANDARD.encode(digest),
            folder,
        };
        let mut archive = ZipArchive::new(Cursor::new(bytes))?;
        if needs_bootstrap && archive.index_for_name(BOOTSTRAP).is_none() {
            return Err(CodeError::NoBootstrap);
        }
        if !trial && !code.folder.exists() {
            // Whole or not at all: it is unpacked beside, and moved.
            let new = root.join(Uuid::new_v4().simple().to_string());
            extract(&mut archive, &new)?;
            settle(&new, &code.folder)?;
        }
        Ok(code)
    }

    /// Makes it the code of a function.
    pub(super) fn apply(&self, settings: &mut Settings) {
        settings.binary = self.folder.join(BOOTSTRAP).display().to_string();
        settings.task_root = Some(self.folder.display().to_string());
        settings.code_size = self.size;
        settings.code_sha256.clone_from(&self.sha256);
    }
}

fn extract(archive: &mut ZipArchive<Cursor<Vec<u8>>>, folder: &Path) -> Result<(), CodeError> {
    private::create_dir_all(folder)?;
    let mut left = CODE_LIMIT;
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let Some(name) = entry.enclosed_name() else {
            return Err(CodeError::Outside(entry.name()?.into_owned()));
        };
        let path = folder.join(name);
        if entry.is_dir() {
            private::create_dir_all(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            private::create_dir_all(parent)?;
        }
        let is_program = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mut file = private::create(&path)?;
        // What an archive says of its sizes need not be true.
        let written = io::copy(&mut entry.take(left + 1), &mut file)?;
        left = left.checked_sub(written).ok_or(CodeError::Unzipped)?;
        if is_program || path == folder.join(BOOTSTRAP) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Gives a folder its name, unless somebody else was faster.
fn settle(new: &Path, folder: &Path) -> io::Result<()> {
    match fs::rename(new, folder) {
        Err(_) if folder.exists() => fs::remove_dir_all(new),
        moved => moved,
    }
}

/// The folder of an archive's contents, below `root`.
pub(super) fn unpack_file(archive: &Path, root: &Path) -> Result<PathBuf, CodeError> {
    let code = Code::of_archive(fs::read(archive)?, root, false, false)?;
    Ok(std::path::absolute(code.folder)?)
}

/// The folder of code that is text, as a file of this name.
pub(super) fn write_inline(text: &str, name: &str, root: &Path) -> Result<PathBuf, CodeError> {
    let folder = root.join(hex::encode(Sha256::digest(text.as_bytes())));
    if !folder.exists() {
        let new = root.join(Uuid::new_v4().simple().to_string());
        private::create_dir_all(&new)?;
        private::write(&new.join(name), text.as_bytes())?;
        settle(&new, &folder)?;
    }
    Ok(std::path::absolute(folder)?)
}

/// Copies a folder of code without what belongs to the workplace alone.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    private::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let of_workplace = ["out", "target", "venv", "__pycache__"]
            .iter()
            .any(|one| name == *one);
        match entry.file_type()? {
            kind if kind.is_dir()
                && (of_workplace || name.as_encoded_bytes().starts_with(b".")) => {}
            kind if kind.is_dir() => copy(&path, &to.join(name))?,
            _ => {
                fs::copy(&path, to.join(name))?;
            }
        }
    }
    Ok(())
}

/// Keeps the code of a function of the stack as it is now, so that a version of it does not change with the next build.
pub(super) fn freeze(settings: &mut Settings, program: &Path, root: &Path) -> io::Result<()> {
    if settings.task_root.is_some() {
        return Ok(());
    }
    match &settings.code {
        stack::Code::Built => {}
        stack::Code::Folder(folder) => {
            let kept = std::path::absolute(root.join(&settings.revision))?;
            copy(folder, &kept)?;
            settings.task_root = Some(kept.display().to_string());
            return Ok(());
        }
        stack::Code::Archive(archive) => {
            let kept = unpack_file(archive, root).map_err(io::Error::other)?;
            settings.task_root = Some(kept.display().to_string());
            return Ok(());
        }
        // It is in the settings themselves, or nowhere.
        stack::Code::Inline(_) | stack::Code::Elsewhere(_) => return Ok(()),
    }
    private::create_dir_all(root)?;
    let copy = root.join(&settings.revision);
    fs::copy(program, &copy)?;
    settings.binary = copy.display().to_string();
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    /// An archive of these files, in Base64.
    pub(in crate::lambda) fn archive(files: &[(&str, &str)]) -> String {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        STANDARD.encode(zip.finish().unwrap().into_inner())
    }

    #[test]
    fn an_archive_is_unpacked_with_its_bootstrap_made_executable() {
        let dir = tempfile::tempdir().unwrap();
        let zip = archive(&[("bootstrap", "#!/bin/sh\n"), ("etc/x.txt", "x")]);
        let code = Code::unpack(&zip, dir.path(), "provided", false).unwrap();
        let mode = fs::metadata(code.folder.join("bootstrap"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(
            fs::read_to_string(code.folder.join("etc/x.txt")).unwrap(),
            "x"
        );
        assert_eq!(
            Code::unpack(&zip, dir.path(), "provided", false).unwrap(),
            code
        );
    }

    #[test]
    fn what_is_no_function_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (zip, words) in [
            (archive(&[("main.py", "")]), "no file bootstrap"),
            (
                archive(&[("bootstrap", ""), ("../x", "")]),
                "out of its folder",
            ),
            (STANDARD.encode("no zip"), "Could not unzip"),
            ("?".to_owned(), "not Base64"),
        ] {
            let error = Code::unpack(&zip, dir.path(), "provided", false)
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
