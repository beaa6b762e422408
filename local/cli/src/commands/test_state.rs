//! `hybrid test-state`: one state with an input, as the TestState API does.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html>

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use asl::{
    FieldValidation, InspectionLevel, Map, Mock, StateConfiguration, TaskError, TestRequest,
    TestStatus, Value,
};
use clap::{Args, ValueEnum};
use stepfunctions::{Given, Recalled};

use super::history::executions;
use crate::{
    error::{Error, FAILED},
    names,
    project::{Project, read_json, read_text},
};

/// Arguments of `hybrid test-state`.
#[derive(Args)]
pub struct TestState {
    /// One state, or a whole state machine together with --state; `-` for standard input. With --from it runs in place of
    /// the definition of the execution.
    #[arg(required_unless_present = "from")]
    definition: Option<PathBuf>,
    /// Run a state again with the input, variables and context that it had in a past execution, which is told by its name or
    /// ARN. Its task, branches or iterations answer as they did then, unless a mock is given.
    #[arg(long, value_name = "EXECUTION/STATE", conflicts_with_all = ["state", "input", "variables", "context"])]
    from: Option<String>,
    /// Which of the times that the execution entered the state, from 1 [default: the last].
    #[arg(long, value_name = "N", requires = "from", value_parser = clap::value_parser!(u64).range(1..))]
    visit: Option<u64>,
    /// The data folder with the execution: of `hybrid serve`, or the results of `hybrid run`, whose `--out` it is
    /// [default: out of the project].
    #[arg(long, value_name = "FOLDER", requires = "from")]
    data: Option<PathBuf>,
    /// Name of the state in a state machine.
    #[arg(long)]
    state: Option<String>,
    /// Input, a JSON file or `-` for standard input [default: {}].
    #[arg(long)]
    input: Option<PathBuf>,
    /// Workflow variables, a JSON file with an object.
    #[arg(long)]
    variables: Option<PathBuf>,
    /// Context object, a JSON file [default: one is made up].
    #[arg(long)]
    context: Option<PathBuf>,
    /// The mocked result of the state's task, branches or iterations, a JSON file.
    #[arg(long, conflicts_with = "mock_error")]
    mock: Option<PathBuf>,
    /// The mocked error: NAME or NAME=CAUSE.
    #[arg(long)]
    mock_error: Option<String>,
    /// How strictly the mocked result is held against the service's API.
    #[arg(long, value_enum, default_value_t = Validation::Strict)]
    field_validation: Validation,
    /// How often the matching Retry entry has been used [default: 0, with --from as often as then].
    #[arg(long)]
    retry_count: Option<u32>,
    /// How many iterations of a Map have failed.
    #[arg(long, default_value_t = 0)]
    map_failures: u64,
    /// What a Map's ItemReader gives, a JSON file.
    #[arg(long)]
    map_items: Option<PathBuf>,
    /// The state within a Map or Parallel that the mocked error comes from.
    #[arg(long)]
    caused_by: Option<String>,
    /// How much to tell.
    #[arg(long, value_enum, default_value_t = Level::Info)]
    inspection_level: Level,
    /// Print the response body of the API.
    #[arg(long)]
    json: bool,
}

/// The mode of field validation as an argument.
#[derive(Clone, Copy, ValueEnum)]
enum Validation {
    /// Required fields must be there, and all must have their types.
    Strict,
    /// Fields that are there must have their types.
    Present,
    /// Anything goes.
    None,
}

/// The inspection level as an argument.
#[derive(Clone, Copy, ValueEnum)]
enum Level {
    /// The outcome alone.
    Info,
    /// And the way from input to output.
    Debug,
    /// As debug.
    Trace,
}

impl TestState {
    /// Exit code 0 if the state SUCCEEDED or its Catch took the error, 2 for a wrong call, else 1.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let request = self.request()?;
        let response =
            asl::test_state(&request, cloud::time::now(), &mut asl::simulate::NoServices)
                .map_err(|error| Error::Usage(format!("{}: {error}", self.subject())))?;
        let body = response.to_json();
        if self.json {
            println!("{body}");
        } else {
            print(&body);
        }
        Ok(match response.status {
            TestStatus::Succeeded | TestStatus::CaughtError => ExitCode::SUCCESS,
            TestStatus::Failed | TestStatus::Retriable => ExitCode::from(FAILED),
        })
    }

    /// What is tested, for a message.
    fn subject(&self) -> String {
        let file = self
            .definition
            .as_ref()
            .map(|file| file.display().to_string());
        file.or_else(|| self.from.clone()).unwrap_or_default()
    }

    fn request(&self) -> Result<TestRequest, Error> {
        let read = |file: &Option<PathBuf>| -> Result<Option<Value>, Error> {
            file.as_ref()
                .map(|file| read_json(file).map(Value::from))
                .transpose()
        };
        let variables = match read(&self.variables)? {
            None => Map::default(),
            Some(Value::Object(members)) => (*members).clone(),
            Some(_) => {
                return Err(Error::Usage(
                    "--variables: expected a JSON object".to_owned(),
                ));
            }
        };
        let mock = match (&self.mock_error, read(&self.mock)?) {
            (Some(error), _) => Some(Mock::Error(task_error(error))),
            (None, Some(result)) => Some(match self.field_validation {
                Validation::Strict => Mock::Checked(result, FieldValidation::Strict),
                Validation::Present => Mock::Checked(result, FieldValidation::Present),
                Validation::None => Mock::Result(result),
            }),
            (None, None) => None,
        };
        let request = TestRequest {
            definition: self
                .definition
                .as_deref()
                .map_or_else(|| Ok(String::new()), read_text)?,
            state_name: self.state.clone(),
            input: read(&self.input)?,
            inspection_level: match self.inspection_level {
                Level::Info => InspectionLevel::Info,
                Level::Debug => InspectionLevel::Debug,
                Level::Trace => InspectionLevel::Trace,
            },
            variables,
            context: read(&self.context)?,
            mock,
            configuration: StateConfiguration {
                retrier_retry_count: self.retry_count.unwrap_or_default(),
                map_iteration_failure_count: self.map_failures,
                map_item_reader_data: read(&self.map_items)?,
                error_caused_by_state: self.caused_by.clone(),
            },
            ..TestRequest::default()
        };
        match &self.from {
            None => Ok(request),
            Some(from) => self.again(from, request),
        }
    }

    /// The request with what the state was given in the past.
    fn again(&self, from: &str, request: TestRequest) -> Result<TestRequest, Error> {
        let refused = |message: String| Error::Usage(format!("--from {from}: {message}"));
        let (execution, state) =
            split(from).ok_or_else(|| refused("expected EXECUTION/STATE".to_owned()))?;
        let out = match &self.data {
            Some(folder) => folder.clone(),
            None => Project::here()?.out(),
        };
        let folder = kept(&out, execution).ok_or_else(|| {
            let told = names::told(execution, &executions(&out));
            refused(format!(
                "no history of {execution:?} in {}; {told}",
                out.display()
            ))
        })?;
        let recalled = stepfunctions::recall(&folder, execution)
            .map_err(|error| refused(error.to_string()))?;
        let given = self.visit_of(&recalled, state).map_err(refused)?;
        let mock = request.mock.clone();
        let outcome = given.outcome.clone().map(|outcome| match outcome {
            Ok(result) => Mock::Result(result),
            Err(error) => Mock::Error(error),
        });
        Ok(TestRequest {
            definition: match self.definition {
                Some(_) => request.definition,
                None => recalled.definition.clone(),
            },
            state_name: Some(state.to_owned()),
            input: Some(given.input.clone()),
            variables: (*given.variables).clone(),
            context: Some(given.context.clone()),
            mock: mock.or(outcome),
            configuration: StateConfiguration {
                retrier_retry_count: self.retry_count.unwrap_or(given.retries),
                ..request.configuration
            },
            ..request
        })
    }

    fn visit_of<'r>(&self, recalled: &'r Recalled, state: &str) -> Result<&'r Given, String> {
        let visits = recalled.given.iter().filter(|given| &*given.state == state);
        let visits: Vec<&Given> = visits.collect();
        if visits.is_empty() {
            let mut entered: Vec<String> = recalled
                .given
                .iter()
                .map(|given| given.state.to_string())
                .collect();
            entered.sort();
            entered.dedup();
            let told = names::told(state, &entered);
            return Err(format!(
                "the execution has not entered a state {state:?}; {told}"
            ));
        }
        let count = visits.len();
        let wanted = self
            .visit
            .map_or(count, |visit| usize::try_from(visit).unwrap_or(usize::MAX));
        if count > 1 && self.visit.is_none() {
            eprintln!(
                "note: the state was entered {count} times, and this is the last; --visit N is another"
            );
        }
        let visit = visits.get(wanted - 1).copied();
        visit.ok_or_else(|| {
            format!("--visit {wanted}: the execution entered the state {count} times")
        })
    }
}

/// The parts of `EXECUTION/STATE`. In the ARN of a child of a Distributed Map a slash stands before its name too.
fn split(from: &str) -> Option<(&str, &str)> {
    let name = match from.starts_with("arn:") {
        true => from.match_indices(':').nth(6).map_or(0, |(at, _)| at + 1),
        false => 0,
    };
    let slash = name + from[name..].find('/')?;
    Some((&from[..slash], &from[slash + 1..]))
}

/// The data folder that has an execution: that of its own run, that of `hybrid serve`, or the folder itself.
fn kept(folder: &Path, execution: &str) -> Option<PathBuf> {
    let name = execution.rsplit(':').next().unwrap_or(execution);
    let folders = [
        folder.join(name).join("cloud"),
        folder.join("serve"),
        folder.to_path_buf(),
    ];
    folders
        .into_iter()
        .find(|folder| stepfunctions::has_history(folder))
}

fn task_error(text: &str) -> TaskError {
    let (error, cause) = match text.split_once('=') {
        Some((error, cause)) => (error, Some(cause.to_owned())),
        None => (text, None),
    };
    TaskError {
        error: error.to_owned(),
        cause,
    }
}

/// One line a field of the response.
fn print(body: &Value) {
    for (key, value) in body.as_object().into_iter().flat_map(|body| body.iter()) {
        match value.as_str() {
            Some(text) => println!("{key}: {text}"),
            None => println!("{key}: {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_after_the_execution() {
        let child = "arn:aws:states:us-east-1:123456789012:execution:m/Label:c1";
        let of_child = format!("{child}/A");
        for (from, parts) in [
            ("run-1/Train / test", Some(("run-1", "Train / test"))),
            (&of_child, Some((child, "A"))),
            ("run-1", None),
        ] {
            assert_eq!(split(from), parts, "{from}");
        }
    }
}
