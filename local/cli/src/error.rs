//! What can go wrong before or beside a run, each with the exit code it gives.

use std::{path::PathBuf, process::ExitCode};

use jobs::task::Named as _;

/// Exit code of a run that ended, but not SUCCEEDED.
pub const FAILED: u8 = 1;
/// Exit code of a wrong call: an unknown name, bad input, a project that cannot be read.
pub const USAGE: u8 = 2;
/// Exit code of a definition that is not valid.
pub const INVALID: u8 = 3;
/// Exit code after Ctrl-C, as shells expect: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

/// An error of the `hybrid` command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No project around the working directory.
    #[error(
        "no project in {}{}: no serverless.yml (.yaml, .json) of the Serverless Framework, no template.yaml (.yml, .json) of \
         SAM or CloudFormation, no cdk.out of the CDK, and {} no definition *.asl.json (.yaml, .yml); run hybrid inside a \
         project, or name one: --project FILE|FOLDER",
        place.display(),
        if *above { " or a folder above it" } else { "" },
        if *above { "in itself" } else { "in it" }
    )]
    NoProject {
        /// Where it was looked for.
        place: PathBuf,
        /// Whether the folders above were looked through too.
        above: bool,
    },
    /// The pipeline is not one of the project's.
    #[error("unknown pipeline {name:?}; {}", crate::names::told(name, known))]
    UnknownPipeline {
        /// What was asked for.
        name: String,
        /// The pipelines there are.
        known: Vec<String>,
    },
    /// A file of the command line that cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file, or `-` for standard input.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Input that is not JSON.
    #[error("input {origin} is not JSON: {source}")]
    NotJson {
        /// File name or `-`.
        origin: String,
        /// Line, column and what was expected.
        source: serde_json::Error,
    },
    /// Input that does not fit the pipeline's schema.
    #[error("input {origin} does not fit {schema}:\n{}", problems.join("\n"))]
    BadInput {
        /// File name or `-`.
        origin: String,
        /// The schema's file name.
        schema: String,
        /// `JSON path: what was expected`, one a problem.
        problems: Vec<String>,
    },
    /// A command line that clap cannot refuse by itself.
    #[error("{0}")]
    Usage(String),
    /// A definition with errors.
    #[error("{path} is not a valid state machine:\n{problems}")]
    Definition {
        /// The definition's file.
        path: PathBuf,
        /// One line an error.
        problems: String,
    },
    /// States call what nothing here answers.
    #[error(
        "the definition calls what is not here. Name a command that stands in for each; it gets the arguments as JSON \
         on standard input and prints the answer:\n{}\nor send the calls of a service on: \
         --forward dynamodb=http://127.0.0.1:8000",
        .0.join("\n")
    )]
    Unanswered(
        /// One line for each stand-in that is missing: the argument to add, and for which states.
        Vec<String>,
    ),
    /// A pipeline calls what the local cloud does not have.
    #[error(
        "the pipeline calls what the local cloud does not have:\n{}\nSend the calls of a service on, to a URL or, by the \
         word aws, to AWS itself: --forward dynamodb=http://127.0.0.1:8000; or run the definition by itself with a \
         command in place of the service: hybrid exec --mock",
        .0.join("\n")
    )]
    NotHere(
        /// One line for each call.
        Vec<String>,
    ),
    /// Functions cannot be run here.
    #[error("the pipeline calls functions that cannot be run here:\n{}", .0.join("\n"))]
    NotRunnable(
        /// One line for each function.
        Vec<String>,
    ),
    /// Calls cannot be sent on so.
    #[error(transparent)]
    Forward(#[from] forward::ForwardError),
    /// The binaries could not be built.
    #[error("cargo could not build {packages}:\n{output}")]
    Build {
        /// The packages asked for.
        packages: String,
        /// What cargo printed.
        output: String,
    },
    /// What describes the stack cannot be used.
    #[error(transparent)]
    Stack(#[from] stack::StackError),
    /// Nothing new could be made.
    #[error(transparent)]
    Blueprint(#[from] blueprint::Error),
    /// The system does not tell what changes in the project.
    #[error(
        "cannot watch {}: {source}; where it watches too many folders, fs.inotify.max_user_watches raises the limit",
        path.display()
    )]
    Watch {
        /// The project.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The local cloud failed.
    #[error(transparent)]
    Cloud(#[from] stepfunctions::CloudError),
    /// A service of the local cloud refused a request.
    #[error(transparent)]
    Service(#[from] cloud::error::ServiceError),
    /// A ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] jobs::artifacts::ArtifactError),
    /// A load test was not made.
    #[error(transparent)]
    Load(#[from] load::Error),
}

impl Error {
    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Load(error) if error.name().starts_with("Input.") => ExitCode::from(USAGE),
            Error::Load(_)
            | Error::File { .. }
            | Error::Build { .. }
            | Error::Blueprint(blueprint::Error::File { .. })
            | Error::Watch { .. }
            | Error::Cloud(_)
            | Error::Service(_)
            | Error::Ledger(_) => ExitCode::from(FAILED),
            Error::NoProject { .. }
            | Error::UnknownPipeline { .. }
            | Error::Unreadable { .. }
            | Error::NotJson { .. }
            | Error::BadInput { .. }
            | Error::Usage(_)
            | Error::Unanswered(_)
            | Error::NotHere(_)
            | Error::NotRunnable(_)
            | Error::Forward(_)
            | Error::Blueprint(_)
            | Error::Stack(_) => ExitCode::from(USAGE),
            Error::Definition { .. } => ExitCode::from(INVALID),
        }
    }

    /// A file error with its path.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, source }
    }
}
