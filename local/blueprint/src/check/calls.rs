//! What code and definitions call on AWS, as the actions that a role must allow: the one home of that knowledge.

/// Whoever traces sends what it did.
const TRACE: &[&str] = &["xray:PutTraceSegments", "xray:PutTelemetryRecords"];

/// Every function writes its log and its trace.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html>
pub const EVERY_FUNCTION: &[&[&str]] = &[&["logs:CreateLogStream", "logs:PutLogEvents"], TRACE];

/// <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>
const LOG_DELIVERY: &[&str] = &[
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
];

/// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html>
const SAMPLING: &[&str] = &["xray:GetSamplingRules", "xray:GetSamplingTargets"];

/// Every state machine delivers its log and its trace.
pub const EVERY_STATE_MACHINE: &[&[&str]] = &[LOG_DELIVERY, TRACE, SAMPLING];

/// Actions without a resource type on their service authorization page, so that `"*"` is the only resource.
pub const UNSCOPED: &[(&str, &[&[&str]])] = &[
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html",
        &[&[
            "states:SendTaskSuccess",
            "states:SendTaskFailure",
            "states:SendTaskHeartbeat",
        ]],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html",
        &[&["batch:DescribeJobs", "batch:ListJobs"]],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html",
        &[TRACE, SAMPLING],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html",
        &[LOG_DELIVERY],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html",
        &[&["ecr:GetAuthorizationToken"]],
    ),
];

/// Where ECS starts a task it assumes the roles of its definition.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>
const RUN_TASK: &[&str] = &["ecs:RunTask", "iam:PassRole"];

/// S3 answers 403 for a missing key to whoever may not list the bucket, and a handler must tell missing from
/// forbidden. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
const GET_OBJECT: &[&str] = &["s3:GetObject", "s3:ListBucket"];

/// A word of a source, and what whoever writes it calls: operations of the SDK, and the verbs of `shared` that
/// stand for them.
pub const WORDS: &[(&str, &[&str])] = &[
    (".get_object()", GET_OBJECT),
    (".put_object()", &["s3:PutObject"]),
    (".list_objects_v2()", &["s3:ListBucket"]),
    (".delete_objects()", &["s3:DeleteObject"]),
    (".run_task()", RUN_TASK),
    (".propagate_tags(", &["ecs:TagResource"]),
    (".stop_task()", &["ecs:StopTask"]),
    (".describe_tasks()", &["ecs:DescribeTasks"]),
    (".submit_job()", &["batch:SubmitJob"]),
    (".list_jobs()", &["batch:ListJobs"]),
    (".describe_jobs()", &["batch:DescribeJobs"]),
    (".terminate_job()", &["batch:TerminateJob"]),
    (".invoke()", &["lambda:InvokeFunction"]),
    (".get_activity_task()", &["states:GetActivityTask"]),
    (".start_execution()", &["states:StartExecution"]),
    (".send_task_success()", &["states:SendTaskSuccess"]),
    (".send_task_failure()", &["states:SendTaskFailure"]),
    (".send_task_heartbeat()", &["states:SendTaskHeartbeat"]),
    ("GetObject", GET_OBJECT),
    ("PutObject", &["s3:PutObject"]),
    ("ListObjects", &["s3:ListBucket"]),
    ("find_json(", GET_OBJECT),
    ("put_json(", &["s3:PutObject"]),
    (
        "put_once(",
        &["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
    ),
    ("note_end(", &["s3:PutObject"]),
    (
        ".compact(",
        &[
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "s3:DeleteObject",
        ],
    ),
    ("PollActivity", &["states:GetActivityTask"]),
    ("Signal::Success", &["states:SendTaskSuccess"]),
    ("Signal::Failure", &["states:SendTaskFailure"]),
    ("Signal::Heartbeat", &["states:SendTaskHeartbeat"]),
    (
        ".signal(",
        &["states:SendTaskSuccess", "states:SendTaskFailure"],
    ),
    // Whole handlers of this repository, which the functions of another project only wire.
    (
        "use dispatcher::",
        &[
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "s3:DeleteObject",
            "states:SendTaskSuccess",
            "states:SendTaskFailure",
            "lambda:InvokeFunction",
            "ecs:RunTask",
            "ecs:TagResource",
            "iam:PassRole",
            "batch:SubmitJob",
            "batch:ListJobs",
        ],
    ),
    (
        "use job_watcher::",
        &[
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "states:SendTaskSuccess",
            "states:SendTaskFailure",
        ],
    ),
];

/// What the harness of the workers does for each of them.
pub const WORKER: &[&str] = &[
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "states:SendTaskSuccess",
    "states:SendTaskFailure",
    "states:SendTaskHeartbeat",
];

/// What the harness does besides in a container: a worker there may poll an activity.
pub const CONTAINER: &[&str] = &["states:GetActivityTask"];

/// What Step Functions calls for an integration.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>
pub const INTEGRATIONS: &[(&str, &[&str])] = &[
    ("arn:aws:states:::lambda:invoke", &[]),
    ("arn:aws:states:::lambda:invoke.waitForTaskToken", &[]),
    ("arn:aws:states:::ecs:runTask", RUN_TASK),
    ("arn:aws:states:::ecs:runTask.waitForTaskToken", RUN_TASK),
    (
        "arn:aws:states:::ecs:runTask.sync",
        &[
            "ecs:RunTask",
            "iam:PassRole",
            "ecs:StopTask",
            "ecs:DescribeTasks",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
    ),
    ("arn:aws:states:::batch:submitJob", &["batch:SubmitJob"]),
    (
        "arn:aws:states:::batch:submitJob.sync",
        &[
            "batch:SubmitJob",
            "batch:DescribeJobs",
            "batch:TerminateJob",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
    ),
    (
        "arn:aws:states:::states:startExecution.sync:2",
        &[
            "states:StartExecution",
            "states:DescribeExecution",
            "states:StopExecution",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
    ),
    (
        "arn:aws:states:::states:startExecution",
        &["states:StartExecution"],
    ),
    ("arn:aws:states:::aws-sdk:s3:getObject", &["s3:GetObject"]),
    ("arn:aws:states:::aws-sdk:s3:putObject", &["s3:PutObject"]),
    ("arn:aws:states:::s3:getObject", &["s3:GetObject"]),
    ("arn:aws:states:::s3:listObjectsV2", &["s3:ListBucket"]),
    (
        "arn:aws:states:::s3:putObject",
        &[
            "s3:PutObject",
            "s3:ListMultipartUploadParts",
            "s3:AbortMultipartUpload",
        ],
    ),
    ("arn:aws:states:::sns:publish", &["sns:Publish"]),
];

/// What a Map in distributed mode needs besides: it starts its own state machine as child executions, and whoever
/// redrives the parent restarts those that failed.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html>
pub const DISTRIBUTED: &[&str] = &[
    "states:StartExecution",
    "states:DescribeExecution",
    "states:StopExecution",
    "states:RedriveExecution",
];
