//! Which project a command is about, and what stands for its functions and containers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use cloud::programs::Programs;
use stack::{ACCOUNT, Function, Options, Stack};

use asl::placeholders::REGION;

use crate::{error::Error, project::Project, standins::pair, style};

/// The project of a command.
#[derive(Args, Debug, Clone, Default)]
pub struct ProjectArguments {
    /// The project: a serverless.yml, a template of SAM or CloudFormation, a cdk.out, or a folder with one of them or with
    /// definitions [default: the first found from here upwards].
    #[arg(long, value_name = "FILE|FOLDER")]
    project: Option<PathBuf>,
    /// Stage, as for `sls deploy` [default: that of the file, else dev].
    #[arg(long)]
    stage: Option<String>,
    /// Region of every ARN [default: that of the file, else us-east-1].
    #[arg(long)]
    region: Option<String>,
    /// Value of a parameter of the file, of `${param:NAME}` and `${opt:NAME}`, or of a placeholder in a plain folder's
    /// definitions.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
}

/// What runs in place of functions and containers.
#[derive(Args, Debug, Clone, Default)]
pub struct CommandArguments {
    /// Run a function by a shell command that speaks the Runtime API, as the runtime interface client of its language.
    #[arg(long = "function", value_name = "NAME=COMMAND")]
    functions: Vec<String>,
    /// Run a shell command in place of a container: NAME is that of its image without registry and tag. The container's own
    /// command is appended.
    #[arg(long = "container", value_name = "NAME=COMMAND")]
    containers: Vec<String>,
}

impl ProjectArguments {
    /// The project.
    ///
    /// # Errors
    /// There is none, or none where it was said to be.
    pub fn find(&self) -> Result<Project, Error> {
        match &self.project {
            Some(path) => Project::named(path),
            None => Project::here(),
        }
    }

    /// What the project describes.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn stack(&self, project: &Project) -> Result<Stack, Error> {
        Ok(Stack::load(project.file(), &self.options()?)?)
    }

    /// A stack of nothing.
    ///
    /// # Errors
    /// The arguments are not of their form.
    pub fn empty(&self) -> Result<Stack, Error> {
        let options = self.options()?;
        Ok(Stack {
            stage: options.stage.unwrap_or_else(|| "dev".into()),
            region: options.region.unwrap_or_else(|| REGION.into()),
            account: ACCOUNT.to_owned(),
            ..Stack::default()
        })
    }

    /// Whether a project was named.
    pub fn is_named(&self) -> bool {
        self.project.is_some()
    }

    fn options(&self) -> Result<Options, Error> {
        Ok(Options {
            stage: self.stage.clone(),
            region: self.region.clone(),
            params: pairs("--param", &self.params)?,
        })
    }
}

impl CommandArguments {
    /// The programs of a run.
    ///
    /// # Errors
    /// An argument is not of its form.
    pub fn programs(&self, project: &Project) -> Result<Programs, Error> {
        let mut programs = Programs::of(project.root());
        programs.functions = pairs("--function", &self.functions)?;
        programs.containers = pairs("--container", &self.containers)?;
        Ok(programs)
    }
}

/// Refuses commands for functions and images that the stack does not have.
///
/// # Errors
/// Such a command.
pub fn check_commands(programs: &Programs, stack: &Stack) -> Result<(), Error> {
    let functions = stack.functions.iter();
    let functions: Vec<String> = functions
        .flat_map(|function| [&function.key, &function.name])
        .cloned()
        .collect();
    let images: Vec<String> = stack.images().map(str::to_owned).collect();
    let unknown = |flag: &str, given: &BTreeMap<String, String>, known: &[String]| {
        let name = given.keys().find(|name| !known.contains(name))?;
        let told = crate::names::told(name, known);
        Some(Error::Usage(format!(
            "{flag} {name}: there is none; {told}"
        )))
    };
    let functions = unknown("--function", &programs.functions, &functions);
    let unknown = functions.or_else(|| unknown("--container", &programs.containers, &images));
    unknown.map_or(Ok(()), Err)
}

/// Refuses a run of functions that nothing here can run.
///
/// # Errors
/// All of them, each with the way out.
pub async fn check_runnable(programs: &Programs, functions: &[&Function]) -> Result<(), Error> {
    let mut missing = Vec::new();
    for function in functions {
        let names = [&function.key, &function.name];
        if names
            .iter()
            .any(|name| programs.functions.contains_key(*name))
        {
            continue;
        }
        if let Err(way_out) = programs.runs(function).await {
            missing.push(format!("  {}: {way_out}", function.key));
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::NotRunnable(missing)),
    }
}

fn pairs(flag: &str, arguments: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut pairs = BTreeMap::new();
    for argument in arguments {
        let (name, value) = pair(flag, argument, "NAME=VALUE")?;
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Error::Usage(format!("{flag} {name} is given twice")));
        }
    }
    Ok(pairs)
}

/// Tells what the file declares and nothing here runs.
pub fn tell_not_run(stack: &Stack) {
    for line in stack.told_not_run() {
        anstream::eprintln!("{}", style::dim(&line));
    }
}
