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
                "ScheduleExpressionTimezone",
                "State",
                "Target.Arn",
                "Target.Input",
            ],
            harmless: &[
                ("Target.RoleArn", "nothing is authorised here"),
                (
                    "KmsKeyArn",
                    "data lies on this machine, under its user's permissions",
                ),
                (
                    "ClientToken",
                    "a second schedule of the same name is refused anyway",
                ),
                (
                    "FlexibleTimeWindow",
                    "a schedule may be due at once in its window",
                ),
            ],
            refused: &[
                "StartDate",
                "EndDate",
                "Description",
                "ActionAfterCompletion",
                "Target.DeadLetterConfig",
                "Target.RetryPolicy",
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
            refused: &[
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
    }
}
