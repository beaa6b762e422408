//! Members of the ECS requests.

use super::{Members, only};
use crate::action::EcsAction as Action;

const SETTINGS: (&str, &str) = (
    "settings",
    "told as given; there are no metrics of containers to switch on",
);
const CONFIGURATION: (&str, &str) = (
    "configuration",
    "told as given; it is for ExecuteCommand and for encryption by KMS, which are not here",
);
const NO_INSTANCES: &str = "no container instances register here, so a list of them is empty";
const NO_SERVICES: &str = "there are no services here, so a list of them is empty";

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::RunTask => RUN_TASK,
        Action::RegisterTaskDefinition => REGISTER,
        Action::StopTask => only(&["cluster", "task", "reason"]),
        Action::DescribeTasks => only(&["cluster", "tasks", "include"]),
        Action::ListTasks => Members {
            honoured: &[
                "cluster",
                "family",
                "startedBy",
                "desiredStatus",
                "launchType",
                "serviceName",
                "nextToken",
                "maxResults",
            ],
            refused: &["containerInstance", "daemonName"],
            ..Members::NONE
        },
        Action::DeregisterTaskDefinition => only(&["taskDefinition"]),
        Action::DeleteTaskDefinitions => only(&["taskDefinitions"]),
        Action::DescribeTaskDefinition => only(&["taskDefinition", "include"]),
        Action::ListTaskDefinitions => {
            only(&["familyPrefix", "status", "sort", "nextToken", "maxResults"])
        }
        Action::ListTaskDefinitionFamilies => {
            only(&["familyPrefix", "status", "nextToken", "maxResults"])
        }
        Action::CreateCluster => Members {
            honoured: &[
                "clusterName",
                "tags.key",
                "tags.value",
                "capacityProviders",
                "defaultCapacityProviderStrategy.capacityProvider",
                "defaultCapacityProviderStrategy.weight",
                "defaultCapacityProviderStrategy.base",
            ],
            harmless: &[SETTINGS, CONFIGURATION],
            refused: &["serviceConnectDefaults"],
            ..Members::NONE
        },
        Action::UpdateCluster => Members {
            honoured: &["cluster"],
            harmless: &[SETTINGS, CONFIGURATION],
            refused: &["serviceConnectDefaults"],
            ..Members::NONE
        },
        Action::UpdateClusterSettings => Members {
            honoured: &["cluster"],
            harmless: &[SETTINGS],
            ..Members::NONE
        },
        Action::PutClusterCapacityProviders => only(&[
            "cluster",
            "capacityProviders",
            "defaultCapacityProviderStrategy.capacityProvider",
            "defaultCapacityProviderStrategy.weight",
            "defaultCapacityProviderStrategy.base",
        ]),
        Action::DeleteCluster => only(&["cluster"]),
        Action::DescribeClusters => only(&["clusters", "include"]),
        Action::ListClusters => only(&["nextToken", "maxResults"]),
        Action::DescribeServices => Members {
            honoured: &["cluster", "services"],
            harmless: &[(
                "include",
                "there are no services here, and so no tags of theirs",
            )],
            ..Members::NONE
        },
        Action::ListServices => Members {
            honoured: &["cluster"],
            harmless: &[
                ("nextToken", NO_SERVICES),
                ("maxResults", NO_SERVICES),
                ("launchType", NO_SERVICES),
                ("schedulingStrategy", NO_SERVICES),
                ("resourceManagementType", NO_SERVICES),
            ],
            ..Members::NONE
        },
        Action::ListContainerInstances => Members {
            honoured: &["cluster"],
            harmless: &[
                ("filter", NO_INSTANCES),
                ("nextToken", NO_INSTANCES),
                ("maxResults", NO_INSTANCES),
                ("status", NO_INSTANCES),
            ],
            ..Members::NONE
        },
        Action::TagResource => only(&["resourceArn", "tags.key", "tags.value"]),
        Action::UntagResource => only(&["resourceArn", "tagKeys"]),
        Action::ListTagsForResource => only(&["resourceArn"]),
    }
}

const RUN_TASK: Members = Members {
    honoured: &[
        "capacityProviderStrategy.capacityProvider",
        "capacityProviderStrategy.weight",
        "capacityProviderStrategy.base",
        "cluster",
        "count",
        "group",
        "launchType",
        "networkConfiguration.awsvpcConfiguration.subnets",
        "overrides.containerOverrides.name",
        "overrides.containerOverrides.command",
        "overrides.containerOverrides.environment.name",
        "overrides.containerOverrides.environment.value",
        "overrides.containerOverrides.cpu",
        "overrides.containerOverrides.memory",
        "overrides.cpu",
        "overrides.memory",
        "startedBy",
        "tags.key",
        "tags.value",
        "taskDefinition",
        "clientToken",
        "propagateTags",
    ],
    harmless: &[
        (
            "networkConfiguration.awsvpcConfiguration.securityGroups",
            "processes of this machine have its network",
        ),
        (
            "networkConfiguration.awsvpcConfiguration.assignPublicIp",
            "processes of this machine have its network",
        ),
        (
            "overrides.containerOverrides.memoryReservation",
            "a soft limit takes nothing from a container",
        ),
        ("overrides.executionRoleArn", "nothing is authorised here"),
        ("overrides.taskRoleArn", "nothing is authorised here"),
        ("platformVersion", "this machine has one version"),
        (
            "enableECSManagedTags",
            "they are for bills, and there is none",
        ),
    ],
    refused: &[
        "enableExecuteCommand",
        "overrides.containerOverrides.environmentFiles",
        "overrides.containerOverrides.resourceRequirements",
        "overrides.inferenceAcceleratorOverrides",
        "overrides.ephemeralStorage",
        "placementConstraints",
        "placementStrategy",
        "referenceId",
        "volumeConfigurations",
    ],
    ..Members::NONE
};

const REGISTER: Members = Members {
    honoured: &[
        "family",
        "networkMode",
        "containerDefinitions.name",
        "containerDefinitions.image",
        "containerDefinitions.cpu",
        "containerDefinitions.memory",
        "containerDefinitions.essential",
        "containerDefinitions.entryPoint",
        "containerDefinitions.command",
        "containerDefinitions.environment.name",
        "containerDefinitions.environment.value",
        "containerDefinitions.stopTimeout",
        "requiresCompatibilities",
        "cpu",
        "memory",
        "tags.key",
        "tags.value",
    ],
    harmless: &[
        ("taskRoleArn", "nothing is authorised here"),
        ("executionRoleArn", "nothing is authorised here"),
        ("ephemeralStorage", "a task has the disk of this machine"),
        ("runtimePlatform", "a program is built for this machine"),
        (
            "containerDefinitions.repositoryCredentials",
            "no image is pulled: a program of this machine stands for it",
        ),
        (
            "containerDefinitions.versionConsistency",
            "no image is pulled: a program of this machine stands for it",
        ),
        (
            "containerDefinitions.memoryReservation",
            "a soft limit takes nothing from a container",
        ),
        (
            "containerDefinitions.portMappings",
            "a process listens on the ports of this machine",
        ),
        (
            "containerDefinitions.linuxParameters.initProcessEnabled",
            "what a container leaves behind is ended with it",
        ),
        (
            "containerDefinitions.linuxParameters.sharedMemorySize",
            "a process has the shared memory of this machine",
        ),
        (
            "containerDefinitions.linuxParameters.maxSwap",
            "a process swaps as this machine does",
        ),
        (
            "containerDefinitions.linuxParameters.swappiness",
            "a process swaps as this machine does",
        ),
        (
            "containerDefinitions.user",
            "a process is that of the user who started the local cloud",
        ),
        (
            "containerDefinitions.readonlyRootFilesystem",
            "a process sees the disk of this machine, as its user may",
        ),
        (
            "containerDefinitions.dockerLabels",
            "labels are for those who look at a Docker daemon",
        ),
        (
            "containerDefinitions.logConfiguration",
            "what a container writes is kept in the local logs, wherever else it would go",
        ),
        (
            "containerDefinitions.healthCheck",
            "of a task outside a service it is only told",
        ),
    ],
    refused: &[
        "containerDefinitions.links",
        "containerDefinitions.restartPolicy",
        "containerDefinitions.environmentFiles",
        "containerDefinitions.mountPoints",
        "containerDefinitions.volumesFrom",
        "containerDefinitions.linuxParameters.capabilities",
        "containerDefinitions.linuxParameters.devices",
        "containerDefinitions.linuxParameters.tmpfs",
        "containerDefinitions.secrets",
        "containerDefinitions.dependsOn",
        "containerDefinitions.startTimeout",
        "containerDefinitions.hostname",
        "containerDefinitions.workingDirectory",
        "containerDefinitions.disableNetworking",
        "containerDefinitions.privileged",
        "containerDefinitions.dnsServers",
        "containerDefinitions.dnsSearchDomains",
        "containerDefinitions.extraHosts",
        "containerDefinitions.dockerSecurityOptions",
        "containerDefinitions.interactive",
        "containerDefinitions.pseudoTerminal",
        "containerDefinitions.ulimits",
        "containerDefinitions.systemControls",
        "containerDefinitions.resourceRequirements",
        "containerDefinitions.firelensConfiguration",
        "containerDefinitions.credentialSpecs",
        "volumes",
        "placementConstraints",
        "pidMode",
        "ipcMode",
        "proxyConfiguration",
        "inferenceAccelerators",
        "enableFaultInjection",
        "trustedExecutionConfiguration",
    ],
    ..Members::NONE
};
