//! Members of EventBridge Scheduler's requests.

use super::Members;
use crate::action::SchedulerAction as Action;

pub(super) fn members(action: Action) -> Members {
    match action {
        Action::CreateSchedule | Action::UpdateSchedule => Members {
            honoured: &[
                "Name",
                "GroupName",
                "ScheduleExpression",
                "StartDate",
                "EndDate",
                "Description",
                "ScheduleExpressionTimezone",
                "State",
                "Target.Arn",
                "Target.RoleArn",
                "Target.DeadLetterConfig.Arn",
                "Target.RetryPolicy.MaximumEventAgeInSeconds",
                "Target.RetryPolicy.MaximumRetryAttempts",
                "Target.Input",
                "FlexibleTimeWindow.Mode",
                "FlexibleTimeWindow.MaximumWindowInMinutes",
                "ClientToken",
                "ActionAfterCompletion",
            ],
            refused: &[
                "KmsKeyArn",
                "Target.EcsParameters",
                "Target.EventBridgeParameters",
                "Target.EventBridgePutEventsV2Parameters",
                "Target.EventBridgePutRawEventsParameters",
                "Target.KinesisParameters",
                "Target.SageMakerPipelineParameters",
                "Target.SqsParameters",
            ],
            ..Members::NONE
        },
        Action::GetSchedule => Members {
            honoured: &["Name", "GroupName"],
            wire: &[("groupName", "GroupName")],
            ..Members::NONE
        },
        Action::DeleteSchedule => Members {
            honoured: &["Name", "GroupName"],
            harmless: &[("ClientToken", "what is gone stays gone")],
            wire: &[("groupName", "GroupName"), ("clientToken", "ClientToken")],
            ..Members::NONE
        },
        Action::ListSchedules => Members {
            honoured: &[
                "GroupName",
                "NamePrefix",
                "State",
                "NextToken",
                "MaxResults",
            ],
            wire: &[
                ("ScheduleGroup", "GroupName"),
                ("NamePrefix", "NamePrefix"),
                ("State", "State"),
                ("NextToken", "NextToken"),
                ("MaxResults", "MaxResults"),
            ],
            ..Members::NONE
        },
        Action::CreateScheduleGroup => Members {
            honoured: &["Name", "Tags.Key", "Tags.Value", "ClientToken"],
            ..Members::NONE
        },
        Action::GetScheduleGroup => Members {
            honoured: &["Name"],
            ..Members::NONE
        },
        Action::DeleteScheduleGroup => Members {
            honoured: &["Name"],
            harmless: &[("ClientToken", "what is gone stays gone")],
            wire: &[("clientToken", "ClientToken")],
            ..Members::NONE
        },
        Action::ListScheduleGroups => Members {
            honoured: &["NamePrefix", "NextToken", "MaxResults"],
            wire: &[
                ("NamePrefix", "NamePrefix"),
                ("NextToken", "NextToken"),
                ("MaxResults", "MaxResults"),
            ],
            ..Members::NONE
        },
        Action::TagResource => Members {
            honoured: &["ResourceArn", "Tags.Key", "Tags.Value"],
            ..Members::NONE
        },
        Action::UntagResource => Members {
            honoured: &["ResourceArn", "TagKeys"],
            wire: &[("TagKeys", "TagKeys")],
            ..Members::NONE
        },
        Action::ListTagsForResource => Members {
            honoured: &["ResourceArn"],
            ..Members::NONE
        },
    }
}
