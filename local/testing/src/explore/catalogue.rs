//! Which errors a state can raise: those that Step Functions and the services document
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>), and those of a function's or
//! worker's own.

use asl::{Pattern, Resource, StateType};

use crate::outline::StateOutline;
use crate::problem::closest;

/// Stands for an error that a function or a worker names as it likes.
pub(super) const OWN_ERROR: &str = "An.ErrorOfItsOwn";

/// A service, how the names of its errors begin, and the errors that Step Functions itself tells of it.
struct Service {
    /// As in a Resource: `lambda`, `ecs`.
    name: &'static str,
    prefixes: &'static [&'static str],
    errors: &'static [&'static str],
}

const SERVICES: &[Service] = &[
    Service {
        name: "lambda",
        prefixes: &["Lambda", "Sandbox", "Runtime"],
        errors: &[
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.Unknown",
            "Lambda.ResourceNotFoundException",
            "Lambda.ResourceNotReadyException",
            "Lambda.InvalidParameterValueException",
            "Lambda.RequestTooLargeException",
            "Sandbox.Timedout",
            "Runtime.ExitError",
        ],
    },
    Service {
        name: "ecs",
        prefixes: &["ECS", "Ecs", "AmazonECS"],
        errors: &[
            "ECS.ServerException",
            "ECS.ThrottlingException",
            "ECS.AmazonECSException",
            "ECS.InvalidParameterException",
            "ECS.ClientException",
            "ECS.ClusterNotFoundException",
            "ECS.AccessDeniedException",
            "AmazonECS.Unknown",
        ],
    },
    Service {
        name: "batch",
        prefixes: &["Batch"],
        errors: &[
            "Batch.ServerException",
            "Batch.ClientException",
            "Batch.TooManyRequestsException",
            "Batch.AWSBatchException",
        ],
    },
    Service {
        name: "dynamodb",
        prefixes: &["DynamoDB", "DynamoDb"],
        errors: &[
            "DynamoDB.AmazonDynamoDBException",
            "DynamoDB.ConditionalCheckFailedException",
            "DynamoDB.ProvisionedThroughputExceededException",
        ],
    },
    Service {
        name: "events",
        prefixes: &["EventBridge", "Events"],
        errors: &[],
    },
    Service {
        name: "sns",
        prefixes: &["SNS", "Sns"],
        errors: &[],
    },
    Service {
        name: "sqs",
        prefixes: &["SQS", "Sqs"],
        errors: &[],
    },
    Service {
        name: "s3",
        prefixes: &["S3"],
        errors: &[
            "S3.NoSuchKeyException",
            "S3.NoSuchBucketException",
            "S3.S3Exception",
        ],
    },
    Service {
        name: "sfn",
        prefixes: &["StepFunctions", "Sfn"],
        errors: &[
            "StepFunctions.ExecutionLimitExceededException",
            "StepFunctions.ExecutionAlreadyExistsException",
            "StepFunctions.StateMachineDoesNotExistException",
        ],
    },
    Service {
        name: "glue",
        prefixes: &["Glue", "AWSGlue"],
        errors: &[],
    },
    Service {
        name: "sagemaker",
        prefixes: &["SageMaker"],
        errors: &[],
    },
    Service {
        name: "athena",
        prefixes: &["Athena", "AmazonAthena"],
        errors: &[],
    },
];

/// The service that a task calls; none for an activity.
fn service(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Lambda { .. } => Some("lambda"),
        Resource::Activity { .. } => None,
        Resource::Service { service, .. } => {
            match service.strip_prefix("aws-sdk:").unwrap_or(service) {
                "states" => Some("sfn"),
                "eventbridge" => Some("events"),
                other => Some(other),
            }
        }
    }
}

/// Whether a worker or function behind a task names its errors itself.
fn names_its_own(resource: &Resource) -> bool {
    match resource {
        Resource::Lambda { .. } | Resource::Activity { .. } => true,
        Resource::Service {
            service, pattern, ..
        } => {
            matches!(&**service, "lambda" | "states" | "http")
                || *pattern == Pattern::WaitForTaskToken
        }
    }
}

/// Whether silence of a worker counts.
fn can_fall_silent(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::Activity { .. }
            | Resource::Service {
                pattern: Pattern::WaitForTaskToken,
                ..
            }
    )
}

/// The documented errors that a task can raise, and [`OWN_ERROR`] where it names its own.
pub(super) fn documented(state: &StateOutline) -> Vec<String> {
    let Some(resource) = &state.resource else {
        return Vec::new();
    };
    let has = |field: &str| state.definition.contains_key(field);
    let mut errors = vec!["States.TaskFailed", "States.DataLimitExceeded"];
    if !matches!(resource, Resource::Activity { .. }) {
        errors.push("States.Permissions");
    }
    if has("TimeoutSeconds") || has("TimeoutSecondsPath") {
        errors.push("States.Timeout");
    }
    if can_fall_silent(resource) && (has("HeartbeatSeconds") || has("HeartbeatSecondsPath")) {
        errors.push("States.HeartbeatTimeout");
    }
    if let Some(service) = service(resource) {
        let known = SERVICES.iter().filter(|known| known.name == service);
        errors.extend(known.flat_map(|known| known.errors));
    }
    if names_its_own(resource) {
        errors.push(OWN_ERROR);
    }
    errors.into_iter().map(str::to_owned).collect()
}

/// Why a task cannot raise an error, or none when it can.
pub(super) fn impossible(state: &StateOutline, error: &str) -> Option<String> {
    let resource = state.resource.as_ref()?;
    let prefix = error.split('.').next().unwrap_or_default();
    if prefix == "States" {
        let has = |field: &str| state.definition.contains_key(field);
        return match error {
            "States.Timeout"
                if !has("TimeoutSeconds")
                    && !has("TimeoutSecondsPath")
                    && !has("HeartbeatSeconds") =>
            {
                Some("the state has no TimeoutSeconds".to_owned())
            }
            "States.HeartbeatTimeout" if !can_fall_silent(resource) || !has("HeartbeatSeconds") => {
                Some(format!(
                    "{resource} sends no heartbeats, or the state asks for none"
                ))
            }
            "States.BranchFailed"
            | "States.NoChoiceMatched"
            | "States.ExceedToleratedFailureThreshold"
            | "States.ItemReaderFailed"
            | "States.ResultWriterFailed" => {
                Some(format!("no {} state raises it", StateType::Task.name()))
            }
            _ => None,
        };
    }
    let owner = SERVICES
        .iter()
        .find(|known| known.prefixes.contains(&prefix));
    match owner {
        Some(owner) if Some(owner.name) == service(resource) => None,
        // Whoever has the token of a task may fail it with any name, but hardly with one of a service that it is not.
        Some(owner) => Some(format!("{resource} raises no errors of {}", owner.name)),
        None if names_its_own(resource) => None,
        None => Some(format!(
            "{resource} raises only the errors of its service and States.TaskFailed"
        )),
    }
}

/// The documented name that was probably meant by a name that is none.
pub(super) fn misspelt<'a>(error: &str, others: impl Iterator<Item = &'a str>) -> Option<String> {
    let prefix = |name: &str| name.split('.').next().map(str::to_owned);
    let documented: Vec<&str> = SERVICES
        .iter()
        .filter(|known| {
            known
                .prefixes
                .contains(&prefix(error).unwrap_or_default().as_str())
        })
        .flat_map(|known| known.errors.iter().copied())
        .collect();
    if documented.contains(&error) {
        return None;
    }
    let near = |name: &&str| strsim::damerau_levenshtein(error, name) <= 2 && *name != error;
    let candidates: Vec<&str> = documented.into_iter().chain(others).filter(near).collect();
    closest(error, candidates).map(str::to_owned)
}
