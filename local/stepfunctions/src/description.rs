//! How an execution is described, to its caller and to the command line.

use asl::{Start, Status, Timestamp};
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::errors::{internal, no_execution};
use crate::redrive::{Attempt, Redrivable};
use crate::run::Run;
use crate::store::{ExecutionRow, Origin, Redrives};

/// An execution as it stands.
#[derive(Debug, Clone)]
pub struct ExecutionDescription {
    /// Execution ARN.
    pub arn: String,
    /// Execution name.
    pub name: String,
    /// State machine ARN.
    pub state_machine_arn: String,
    /// Where it stands.
    pub status: Status,
    /// Its input, as it was sent.
    pub input: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Option<Timestamp>,
    /// Map Run of a Distributed Map's child.
    pub map_run: Option<String>,
    /// What its start named besides.
    pub(crate) origin: Origin,
    /// How it was redriven, and whether it can be.
    pub(crate) redrives: Redrives,
    /// None of an Express execution.
    pub(crate) redrivable: Option<Redrivable>,
    /// Why it stands still, if its events cannot be recorded at present.
    pub stands_still: Option<String>,
}

impl ExecutionDescription {
    /// Output of one that succeeded.
    pub fn output(&self) -> Option<Value> {
        match &self.status {
            Status::Succeeded { output } => Some(Value::from(output.clone())),
            _ => None,
        }
    }

    /// Error name of one that did not.
    pub fn error(&self) -> Option<&str> {
        self.failure().0
    }

    /// Cause of one that did not.
    pub fn cause(&self) -> Option<&str> {
        self.failure().1
    }

    fn failure(&self) -> (Option<&str>, Option<&str>) {
        match &self.status {
            Status::Running | Status::Succeeded { .. } => (None, None),
            Status::Failed { error, cause }
            | Status::TimedOut { error, cause }
            | Status::Aborted { error, cause } => (error.as_deref(), cause.as_deref()),
        }
    }

    /// The members that DescribeExecution, StartSyncExecution and the nested-execution integration share.
    pub(crate) fn to_json(&self) -> Value {
        let mut response = json!({
            "executionArn": self.arn,
            "stateMachineArn": self.state_machine_arn,
            "name": self.name,
            "status": self.status.name(),
            "startDate": epoch_seconds(self.started),
            "input": self.input,
            "inputDetails": { "included": true },
        });
        if let Some(stopped) = self.stopped {
            response["stopDate"] = epoch_seconds(stopped);
        }
        let Origin {
            version,
            alias,
            trace,
            // AWS has no test cases to tell of.
            case: _,
        } = &self.origin;
        for (key, text) in [
            ("mapRunArn", &self.map_run),
            ("stateMachineVersionArn", version),
            ("stateMachineAliasArn", alias),
            ("traceHeader", trace),
        ] {
            if let Some(text) = text {
                response[key] = json!(text);
            }
        }
        if let Status::Succeeded { output } = &self.status {
            response["output"] = json!(output.to_string());
            response["outputDetails"] = json!({ "included": true });
        }
        for (key, text) in [("error", self.error()), ("cause", self.cause())] {
            if let Some(text) = text {
                response[key] = json!(text);
            }
        }
        if let Some(redrivable) = self.redrivable {
            response["redriveCount"] = json!(self.redrives.count);
            response["redriveStatus"] = json!(redrivable.status());
            if let Some(reason) = redrivable.reason() {
                response["redriveStatusReason"] = json!(reason);
            }
            if let Some(last) = self.redrives.last {
                response["redriveDate"] = epoch_seconds(last);
            }
        }
        if let Some(reason) = &self.stands_still {
            response["cause"] = json!(format!("The execution stands still: {reason}"));
        }
        response
    }
}

/// The input as it was sent.
fn input_text(start: &Start) -> String {
    let sent = start.input_text.as_deref().map(str::to_owned);
    sent.unwrap_or_else(|| start.input.to_string())
}

impl From<ExecutionRow> for ExecutionDescription {
    fn from(row: ExecutionRow) -> Self {
        ExecutionDescription {
            redrives: row.redrives,
            redrivable: None,
            arn: row.start.arn.to_string(),
            name: row.start.name.to_string(),
            state_machine_arn: row.start.state_machine_arn.to_string(),
            status: row.status,
            input: input_text(&row.start),
            started: row.started,
            stopped: row.stopped,
            map_run: row.map_run,
            origin: row.origin,
            stands_still: None,
        }
    }
}

impl From<&Run> for ExecutionDescription {
    fn from(run: &Run) -> Self {
        ExecutionDescription {
            redrives: run.redrives.clone(),
            redrivable: None,
            arn: run.start.arn.to_string(),
            name: run.start.name.to_string(),
            state_machine_arn: run.start.state_machine_arn.to_string(),
            status: run.status(),
            input: input_text(&run.start),
            started: run.started,
            stopped: run.stopped(),
            origin: run.origin.clone(),
            map_run: run.parent.as_ref().map(|parent| parent.map_run.to_string()),
            stands_still: run.stands_still().map(|reason| reason.to_string()),
        }
    }
}

impl Engine {
    pub(crate) fn describe(&self, arn: &str) -> Result<ExecutionDescription, ServiceError> {
        if let Some(run) = self.runs.get(arn) {
            let redrivable = run.durable.then(|| self.redrivable(&Attempt::from(&*run)));
            return Ok(ExecutionDescription {
                redrivable,
                ..ExecutionDescription::from(&*run)
            });
        }
        let row = self.store.execution(arn).map_err(internal)?;
        let row = row.ok_or_else(|| no_execution(arn))?;
        Ok(ExecutionDescription {
            redrivable: Some(self.redrivable(&Attempt::from(&row))),
            ..ExecutionDescription::from(row)
        })
    }
}
