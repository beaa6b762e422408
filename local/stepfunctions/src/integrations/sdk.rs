//! SDK integrations, `aws-sdk:<service>:<action>`, for the services that this cloud has. They call
//! the very code that the HTTP endpoint calls.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>

use asl::TaskError;
use serde_json::{Value, json};

use super::call::{Accepted, Call, as_text, service_error};
use super::case::{camel, dates, iso, pascal};
use super::s3::ObjectAction;
use super::{lambda, s3};
use cloud::action::{
    Action, BatchAction, EcsAction, EventBridgeAction, LambdaAction, LogsAction, SchedulerAction,
    StepFunctionsAction, StsAction,
};

/// An action that an SDK integration can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdkAction {
    StepFunctions(StepFunctionsAction),
    Ecs(EcsAction),
    Batch(BatchAction),
    EventBridge(EventBridgeAction),
    Scheduler(SchedulerAction),
    Logs(LogsAction),
    Sts(StsAction),
    S3(ObjectAction),
    /// The one action of Lambda that states call.
    Invoke,
}

impl SdkAction {
    /// `None` for what is served at the endpoint alone.
    pub fn of(action: Action) -> Option<SdkAction> {
        match action {
            Action::StepFunctions(action) => Some(SdkAction::StepFunctions(action)),
            Action::Ecs(action) => Some(SdkAction::Ecs(action)),
            Action::Batch(action) => Some(SdkAction::Batch(action)),
            Action::EventBridge(action) => Some(SdkAction::EventBridge(action)),
            Action::Scheduler(action) => Some(SdkAction::Scheduler(action)),
            Action::Logs(action) => Some(SdkAction::Logs(action)),
            Action::Sts(action) => Some(SdkAction::Sts(action)),
            Action::S3(action) => ObjectAction::of(action).map(SdkAction::S3),
            Action::Lambda(LambdaAction::Invoke) => Some(SdkAction::Invoke),
            Action::Lambda(_) => None,
        }
    }

    /// Calls the action.
    pub async fn call(self, call: &Call) -> Result<Accepted, TaskError> {
        let compute = &call.engine.compute;
        // ECS, Batch and Step Functions itself use camelCase on the wire.
        let camel = || camel(call.arguments.clone());
        let (service, answer) = match self {
            SdkAction::Invoke => return lambda::invoke(call).await,
            SdkAction::S3(action) => ("S3", s3::call(action, call).await),
            SdkAction::StepFunctions(action) => {
                let mut request = camel();
                for key in ["input", "output", "definition"] {
                    if request[key].is_object() || request[key].is_array() {
                        request[key] = json!(as_text(&request[key]));
                    }
                }
                let call = call.engine.call(action, request, Some(&call.token));
                ("Sfn", Box::pin(call).await.map(with_dates))
            }
            SdkAction::Ecs(action) => {
                let mut request = camel();
                // As the SDKs do: a request that is made again after a restart starts nothing new.
                if action == EcsAction::RunTask && request["clientToken"].is_null() {
                    request["clientToken"] = json!(call.token);
                }
                ("Ecs", compute.ecs.call(action, &request).map(with_dates))
            }
            SdkAction::Batch(BatchAction::SubmitJob) => {
                let job = compute.batch.submit_job_for_call(&camel(), &call.token);
                ("Batch", job.map(|job| pascal(job.answer())))
            }
            SdkAction::Batch(action) => ("Batch", compute.batch.call(action, &camel()).map(pascal)),
            SdkAction::EventBridge(action) => {
                ("EventBridge", compute.events.call(action, &call.arguments))
            }
            SdkAction::Scheduler(action) => {
                let answer = compute.scheduler.call(action, &call.arguments);
                ("Scheduler", answer.map(with_dates))
            }
            SdkAction::Logs(action) => {
                let answer = compute.logs_api().call(action, &camel());
                ("CloudWatchLogs", answer.map(pascal))
            }
            SdkAction::Sts(action) => ("Sts", compute.sts.call(action, &call.arguments)),
        };
        let answer = answer.map_err(|error| service_error(service, service, &error))?;
        Ok(Accepted::answer(answer))
    }
}

fn with_dates(answer: Value) -> Value {
    dates(pascal(answer), &iso)
}
