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
        Action::TestEventPattern => Members {
            honoured: &["EventPattern", "Event"],
            ..Members::NONE
        },
        Action::PutRule => Members {
            honoured: &[
                "Name",
                "ScheduleExpression",
                "EventPattern",
                "State",
                "Description",
                "RoleArn",
                "Tags.Key",
                "Tags.Value",
                "EventBusName",
            ],
            ..Members::NONE
        },
        Action::DescribeRule | Action::EnableRule | Action::DisableRule => Members {
            honoured: &["Name", "EventBusName"],
            ..Members::NONE
        },
        Action::DeleteRule => Members {
            honoured: &["Name", "EventBusName"],
            harmless: &[("Force", "no rule here belongs to a service")],
            ..Members::NONE
        },
        Action::ListRules => Members {
            honoured: &["NamePrefix", "EventBusName", "NextToken", "Limit"],
            ..Members::NONE
        },
        Action::ListRuleNamesByTarget => Members {
            honoured: &["TargetArn", "EventBusName", "NextToken", "Limit"],
            ..Members::NONE
        },
        Action::PutTargets => Members {
            honoured: &[
                "Rule",
                "EventBusName",
                "Targets.Id",
                "Targets.Arn",
                "Targets.RoleArn",
                "Targets.Input",
                "Targets.InputPath",
                "Targets.InputTransformer.InputPathsMap",
                "Targets.InputTransformer.InputTemplate",
                "Targets.DeadLetterConfig.Arn",
                "Targets.RetryPolicy.MaximumRetryAttempts",
                "Targets.RetryPolicy.MaximumEventAgeInSeconds",
            ],
            refused: &[
                "Targets.KinesisParameters",
                "Targets.RunCommandParameters",
                "Targets.EcsParameters",
                "Targets.BatchParameters",
                "Targets.SqsParameters",
                "Targets.HttpParameters",
                "Targets.RedshiftDataParameters",
                "Targets.SageMakerPipelineParameters",
                "Targets.AppSyncParameters",
            ],
            ..Members::NONE
        },
        Action::RemoveTargets => Members {
            honoured: &["Rule", "EventBusName", "Ids"],
            harmless: &[("Force", "no rule here belongs to a service")],
            ..Members::NONE
        },
        Action::ListTargetsByRule => Members {
            honoured: &["Rule", "EventBusName", "NextToken", "Limit"],
            ..Members::NONE
        },
        Action::CreateEventBus => Members {
            honoured: &["Name", "Description", "Tags.Key", "Tags.Value"],
            refused: &[
                "EventSourceName",
                "KmsKeyIdentifier",
                "DeadLetterConfig",
                "LogConfig",
            ],
            ..Members::NONE
        },
        Action::DescribeEventBus | Action::DeleteEventBus => Members {
            honoured: &["Name"],
            ..Members::NONE
        },
        Action::ListEventBuses => Members {
            honoured: &["NamePrefix", "NextToken", "Limit"],
            ..Members::NONE
        },
        Action::TagResource => Members {
            honoured: &["ResourceARN", "Tags.Key", "Tags.Value"],
            ..Members::NONE
        },
        Action::UntagResource => Members {
            honoured: &["ResourceARN", "TagKeys"],
            ..Members::NONE
        },
        Action::ListTagsForResource => Members {
            honoured: &["ResourceARN"],
            ..Members::NONE
        },
    }
}
