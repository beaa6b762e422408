//! The optimized integrations: services, actions, patterns, required parameters.

/// The patterns that a service's actions know beside request and response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patterns {
    None,
    Sync,
    Token,
    Both,
    /// `.sync`, `.sync:2` and `.waitForTaskToken`.
    Nested,
}

/// The optimized integrations
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html>, read 2026-11-24).
pub(super) const INTEGRATIONS: &[(&str, Patterns, &[&str])] = &[
    ("lambda", Patterns::Token, &["invoke"]),
    ("apigateway", Patterns::Token, &["invoke"]),
    (
        "athena",
        Patterns::Sync,
        &[
            "startQueryExecution",
            "stopQueryExecution",
            "getQueryExecution",
            "getQueryResults",
        ],
    ),
    ("batch", Patterns::Sync, &["submitJob"]),
    (
        "bedrock",
        Patterns::Sync,
        &["createModelCustomizationJob", "invokeModel"],
    ),
    (
        "codebuild",
        Patterns::Sync,
        &[
            "startBuild",
            "stopBuild",
            "batchDeleteBuilds",
            "batchGetReports",
            "startBuildBatch",
            "stopBuildBatch",
            "retryBuildBatch",
            "deleteBuildBatch",
        ],
    ),
    ("databrew", Patterns::Sync, &["startJobRun"]),
    (
        "dynamodb",
        Patterns::None,
        &["getItem", "putItem", "deleteItem", "updateItem"],
    ),
    ("ecs", Patterns::Both, &["runTask"]),
    (
        "eks",
        Patterns::Both,
        &[
            "call",
            "runJob",
            "createCluster",
            "deleteCluster",
            "createNodegroup",
            "deleteNodegroup",
            "createFargateProfile",
            "deleteFargateProfile",
        ],
    ),
    (
        "elasticmapreduce",
        Patterns::Sync,
        &[
            "createCluster",
            "setClusterTerminationProtection",
            "terminateCluster",
            "addStep",
            "cancelStep",
            "modifyInstanceFleetByName",
            "modifyInstanceGroupByName",
        ],
    ),
    (
        "emr-containers",
        Patterns::Sync,
        &[
            "createVirtualCluster",
            "deleteVirtualCluster",
            "startJobRun",
        ],
    ),
    (
        "emr-serverless",
        Patterns::Sync,
        &[
            "createApplication",
            "startApplication",
            "stopApplication",
            "deleteApplication",
            "startJobRun",
            "cancelJobRun",
        ],
    ),
    ("events", Patterns::Token, &["putEvents"]),
    ("glue", Patterns::Sync, &["startJobRun"]),
    ("http", Patterns::None, &["invoke"]),
    ("mediaconvert", Patterns::Sync, &["createJob"]),
    (
        "sagemaker",
        Patterns::Sync,
        &[
            "createTrainingJob",
            "createTransformJob",
            "createEndpoint",
            "createEndpointConfig",
            "createHyperParameterTuningJob",
            "createLabelingJob",
            "createProcessingJob",
            "createModel",
            "updateEndpoint",
        ],
    ),
    ("sns", Patterns::Token, &["publish"]),
    ("sqs", Patterns::Token, &["sendMessage"]),
    ("states", Patterns::Nested, &["startExecution"]),
];

/// The parameters that an integration cannot do without.
pub(super) const REQUIRED: &[(&str, &str, &[&str])] = &[
    ("lambda", "invoke", &["FunctionName"]),
    ("sqs", "sendMessage", &["QueueUrl", "MessageBody"]),
    ("sns", "publish", &["Message"]),
    ("dynamodb", "putItem", &["TableName", "Item"]),
    ("dynamodb", "getItem", &["TableName", "Key"]),
    ("states", "startExecution", &["StateMachineArn"]),
    ("events", "putEvents", &["Entries"]),
    ("ecs", "runTask", &["TaskDefinition"]),
    (
        "batch",
        "submitJob",
        &["JobName", "JobQueue", "JobDefinition"],
    ),
    ("glue", "startJobRun", &["JobName"]),
];
