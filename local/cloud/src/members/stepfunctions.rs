//! Members of Step Functions' requests.

use super::{Members, only};
use crate::action::StepFunctionsAction as Action;

const TRACING: (&str, &str) = ("tracingConfiguration", "nothing is traced by X-Ray here");
const TRACE_HEADER: (&str, &str) = ("traceHeader", "nothing is traced by X-Ray here");
const LOGGING: (&str, &str) = (
    "loggingConfiguration",
    "the whole history of every execution is kept and shown",
);
const ENCRYPTION: (&str, &str) = (
    "encryptionConfiguration",
    "data lies on this machine, under its user's permissions",
);

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::CreateStateMachine => Members {
            honoured: &[
                "name",
                "definition",
                "roleArn",
                "type",
                "tags.key",
                "tags.value",
            ],
            harmless: &[LOGGING, TRACING, ENCRYPTION],
            refused: &["publish", "versionDescription"],
            ..Members::NONE
        },
        Action::UpdateStateMachine => Members {
            honoured: &["stateMachineArn", "definition", "roleArn"],
            harmless: &[LOGGING, TRACING, ENCRYPTION],
            refused: &["publish", "versionDescription"],
            ..Members::NONE
        },
        Action::DeleteStateMachine => only(&["stateMachineArn"]),
        Action::DescribeStateMachine => Members {
            honoured: &["stateMachineArn"],
            refused: &["includedData"],
            ..Members::NONE
        },
        Action::ListStateMachines | Action::ListActivities => only(&["maxResults", "nextToken"]),
        // There are none to list.
        Action::ListStateMachineVersions | Action::ListStateMachineAliases => {
            only(&["stateMachineArn", "maxResults", "nextToken"])
        }
        Action::StartExecution => Members {
            honoured: &["stateMachineArn", "name", "input"],
            harmless: &[TRACE_HEADER],
            ..Members::NONE
        },
        Action::StartSyncExecution => Members {
            honoured: &["stateMachineArn", "name", "input"],
            harmless: &[TRACE_HEADER],
            refused: &["includedData"],
            ..Members::NONE
        },
        Action::StopExecution => only(&["executionArn", "error", "cause"]),
        Action::DescribeExecution | Action::DescribeStateMachineForExecution => Members {
            honoured: &["executionArn"],
            refused: &["includedData"],
            ..Members::NONE
        },
        Action::ListExecutions => Members {
            honoured: &[
                "stateMachineArn",
                "statusFilter",
                "maxResults",
                "nextToken",
                "mapRunArn",
            ],
            refused: &["redriveFilter"],
            ..Members::NONE
        },
        Action::GetExecutionHistory => Members {
            honoured: &["executionArn", "maxResults", "reverseOrder", "nextToken"],
            harmless: &[(
                "includeExecutionData",
                "all data is shown, which is the default",
            )],
            ..Members::NONE
        },
        Action::SendTaskSuccess => only(&["taskToken", "output"]),
        Action::SendTaskFailure => only(&["taskToken", "error", "cause"]),
        Action::SendTaskHeartbeat => only(&["taskToken"]),
        Action::CreateActivity => Members {
            honoured: &["name", "tags.key", "tags.value"],
            harmless: &[ENCRYPTION],
            ..Members::NONE
        },
        Action::DeleteActivity | Action::DescribeActivity => only(&["activityArn"]),
        Action::GetActivityTask => only(&["activityArn", "workerName"]),
        Action::ValidateStateMachineDefinition => {
            only(&["definition", "type", "severity", "maxResults"])
        }
        Action::TestState => Members {
            honoured: &[
                "definition",
                "roleArn",
                "input",
                "inspectionLevel",
                "variables",
                "stateName",
                "mock.result",
                "mock.errorOutput.error",
                "mock.errorOutput.cause",
                "mock.fieldValidationMode",
                "context",
                "stateConfiguration.retrierRetryCount",
                "stateConfiguration.errorCausedByState",
                "stateConfiguration.mapIterationFailureCount",
                "stateConfiguration.mapItemReaderData",
            ],
            refused: &["revealSecrets"],
            ..Members::NONE
        },
        Action::ListMapRuns => only(&["executionArn", "maxResults", "nextToken"]),
        Action::DescribeMapRun => only(&["mapRunArn"]),
        Action::TagResource => only(&["resourceArn", "tags.key", "tags.value"]),
        Action::UntagResource => only(&["resourceArn", "tagKeys"]),
        Action::ListTagsForResource => only(&["resourceArn"]),
    }
}
