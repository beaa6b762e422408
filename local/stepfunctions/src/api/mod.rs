//! The Step Functions API: AWS JSON 1.0, `X-Amz-Target: AWSStepFunctions.<Action>`.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/Welcome.html>

mod aliases;
mod callbacks;
mod checks;
mod configuration;
mod executions;
mod machines;
mod map_runs;
mod model;
mod pages;
mod request;
mod tags;
mod versions;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use cloud::action::{ServiceId, StepFunctionsAction};
use cloud::error::ServiceError;
use cloud::faults::Verdict;
use cloud::rest;
use cloud::router::Service;

use crate::engine::Engine;
use crate::service::Sfn;
use request::read;

impl Service for Sfn {
    fn id(&self) -> ServiceId {
        ServiceId::StepFunctions
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            self.engine.recovered().await;
            let (action, body) = rest::read_aws_json(request).await?;
            let action = StepFunctionsAction::required(&action)?;
            match self.engine.call(action, body, None).await {
                Ok(answer) => Ok(rest::aws_json(&answer)),
                // What is refused now may only be refused because everything stops: a valid token is
                // not to be taken for a late one. SDKs ask again after a 503.
                Err(_) if self.engine.is_closed() => Err(ServiceError::with_status(
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

impl Engine {
    /// Carries out an action of the API. A Task state says which of its calls it is, so that one that is made again
    /// after a restart starts nothing new.
    pub(crate) async fn call(
        self: &Arc<Self>,
        action: StepFunctionsAction,
        body: Value,
        call: Option<&str>,
    ) -> Result<Value, ServiceError> {
        use StepFunctionsAction as Action;
        // A start is admitted where all that start an execution come together.
        if action != Action::StartExecution
            && self.compute.faults.admit(action, &body)? == Verdict::Lose
        {
            return Ok(json!({}));
        }
        self.carry_out(action, body, call).await
    }

    /// As [`Engine::call`], where no fault strikes what is asked.
    pub(crate) async fn carry_out(
        self: &Arc<Self>,
        action: StepFunctionsAction,
        body: Value,
        call: Option<&str>,
    ) -> Result<Value, ServiceError> {
        use StepFunctionsAction as Action;
        match action {
            Action::CreateStateMachine => machines::create(self, read(body)?).await,
            Action::UpdateStateMachine => machines::update(self, read(body)?).await,
            Action::DeleteStateMachine => machines::delete(self, read(body)?).await,
            Action::DescribeStateMachine => machines::describe(self, read(body)?),
            Action::PublishStateMachineVersion => versions::publish(self, read(body)?).await,
            Action::DeleteStateMachineVersion => versions::delete(self, read(body)?).await,
            Action::ListStateMachineVersions => versions::list(self, read(body)?),
            Action::CreateStateMachineAlias => aliases::create(self, read(body)?).await,
            Action::UpdateStateMachineAlias => aliases::update(self, read(body)?).await,
            Action::DescribeStateMachineAlias => aliases::describe(self, read(body)?),
            Action::DeleteStateMachineAlias => aliases::delete(self, read(body)?).await,
            Action::ListStateMachineAliases => aliases::list(self, read(body)?),
            Action::ListStateMachines => machines::list(self, read(body)?),
            Action::StartExecution => executions::start(self, body, call).await,
            Action::StartSyncExecution => executions::start_sync(self, read(body)?).await,
            Action::StopExecution => executions::stop(self, read(body)?).await,
            Action::RedriveExecution => executions::redrive(self, read(body)?).await,
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
            Action::UpdateMapRun => map_runs::update(self, read(body)?).await,
            Action::TagResource => tags::tag(self, read(body)?).await,
            Action::UntagResource => tags::untag(self, read(body)?).await,
            Action::ListTagsForResource => tags::list(self, read(body)?),
        }
    }
}
