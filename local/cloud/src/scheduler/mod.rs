//! EventBridge Scheduler: schedules that start executions or invoke functions.

mod expression;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::action::{SchedulerAction, ServiceId};
use crate::config::Local;
use crate::error::ServiceError;
use crate::events::Events;
use crate::faults::{Faults, Verdict};
use crate::members::located;
use crate::rest;
use crate::router::Service;
use crate::time::{epoch_seconds, now};
use stack::{Schedule, Stack};

pub use expression::Expression;

/// Path of every schedule.
pub(crate) const SCHEDULES: &str = "/schedules";
/// Longest sleep: the wall clock may be set while we sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The scheduler.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    local: Local,
    events: Events,
    faults: Faults,
    schedules: Mutex<BTreeMap<(String, String), Entry>>,
}

struct Entry {
    schedule: Schedule,
    created_at: crate::time::Timestamp,
    task: Option<AbortHandle>,
}

/// A schedule of the stack that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("schedule {name}: {reason}")]
pub struct ScheduleError {
    /// Schedule or rule name.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

impl Scheduler {
    /// A scheduler with the schedules of a stack and its scheduled rules. None is due before
    /// [`Scheduler::start`].
    pub fn new(
        local: Local,
        events: Events,
        faults: Faults,
        stack: &Stack,
    ) -> Result<Self, ScheduleError> {
        let scheduler = Scheduler {
            inner: Arc::new(Inner {
                local,
                events,
                faults,
                schedules: Mutex::default(),
            }),
        };
        for schedule in stack
            .schedules
            .iter()
            .cloned()
            .chain(scheduled_rules(stack))
        {
            parse(&schedule).map_err(|reason| ScheduleError {
                name: schedule.name.clone(),
                reason,
            })?;
            scheduler.insert(schedule);
        }
        Ok(scheduler)
    }

    /// Begins to watch the clock for the stack's schedules. Those made by CreateSchedule begin at once.
    pub fn start(&self) {
        for entry in self.schedules().values_mut() {
            self.arm(entry);
        }
    }

    /// Stops watching the clock.
    pub fn stop(&self) {
        for entry in self.schedules().values_mut() {
            if let Some(task) = entry.task.take() {
                task.abort();
            }
        }
    }

    fn insert(&self, schedule: Schedule) {
        let key = (schedule.group.clone(), schedule.name.clone());
        let entry = Entry {
            schedule,
            created_at: now(),
            task: None,
        };
        self.schedules().insert(key, entry);
    }

    fn arm(&self, entry: &mut Entry) {
        if entry.task.is_none()
            && entry.schedule.enabled
            && let Ok(expression) = parse(&entry.schedule)
        {
            let (events, schedule) = (self.inner.events.clone(), entry.schedule.clone());
            entry.task = Some(tokio::spawn(run(expression, schedule, events)).abort_handle());
        }
    }

    fn schedules(&self) -> MutexGuard<'_, BTreeMap<(String, String), Entry>> {
        self.inner.schedules.lock()
    }

    /// Carries out an action; the request is the API's, with the members that travel in path and query.
    pub fn call(&self, action: SchedulerAction, body: &Value) -> Result<Value, ServiceError> {
        match self.inner.faults.admit(action, body)? {
            Verdict::Proceed => {}
            Verdict::Lose => return Ok(json!({})),
        }
        let name = body["Name"].as_str().unwrap_or_default();
        let group = body["GroupName"].as_str().unwrap_or("default");
        let key = (group.to_owned(), name.to_owned());
        let exists = self.schedules().contains_key(&key);
        match action {
            SchedulerAction::ListSchedules => Ok(self.list()),
            SchedulerAction::CreateSchedule if exists => Err(ServiceError::with_status(
                409,
                "ConflictException",
                format!("Schedule {name} already exists."),
            )),
            SchedulerAction::CreateSchedule => self.put(key, body),
            SchedulerAction::UpdateSchedule if exists => self.put(key, body),
            SchedulerAction::UpdateSchedule => Err(not_found(name)),
            SchedulerAction::GetSchedule => {
                let schedules = self.schedules();
                let entry = schedules.get(&key).ok_or_else(|| not_found(name))?;
                Ok(entry.describe())
            }
            SchedulerAction::DeleteSchedule => {
                let removed = self.schedules().remove(&key);
                if let Some(task) = removed.ok_or_else(|| not_found(name))?.task {
                    task.abort();
                }
                Ok(json!({}))
            }
        }
    }

    fn put(&self, key: (String, String), body: &Value) -> Result<Value, ServiceError> {
        let invalid = |message: String| ServiceError::new("ValidationException", message);
        let (group, name) = &key;
        let required = |value: &Value, field: &str| {
            let text = value.as_str().map(str::to_owned);
            text.ok_or_else(|| invalid(format!("{field} is required")))
        };
        let input = body["Target"]["Input"].as_str();
        let schedule = Schedule {
            logical_id: String::new(),
            name: name.clone(),
            group: group.clone(),
            arn: self
                .inner
                .local
                .arn("scheduler", &format!("schedule/{group}/{name}")),
            expression: required(&body["ScheduleExpression"], "ScheduleExpression")?,
            timezone: body["ScheduleExpressionTimezone"]
                .as_str()
                .map(str::to_owned),
            enabled: body["State"].as_str() != Some("DISABLED"),
            target_arn: required(&body["Target"]["Arn"], "Target.Arn")?,
            input: input.map_or(Value::Null, |text| {
                serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
            }),
        };
        parse(&schedule).map_err(invalid)?;
        let arn = schedule.arn.clone();
        let mut entry = Entry {
            schedule,
            created_at: now(),
            task: None,
        };
        self.arm(&mut entry);
        let replaced = self.schedules().insert(key, entry);
        if let Some(task) = replaced.and_then(|entry| entry.task) {
            task.abort();
        }
        Ok(json!({"ScheduleArn": arn}))
    }

    fn list(&self) -> Value {
        let schedules = self.schedules();
        let list: Vec<Value> = schedules
            .values()
            .map(|entry| {
                let mut summary = entry.describe();
                summary["Target"] = json!({"Arn": entry.schedule.target_arn});
                summary
            })
            .collect();
        json!({"Schedules": list})
    }
}

impl Service for Scheduler {
    fn id(&self) -> ServiceId {
        ServiceId::Scheduler
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (parts, body) = request.into_parts();
            let (method, path) = (&parts.method, parts.uri.path());
            let name = path.strip_prefix(SCHEDULES).unwrap_or_default();
            let name = rest::decode(name.trim_start_matches('/'));
            let action = action(method, &name).ok_or_else(|| {
                ServiceError::unknown_action(self.id().prefix(), &format!("{method} {path}"))
            })?;
            let mut body = rest::read_json(body).await?;
            body["Name"] = json!(name);
            if let Some(body) = body.as_object_mut() {
                body.extend(located(action, &parts));
            }
            Ok(rest::json_response(&self.call(action, &body)?))
        }
        .boxed()
    }
}

/// The action that a request of the REST protocol asks for, given the schedule's name in its path.
fn action(method: &Method, name: &str) -> Option<SchedulerAction> {
    match (method, name.is_empty()) {
        (&Method::GET, true) => Some(SchedulerAction::ListSchedules),
        (&Method::GET, false) => Some(SchedulerAction::GetSchedule),
        (&Method::POST, false) => Some(SchedulerAction::CreateSchedule),
        (&Method::PUT, false) => Some(SchedulerAction::UpdateSchedule),
        (&Method::DELETE, false) => Some(SchedulerAction::DeleteSchedule),
        _ => None,
    }
}

impl Entry {
    fn describe(&self) -> Value {
        let schedule = &self.schedule;
        json!({
            "Arn": schedule.arn,
            "Name": schedule.name,
            "GroupName": schedule.group,
            "ScheduleExpression": schedule.expression,
            "ScheduleExpressionTimezone": schedule.timezone.as_deref().unwrap_or("UTC"),
            "State": if schedule.enabled { "ENABLED" } else { "DISABLED" },
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": schedule.target_arn, "Input": schedule.input.to_string()},
            "CreationDate": epoch_seconds(self.created_at),
            "LastModificationDate": epoch_seconds(self.created_at),
        })
    }
}

fn not_found(name: &str) -> ServiceError {
    ServiceError::with_status(
        404,
        "ResourceNotFoundException",
        format!("Schedule {name} does not exist."),
    )
}

fn parse(schedule: &Schedule) -> Result<Expression, String> {
    Expression::parse(&schedule.expression, schedule.timezone.as_deref())
}

/// Rules with a schedule instead of a pattern, one schedule for each of their targets.
fn scheduled_rules(stack: &Stack) -> impl Iterator<Item = Schedule> {
    stack.rules.iter().flat_map(|rule| {
        let targets = rule.schedule_expression.iter().flat_map(|expression| {
            rule.targets.iter().map(move |target| (expression, target))
        });
        targets.map(|(expression, target)| Schedule {
            logical_id: rule.logical_id.clone(),
            name: format!("{}-{}", rule.name, target.id),
            group: format!("rule/{}", rule.event_bus),
            arn: rule.arn.clone(),
            expression: expression.clone(),
            timezone: None,
            enabled: rule.enabled,
            target_arn: target.arn.clone(),
            input: target.input.clone().unwrap_or_else(|| json!({"source": "aws.events", "detail-type": "Scheduled Event", "resources": [rule.arn], "detail": {}})),
        })
    })
}

async fn run(expression: Expression, schedule: Schedule, events: Events) {
    let mut last = Utc::now();
    while let Some(due) = expression.next(last) {
        sleep_until(due).await;
        tracing::info!(schedule = %schedule.name, target = %schedule.target_arn, "due");
        let input = if schedule.input.is_null() {
            json!({})
        } else {
            schedule.input.clone()
        };
        events.invoke_target(&schedule.target_arn, input);
        last = due;
    }
}

async fn sleep_until(due: DateTime<Utc>) {
    while let Ok(left) = (due - Utc::now()).to_std() {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}
