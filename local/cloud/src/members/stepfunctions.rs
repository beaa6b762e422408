//! Members of Step Functions' requests.

use super::{Members, only};
use crate::action::StepFunctionsAction as Action;

const TRACING: (&str, &str) = (
    "tracingConfiguration",
    "kept and shown; nothing is traced by X-Ray here",
);
const TRACE_HEADER: (&str, &str) = (
    "traceHeader",
    "kept and shown; nothing is traced by X-Ray here",
);
const LOGGING: (&str, &str) = (
    "loggingConfiguration",
    "kept and shown; the whole history of every execution is there as well",
);
const ENCRYPTION: (&str, &str) = (
    "encryptionConfiguration",
    "only AWS_OWNED_KEY is taken, which asks for nothing",
);

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::CreateStateMachine => Members {
            honoured: &[
                "name",
                "definition",
                "roleArn",
                "type",
                "publish",
                "versionDescription",
                "tags.key",
                "tags.value",
            ],
            harmless: &[LOGGING, TRACING, ENCRYPTION],
            ..Members::NONE
        },
        Action::UpdateStateMachine => Members {
            honoured: &[
                "stateMachineArn",
                "definition",
                "roleArn",
                "publish",
                "versionDescription",
            ],
            harmless: &[LOGGING, TRACING, ENCRYPTION],
            ..Members::NONE
        },
        Action::DeleteStateMachine => only(&["stateMachineArn"]),
        Action::DescribeStateMachine => only(&["stateMachineArn", "includedData"]),
        Action::ListStateMachines | Action::ListActivities => only(&["maxResults", "nextToken"]),
        Action::PublishStateMachineVersion => {
            only(&["stateMachineArn", "revisionId", "description"])
        }
        Action::DeleteStateMachineVersion => only(&["stateMachineVersionArn"]),
        Action::CreateStateMachineAlias => only(&[
            "name",
            "description",
            "routingConfiguration.stateMachineVersionArn",
            "routingConfiguration.weight",
        ]),
        Action::UpdateStateMachineAlias => only(&[
            "stateMachineAliasArn",
            "description",
            "routingConfiguration.stateMachineVersionArn",
            "routingConfiguration.weight",
        ]),
        Action::DescribeStateMachineAlias | Action::DeleteStateMachineAlias => {
            only(&["stateMachineAliasArn"])
        }
        Action::ListStateMachineVersions | Action::ListStateMachineAliases => {
            only(&["stateMachineArn", "maxResults", "nextToken"])
        }
        Action::StartExecution => Members {
            honoured: &["stateMachineArn", "name", "input"],
            harmless: &[TRACE_HEADER],
            ..Members::NONE
        },
        Action::StartSyncExecution => Members {
            honoured: &["stateMachineArn", "name", "input", "includedData"],
            harmless: &[TRACE_HEADER],
            ..Members::NONE
        },
        Action::StopExecution => only(&["executionArn", "error", "cause"]),
        Action::RedriveExecution => only(&["executionArn", "clientToken"]),
        Action::DescribeExecution | Action::DescribeStateMachineForExecution => {
            only(&["executionArn", "includedData"])
        }
        Action::ListExecutions => only(&[
            "stateMachineArn",
            "statusFilter",
            "maxResults",
            "nextToken",
            "mapRunArn",
            "redriveFilter",
        ]),
        Action::GetExecutionHistory => only(&[
            "executionArn",
            "maxResults",
            "reverseOrder",
            "nextToken",
            "includeExecutionData",
        ]),
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
        Action::UpdateMapRun => only(&[
            "mapRunArn",
            "maxConcurrency",
            "toleratedFailurePercentage",
            "toleratedFailureCount",
        ]),
        Action::TagResource => only(&["resourceArn", "tags.key", "tags.value"]),
        Action::UntagResource => only(&["resourceArn", "tagKeys"]),
        Action::ListTagsForResource => only(&["resourceArn"]),
    }
}
