//! Why nothing was written.

use std::path::PathBuf;

/// Why a plan cannot be made or written. Nothing has been changed, but by [`Error::File`] of a write.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that some service would refuse.
    #[error("{name:?} cannot be a name: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A name that means something else already.
    #[error("{name} is {what} already; choose another name")]
    Taken {
        /// The name.
        name: String,
        /// What it means.
        what: String,
    },
    /// The folder of a new project is not free.
    #[error("{}: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why there can be no new project.
        why: String,
    },
    /// Nobody knows where the libraries are.
    #[error(
        "{} has no shared/jobs: name the folder of a checkout with --path, or a repository with --git",
        .0.display()
    )]
    Origin(
        /// Where they were looked for.
        PathBuf,
    ),
    /// A YAML file without the collection to which an entry belongs.
    #[error(
        "{} has no {path} to add to; `hybrid new` extends projects that are laid out as `hybrid new project` lays them out",
        file.display()
    )]
    NoPlace {
        /// The file.
        file: PathBuf,
        /// Dotted path of the collection.
        path: String,
    },
    /// A YAML file that cannot be extended by a text.
    #[error("{}: {path} cannot be extended: {why}", file.display())]
    Edit {
        /// The file.
        file: PathBuf,
        /// Dotted path of the collection.
        path: String,
        /// What is in the way.
        why: String,
    },
    /// A Cargo.toml that cannot be extended.
    #[error("Cargo.toml: {0}")]
    Manifest(
        /// What is wrong with it.
        String,
    ),
    /// A YAML file that cannot be read.
    #[error(transparent)]
    Stack(#[from] stack::StackError),
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
