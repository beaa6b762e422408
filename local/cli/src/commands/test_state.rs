//! `hybrid test-state`: one state with an input, as the TestState API does.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html>

use std::{path::PathBuf, process::ExitCode};

use asl::{
    FieldValidation, InspectionLevel, Map, Mock, StateConfiguration, TaskError, TestRequest,
    TestStatus, Value,
};
use clap::{Args, ValueEnum};

use crate::{
    error::{Error, FAILED},
    project::{read_json, read_text},
};

/// Arguments of `hybrid test-state`.
#[derive(Args)]
pub struct TestState {
    /// One state, or a whole state machine together with --state; `-` for standard input.
    definition: PathBuf,
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
    /// How often the matching Retry entry has been used.
    #[arg(long, default_value_t = 0)]
    retry_count: u32,
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
                .map_err(|error| Error::Usage(format!("{}: {error}", self.definition.display())))?;
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
        Ok(TestRequest {
            definition: read_text(&self.definition)?,
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
                retrier_retry_count: self.retry_count,
                map_iteration_failure_count: self.map_failures,
                map_item_reader_data: read(&self.map_items)?,
                error_caused_by_state: self.caused_by.clone(),
            },
            ..TestRequest::default()
        })
    }
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
