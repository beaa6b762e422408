//! Members of EventBridge's requests.

use super::Members;
use crate::action::EventBridgeAction as Action;

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::PutEvents => Members {
            honoured: &[
                "Entries.Time",
                "Entries.Source",
                "Entries.Resources",
                "Entries.DetailType",
                "Entries.Detail",
                "Entries.EventBusName",
            ],
            harmless: &[("Entries.TraceHeader", "nothing is traced by X-Ray here")],
            refused: &["EndpointId"],
            ..Members::NONE
        },
        Action::ListRules => Members {
            refused: &["NamePrefix", "EventBusName", "NextToken", "Limit"],
            ..Members::NONE
        },
    }
}
