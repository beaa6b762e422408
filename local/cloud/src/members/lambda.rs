//! Members of Lambda's requests.

use super::Members;
use crate::action::LambdaAction as Action;

/// What a function's configuration may ask for in vain.
const CONFIGURATION: &[(&str, &str)] = &[
    ("TracingConfig", "nothing is traced by X-Ray here"),
    (
        "EphemeralStorage",
        "the temporary folder has what the disk has",
    ),
    ("SnapStart", "executables start without snapshots"),
];

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::Invoke => Members {
            honoured: &[
                "FunctionName",
                "InvocationType",
                "LogType",
                "Payload",
                "Qualifier",
            ],
            refused: &["ClientContext", "DurableExecutionName", "TenantId"],
            wire: &[
                ("X-Amz-Invocation-Type", "InvocationType"),
                ("X-Amz-Log-Type", "LogType"),
                ("X-Amz-Client-Context", "ClientContext"),
                ("X-Amz-Durable-Execution-Name", "DurableExecutionName"),
                ("Qualifier", "Qualifier"),
                ("X-Amz-Tenant-Id", "TenantId"),
            ],
            ..Members::NONE
        },
        Action::InvokeWithResponseStream => Members {
            honoured: &[
                "FunctionName",
                "InvocationType",
                "LogType",
                "Payload",
                "Qualifier",
            ],
            refused: &["ClientContext", "TenantId"],
            wire: &[
                ("X-Amz-Invocation-Type", "InvocationType"),
                ("X-Amz-Log-Type", "LogType"),
                ("X-Amz-Client-Context", "ClientContext"),
                ("Qualifier", "Qualifier"),
                ("X-Amz-Tenant-Id", "TenantId"),
            ],
            ..Members::NONE
        },
        Action::PutFunctionEventInvokeConfig | Action::UpdateFunctionEventInvokeConfig => Members {
            honoured: &[
                "FunctionName",
                "Qualifier",
                "MaximumRetryAttempts",
                "MaximumEventAgeInSeconds",
                "DestinationConfig.OnFailure.Destination",
            ],
            refused: &["DestinationConfig.OnSuccess.Destination"],
            wire: &[("Qualifier", "Qualifier")],
            ..Members::NONE
        },
        Action::ListFunctionEventInvokeConfigs => Members {
            honoured: &["FunctionName", "Marker", "MaxItems"],
            wire: &[("Marker", "Marker"), ("MaxItems", "MaxItems")],
            ..Members::NONE
        },
        Action::CreateFunction => Members {
            honoured: &[
                "FunctionName",
                "Runtime",
                "Role",
                "Handler",
                "Code.ZipFile",
                "Code.S3Bucket",
                "Code.S3Key",
                "Description",
                "Timeout",
                "MemorySize",
                "Publish",
                "PackageType",
                "Environment.Variables",
                "Tags",
                "Architectures",
            ],
            harmless: CONFIGURATION,
            refused: &[
                "VpcConfig",
                "DeadLetterConfig",
                "KMSKeyArn",
                "Layers",
                "FileSystemConfigs",
                "ImageConfig",
                "LoggingConfig",
                "CapacityProviderConfig",
                "DurableConfig",
                "RuntimeConfig",
                "AcceleratorConfig",
                "CodeSigningConfigArn",
                "TenancyConfig",
                "PublishTo",
                "Code.S3ObjectVersion",
                "Code.S3ObjectStorageMode",
                "Code.ImageUri",
                "Code.SourceKMSKeyArn",
            ],
            ..Members::NONE
        },
        Action::UpdateFunctionCode => Members {
            honoured: &[
                "FunctionName",
                "ZipFile",
                "S3Bucket",
                "S3Key",
                "Architectures",
                "Publish",
                "DryRun",
                "RevisionId",
            ],
            refused: &[
                "S3ObjectVersion",
                "S3ObjectStorageMode",
                "ImageUri",
                "PublishTo",
                "SourceKMSKeyArn",
            ],
            ..Members::NONE
        },
        Action::UpdateFunctionConfiguration => Members {
            honoured: &[
                "FunctionName",
                "Role",
                "Handler",
                "Description",
                "Timeout",
                "MemorySize",
                "Environment.Variables",
                "Runtime",
                "RevisionId",
            ],
            harmless: CONFIGURATION,
            refused: &[
                "VpcConfig",
                "DeadLetterConfig",
                "KMSKeyArn",
                "Layers",
                "FileSystemConfigs",
                "ImageConfig",
                "LoggingConfig",
                "CapacityProviderConfig",
                "DurableConfig",
                "RuntimeConfig",
                "AcceleratorConfig",
            ],
            ..Members::NONE
        },
        Action::DeleteFunction
        | Action::GetFunction
        | Action::GetFunctionConfiguration
        | Action::GetFunctionEventInvokeConfig
        | Action::DeleteFunctionEventInvokeConfig
        | Action::GetPolicy => Members {
            honoured: &["FunctionName", "Qualifier"],
            wire: &[("Qualifier", "Qualifier")],
            ..Members::NONE
        },
        Action::ListFunctions => Members {
            honoured: &["FunctionVersion", "Marker", "MaxItems"],
            harmless: &[("MasterRegion", "there is one region here")],
            wire: &[
                ("MasterRegion", "MasterRegion"),
                ("FunctionVersion", "FunctionVersion"),
                ("Marker", "Marker"),
                ("MaxItems", "MaxItems"),
            ],
            ..Members::NONE
        },
        Action::PublishVersion => Members {
            honoured: &["FunctionName", "CodeSha256", "Description", "RevisionId"],
            refused: &["PublishTo"],
            ..Members::NONE
        },
        Action::ListVersionsByFunction => Members {
            honoured: &["FunctionName", "Marker", "MaxItems"],
            wire: &[("Marker", "Marker"), ("MaxItems", "MaxItems")],
            ..Members::NONE
        },
        Action::CreateAlias => Members {
            honoured: &[
                "FunctionName",
                "Name",
                "FunctionVersion",
                "Description",
                "RoutingConfig.AdditionalVersionWeights",
            ],
            ..Members::NONE
        },
        Action::UpdateAlias => Members {
            honoured: &[
                "FunctionName",
                "Name",
                "FunctionVersion",
                "Description",
                "RoutingConfig.AdditionalVersionWeights",
                "RevisionId",
            ],
            ..Members::NONE
        },
        Action::GetAlias | Action::DeleteAlias => Members {
            honoured: &["FunctionName", "Name"],
            ..Members::NONE
        },
        Action::ListAliases => Members {
            honoured: &["FunctionName", "FunctionVersion", "Marker", "MaxItems"],
            wire: &[
                ("FunctionVersion", "FunctionVersion"),
                ("Marker", "Marker"),
                ("MaxItems", "MaxItems"),
            ],
            ..Members::NONE
        },
        Action::TagResource => Members {
            honoured: &["Resource", "Tags"],
            ..Members::NONE
        },
        Action::UntagResource => Members {
            honoured: &["Resource", "TagKeys"],
            wire: &[("tagKeys", "TagKeys")],
            ..Members::NONE
        },
        Action::ListTags => Members {
            honoured: &["Resource"],
            ..Members::NONE
        },
        Action::AddPermission => Members {
            honoured: &[
                "FunctionName",
                "StatementId",
                "Action",
                "Principal",
                "SourceArn",
                "SourceAccount",
                "Qualifier",
                "RevisionId",
            ],
            refused: &[
                "FunctionUrlAuthType",
                "InvokedViaFunctionUrl",
                "EventSourceToken",
                "PrincipalOrgID",
            ],
            wire: &[("Qualifier", "Qualifier")],
            ..Members::NONE
        },
        Action::RemovePermission => Members {
            honoured: &["FunctionName", "StatementId", "Qualifier", "RevisionId"],
            wire: &[("Qualifier", "Qualifier"), ("RevisionId", "RevisionId")],
            ..Members::NONE
        },
        Action::PutFunctionConcurrency => Members {
            honoured: &["FunctionName", "ReservedConcurrentExecutions"],
            ..Members::NONE
        },
        Action::GetFunctionConcurrency | Action::DeleteFunctionConcurrency => Members {
            honoured: &["FunctionName"],
            ..Members::NONE
        },
    }
}
