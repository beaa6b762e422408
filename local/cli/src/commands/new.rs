//! `hybrid new`: a project, or what a project gets besides, with everything that running and deploying need.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use blueprint::{Calls, Name, Origin, Plan, Step};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{error::Error, project::Project, style};

/// The checkout that this command was built from, if it is still there.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Arguments of `hybrid new`.
#[derive(Args)]
pub struct New {
    #[command(subcommand)]
    what: What,
    /// Print one JSON document: `{"written","existed","next"}`.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// A workspace of its own, with a function, a pipeline that calls it, and their tests.
    Project(NewProject),
    /// A Lambda function: crate with handler and tests, entry in serverless.yml, role.
    Function {
        /// Its name: small letters, digits and dashes.
        name: String,
    },
    /// A container worker: crate, Dockerfile, task and job definition, function for small jobs, permissions.
    Worker {
        /// Its name: small letters, digits and dashes.
        name: String,
    },
    /// A state machine: definition, sample input, schema, test cases, role, version, alias, alarm.
    Pipeline(NewPipeline),
}

#[derive(Args)]
struct NewProject {
    /// The folder, whose name becomes the stack's.
    folder: PathBuf,
    /// A checkout of the libraries [default: the one that this command was built from].
    #[arg(long, value_name = "FOLDER", conflicts_with = "git")]
    path: Option<PathBuf>,
    /// A Git repository with the libraries.
    #[arg(long, value_name = "URL")]
    git: Option<String>,
    /// The commit of the Git repository [default: its newest].
    #[arg(long, value_name = "COMMIT", requires = "git")]
    rev: Option<String>,
}

#[derive(Args)]
struct NewPipeline {
    /// Its name: small letters, digits and dashes.
    name: String,
    /// The function that it calls, made if there is none [default: NAME-step].
    #[arg(long, value_name = "NAME", conflicts_with = "worker")]
    function: Option<String>,
    /// The worker that does its job, made if there is none.
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
}

impl New {
    /// Exit code 0, also when everything is there already.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let (plan, next) = self.what.plan()?;
        let steps = plan.write()?;
        let (existed, written): (Vec<&Step>, Vec<&Step>) =
            steps.iter().partition(|step| step.existed);
        if self.json {
            let told = |steps: &[&Step]| -> Vec<_> {
                let told = steps.iter();
                told.map(|step| json!({"file": step.file, "what": step.what}))
                    .collect()
            };
            let document =
                json!({"written": told(&written), "existed": told(&existed), "next": next});
            println!("{document}");
            return Ok(ExitCode::SUCCESS);
        }
        for step in &written {
            println!("{} {}", style::good("wrote"), line(step));
        }
        for step in &existed {
            println!("there {}", line(step));
        }
        if written.is_empty() {
            println!("everything is there, nothing was changed");
        }
        println!("next:  {}", next.join("\n       "));
        Ok(ExitCode::SUCCESS)
    }
}

fn line(step: &Step) -> String {
    match &step.what {
        Some(what) => format!("{}: {what}", step.file.display()),
        None => step.file.display().to_string(),
    }
}

impl What {
    /// What is to be written, and the commands to go on with.
    fn plan(&self) -> Result<(Plan, Vec<String>), Error> {
        Ok(match self {
            Self::Project(new) => {
                let root = std::path::absolute(&new.folder).map_err(Error::file(&new.folder))?;
                let plan = blueprint::project(&root, &new.origin()?)?;
                let next = vec![
                    format!("cd {}", new.folder.display()),
                    "cargo test".to_owned(),
                    "hybrid run hello".to_owned(),
                ];
                (plan, next)
            }
            Self::Function { name } => {
                let name = Name::new(name)?;
                let mut plan = here()?;
                blueprint::function(&mut plan, &name)?;
                let name = name.kebab();
                let next = vec![
                    format!("cargo test -p {name}"),
                    format!("hybrid new pipeline PIPELINE --function {name}"),
                ];
                (plan, next)
            }
            Self::Worker { name } => {
                let name = Name::new(name)?;
                let mut plan = here()?;
                blueprint::worker(&mut plan, &name)?;
                let name = name.kebab();
                let next = vec![
                    format!("cargo test -p {name}"),
                    format!("hybrid new pipeline PIPELINE --worker {name}"),
                ];
                (plan, next)
            }
            Self::Pipeline(new) => {
                let name = Name::new(&new.name)?;
                let mut plan = here()?;
                blueprint::pipeline(&mut plan, &name, &new.calls()?)?;
                let name = name.kebab();
                let next = vec![
                    format!("hybrid test {name}"),
                    format!("hybrid run {name}"),
                    "hybrid validate".to_owned(),
                ];
                (plan, next)
            }
        })
    }
}

/// A plan for the project of the working directory.
fn here() -> Result<Plan, Error> {
    Ok(Plan::new(Project::here()?.root()))
}

impl NewProject {
    fn origin(&self) -> Result<Origin, Error> {
        if let Some(url) = &self.git {
            return Ok(Origin::Git {
                url: url.clone(),
                rev: self.rev.clone(),
            });
        }
        let folder = self.path.as_deref().unwrap_or(Path::new(CHECKOUT));
        let unknown = || blueprint::Error::Origin(folder.to_path_buf());
        let checkout = folder.canonicalize().map_err(|_| unknown())?;
        match checkout.to_str() {
            Some(path) if checkout.join("shared/jobs/Cargo.toml").is_file() => {
                Ok(Origin::Path(path.to_owned()))
            }
            _ => Err(unknown().into()),
        }
    }
}

impl NewPipeline {
    fn calls(&self) -> Result<Calls, Error> {
        if let Some(worker) = &self.worker {
            return Ok(Calls::Worker(Name::new(worker)?));
        }
        let step = format!("{}-step", self.name);
        let function = self.function.as_deref().unwrap_or(&step);
        Ok(Calls::Function(Name::new(function)?))
    }
}
