//! One recorded case.

use std::collections::BTreeMap;

use asl::simulate;
use asl::{
    Execution, ExecutionType, InspectionLevel, Map, Mock, Severity, Start, StateConfiguration,
    StateMachine, Status, TaskError, TestRequest, Timestamp, Value, validate_as,
};

use crate::compare::differ;
use crate::history;
use crate::services::Recorded;

/// A case as its file tells it.
pub struct Case {
    pub name: String,
    kind: String,
    recorded: String,
    express: bool,
    unordered: bool,
    definition: String,
    input: Value,
    objects: BTreeMap<String, String>,
    inspection_level: String,
    variables: Map,
    extra: Value,
    expect: Value,
    events: Option<Vec<Value>>,
}

/// How a case went. There is a history only where one was recorded.
pub struct Finding {
    pub outcome: Result<(), String>,
    pub history: Option<Result<(), String>>,
}

impl Case {
    pub fn parse(text: &str) -> Result<Case, String> {
        let value = Value::parse(text).map_err(|error| error.to_string())?;
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_string()
        };
        let get = |key: &str| value.get(key).cloned().unwrap_or_default();
        Ok(Case {
            name: text("name"),
            kind: text("kind"),
            recorded: text("recorded"),
            express: text("type") == "EXPRESS",
            unordered: get("unordered").as_bool().unwrap_or_default(),
            definition: match value.get("definition").ok_or("there is no definition")? {
                Value::String(text) => text.to_string(),
                other => other.to_string(),
            },
            input: match get("input") {
                Value::Null => Value::empty_object(),
                input => input,
            },
            objects: match get("s3") {
                Value::Object(objects) => objects
                    .iter()
                    .map(|(key, body)| {
                        (
                            key.to_string(),
                            body.as_str().unwrap_or_default().to_string(),
                        )
                    })
                    .collect(),
                _ => BTreeMap::new(),
            },
            inspection_level: text("inspection_level"),
            variables: get("variables")
                .as_object()
                .map(|map| (**map).clone())
                .unwrap_or_default(),
            extra: get("extra"),
            expect: value.get("expect").cloned().ok_or("there is no expect")?,
            events: value
                .get("events")
                .and_then(Value::as_array)
                .map(|events| events.to_vec()),
        })
    }

    pub fn run(&self) -> Finding {
        match self.kind.as_str() {
            "execution" | "output" | "express_sync" => self.execute(),
            "create_error" => Finding {
                outcome: self.create(),
                history: None,
            },
            "validate" => Finding {
                outcome: self.validate(),
                history: None,
            },
            "test_state" => Finding {
                outcome: self.test_state(),
                history: None,
            },
            other => Finding {
                outcome: Err(format!("unknown kind {other}")),
                history: None,
            },
        }
    }

    fn services(&self) -> Recorded {
        Recorded::new(
            self.objects.clone(),
            self.events.as_deref().unwrap_or_default(),
        )
    }

    fn execute(&self) -> Finding {
        let machine = match StateMachine::parse(&self.definition) {
            Ok(machine) => machine,
            Err(invalid) => {
                return Finding {
                    outcome: Err(invalid.to_string()),
                    history: self
                        .events
                        .as_ref()
                        .map(|_| Err("it did not run".to_string())),
                };
            }
        };
        let type_name = if self.express { "express" } else { "execution" };
        let suffix = if self.express { ":execution-id" } else { "" };
        let start = Start {
            arn: format!("arn:aws:states:us-east-1:111111111111:{type_name}:machine:name{suffix}")
                .into(),
            name: "name".into(),
            role_arn: "arn:aws:iam::111111111111:role/sfn_role".into(),
            state_machine_arn: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
            state_machine_name: "machine".into(),
            kind: if self.express {
                ExecutionType::Express
            } else {
                ExecutionType::Standard
            },
            input: self.input.clone(),
            input_text: None,
            seed: 1,
            limits: None,
        };
        let execution = simulate::run(&machine, start, self.now(), &mut self.services());
        Finding {
            outcome: self.outcome(&execution),
            history: self.events.as_ref().map(|events| {
                history::check(events, &self.recorded, self.unordered, execution.history())
            }),
        }
    }

    fn outcome(&self, execution: &Execution) -> Result<(), String> {
        let mut outcome = Map::default();
        outcome.insert("status".into(), execution.status().name().into());
        match execution.status() {
            Status::Running => {}
            Status::Succeeded { .. } | Status::Failed { .. } if self.is_open() => {
                // The recording ends before the execution did, and tells its last event instead of a status.
                let last = text(&self.expect, "status").unwrap_or_default();
                return match execution
                    .history()
                    .iter()
                    .any(|event| event.type_name() == last)
                {
                    true => Ok(()),
                    false => Err(format!("there is no {last}")),
                };
            }
            Status::Succeeded { output } => {
                outcome.insert("output".into(), output.clone());
            }
            Status::Failed { error, cause }
            | Status::TimedOut { error, cause }
            | Status::Aborted { error, cause } => {
                for (key, text) in [("error", error), ("cause", cause)] {
                    if let Some(text) = text {
                        outcome.insert(key.into(), Value::String(text.clone()));
                    }
                }
            }
        }
        let expect: Map = match &self.expect {
            Value::Object(members) => members
                .iter()
                .filter(|(key, _)| matches!(&***key, "status" | "output" | "error" | "cause"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            _ => return Err("expect is not an object".to_string()),
        };
        differ(&Value::from(expect), &Value::from(outcome))
    }

    /// CreateStateMachine refuses the definition.
    fn create(&self) -> Result<(), String> {
        match StateMachine::parse(&self.definition) {
            Ok(_) => Err("the definition was accepted".to_string()),
            Err(invalid) => differ(
                &self.expect,
                &Value::object([
                    ("error", Value::from("InvalidDefinition")),
                    ("message", Value::from(invalid.to_string())),
                ]),
            ),
        }
    }

    /// The response of ValidateStateMachineDefinition, whose severity is ERROR unless asked otherwise.
    fn validate(&self) -> Result<(), String> {
        let kind = match self.express {
            true => ExecutionType::Express,
            false => ExecutionType::Standard,
        };
        let diagnostics: Vec<Value> = validate_as(&self.definition, kind)
            .into_iter()
            .filter(|found| found.severity == Severity::Error)
            .map(|found| {
                Value::object([
                    ("severity", Value::from("ERROR")),
                    ("code", Value::from(found.code)),
                    ("message", Value::from(found.message)),
                    ("location", Value::from(found.location)),
                ])
            })
            .collect();
        let result = match diagnostics.is_empty() {
            true => "OK",
            false => "FAIL",
        };
        let response = Value::object([
            ("result", Value::from(result)),
            ("diagnostics", Value::array(diagnostics)),
            ("truncated", Value::Bool(false)),
        ]);
        differ(&self.expect, &response)
    }

    fn test_state(&self) -> Result<(), String> {
        let get = |key: &str| self.extra.get(key).cloned().unwrap_or_default();
        let parsed = |value: &Value| value.as_str().and_then(|text| Value::parse(text).ok());
        let configuration = get("stateConfiguration");
        let count = |key: &str| {
            configuration
                .get(key)
                .and_then(Value::as_i64)
                .unwrap_or_default()
        };
        let request = TestRequest {
            definition: self.definition.clone(),
            state_name: text(&self.extra, "stateName"),
            input: Some(self.input.clone()),
            role_arn: match self.variables.is_empty() {
                true => Some("arn:aws:iam::111111111111:role/role".into()),
                false => None,
            },
            place: Some("us-east-1:111111111111".into()),
            inspection_level: match self.inspection_level.as_str() {
                "DEBUG" => InspectionLevel::Debug,
                "TRACE" => InspectionLevel::Trace,
                _ => InspectionLevel::Info,
            },
            variables: self.variables.clone(),
            context: parsed(&get("context")),
            mock: mock(&get("mock")),
            configuration: StateConfiguration {
                retrier_retry_count: u32::try_from(count("retrierRetryCount")).unwrap_or_default(),
                map_iteration_failure_count: u64::try_from(count("mapIterationFailureCount"))
                    .unwrap_or_default(),
                map_item_reader_data: configuration.get("mapItemReaderData").and_then(parsed),
                error_caused_by_state: text(&configuration, "errorCausedByState"),
            },
        };
        let response = asl::test_state(&request, self.now(), &mut self.services())
            .map_err(|error| error.to_string())?;
        differ(&self.expect, &response.to_json())
    }

    /// The day on which the case was recorded: `DD-MM-YYYY, HH:MM:SS`.
    fn now(&self) -> Timestamp {
        let part = |range| self.recorded.get(range).unwrap_or_default();
        let day = format!(
            "{}-{}-{}T{}Z",
            part(6..10),
            part(3..5),
            part(0..2),
            part(12..20)
        );
        Timestamp::parse(&day).unwrap_or_default()
    }

    /// Whether the recording ends before the execution did.
    fn is_open(&self) -> bool {
        !matches!(
            text(&self.expect, "status").as_deref(),
            Some("SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED" | "RUNNING")
        )
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.to_string()),
        other => Some(other.to_string()),
    }
}

fn mock(mock: &Value) -> Option<Mock> {
    if let Some(error) = mock.get("errorOutput") {
        return Some(Mock::Error(TaskError {
            error: text(error, "error")?,
            cause: text(error, "cause"),
        }));
    }
    Some(Mock::Result(Value::parse(&text(mock, "result")?).ok()?))
}
