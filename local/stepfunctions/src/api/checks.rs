//! Checks without an execution: ValidateStateMachineDefinition and TestState.

use std::sync::Arc;

use asl::simulate::{Answer, Services};
use asl::{
    ExecutionType, FieldValidation, InspectionLevel, Mock, StateConfiguration, Task, TaskError,
    TestError, TestRequest,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::parse_input;
use crate::arns::check_role;
use crate::engine::Engine;
use crate::errors::{internal, invalid};
use crate::integrations;
use cloud::error::ServiceError;

/// The most findings of an answer.
const MOST_DIAGNOSTICS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validate {
    definition: String,
    #[serde(rename = "type", default)]
    kind: ExecutionType,
    severity: Option<String>,
    max_results: Option<usize>,
}

/// ValidateStateMachineDefinition.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html>
pub fn validate(request: Validate) -> Result<Value, ServiceError> {
    if request
        .max_results
        .is_some_and(|most| most > MOST_DIAGNOSTICS)
    {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: \
             Member must have value less than or equal to {MOST_DIAGNOSTICS}"
        )));
    }
    let warnings = request.severity.as_deref() == Some("WARNING");
    let mut findings = asl::validate_as(&request.definition, request.kind);
    findings.retain(|finding| warnings || finding.severity == asl::Severity::Error);
    let valid = findings
        .iter()
        .all(|finding| finding.severity != asl::Severity::Error);
    let limit = request.max_results.filter(|limit| *limit > 0);
    let limit = limit.unwrap_or(MOST_DIAGNOSTICS);
    let truncated = findings.len() > limit;
    let diagnostics = findings.iter().take(limit).map(|finding| {
        let mut diagnostic = json!({
            "severity": finding.severity,
            "code": finding.code,
            "message": finding.message,
        });
        // What concerns the whole definition is nowhere in it.
        if !finding.location.is_empty() {
            diagnostic["location"] = json!(finding.location);
        }
        diagnostic
    });
    let diagnostics: Vec<Value> = diagnostics.collect();
    Ok(json!({
        "result": if valid { "OK" } else { "FAIL" },
        "diagnostics": diagnostics,
        "truncated": truncated,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    definition: String,
    state_name: Option<String>,
    input: Option<String>,
    role_arn: Option<String>,
    inspection_level: Option<String>,
    /// Only HTTP tasks have secrets, and those need a mock here.
    #[serde(default, rename = "revealSecrets")]
    _reveal_secrets: bool,
    variables: Option<String>,
    context: Option<String>,
    mock: Option<TestMock>,
    #[serde(default)]
    state_configuration: TestConfiguration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TestMock {
    result: Option<String>,
    error_output: Option<ErrorOutput>,
    field_validation_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorOutput {
    error: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TestConfiguration {
    retrier_retry_count: u32,
    map_iteration_failure_count: u64,
    map_item_reader_data: Option<String>,
    error_caused_by_state: Option<String>,
}

/// TestState. Without a mock, a task calls the local service.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html>
pub async fn test_state(engine: &Arc<Engine>, request: Test) -> Result<Value, ServiceError> {
    request.role_arn.as_deref().map_or(Ok(()), check_role)?;
    let request = test_request(engine, request)?;
    let (mut services, now) = (LiveServices(engine.clone()), engine.clock.now());
    // The interpreter's test waits for its task, so it gets a thread on which waiting is allowed.
    let test = engine
        .runtime
        .spawn_blocking(move || asl::test_state(&request, now, &mut services));
    match test.await.map_err(internal)? {
        Ok(response) => Ok(response.to_json().into()),
        Err(error @ TestError::Invalid(_)) => {
            Err(ServiceError::new("InvalidDefinition", error.to_string()))
        }
        Err(
            error @ (TestError::NoSuchState(_)
            | TestError::MockNeeded(_)
            | TestError::MockInvalid(_)),
        ) => Err(invalid(error.to_string())),
    }
}

fn test_request(engine: &Engine, request: Test) -> Result<TestRequest, ServiceError> {
    let parse = |text: Option<String>| text.map(|text| parse_input(&text)).transpose();
    let mock = match request.mock {
        None => None,
        Some(TestMock {
            result: Some(result),
            error_output: None,
            field_validation_mode,
        }) => {
            let result = parse_input(&result)?;
            Some(match field_validation_mode.as_deref() {
                None | Some("STRICT") => Mock::Checked(result, FieldValidation::Strict),
                Some("PRESENT") => Mock::Checked(result, FieldValidation::Present),
                Some("NONE") => Mock::Result(result),
                Some(other) => {
                    return Err(invalid(format!(
                        "fieldValidationMode is one of STRICT, PRESENT, NONE, not {other}"
                    )));
                }
            })
        }
        Some(TestMock {
            result: None,
            error_output: Some(error),
            ..
        }) => Some(Mock::Error(TaskError {
            error: error.error.unwrap_or_default(),
            cause: error.cause,
        })),
        Some(_) => {
            return Err(invalid("mock takes one of result and errorOutput"));
        }
    };
    let variables = match parse(request.variables)? {
        None => asl::Map::default(),
        Some(asl::Value::Object(variables)) => (*variables).clone(),
        Some(other) => {
            return Err(invalid(format!(
                "variables must be a JSON object, not {other}"
            )));
        }
    };
    Ok(TestRequest {
        definition: request.definition,
        state_name: request.state_name,
        input: parse(request.input)?,
        role_arn: request.role_arn.map(Arc::from),
        place: Some(format!("{}:{}", engine.local.region, engine.local.account).into()),
        inspection_level: match request.inspection_level.as_deref() {
            Some("DEBUG") => InspectionLevel::Debug,
            Some("TRACE") => InspectionLevel::Trace,
            _ => InspectionLevel::Info,
        },
        variables,
        context: parse(request.context)?,
        mock,
        configuration: StateConfiguration {
            retrier_retry_count: request.state_configuration.retrier_retry_count,
            map_iteration_failure_count: request.state_configuration.map_iteration_failure_count,
            map_item_reader_data: parse(request.state_configuration.map_item_reader_data)?,
            error_caused_by_state: request.state_configuration.error_caused_by_state,
        },
    })
}

/// The local services, for the task of a test.
struct LiveServices(Arc<Engine>);

impl Services for LiveServices {
    fn run(&mut self, task: &Task) -> Answer {
        match self
            .0
            .runtime
            .block_on(integrations::call_once(&self.0, task))
        {
            Ok(output) => Answer::output(output),
            Err(TaskError { error, cause }) => Answer::error(error, cause),
        }
    }
}
