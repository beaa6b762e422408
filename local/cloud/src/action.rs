//! What the local services can be asked to do. Every service and every action is named here, once: the router, the
//! integrations of Step Functions, faults and rates parse these enums and list what is in them.
//!
//! A new action is one word in the table below; the service's `call` does not compile until it answers it.

use std::fmt;
use std::str::FromStr;

use crate::error::ServiceError;

/// Makes the enum of services, an enum of each service's actions, and [`Action`] over all.
macro_rules! services {
    ($($(#[$doc:meta])* $service:ident: $actions:ident { $($action:ident),+ $(,)? })+) => {
        /// A service of the local cloud.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ServiceId {
            $($(#[$doc])* $service,)+
        }

        impl ServiceId {
            /// Every service.
            pub const ALL: &[ServiceId] = &[$(ServiceId::$service),+];
        }

        /// An action of any service.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[$doc])* $service($actions),)+
        }

        impl Action {
            /// An action by its service and its name there.
            pub fn of(service: ServiceId, name: &str) -> Option<Action> {
                match service {
                    $(ServiceId::$service => $actions::parse(name).map(Action::$service),)+
                }
            }

            /// Every action of every service.
            pub fn all() -> impl Iterator<Item = Action> {
                std::iter::empty()$(.chain($actions::ALL.iter().copied().map(Action::$service)))+
            }

            /// The service that is asked.
            pub fn service(self) -> ServiceId {
                match self {
                    $(Action::$service(_) => ServiceId::$service,)+
                }
            }

            /// The name that AWS gives the action.
            pub fn name(self) -> &'static str {
                match self {
                    $(Action::$service(action) => action.name(),)+
                }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[allow(missing_docs, reason = "each action does what AWS's page of the same name says")]
            pub enum $actions { $($action,)+ }

            impl $actions {
                /// Every action of the service.
                pub const ALL: &[$actions] = &[$($actions::$action),+];

                /// The name that AWS gives the action.
                pub fn name(self) -> &'static str {
                    match self {
                        $($actions::$action => stringify!($action),)+
                    }
                }

                /// The action of this name.
                pub fn parse(name: &str) -> Option<$actions> {
                    Self::ALL.iter().copied().find(|action| action.name() == name)
                }

                /// The action that a request names.
                ///
                /// # Errors
                /// `UnknownOperationException`: the local service has none of this name.
                pub fn required(name: &str) -> Result<$actions, ServiceError> {
                    let unknown = || ServiceError::unknown_action(ServiceId::$service.prefix(), name);
                    Self::parse(name).ok_or_else(unknown)
                }
            }

            impl From<$actions> for Action {
                fn from(action: $actions) -> Action {
                    Action::$service(action)
                }
            }
        )+
    };
}

services! {
    /// Step Functions.
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html>
    StepFunctions: StepFunctionsAction {
        CreateStateMachine, UpdateStateMachine, DeleteStateMachine, DescribeStateMachine, ListStateMachines,
        PublishStateMachineVersion, DeleteStateMachineVersion, ListStateMachineVersions,
        CreateStateMachineAlias, UpdateStateMachineAlias, DescribeStateMachineAlias, DeleteStateMachineAlias,
        ListStateMachineAliases,
        StartExecution, StartSyncExecution, StopExecution, DescribeExecution, DescribeStateMachineForExecution,
        RedriveExecution, ListExecutions, GetExecutionHistory,
        SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat,
        CreateActivity, DeleteActivity, DescribeActivity, ListActivities, GetActivityTask,
        ValidateStateMachineDefinition, TestState,
        ListMapRuns, DescribeMapRun, UpdateMapRun,
        TagResource, UntagResource, ListTagsForResource,
    }
    /// Lambda.
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>
    Lambda: LambdaAction {
        Invoke, InvokeWithResponseStream,
        CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration, DeleteFunction,
        GetFunction, GetFunctionConfiguration, ListFunctions,
        PublishVersion, ListVersionsByFunction,
        CreateAlias, UpdateAlias, GetAlias, DeleteAlias, ListAliases,
        TagResource, UntagResource, ListTags,
        AddPermission, RemovePermission, GetPolicy,
        PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency,
        PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig, GetFunctionEventInvokeConfig,
        DeleteFunctionEventInvokeConfig, ListFunctionEventInvokeConfigs,
    }
    /// ECS.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html>
    Ecs: EcsAction {
        RunTask, StopTask, DescribeTasks, ListTasks,
        RegisterTaskDefinition, DeregisterTaskDefinition, DeleteTaskDefinitions, DescribeTaskDefinition,
        ListTaskDefinitions, ListTaskDefinitionFamilies,
        CreateCluster, UpdateCluster, UpdateClusterSettings, PutClusterCapacityProviders, DeleteCluster,
        DescribeClusters, ListClusters,
        DescribeServices, ListServices, ListContainerInstances,
        TagResource, UntagResource, ListTagsForResource,
    }
    /// Batch.
    /// <https://docs.aws.amazon.com/batch/latest/APIReference/API_Operations.html>
    Batch: BatchAction {
        SubmitJob, DescribeJobs, ListJobs, TerminateJob, CancelJob,
        RegisterJobDefinition, DeregisterJobDefinition, DescribeJobDefinitions,
        CreateJobQueue, UpdateJobQueue, DeleteJobQueue, DescribeJobQueues,
        CreateComputeEnvironment, UpdateComputeEnvironment, DeleteComputeEnvironment, DescribeComputeEnvironments,
        TagResource, UntagResource, ListTagsForResource,
    }
    /// S3.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
    S3: S3Action {
        GetObject, HeadObject, PutObject, CopyObject, DeleteObject, DeleteObjects,
        ListObjects, ListObjectsV2, ListObjectVersions,
        GetObjectAttributes, GetObjectAcl, GetObjectRetention, GetObjectLegalHold,
        GetObjectTagging, PutObjectTagging, DeleteObjectTagging,
        ListBuckets, CreateBucket, DeleteBucket, HeadBucket, GetBucketLocation,
        GetBucketTagging, PutBucketTagging, DeleteBucketTagging,
        GetBucketVersioning, GetBucketAcl, GetBucketPolicyStatus, GetBucketLogging, GetBucketRequestPayment,
        GetBucketAccelerateConfiguration, GetBucketNotificationConfiguration, GetBucketOwnershipControls,
        GetPublicAccessBlock, GetObjectLockConfiguration,
        GetBucketPolicy, DeleteBucketPolicy, GetBucketEncryption, DeleteBucketEncryption,
        GetBucketLifecycleConfiguration, DeleteBucketLifecycle, GetBucketCors, DeleteBucketCors,
        GetBucketWebsite, DeleteBucketWebsite, GetBucketReplication, DeleteBucketReplication,
        CreateMultipartUpload, UploadPart, UploadPartCopy, ListParts, ListMultipartUploads,
        CompleteMultipartUpload, AbortMultipartUpload,
    }
    /// EventBridge.
    /// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html>
    EventBridge: EventBridgeAction {
        PutEvents, TestEventPattern,
        PutRule, DescribeRule, DeleteRule, EnableRule, DisableRule, ListRules, ListRuleNamesByTarget,
        PutTargets, RemoveTargets, ListTargetsByRule,
        CreateEventBus, DescribeEventBus, DeleteEventBus, ListEventBuses,
        TagResource, UntagResource, ListTagsForResource,
    }
    /// EventBridge Scheduler.
    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html>
    Scheduler: SchedulerAction {
        CreateSchedule, GetSchedule, UpdateSchedule, DeleteSchedule, ListSchedules,
        CreateScheduleGroup, GetScheduleGroup, DeleteScheduleGroup, ListScheduleGroups,
        TagResource, UntagResource, ListTagsForResource,
    }
    /// CloudWatch Logs: the reads.
    /// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html>
    Logs: LogsAction { DescribeLogGroups, DescribeLogStreams, GetLogEvents, FilterLogEvents }
    /// Security Token Service: the one action that tools call before they do anything else.
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>
    Sts: StsAction { GetCallerIdentity }
}

impl ServiceId {
    /// Prefix of its actions in policies, which is also the scope that its requests are signed for.
    /// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
    pub fn prefix(self) -> &'static str {
        match self {
            ServiceId::StepFunctions => "states",
            ServiceId::Lambda => "lambda",
            ServiceId::Ecs => "ecs",
            ServiceId::Batch => "batch",
            ServiceId::S3 => "s3",
            ServiceId::EventBridge => "events",
            ServiceId::Scheduler => "scheduler",
            ServiceId::Logs => "logs",
            ServiceId::Sts => "sts",
        }
    }

    /// What stands before the action in `X-Amz-Target`, without a version; only services of the AWS JSON protocols.
    pub fn target(self) -> Option<&'static str> {
        match self {
            ServiceId::StepFunctions => Some("AWSStepFunctions"),
            ServiceId::Ecs => Some("AmazonEC2ContainerService"),
            ServiceId::EventBridge => Some("AWSEvents"),
            ServiceId::Logs => Some("Logs_20140328"),
            ServiceId::Lambda
            | ServiceId::Batch
            | ServiceId::S3
            | ServiceId::Scheduler
            | ServiceId::Sts => None,
        }
    }

    /// The service's name in `arn:aws:states:::aws-sdk:<service>:<action>`.
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>
    pub fn sdk_name(self) -> &'static str {
        match self {
            ServiceId::StepFunctions => "sfn",
            ServiceId::EventBridge => "eventbridge",
            ServiceId::Logs => "cloudwatchlogs",
            ServiceId::Lambda
            | ServiceId::Ecs
            | ServiceId::Batch
            | ServiceId::S3
            | ServiceId::Scheduler
            | ServiceId::Sts => self.prefix(),
        }
    }

    /// The service whose `text` is this: `by(ServiceId::prefix, "ecs")`.
    pub(crate) fn by<T: PartialEq>(text: fn(ServiceId) -> T, wanted: T) -> Option<ServiceId> {
        Self::ALL
            .iter()
            .copied()
            .find(|service| text(*service) == wanted)
    }
}

impl Action {
    /// The action of an SDK integration: `sfn` and `startExecution`.
    pub fn of_sdk(service: &str, action: &str) -> Option<Action> {
        let mut characters = action.chars();
        // The one difference to the name on the wire; a second spelling of an action would not be AWS's.
        let first = characters.next().filter(char::is_ascii_lowercase)?;
        let name: String = std::iter::once(first.to_ascii_uppercase())
            .chain(characters)
            .collect();
        Action::of(ServiceId::by(ServiceId::sdk_name, service)?, &name)
    }
}

/// As policies name it: `ecs:RunTask`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service().prefix(), self.name())
    }
}

/// A name that no action has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is no action of the local cloud; did you mean {nearest}?")]
pub struct UnknownAction {
    /// What was given.
    pub given: String,
    /// The action whose name is nearest to it.
    pub nearest: Action,
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Action, UnknownAction> {
        if let Some(action) = Action::all().find(|action| action.to_string() == text) {
            return Ok(action);
        }
        let distance = |action: &Action| strsim::damerau_levenshtein(&action.to_string(), text);
        let nearest = Action::all().min_by_key(distance);
        Err(UnknownAction {
            given: text.to_owned(),
            nearest: nearest.unwrap_or(Action::Lambda(LambdaAction::Invoke)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_one_name_everywhere() {
        for action in Action::all() {
            assert_eq!(action.to_string().parse(), Ok(action));
            assert_eq!(Action::of(action.service(), action.name()), Some(action));
        }
        let run_task = Some(Action::Ecs(EcsAction::RunTask));
        assert_eq!(Action::of_sdk("ecs", "runTask"), run_task);
        assert_eq!(Action::of_sdk("ecs", "RunTask"), None);
        assert_eq!(Action::of_sdk("states", "startExecution"), None);
        let start = Some(Action::StepFunctions(StepFunctionsAction::StartExecution));
        assert_eq!(Action::of_sdk("sfn", "startExecution"), start);
    }

    #[test]
    fn of_a_typo_the_nearest_name_is_told() {
        for (typo, nearest) in [
            ("ecs:RunTasks", "ecs:RunTask"),
            ("states:SendTaskSucces", "states:SendTaskSuccess"),
            ("Batch:submitJob", "batch:SubmitJob"),
            ("s3:ListObjectV2", "s3:ListObjectsV2"),
        ] {
            let error = typo.parse::<Action>().map_err(|error| error.to_string());
            let expected =
                format!("{typo} is no action of the local cloud; did you mean {nearest}?");
            assert_eq!(error, Err(expected));
        }
    }
}
