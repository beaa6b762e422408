//! Task callbacks and activities.

use std::sync::Arc;

use std::time::Duration;

use asl::Event;
use asl::PAYLOAD_BYTES;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::configuration::{Encryption, refuse_key};
use super::pages::{Page, Paging};
use super::tags;
use crate::activities::{ActivityTask, Fetch};
use crate::arns::check_activity;
use crate::engine::Engine;
use crate::errors::internal;
use crate::names::check_name;
use crate::run::Posted;
use crate::store::ActivityRow;
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;

/// How long GetActivityTask waits for a task.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html>
const LONG_POLL: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Success {
    task_token: String,
    output: String,
}

/// SendTaskSuccess: answered once the result is in the log, so it is never lost after that.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html>
pub async fn success(engine: &Arc<Engine>, request: Success) -> Result<Value, ServiceError> {
    check_token(&request.task_token)?;
    if request.output.len() > PAYLOAD_BYTES {
        let message = format!("Invalid Output: 'output is longer than {PAYLOAD_BYTES} bytes'");
        return Err(ServiceError::new("InvalidOutput", message));
    }
    let output = asl::Value::parse(&request.output).map_err(|error| {
        ServiceError::new("InvalidOutput", format!("Invalid Output: '{error}'"))
    })?;
    let (run, id) = engine.tokens.find(&request.task_token).ok_or_else(gone)?;
    answer(run.post_durably(Event::TaskSucceeded { id, output }).await)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    task_token: String,
    error: Option<String>,
    cause: Option<String>,
}

/// SendTaskFailure.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html>
pub async fn failure(engine: &Arc<Engine>, request: Failure) -> Result<Value, ServiceError> {
    check_token(&request.task_token)?;
    let (run, id) = engine.tokens.find(&request.task_token).ok_or_else(gone)?;
    let event = Event::TaskFailed {
        id,
        error: request.error.unwrap_or_default(),
        cause: request.cause,
    };
    answer(run.post_durably(event).await)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heartbeat {
    task_token: String,
}

/// SendTaskHeartbeat.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html>
pub async fn heartbeat(engine: &Arc<Engine>, request: Heartbeat) -> Result<Value, ServiceError> {
    check_token(&request.task_token)?;
    let (run, id) = engine.tokens.find(&request.task_token).ok_or_else(gone)?;
    answer(run.post_durably(Event::TaskHeartbeat { id }).await)
}

fn answer(posted: Posted) -> Result<Value, ServiceError> {
    match posted {
        Posted::Heard => Ok(json!({})),
        Posted::Late => Err(gone()),
        Posted::Refused(reason) => Err(internal(reason)),
    }
}

fn check_token(token: &str) -> Result<(), ServiceError> {
    let length = (1..=2_048).contains(&token.len());
    let plausible = token
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_:.".contains(&byte));
    // A token is at least 128 bits: shorter text never came from here.
    if length && plausible && token.len() >= 22 {
        return Ok(());
    }
    Err(ServiceError::new(
        "InvalidToken",
        "Invalid Token: 'Invalid token'",
    ))
}

fn gone() -> ServiceError {
    ServiceError::new(
        "TaskTimedOut",
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateActivity {
    name: String,
    encryption_configuration: Option<Encryption>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
}

/// CreateActivity: idempotent by name.
pub async fn create_activity(
    engine: &Arc<Engine>,
    request: CreateActivity,
) -> Result<Value, ServiceError> {
    check_name(&request.name)?;
    refuse_key(request.encryption_configuration.as_ref())?;
    let tags = tags::checked(&[], request.tags)?;
    let arn = engine
        .local
        .arn("states", &format!("activity:{}", request.name));
    let row = ActivityRow {
        arn: arn.clone(),
        name: request.name,
        created: engine.clock.now(),
    };
    // Of one that is there neither the tags nor anything else is changed.
    let row = match engine.activities.get(&arn) {
        Some(existing) => existing,
        None => {
            let kept = engine.store.put_activity(row.clone());
            kept.await.map_err(internal)?;
            tags::set(engine, &arn, tags).await?;
            engine.activities.create(row)
        }
    };
    Ok(json!({ "activityArn": row.arn, "creationDate": epoch_seconds(row.created) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByArn {
    activity_arn: String,
}

/// DeleteActivity: one that does not exist is no error.
pub async fn delete_activity(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    check_activity(&request.activity_arn)?;
    engine
        .store
        .delete_activity(&request.activity_arn)
        .await
        .map_err(internal)?;
    engine.activities.delete(&request.activity_arn);
    Ok(json!({}))
}

/// DescribeActivity.
pub fn describe_activity(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    check_activity(&request.activity_arn)?;
    let row = engine
        .activities
        .get(&request.activity_arn)
        .ok_or_else(|| no_activity(&request.activity_arn))?;
    Ok(activity_json(&row))
}

fn activity_json(row: &ActivityRow) -> Value {
    json!({ "activityArn": row.arn, "name": row.name, "creationDate": epoch_seconds(row.created) })
}

fn no_activity(arn: &str) -> ServiceError {
    ServiceError::new(
        "ActivityDoesNotExist",
        format!("Activity Does Not Exist: '{arn}'"),
    )
}

/// ListActivities, by name.
pub fn list_activities(engine: &Arc<Engine>, request: Paging) -> Result<Value, ServiceError> {
    let page: Page<String> = request.page("ListActivities".into(), engine.clock.now())?;
    let rows = engine.activities.list(page.after.as_deref(), page.fetch());
    Ok(page.response("activities", rows, |row| row.arn.clone(), activity_json))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetTask {
    activity_arn: String,
    worker_name: Option<String>,
}

/// GetActivityTask: a long poll that a scheduled task ends at once. Without a task the answer is empty.
pub async fn get_activity_task(
    engine: &Arc<Engine>,
    request: GetTask,
) -> Result<Value, ServiceError> {
    check_activity(&request.activity_arn)?;
    let wanted = |token: &str| engine.tokens.is_valid(token);
    let deadline = tokio::time::Instant::now() + LONG_POLL;
    loop {
        let task = match engine.activities.fetch(&request.activity_arn, wanted) {
            Fetch::Unknown => return Err(no_activity(&request.activity_arn)),
            Fetch::Now(task) => task,
            Fetch::Later(receiver) => {
                let mut place = Place {
                    engine,
                    arn: &request.activity_arn,
                    receiver,
                };
                match tokio::time::timeout_at(deadline, &mut place.receiver).await {
                    Ok(Ok(task)) => task,
                    // The activity was deleted, or nothing came in time.
                    Ok(Err(_)) | Err(_) => return Ok(json!({})),
                }
            }
        };
        let Some((run, id)) = engine.tokens.find(&task.token) else {
            continue;
        };
        let started = Event::TaskStarted {
            id,
            worker: request.worker_name.clone(),
        };
        match run.post_durably(started).await {
            Posted::Heard => {
                return Ok(json!({ "taskToken": &*task.token, "input": task.input.to_string() }));
            }
            Posted::Late => {}
            Posted::Refused(reason) => {
                engine.activities.put_back(&request.activity_arn, task);
                return Err(internal(reason));
            }
        }
    }
}

/// A worker's place in the line. If the worker goes away just as its task arrives, the task goes to the next.
struct Place<'a> {
    engine: &'a Arc<Engine>,
    arn: &'a str,
    receiver: oneshot::Receiver<ActivityTask>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(task) = self.receiver.try_recv() {
            self.engine.activities.put_back(self.arn, task);
        }
    }
}
