//! A schedule: what a request says of it, what is kept of it, and when it is due.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::Local;
use crate::error::ServiceError;
use crate::schedule::Expression;
use crate::targets::{DeadLetterConfig, Delivery, Kind, RetryPolicy};
use crate::time::{Timestamp, epoch_seconds, now};

/// The group of a schedule that names none.
pub(super) const DEFAULT_GROUP: &str = "default";
/// How long a start date may be past when the schedule is made.
const LATEST_START: TimeDelta = TimeDelta::minutes(5);
/// Longest flexible window, minutes: a day.
const LONGEST_WINDOW: u32 = 1_440;
/// How late a schedule may be noticed without being missed: it may be due as it is made.
const GRACE: TimeDelta = TimeDelta::minutes(1);
/// Longest name of a schedule or a group.
const NAME_LIMIT: usize = 64;

/// What CreateSchedule and UpdateSchedule are given.
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Definition {
    pub name: String,
    #[serde(default = "default_group")]
    pub group_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub schedule_expression: String,
    #[serde(default = "utc")]
    pub schedule_expression_timezone: String,
    #[serde(default, with = "moment", skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Timestamp>,
    #[serde(default, with = "moment", skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Timestamp>,
    pub flexible_time_window: Window,
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub action_after_completion: Completion,
    pub target: Target,
    /// What makes a repeated request the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

fn default_group() -> String {
    DEFAULT_GROUP.to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A moment as SDKs send it, in seconds, or as states write it, in ISO 8601.
mod moment {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::time::{Timestamp, epoch_seconds};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Moment {
        Seconds(f64),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        match Option::<Moment>::deserialize(deserializer)? {
            None => Ok(None),
            Some(Moment::Seconds(seconds)) => Ok(Some(Timestamp((seconds * 1e6) as i64))),
            Some(Moment::Text(text)) => match Timestamp::parse(&text) {
                Some(moment) => Ok(Some(moment)),
                None => Err(serde::de::Error::custom(format!("{text} is no timestamp"))),
            },
        }
    }

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(epoch_seconds).serialize(serializer)
    }
}

/// How much later than it is due a schedule may be invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Window {
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_window_in_minutes: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Mode {
    Off,
    Flexible,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum State {
    #[default]
    Enabled,
    Disabled,
}

/// What becomes of a schedule that is not due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Completion {
    #[default]
    None,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    pub arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(default)]
    pub retry_policy: RetryPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
}

/// A schedule, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub definition: Definition,
    pub arn: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// The last moment at which it was due and was invoked.
    pub last: Option<Timestamp>,
    /// Whether the stack has it.
    pub declared: bool,
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

/// Checks the name of a schedule or a group.
pub(super) fn check_name(member: &str, name: &str) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if (1..=NAME_LIMIT).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$ and have 1 to {NAME_LIMIT} characters"
    )))
}

impl Definition {
    /// A schedule of the stack, whose properties have the names of the API.
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-scheduler-schedule.html>
    pub(super) fn declared(schedule: &stack::Schedule) -> Result<Self, ServiceError> {
        let mut request = match &schedule.properties {
            Value::Object(properties) => Value::Object(properties.clone()),
            _ => json!({}),
        };
        request["Name"] = json!(schedule.name);
        request["GroupName"] = json!(schedule.group);
        request["ScheduleExpression"] = json!(schedule.expression);
        request["State"] = json!(if schedule.enabled {
            "ENABLED"
        } else {
            "DISABLED"
        });
        if let Some(zone) = &schedule.timezone {
            request["ScheduleExpressionTimezone"] = json!(zone);
        }
        if request["FlexibleTimeWindow"].is_null() {
            request["FlexibleTimeWindow"] = json!({"Mode": "OFF"});
        }
        request["Target"]["Arn"] = json!(schedule.target_arn);
        if !schedule.input.is_null() {
            request["Target"]["Input"] = json!(schedule.input.to_string());
        }
        let definition =
            Definition::deserialize(&request).map_err(|error| invalid(error.to_string()))?;
        definition.expression()?;
        definition.flexible_time_window.check()?;
        Ok(definition)
    }

    /// When it is due.
    pub(super) fn expression(&self) -> Result<Expression, ServiceError> {
        let Definition {
            schedule_expression: text,
            schedule_expression_timezone: zone,
            ..
        } = self;
        Expression::of_schedule(text, Some(zone))
            .map_err(|error| invalid(format!("Invalid Schedule Expression {text}. {error}")))
    }

    /// Checks everything that a request may get wrong.
    pub(super) fn check(&self, now: DateTime<Utc>) -> Result<(), ServiceError> {
        check_name("name", &self.name)?;
        check_name("groupName", &self.group_name)?;
        let expression = self.expression()?;
        self.flexible_time_window.check()?;
        // A schedule that is due once has no use for the dates.
        if !expression.is_once() {
            self.check_dates(now)?;
        } else if expression.next(now - GRACE, now).is_none() {
            return Err(invalid(format!(
                "Invalid Schedule Expression {}. It is in the past, or skipped by the clock of its time zone.",
                self.schedule_expression
            )));
        }
        self.target.check()
    }

    fn check_dates(&self, now: DateTime<Utc>) -> Result<(), ServiceError> {
        let (start, end) = (self.start_date.map(utc_of), self.end_date.map(utc_of));
        if start.is_some_and(|start| start < now - LATEST_START) {
            return Err(invalid(
                "The StartDate you specify cannot be earlier than 5 minutes ago.",
            ));
        }
        if end.is_some_and(|end| end <= now) {
            return Err(invalid("The EndDate you specify must be in the future."));
        }
        if start.is_some() && end.is_some() && start >= end {
            return Err(invalid(
                "The StartDate you specify must be before the EndDate.",
            ));
        }
        Ok(())
    }
}

impl Window {
    fn check(self) -> Result<(), ServiceError> {
        match (self.mode, self.maximum_window_in_minutes) {
            (Mode::Off, None) => Ok(()),
            (Mode::Off, Some(_)) => Err(invalid(
                "MaximumWindowInMinutes must not be given when the mode of the flexible time window is OFF.",
            )),
            (Mode::Flexible, Some(1..=LONGEST_WINDOW)) => Ok(()),
            (Mode::Flexible, _) => Err(invalid(format!(
                "A flexible time window needs MaximumWindowInMinutes from 1 to {LONGEST_WINDOW}."
            ))),
        }
    }
}

impl Target {
    fn check(&self) -> Result<(), ServiceError> {
        if Kind::of(&self.arn) == Kind::Other {
            return Err(invalid(format!(
                "Target.Arn: the local cloud invokes functions and state machines by their ARNs, not {}.",
                self.arn
            )));
        }
        if let Some(input) = &self.input
            && let Err(error) = serde_json::from_str::<Value>(input)
        {
            return Err(invalid(format!("Target.Input is not valid JSON: {error}")));
        }
        match self.retry_policy.problem() {
            Some(problem) => Err(invalid(format!("Target.RetryPolicy: {problem}"))),
            None => Ok(()),
        }
    }
}

fn utc_of(moment: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(moment.0).unwrap_or_default()
}

impl Schedule {
    pub(super) fn new(definition: Definition, local: &Local, declared: bool) -> Self {
        let (group, name) = (&definition.group_name, &definition.name);
        let at = now();
        Schedule {
            arn: local.arn("scheduler", &format!("schedule/{group}/{name}")),
            definition,
            created: at,
            modified: at,
            last: None,
            declared,
        }
    }

    pub(super) fn key(&self) -> (String, String) {
        let Definition {
            group_name, name, ..
        } = &self.definition;
        (group_name.clone(), name.clone())
    }

    /// The next moment at which it is due, within its dates. What was missed while nothing ran is not made up for,
    /// unless it is due once only.
    pub(super) fn due(&self, expression: &Expression, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let made = utc_of(self.modified);
        let last = self.last.map_or(made - GRACE, utc_of);
        if expression.is_once() {
            return expression.next(last, made);
        }
        let Definition {
            start_date,
            end_date,
            ..
        } = &self.definition;
        let start = start_date.map(utc_of);
        let anchor = start.unwrap_or(made);
        let not_before = start.unwrap_or(made) - TimeDelta::microseconds(1);
        let due = expression.next(last.max(now - GRACE).max(not_before), anchor)?;
        let ended = end_date.is_some_and(|end| due > utc_of(end));
        (!ended).then_some(due)
    }

    /// When it is invoked that is due at a moment: some time within its window.
    pub(super) fn invoked_at(&self, due: DateTime<Utc>) -> DateTime<Utc> {
        let minutes = self
            .definition
            .flexible_time_window
            .maximum_window_in_minutes
            .unwrap_or(0);
        let window = u128::from(minutes) * 60_000;
        let random = Uuid::new_v4().as_u128() % window.max(1);
        due + TimeDelta::milliseconds(i64::try_from(random).unwrap_or(0))
    }

    /// The call of its target. Attributes of the schedule that the input names are filled in.
    /// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
    pub(super) fn delivery(&self, due: DateTime<Utc>, local: &Local) -> Delivery {
        let target = &self.definition.target;
        let mut delivery = Delivery::new(&self.arn, &target.arn, Value::Null);
        delivery.retry = target.retry_policy;
        let dead_letters = target.dead_letter_config.as_ref();
        delivery.dead_letters = dead_letters.and_then(|config| config.arn.clone());
        let time = due.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        delivery.input = match &target.input {
            Some(input) => {
                let filled = input
                    .replace("<aws.scheduler.schedule-arn>", &self.arn)
                    .replace("<aws.scheduler.scheduled-time>", &time)
                    .replace("<aws.scheduler.execution-id>", &delivery.id)
                    .replace("<aws.scheduler.attempt-number>", "1");
                serde_json::from_str(&filled).unwrap_or(Value::String(filled))
            }
            None => json!({
                "version": "0",
                "id": delivery.id,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": local.account,
                "time": time,
                "region": local.region,
                "resources": [self.arn],
                "detail": "{}",
            }),
        };
        delivery
    }

    /// The answer of GetSchedule.
    pub(super) fn describe(&self) -> Value {
        let mut answer = json!(self.definition);
        if let Some(members) = answer.as_object_mut() {
            members.shift_remove("ClientToken");
        }
        for (name, date) in [
            ("CreationDate", self.created),
            ("LastModificationDate", self.modified),
        ] {
            answer[name] = epoch_seconds(date);
        }
        answer["Arn"] = json!(self.arn);
        answer
    }

    /// Its entry in ListSchedules.
    pub(super) fn summary(&self) -> Value {
        let all = self.describe();
        json!({
            "Arn": self.arn,
            "Name": self.definition.name,
            "GroupName": self.definition.group_name,
            "State": self.definition.state,
            "CreationDate": all["CreationDate"],
            "LastModificationDate": all["LastModificationDate"],
            "Target": {"Arn": self.definition.target.arn},
        })
    }
}
