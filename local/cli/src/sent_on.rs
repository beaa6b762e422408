//! `--forward`: calls that are sent on to other services than the local ones.

use std::sync::Arc;

use asl::{Resource, TaskError, Value};
use forward::Forward;
use futures::{FutureExt, future::BoxFuture};
use stack::{Stack, StateMachine};
use stepfunctions::{Outside, OutsideCall, Purpose, unanswered};
use testing::Mocks;

use crate::{error::Error, needed};

/// Sends on what it is told to.
#[derive(Debug)]
pub struct SentOn(pub Forward);

impl SentOn {
    /// Reads the arguments; none where there are none.
    ///
    /// # Errors
    /// An argument that cannot be used.
    pub fn parse(arguments: &[String], region: &str) -> Result<Option<Arc<dyn Outside>>, Error> {
        if arguments.is_empty() {
            return Ok(None);
        }
        let forward = Forward::parse(arguments, region)?;
        Ok(Some(Arc::new(SentOn(forward))))
    }
}

impl Outside for SentOn {
    fn answers(&self, _state: &str, resource: &Resource, local: bool) -> bool {
        self.0.answers(resource, local)
    }

    fn call(&self, call: OutsideCall) -> BoxFuture<'_, Result<Value, TaskError>> {
        send(&self.0, call).boxed()
    }
}

/// Sends a call on.
pub async fn send(forward: &Forward, call: OutsideCall) -> Result<Value, TaskError> {
    if matches!(call.purpose, Purpose::Items | Purpose::Store) {
        return Err(TaskError {
            error: "States.Runtime".to_owned(),
            cause: Some(format!("'{}' of a Map is not sent on", call.resource)),
        });
    }
    let arguments = serde_json::Value::from(&call.arguments);
    forward
        .call(&call.resource, arguments)
        .await
        .map(Value::from)
}

/// Refuses a machine that calls, or whose machines call, what nothing answers. Its own calls may be mocked.
///
/// # Errors
/// The calls, one a line.
pub fn check_answered(
    stack: &Stack,
    machine: &StateMachine,
    outside: Option<&dyn Outside>,
    mocks: Option<&Mocks>,
) -> Result<(), Error> {
    let arn = &machine.arn;
    let missing: Vec<String> = needed::machines(stack, machine)
        .into_iter()
        .flat_map(|machine| {
            let calls = unanswered(&machine.definition, outside);
            let mocks = mocks.filter(|_| machine.arn == *arn);
            let is_mocked = move |state: &str| mocks.is_some_and(|mocks| mocks.of(state).is_some());
            calls
                .into_iter()
                .filter(move |call| !is_mocked(&call.state))
                .map(|call| format!("  {} of {} calls {}", call.state, machine.name, call.what))
        })
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::NotHere(missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_that_calls_what_is_not_here_is_refused_by_the_call() {
        let machine = |arn: &str, definition: &str| StateMachine {
            arn: arn.to_owned(),
            name: arn.to_owned(),
            definition: definition.to_owned(),
            ..StateMachine::default()
        };
        let inner =
            r#"{"States":{"Put":{"Type":"Task","Resource":"arn:aws:states:::dynamodb:putItem"}}}"#;
        let outer = r#"{"States":{"Start":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution",
            "Arguments":{"StateMachineArn":"inner"}}}}"#;
        let stack = Stack {
            state_machines: vec![machine("outer", outer), machine("inner", inner)],
            ..Stack::default()
        };
        let check = |arguments: &[String]| {
            let outside = SentOn::parse(arguments, "us-east-1").unwrap();
            check_answered(&stack, &stack.state_machines[0], outside.as_deref(), None)
        };
        let refused = check(&[]).unwrap_err().to_string();
        let call = "  Put of inner calls arn:aws:states:::dynamodb:putItem\n";
        assert!(refused.contains(call), "{refused}");
        assert!(check(&["dynamodb=http://127.0.0.1:8000".to_owned()]).is_ok());
    }
}
