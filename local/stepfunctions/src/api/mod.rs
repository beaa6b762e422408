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

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Inner, Sfn};
use cloud::action::{ServiceId, StepFunctionsAction};
use cloud::error::ServiceError;
use cloud::faults::Verdict;
use cloud::rest;
use cloud::router::Service;

/// Most bytes of an input or output: 256 KiB.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const MAX_DATA: usize = 262_144;

pub use executions::{describe_json, start_for_call};
pub use machines::execution_type;

impl Service for Sfn {
    fn id(&self) -> ServiceId {
        ServiceId::StepFunctions
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            self.inner.recovered().await;
            let (action, body) = rest::read_aws_json(request).await?;
            let action = StepFunctionsAction::required(&action)?;
            match self.inner.call(action, body).await {
                Ok(answer) => Ok(rest::aws_json(&answer)),
                // What is refused now may only be refused because everything stops: a valid token is
                // not to be taken for a late one. SDKs ask again after a 503.
                Err(_) if self.inner.is_closed() => Err(ServiceError::with_status(
                    503,
                    "ServiceUnavailable",
                    "The local cloud is shutting down; ask again",
                )),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }
}

impl Inner {
    /// Carries out an action of the API.
    pub(super) async fn call(
        self: &Arc<Self>,
        action: StepFunctionsAction,
        body: Value,
    ) -> Result<Value, ServiceError> {
        use StepFunctionsAction as Action;
        match self.compute.faults.admit(action, &body)? {
            Verdict::Proceed => {}
            Verdict::Lose => return Ok(json!({})),
        }
        match action {
            Action::CreateStateMachine => machines::create(self, read(body)?).await,
            Action::UpdateStateMachine => machines::update(self, read(body)?).await,
            Action::DeleteStateMachine => machines::delete(self, read(body)?).await,
            Action::DescribeStateMachine => machines::describe(self, read(body)?),
            // Every execution here runs the definition it started with: there are no versions to list.
            Action::ListStateMachineVersions => Ok(json!({ "stateMachineVersions": [] })),
            Action::ListStateMachineAliases => Ok(json!({ "stateMachineAliases": [] })),
            Action::ListStateMachines => machines::list(self, read(body)?),
            Action::StartExecution => executions::start(self, read(body)?).await,
            Action::StartSyncExecution => executions::start_sync(self, read(body)?).await,
            Action::StopExecution => executions::stop(self, read(body)?).await,
            Action::DescribeExecution => executions::describe(self, read(body)?),
            Action::DescribeStateMachineForExecution => {
                executions::describe_machine(self, read(body)?)
            }
            Action::ListExecutions => executions::list(self, read(body)?).await,
            Action::GetExecutionHistory => executions::history(self, read(body)?).await,
            Action::SendTaskSuccess => callbacks::success(self, read(body)?).await,
            Action::SendTaskFailure => callbacks::failure(self, read(body)?).await,
            Action::SendTaskHeartbeat => callbacks::heartbeat(self, read(body)?).await,
            Action::CreateActivity => callbacks::create_activity(self, read(body)?).await,
            Action::DeleteActivity => callbacks::delete_activity(self, read(body)?).await,
            Action::DescribeActivity => callbacks::describe_activity(self, read(body)?),
            Action::ListActivities => callbacks::list_activities(self, read(body)?),
            Action::GetActivityTask => callbacks::get_activity_task(self, read(body)?).await,
            Action::ValidateStateMachineDefinition => checks::validate(read(body)?),
            Action::TestState => checks::test_state(self, read(body)?).await,
            Action::ListMapRuns => map_runs::list(self, read(body)?).await,
            Action::DescribeMapRun => map_runs::describe(self, read(body)?).await,
            Action::TagResource => tags::tag(self, read(body)?).await,
            Action::UntagResource => tags::untag(self, read(body)?).await,
            Action::ListTagsForResource => tags::list(self, read(body)?),
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
