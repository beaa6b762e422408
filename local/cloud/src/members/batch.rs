//! Members of the Batch requests.

use super::{Members, only};
use crate::action::BatchAction as Action;

/// What is told as given, and nothing else is done with: this machine stands for the capacity.
const CAPACITY: &str = "told as given; this machine stands for all capacity";
const NO_AUTHORISATION: &str = "nothing is authorised here";

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::SubmitJob => SUBMIT_JOB,
        Action::RegisterJobDefinition => REGISTER,
        Action::DescribeJobs => only(&["jobs"]),
        Action::ListJobs => Members {
            honoured: &[
                "jobQueue",
                "arrayJobId",
                "jobStatus",
                "filters.name",
                "filters.values",
                "maxResults",
                "nextToken",
            ],
            refused: &["multiNodeJobId"],
            ..Members::NONE
        },
        Action::TerminateJob | Action::CancelJob => only(&["jobId", "reason"]),
        Action::DeregisterJobDefinition => only(&["jobDefinition"]),
        Action::DescribeJobDefinitions => only(&[
            "jobDefinitions",
            "jobDefinitionName",
            "status",
            "maxResults",
            "nextToken",
        ]),
        Action::CreateJobQueue => Members {
            honoured: &[
                "jobQueueName",
                "state",
                "priority",
                "computeEnvironmentOrder.order",
                "computeEnvironmentOrder.computeEnvironment",
                "tags",
                "jobStateTimeLimitActions.reason",
                "jobStateTimeLimitActions.state",
                "jobStateTimeLimitActions.maxTimeSeconds",
                "jobStateTimeLimitActions.action",
            ],
            harmless: &[("jobQueueType", "every queue here takes jobs of containers")],
            refused: &["schedulingPolicyArn", "serviceEnvironmentOrder"],
            ..Members::NONE
        },
        Action::UpdateJobQueue => Members {
            honoured: &[
                "jobQueue",
                "state",
                "priority",
                "computeEnvironmentOrder.order",
                "computeEnvironmentOrder.computeEnvironment",
                "jobStateTimeLimitActions.reason",
                "jobStateTimeLimitActions.state",
                "jobStateTimeLimitActions.maxTimeSeconds",
                "jobStateTimeLimitActions.action",
            ],
            refused: &["schedulingPolicyArn", "serviceEnvironmentOrder"],
            ..Members::NONE
        },
        Action::DeleteJobQueue => only(&["jobQueue"]),
        Action::DescribeJobQueues => only(&["jobQueues", "maxResults", "nextToken"]),
        Action::CreateComputeEnvironment => Members {
            honoured: &["computeEnvironmentName", "type", "state", "tags"],
            harmless: &[
                ("computeResources", CAPACITY),
                ("unmanagedvCpus", CAPACITY),
                ("context", "reserved by AWS; told as given"),
                ("serviceRole", NO_AUTHORISATION),
                (
                    "ecsSettings",
                    "there are no metrics of containers to switch on",
                ),
            ],
            refused: &["eksConfiguration"],
            ..Members::NONE
        },
        Action::UpdateComputeEnvironment => Members {
            honoured: &["computeEnvironment", "state"],
            harmless: &[
                ("computeResources", CAPACITY),
                ("unmanagedvCpus", CAPACITY),
                ("context", "reserved by AWS; told as given"),
                ("serviceRole", NO_AUTHORISATION),
                (
                    "updatePolicy",
                    "no instance is replaced, so no job is ended for it",
                ),
                (
                    "ecsSettings",
                    "there are no metrics of containers to switch on",
                ),
            ],
            refused: &["eksConfiguration"],
            ..Members::NONE
        },
        Action::DeleteComputeEnvironment => only(&["computeEnvironment"]),
        Action::DescribeComputeEnvironments => {
            only(&["computeEnvironments", "maxResults", "nextToken"])
        }
        Action::TagResource => only(&["resourceArn", "tags"]),
        Action::UntagResource => Members {
            wire: &[("tagKeys", "tagKeys")],
            ..only(&["resourceArn", "tagKeys"])
        },
        Action::ListTagsForResource => only(&["resourceArn"]),
    }
}

const SUBMIT_JOB: Members = Members {
    honoured: &[
        "jobName",
        "jobQueue",
        "arrayProperties.size",
        "dependsOn.jobId",
        "dependsOn.type",
        "jobDefinition",
        "parameters",
        "containerOverrides.vcpus",
        "containerOverrides.memory",
        "containerOverrides.command",
        "containerOverrides.environment.name",
        "containerOverrides.environment.value",
        "containerOverrides.resourceRequirements.value",
        "containerOverrides.resourceRequirements.type",
        "retryStrategy.attempts",
        "retryStrategy.evaluateOnExit.onStatusReason",
        "retryStrategy.evaluateOnExit.onReason",
        "retryStrategy.evaluateOnExit.onExitCode",
        "retryStrategy.evaluateOnExit.action",
        "timeout.attemptDurationSeconds",
        "tags",
    ],
    harmless: &[("propagateTags", "no ECS task stands behind a job here")],
    refused: &[
        "shareIdentifier",
        "schedulingPriorityOverride",
        "containerOverrides.instanceType",
        "nodeOverrides",
        "eksPropertiesOverride",
        "ecsPropertiesOverride",
        "consumableResourcePropertiesOverride",
    ],
    ..Members::NONE
};

const REGISTER: Members = Members {
    honoured: &[
        "jobDefinitionName",
        "type",
        "parameters",
        "containerProperties.image",
        "containerProperties.vcpus",
        "containerProperties.memory",
        "containerProperties.command",
        "containerProperties.environment.name",
        "containerProperties.environment.value",
        "containerProperties.resourceRequirements.value",
        "containerProperties.resourceRequirements.type",
        "retryStrategy.attempts",
        "retryStrategy.evaluateOnExit.onStatusReason",
        "retryStrategy.evaluateOnExit.onReason",
        "retryStrategy.evaluateOnExit.onExitCode",
        "retryStrategy.evaluateOnExit.action",
        "timeout.attemptDurationSeconds",
        "tags",
        "platformCapabilities",
    ],
    harmless: &[
        ("propagateTags", "no ECS task stands behind a job here"),
        (
            "schedulingPriority",
            "it counts in queues with shares only, and there are none",
        ),
        ("containerProperties.jobRoleArn", NO_AUTHORISATION),
        ("containerProperties.executionRoleArn", NO_AUTHORISATION),
        (
            "containerProperties.instanceType",
            "it counts for multi-node jobs only, and there are none",
        ),
        (
            "containerProperties.readonlyRootFilesystem",
            "a process sees the disk of this machine, as its user may",
        ),
        (
            "containerProperties.user",
            "a process is that of the user who started the local cloud",
        ),
        (
            "containerProperties.linuxParameters.initProcessEnabled",
            "what a container leaves behind is ended with it",
        ),
        (
            "containerProperties.linuxParameters.sharedMemorySize",
            "a process has the shared memory of this machine",
        ),
        (
            "containerProperties.linuxParameters.maxSwap",
            "a process swaps as this machine does",
        ),
        (
            "containerProperties.linuxParameters.swappiness",
            "a process swaps as this machine does",
        ),
        (
            "containerProperties.logConfiguration",
            "what a container writes is kept in the local logs, wherever else it would go",
        ),
        (
            "containerProperties.networkConfiguration",
            "processes of this machine have its network",
        ),
        (
            "containerProperties.fargatePlatformConfiguration",
            "this machine has one version",
        ),
        (
            "containerProperties.ephemeralStorage",
            "a job has the disk of this machine",
        ),
        (
            "containerProperties.runtimePlatform",
            "a program is built for this machine",
        ),
        (
            "containerProperties.repositoryCredentials",
            "no image is pulled: a program of this machine stands for it",
        ),
    ],
    refused: &[
        "containerProperties.volumes",
        "containerProperties.mountPoints",
        "containerProperties.privileged",
        "containerProperties.ulimits",
        "containerProperties.linuxParameters.devices",
        "containerProperties.linuxParameters.tmpfs",
        "containerProperties.secrets",
        "containerProperties.enableExecuteCommand",
        "nodeProperties",
        "eksProperties",
        "ecsProperties",
        "consumableResourceProperties",
    ],
    ..Members::NONE
};
