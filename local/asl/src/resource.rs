//! What a Task state calls, and when the call counts as done.

use std::fmt;
use std::sync::Arc;

/// What a Task state calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A Lambda function whose ARN is the Resource itself.
    Lambda {
        /// The function's ARN, perhaps with a version or alias.
        arn: Arc<str>,
    },
    /// An activity.
    Activity {
        /// The activity's ARN.
        arn: Arc<str>,
    },
    /// A service integration: `arn:aws:states:::SERVICE:ACTION.PATTERN`.
    Service {
        /// `lambda`, `ecs`, `batch`, `states`, `aws-sdk:s3`.
        service: Arc<str>,
        /// `invoke`, `runTask`, `submitJob`, `startExecution`.
        action: Arc<str>,
        /// When the task counts as done.
        pattern: Pattern,
    },
}

/// When a service task counts as done
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// When the service answers.
    RequestResponse,
    /// `.sync`: when the job that the service started has ended.
    Sync,
    /// `.sync:2`: as `.sync`, with the output parsed as JSON.
    SyncV2,
    /// `.waitForTaskToken`: when somebody answers with the token.
    WaitForTaskToken,
}

impl Resource {
    /// Reads the `Resource` field of a Task state; `None` when it is not an ARN that Step Functions can call.
    pub fn parse(resource: &str) -> Option<Resource> {
        let parts: Vec<&str> = resource.splitn(6, ':').collect();
        let &["arn", _partition, service, _region, _account, rest] = parts.as_slice() else {
            return None;
        };
        match service {
            "lambda" if rest.starts_with("function:") => Some(Resource::Lambda {
                arn: resource.into(),
            }),
            "states" if rest.starts_with("activity:") => Some(Resource::Activity {
                arn: resource.into(),
            }),
            "states" => {
                let (call, pattern) = if let Some(call) = rest.strip_suffix(".sync:2") {
                    (call, Pattern::SyncV2)
                } else if let Some(call) = rest.strip_suffix(".sync") {
                    (call, Pattern::Sync)
                } else if let Some(call) = rest.strip_suffix(".waitForTaskToken") {
                    (call, Pattern::WaitForTaskToken)
                } else {
                    (rest, Pattern::RequestResponse)
                };
                let (service, action) = call.rsplit_once(':')?;
                (!service.is_empty() && !action.is_empty()).then(|| Resource::Service {
                    service: service.into(),
                    action: action.into(),
                    pattern,
                })
            }
            _ => None,
        }
    }
}

/// The resource as the history's `resourceType` and `resource` name it, joined by a colon: `ecs:runTask.sync`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Resource::Lambda { arn } | Resource::Activity { arn } => f.write_str(arn),
            Resource::Service {
                service,
                action,
                pattern,
            } => write!(f, "{service}:{action}{}", pattern.suffix()),
        }
    }
}

impl Pattern {
    /// The pattern as it is written at the end of a Resource: empty, `.sync`, `.sync:2` or `.waitForTaskToken`.
    pub fn suffix(self) -> &'static str {
        match self {
            Pattern::RequestResponse => "",
            Pattern::Sync => ".sync",
            Pattern::SyncV2 => ".sync:2",
            Pattern::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}
