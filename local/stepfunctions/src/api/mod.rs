//! The Step Functions API: AWS JSON 1.0, `X-Amz-Target: AWSStepFunctions.<Action>`.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/Welcome.html>

mod callbacks;
mod checks;
mod executions;
mod machines;
mod map_runs;
mod pages;
mod tags;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Inner, Sfn};
use cloud::error::ServiceError;
use cloud::router::JsonService;

/// The actions of this API.
pub const ACTIONS: &[&str] = &[
    "CreateStateMachine",
    "UpdateStateMachine",
    "DeleteStateMachine",
    "DescribeStateMachine",
    "ListStateMachines",
    "StartExecution",
    "StartSyncExecution",
    "StopExecution",
    "DescribeExecution",
    "DescribeStateMachineForExecution",
    "ListExecutions",
    "GetExecutionHistory",
    "SendTaskSuccess",
    "SendTaskFailure",
    "SendTaskHeartbeat",
    "CreateActivity",
    "DeleteActivity",
    "DescribeActivity",
    "ListActivities",
    "GetActivityTask",
    "ValidateStateMachineDefinition",
    "TestState",
    "ListMapRuns",
    "DescribeMapRun",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
];

/// Most bytes of an input or output: 256 KiB.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const MAX_DATA: usize = 262_144;

pub use executions::{describe_json, start_for_call};
pub use machines::execution_type;

impl JsonService for Sfn {
    fn call<'a>(
        &'a self,
        action: &'a str,
        body: Value,
    ) -> BoxFuture<'a, Result<Value, ServiceError>> {
        async move {
            self.inner.recovered().await;
            self.inner.action(action, body).await
        }
        .boxed()
    }
}

impl Inner {
    /// Carries out an action of the API.
    pub(super) async fn action(
        self: &Arc<Self>,
        action: &str,
        body: Value,
    ) -> Result<Value, ServiceError> {
        match action {
            "CreateStateMachine" => machines::create(self, read(body)?).await,
            "UpdateStateMachine" => machines::update(self, read(body)?).await,
            "DeleteStateMachine" => machines::delete(self, read(body)?).await,
            "DescribeStateMachine" => machines::describe(self, read(body)?),
            // Every execution here runs the definition it started with: there are no versions to list.
            "ListStateMachineVersions" => Ok(json!({ "stateMachineVersions": [] })),
            "ListStateMachineAliases" => Ok(json!({ "stateMachineAliases": [] })),
            "ListStateMachines" => machines::list(self, read(body)?),
            "StartExecution" => executions::start(self, read(body)?).await,
            "StartSyncExecution" => executions::start_sync(self, read(body)?).await,
            "StopExecution" => executions::stop(self, read(body)?).await,
            "DescribeExecution" => executions::describe(self, read(body)?),
            "DescribeStateMachineForExecution" => executions::describe_machine(self, read(body)?),
            "ListExecutions" => executions::list(self, read(body)?).await,
            "GetExecutionHistory" => executions::history(self, read(body)?).await,
            "SendTaskSuccess" => callbacks::success(self, read(body)?).await,
            "SendTaskFailure" => callbacks::failure(self, read(body)?).await,
            "SendTaskHeartbeat" => callbacks::heartbeat(self, read(body)?).await,
            "CreateActivity" => callbacks::create_activity(self, read(body)?).await,
            "DeleteActivity" => callbacks::delete_activity(self, read(body)?).await,
            "DescribeActivity" => callbacks::describe_activity(self, read(body)?),
            "ListActivities" => callbacks::list_activities(self, read(body)?),
            "GetActivityTask" => callbacks::get_activity_task(self, read(body)?).await,
            "ValidateStateMachineDefinition" => checks::validate(read(body)?),
            "TestState" => checks::test_state(self, read(body)?).await,
            "ListMapRuns" => map_runs::list(self, read(body)?).await,
            "DescribeMapRun" => map_runs::describe(self, read(body)?).await,
            "TagResource" => tags::tag(self, read(body)?).await,
            "UntagResource" => tags::untag(self, read(body)?).await,
            "ListTagsForResource" => tags::list(self, read(body)?),
            other => Err(ServiceError::unknown_action("Step Functions", other)),
        }
    }
}

/// Reads a request. A missing or misshapen member is a `ValidationException` that names it.
fn read<T: DeserializeOwned>(body: Value) -> Result<T, ServiceError> {
    serde_json::from_value(body)
        .map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

fn invalid(message: String) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

/// Checks a name of a state machine, an execution or an activity.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
///
/// # Errors
/// `InvalidName`.
pub fn check_name(name: &str) -> Result<(), ServiceError> {
    const FORBIDDEN: &str = "?*<>{}[]\"#%\\^|~`$&,;:/";
    let length = name.chars().count();
    let bad = |c: char| c.is_whitespace() || c.is_control() || FORBIDDEN.contains(c);
    if (1..=80).contains(&length) && !name.contains(bad) {
        return Ok(());
    }
    Err(ServiceError::new(
        "InvalidName",
        format!("Invalid Name: '{name}'"),
    ))
}

fn parse_input(input: Option<&str>) -> Result<asl::Value, ServiceError> {
    let input = input.unwrap_or("{}");
    if input.len() > MAX_DATA {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'input' failed to satisfy constraint: \
             Member must have length less than or equal to {MAX_DATA}"
        )));
    }
    asl::Value::parse(input).map_err(|error| {
        ServiceError::new(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{error}'"),
        )
    })
}
