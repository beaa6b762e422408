//! Events in the shape of GetExecutionHistory.

use std::sync::Arc;

use super::{ErrorDetails, EventKind, HistoryEvent, TaskFamily, TaskProgress};
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
            EventKind::MapStateStarted { .. } => "MapStateStarted",
            EventKind::ParallelStateStarted => "ParallelStateStarted",
            EventKind::MapIterationStarted { .. } => "MapIterationStarted",
            EventKind::MapIterationSucceeded { .. } => "MapIterationSucceeded",
            EventKind::MapIterationFailed { .. } => "MapIterationFailed",
            EventKind::MapIterationAborted { .. } => "MapIterationAborted",
            EventKind::MapRunStarted { .. } => "MapRunStarted",
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

    fn details(&self) -> Option<(String, Map)> {
        let mut map = Map::default();
        let key = match &self.kind {
            EventKind::ExecutionStarted { input, role_arn } => {
                payload(&mut map, "input", input);
                map.insert("roleArn".into(), Value::String(Arc::clone(role_arn)));
                "executionStartedEventDetails"
            }
            EventKind::ExecutionSucceeded { output } => {
                payload(&mut map, "output", output);
                "executionSucceededEventDetails"
            }
            EventKind::ExecutionFailed(details) => {
                details.write(&mut map);
                "executionFailedEventDetails"
            }
            EventKind::ExecutionTimedOut(details) => {
                details.write(&mut map);
                "executionTimedOutEventDetails"
            }
            EventKind::ExecutionAborted(details) => {
                details.write(&mut map);
                "executionAbortedEventDetails"
            }
            EventKind::StateEntered { name, input, .. } => {
                map.insert("name".into(), Value::String(Arc::clone(name)));
                payload(&mut map, "input", input);
                "stateEnteredEventDetails"
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
                "stateExitedEventDetails"
            }
            EventKind::Task(task) => return task.0.details(&task.1),
            EventKind::MapStateStarted { length } => {
                map.insert("length".into(), (*length).into());
                "mapStateStartedEventDetails"
            }
            EventKind::MapIterationStarted { name, index } => {
                iteration(&mut map, name, *index);
                "mapIterationStartedEventDetails"
            }
            EventKind::MapIterationSucceeded { name, index } => {
                iteration(&mut map, name, *index);
                "mapIterationSucceededEventDetails"
            }
            EventKind::MapIterationFailed { name, index } => {
                iteration(&mut map, name, *index);
                "mapIterationFailedEventDetails"
            }
            EventKind::MapIterationAborted { name, index } => {
                iteration(&mut map, name, *index);
                "mapIterationAbortedEventDetails"
            }
            EventKind::MapRunStarted { arn } => {
                map.insert("mapRunArn".into(), Value::String(Arc::clone(arn)));
                "mapRunStartedEventDetails"
            }
            EventKind::MapRunFailed(details) => {
                details.write(&mut map);
                "mapRunFailedEventDetails"
            }
            EventKind::EvaluationFailed(evaluation) => {
                evaluation.failure.write(&mut map);
                if let Some(location) = &evaluation.location {
                    map.insert("location".into(), Value::String(Arc::clone(location)));
                }
                map.insert("state".into(), Value::String(Arc::clone(&evaluation.state)));
                "evaluationFailedEventDetails"
            }
            EventKind::StateAborted(_)
            | EventKind::StateSucceeded(_)
            | EventKind::StateFailed(_)
            | EventKind::ParallelStateStarted
            | EventKind::MapRunSucceeded
            | EventKind::MapRunAborted => return None,
        };
        Some((key.to_string(), map))
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
                details.write(&mut map)
            }
        }
        let prefix = match self {
            TaskFamily::Lambda { .. } => "lambdaFunction",
            TaskFamily::Activity { .. } => "activity",
            TaskFamily::Service { .. } => "task",
        };
        Some((format!("{prefix}{}EventDetails", progress.suffix()), map))
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

fn iteration(map: &mut Map, name: &Arc<str>, index: u64) {
    map.insert("name".into(), Value::String(Arc::clone(name)));
    map.insert("index".into(), index.into());
}
