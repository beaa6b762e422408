//! Members of the Security Token Service's requests.

use super::Members;
use crate::action::StsAction;

pub(super) fn members(action: StsAction) -> Members {
    match action {
        StsAction::GetCallerIdentity => Members::NONE,
    }
}
