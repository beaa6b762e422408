//! A new Lambda function.

use crate::{Error, Fill, Name, Plan};

/// Adds a function: its crate with a handler and tests, its entry in serverless.yml, its role.
///
/// # Errors
/// [`Error::Taken`] for the name of something else, and why the project cannot be extended.
pub fn function(plan: &mut Plan, name: &Name) -> Result<(), Error> {
    plan.refuse(name, &[Kind::Worker, Kind::Pipeline, Kind::Library])?;
    let fill = Fill::new().name("my-function", name);
    let folder = format!("functions/{}", name.kebab());
    for (file, template) in [
        (
            "Cargo.toml",
            include_str!("../templates/function/Cargo.toml"),
        ),
        (
            "src/lib.rs",
            include_str!("../templates/function/src/lib.rs"),
        ),
        (
            "src/main.rs",
            include_str!("../templates/function/src/main.rs"),
        ),
    ] {
        plan.file(&format!("{folder}/{file}"), fill.apply(template));
    }
    plan.member(&folder)?;
    plan.entry(
        "serverless.yml",
        "functions",
        &format!("function {}", name.kebab()),
        &fill.apply(include_str!("../templates/function/serverless.yml")),
    )?;
    plan.entry(
        "deploy/iam.yml",
        "Resources",
        &format!("role {}Role", name.pascal()),
        &fill.apply(include_str!("../templates/function/iam.yml")),
    )
}

/// What a name of a project may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A crate in `functions/`.
    Function,
    /// A crate in `workers/`.
    Worker,
    /// A definition in `statemachines/`.
    Pipeline,
    /// Another crate of the workspace.
    Library,
}

impl Kind {
    fn file(self, name: &str) -> Vec<String> {
        match self {
            Self::Function => vec![format!("functions/{name}/Cargo.toml")],
            Self::Worker => vec![format!("workers/{name}/Cargo.toml")],
            Self::Pipeline => vec![format!("statemachines/{name}.asl.json")],
            Self::Library => ["shared", "local"]
                .map(|folder| format!("{folder}/{name}/Cargo.toml"))
                .to_vec(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Function => "a function",
            Self::Worker => "a worker",
            Self::Pipeline => "a pipeline",
            Self::Library => "a library of this workspace",
        }
    }
}

impl Plan {
    /// Refuses a name that means one of these: crates and roles of that name would be two.
    pub(crate) fn refuse(&self, name: &Name, kinds: &[Kind]) -> Result<(), Error> {
        let taken = kinds.iter().find(|kind| {
            let mut files = kind.file(name.kebab()).into_iter();
            files.any(|file| self.has(&file))
        });
        match taken {
            Some(kind) => Err(Error::Taken {
                name: name.kebab().to_owned(),
                what: kind.words().to_owned(),
            }),
            None => Ok(()),
        }
    }
}
