//! Files and folders of this user alone. Histories, logs and objects hold task tokens, and who has a
//! token can answer for its task.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;

/// Makes a folder and those above it that are not there; all that it makes are private.
///
/// # Errors
/// As [`fs::create_dir_all`].
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// How to open files so that those it makes are private.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE);
    options
}

/// As [`File::create`], private. One that is there keeps its contents' owner but not its mode.
///
/// # Errors
/// As [`File::create`].
pub fn create(path: &Path) -> io::Result<File> {
    options().write(true).create(true).truncate(true).open(path)
}

/// As [`fs::write`], private.
///
/// # Errors
/// As [`fs::write`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path)?.write_all(bytes)
}

/// Makes the data folder, or takes from others what an earlier version let them have: of the folder
/// itself and of these entries in it, for the rest of the folder may be somebody else's.
///
/// # Errors
/// The folder cannot be made or changed.
pub fn data_folder(path: &Path, entries: &[&str]) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    create_dir_all(path)?;
    // Behind a private folder nothing can be reached; it is the last to become so.
    if is_private(&fs::metadata(path)?) {
        return Ok(());
    }
    take(path, entries)?;
    fs::set_permissions(path, Permissions::from_mode(FOLDER))
}

/// Takes entries of a folder from others; what is not there is left out.
///
/// # Errors
/// An entry cannot be changed.
pub fn take(folder: &Path, entries: &[&str]) -> io::Result<()> {
    entries
        .iter()
        .try_for_each(|entry| tighten(&folder.join(entry)))
}

fn is_private(entry: &fs::Metadata) -> bool {
    entry.permissions().mode() & 0o077 == 0
}

/// Takes a file, or a folder and all in it, from others. A link is left alone, and so is what is not
/// there.
fn tighten(path: &Path) -> io::Result<()> {
    let entry = match fs::symlink_metadata(path) {
        Ok(entry) => entry,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if entry.is_symlink() {
        return Ok(());
    }
    if entry.is_dir() {
        for entry in fs::read_dir(path)? {
            tighten(&entry?.path())?;
        }
    }
    if is_private(&entry) {
        return Ok(());
    }
    let mode = entry.permissions().mode() & !0o077;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        create_dir_all(&folder).unwrap();
        write(&folder.join("file"), b"x").unwrap();
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("file")), 0o600);
    }

    #[test]
    fn a_folder_of_an_earlier_version_is_taken_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (file, foreign) = (data.join("logs/x/a.log"), data.join("foreign"));
        fs::create_dir_all(data.join("logs/x")).unwrap();
        fs::write(&file, "x").unwrap();
        fs::write(&foreign, "x").unwrap();
        std::os::unix::fs::symlink(&foreign, data.join("logs/link")).unwrap();
        std::os::unix::fs::symlink("/nowhere", data.join("logs/broken")).unwrap();
        for path in [&data, &data.join("logs"), &data.join("logs/x")] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        for path in [&file, &foreign] {
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        data_folder(&data, &["logs", "absent"]).unwrap();
        assert_eq!(mode(&data), 0o700);
        assert_eq!(mode(&data.join("logs/x")), 0o700);
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&foreign), 0o644);
    }
}
