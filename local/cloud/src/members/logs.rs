//! Members of CloudWatch Logs's requests.

use super::Members;
use crate::action::LogsAction as Action;

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::DescribeLogGroups => Members {
            honoured: &[
                "logGroupNamePrefix",
                "logGroupNamePattern",
                "nextToken",
                "limit",
                "logGroupClass",
                "logGroupIdentifiers",
            ],
            refused: &["accountIdentifiers", "includeLinkedAccounts"],
            ..Members::NONE
        },
        Action::DescribeLogStreams => Members {
            honoured: &[
                "logGroupName",
                "logGroupIdentifier",
                "logStreamNamePrefix",
                "orderBy",
                "descending",
                "nextToken",
                "limit",
            ],
            ..Members::NONE
        },
        Action::GetLogEvents => Members {
            honoured: &[
                "logGroupName",
                "logGroupIdentifier",
                "logStreamName",
                "startTime",
                "endTime",
                "nextToken",
                "limit",
                "startFromHead",
            ],
            harmless: &[("unmask", "nothing is masked here")],
            ..Members::NONE
        },
        Action::FilterLogEvents => Members {
            honoured: &[
                "logGroupName",
                "logGroupIdentifier",
                "logStreamNames",
                "logStreamNamePrefix",
                "startTime",
                "endTime",
                "filterPattern",
                "nextToken",
                "limit",
                "startFromHead",
            ],
            harmless: &[
                ("unmask", "nothing is masked here"),
                (
                    "interleaved",
                    "AWS interleaves the streams whatever it says",
                ),
            ],
            ..Members::NONE
        },
    }
}
