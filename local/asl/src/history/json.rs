//! Events in the shape of GetExecutionHistory.

use std::sync::Arc;

use super::{ErrorDetails, Evaluation, EventKind, HistoryEvent, TaskFamily, TaskProgress};
use crate::value::{Map, Value};

impl HistoryEvent {
    /// The `type` of the event: `PassStateEntered`.
    pub fn type_name(&self) -> String {
        let fixed = match &self.kind {
            EventKind::StateEntered { state, .. } => {
                return format!("{}StateEntered", state.name());
            }
            EventKind::StateExited { state, .. } => return format!("{}StateExited", state.name()),
            EventKind::StateAborted(state) => return format!("{}StateAborted", state.name()),
            EventKind::StateSucceeded(state) => return format!("{}StateSucceeded", state.name()),
            EventKind::StateFailed(state) => return format!("{}StateFailed", state.name()),
            EventKind::Task(task) => return format!("{}{}", task.0.prefix(), task.1.suffix()),
            EventKind::ExecutionStarted { .. } => "ExecutionStarted",
            EventKind::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            EventKind::ExecutionFailed(_) => "ExecutionFailed",
            EventKind::ExecutionTimedOut(_) => "ExecutionTimedOut",
            EventKind::ExecutionAborted(_) => "ExecutionAborted",
            EventKind::ExecutionRedriven { .. } => "ExecutionRedriven",
            EventKind::MapStateStarted { .. } => "MapStateStarted",
            EventKind::ParallelStateStarted => "ParallelStateStarted",
            EventKind::MapIterationStarted { .. } => "MapIterationStarted",
            EventKind::MapIterationSucceeded { .. } => "MapIterationSucceeded",
            EventKind::MapIterationFailed { .. } => "MapIterationFailed",
            EventKind::MapIterationAborted { .. } => "MapIterationAborted",
            EventKind::MapRunStarted { .. } => "MapRunStarted",
            EventKind::MapRunRedriven { .. } => "MapRunRedriven",
            EventKind::MapRunSucceeded => "MapRunSucceeded",
            EventKind::MapRunFailed(_) => "MapRunFailed",
            EventKind::MapRunAborted => "MapRunAborted",
            EventKind::EvaluationFailed(_) => "EvaluationFailed",
        };
        fixed.to_string()
    }

    /// The event in the shape of GetExecutionHistory: `timestamp` (seconds since the epoch), `type`, `id`,
    /// `previousEventId` and the details of its type, in which inputs and outputs are JSON texts.
    pub fn to_json(&self) -> Value {
        let mut event = Map::default();
        event.insert(
            "timestamp".into(),
            Value::number(self.timestamp.as_seconds()),
        );
        event.insert("type".into(), self.type_name().into());
        event.insert("id".into(), self.id.into());
        event.insert("previousEventId".into(), self.previous_event_id.into());
        if let Some((key, details)) = self.details() {
            event.insert(key.into(), Value::from(details));
        }
        Value::from(event)
    }

    /// The member of the details, and what stands in it.
    fn details(&self) -> Option<(String, Map)> {
        let mut map = Map::default();
        match &self.kind {
            EventKind::Task(task) => return task.0.details(&task.1),
            EventKind::ExecutionStarted {
                input,
                text,
                role_arn,
            } => {
                payload(&mut map, "input", input);
                if let Some(text) = text {
                    map.insert("input".into(), Value::String(Arc::clone(text)));
                }
                map.insert("roleArn".into(), Value::String(Arc::clone(role_arn)));
            }
            EventKind::ExecutionSucceeded { output } => payload(&mut map, "output", output),
            EventKind::ExecutionFailed(details)
            | EventKind::ExecutionTimedOut(details)
            | EventKind::ExecutionAborted(details)
            | EventKind::MapRunFailed(details) => details.write(&mut map),
            EventKind::StateEntered { name, input, .. } => {
                map.insert("name".into(), Value::String(Arc::clone(name)));
                payload(&mut map, "input", input);
                return Some(("stateEnteredEventDetails".to_string(), map));
            }
            EventKind::StateExited {
                name,
                output,
                assigned,
                ..
            } => {
                map.insert("name".into(), Value::String(Arc::clone(name)));
                payload(&mut map, "output", output);
                if let Some(assigned) = assigned {
                    let texts = assigned
                        .iter()
                        .map(|(name, value)| (Arc::clone(name), Value::from(value.to_string())));
                    map.insert("assignedVariables".into(), Value::object(texts));
                    map.insert("assignedVariablesDetails".into(), not_truncated());
                }
                return Some(("stateExitedEventDetails".to_string(), map));
            }
            EventKind::MapStateStarted { length } => {
                map.insert("length".into(), (*length).into());
            }
            EventKind::MapIterationStarted { name, index }
            | EventKind::MapIterationSucceeded { name, index }
            | EventKind::MapIterationFailed { name, index }
            | EventKind::MapIterationAborted { name, index } => {
                map.insert("name".into(), Value::String(Arc::clone(name)));
                map.insert("index".into(), (*index).into());
            }
            EventKind::MapRunStarted { arn } => {
                map.insert("mapRunArn".into(), Value::String(Arc::clone(arn)));
            }
            EventKind::ExecutionRedriven { count } => {
                map.insert("redriveCount".into(), (*count).into());
            }
            EventKind::MapRunRedriven { arn, count } => {
                map.insert("mapRunArn".into(), Value::String(Arc::clone(arn)));
                map.insert("redriveCount".into(), (*count).into());
            }
            EventKind::EvaluationFailed(evaluation) => evaluation.write(&mut map),
            EventKind::StateAborted(_)
            | EventKind::StateSucceeded(_)
            | EventKind::StateFailed(_)
            | EventKind::ParallelStateStarted
            | EventKind::MapRunSucceeded
            | EventKind::MapRunAborted => return None,
        }
        Some((details_name(&self.type_name()), map))
    }
}

/// The member that holds the details of a type: `executionStartedEventDetails`.
fn details_name(event_type: &str) -> String {
    let (first, rest) = event_type.split_at(1);
    format!("{}{rest}EventDetails", first.to_ascii_lowercase())
}

impl Evaluation {
    fn write(&self, map: &mut Map) {
        self.failure.write(map);
        if let Some(location) = &self.location {
            map.insert("location".into(), Value::String(Arc::clone(location)));
        }
        map.insert("state".into(), Value::String(Arc::clone(&self.state)));
    }
}

impl ErrorDetails {
    fn write(&self, map: &mut Map) {
        if let Some(error) = &self.error {
            map.insert("error".into(), Value::String(Arc::clone(error)));
        }
        if let Some(cause) = &self.cause {
            map.insert("cause".into(), Value::String(Arc::clone(cause)));
        }
    }
}

impl TaskFamily {
    fn prefix(&self) -> &'static str {
        match self {
            TaskFamily::Lambda { .. } => "LambdaFunction",
            TaskFamily::Activity { .. } => "Activity",
            TaskFamily::Service { .. } => "Task",
        }
    }

    fn details(&self, progress: &TaskProgress) -> Option<(String, Map)> {
        let mut map = Map::default();
        if let TaskFamily::Service {
            resource_type,
            resource,
        } = self
        {
            map.insert(
                "resourceType".into(),
                Value::String(Arc::clone(resource_type)),
            );
            map.insert("resource".into(), Value::String(Arc::clone(resource)));
        }
        match progress {
            TaskProgress::Scheduled {
                input,
                region,
                timeout_seconds,
                heartbeat_seconds,
                credentials,
            } => {
                match self {
                    TaskFamily::Service { .. } => {
                        map.insert("region".into(), Value::String(Arc::clone(region)));
                        map.insert("parameters".into(), input.to_string().into());
                    }
                    TaskFamily::Lambda { arn } | TaskFamily::Activity { arn } => {
                        map.insert("resource".into(), Value::String(Arc::clone(arn)));
                        payload(&mut map, "input", input);
                    }
                }
                if let Some(seconds) = timeout_seconds {
                    map.insert("timeoutInSeconds".into(), (*seconds).into());
                }
                if let Some(seconds) = heartbeat_seconds {
                    map.insert("heartbeatInSeconds".into(), (*seconds).into());
                }
                if let Some(role) = credentials
                    .as_ref()
                    .and_then(|credentials| credentials.get("RoleArn"))
                {
                    map.insert(
                        "taskCredentials".into(),
                        Value::object([("roleArn", role.clone())]),
                    );
                }
            }
            TaskProgress::Started { worker } => match (self, worker) {
                (TaskFamily::Lambda { .. }, _) | (TaskFamily::Activity { .. }, None) => {
                    return None;
                }
                (TaskFamily::Activity { .. }, Some(worker)) => {
                    map.insert("workerName".into(), Value::String(Arc::clone(worker)));
                }
                (TaskFamily::Service { .. }, _) => {}
            },
            TaskProgress::Submitted { output } | TaskProgress::Succeeded { output } => {
                payload(&mut map, "output", output);
            }
            TaskProgress::Failed(details) | TaskProgress::TimedOut(details) => {
                details.write(&mut map);
            }
        }
        let event_type = format!("{}{}", self.prefix(), progress.suffix());
        Some((details_name(&event_type), map))
    }
}

impl TaskProgress {
    fn suffix(&self) -> &'static str {
        match self {
            TaskProgress::Scheduled { .. } => "Scheduled",
            TaskProgress::Started { .. } => "Started",
            TaskProgress::Submitted { .. } => "Submitted",
            TaskProgress::Succeeded { .. } => "Succeeded",
            TaskProgress::Failed(_) => "Failed",
            TaskProgress::TimedOut(_) => "TimedOut",
        }
    }
}

fn payload(map: &mut Map, key: &str, value: &Value) {
    map.insert(key.into(), value.to_string().into());
    map.insert(format!("{key}Details").into(), not_truncated());
}

fn not_truncated() -> Value {
    Value::object([("truncated", Value::Bool(false))])
}
