//! Members of Lambda's requests.

use super::Members;
use crate::action::LambdaAction as Action;

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::Invoke => Members {
            honoured: &["FunctionName", "InvocationType", "LogType", "Payload"],
            refused: &[
                "ClientContext",
                "DurableExecutionName",
                "Qualifier",
                "TenantId",
            ],
            wire: &[
                ("X-Amz-Invocation-Type", "InvocationType"),
                ("X-Amz-Log-Type", "LogType"),
                ("X-Amz-Client-Context", "ClientContext"),
                ("X-Amz-Durable-Execution-Name", "DurableExecutionName"),
                ("X-Amz-Tenant-Id", "TenantId"),
                ("Qualifier", "Qualifier"),
            ],
            ..Members::NONE
        },
        Action::GetFunction | Action::GetFunctionConfiguration => Members {
            honoured: &["FunctionName"],
            refused: &["Qualifier"],
            wire: &[("Qualifier", "Qualifier")],
            ..Members::NONE
        },
        Action::ListFunctions => Members {
            refused: &["MasterRegion", "FunctionVersion", "Marker", "MaxItems"],
            wire: &[
                ("MasterRegion", "MasterRegion"),
                ("FunctionVersion", "FunctionVersion"),
                ("Marker", "Marker"),
                ("MaxItems", "MaxItems"),
            ],
            ..Members::NONE
        },
    }
}
