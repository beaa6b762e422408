//! Job queues: those of the stack, and those that are created.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::environment::does_not_exist;
use super::names::{check_name, required, state, texts};
use super::{Batch, client_error};
use crate::error::ServiceError;
use crate::pages::{page, with_next};
use crate::tags::Tags;
use stack::{JobQueue, TimeLimit};

const PAGE: usize = 100;
/// Most compute environments of a queue.
const MOST_ENVIRONMENTS: usize = 3;
/// Seconds after which a queue can give up a job that blocks it.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html>
const TIME_LIMIT: std::ops::RangeInclusive<u64> = 600..=86_400;

/// A job queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) runs: JobQueue,
    pub(super) tags: Tags,
    /// Whether it is in the stack's file, which is read at every start.
    #[serde(skip)]
    of_stack: bool,
}

impl Queue {
    /// A queue of the stack.
    pub(super) fn of_stack(queue: &JobQueue) -> Queue {
        Queue {
            runs: queue.clone(),
            tags: Tags::default(),
            of_stack: true,
        }
    }

    pub(super) fn is(&self, name_or_arn: &str) -> bool {
        self.runs.name == name_or_arn || self.runs.arn == name_or_arn
    }

    fn answer(&self) -> Value {
        json!({"jobQueueName": self.runs.name, "jobQueueArn": self.runs.arn})
    }
}

impl Batch {
    /// A queue by name or ARN.
    pub(super) fn queue(&self, name_or_arn: &str) -> Result<JobQueue, ServiceError> {
        let queues = self.inner.queues.lock();
        let found = queues.iter().find(|queue| queue.is(name_or_arn));
        found
            .map(|queue| queue.runs.clone())
            .ok_or_else(|| client_error(format!("Job queue {name_or_arn} not found.")))
    }

    pub(super) fn create_queue(&self, request: &Value) -> Result<Value, ServiceError> {
        let name = check_name(request, "jobQueueName")?;
        state(request)?;
        let mut queue = Queue {
            runs: JobQueue {
                name: name.to_owned(),
                arn: self.arn(&format!("job-queue/{name}")),
                state: "ENABLED".to_owned(),
                ..JobQueue::default()
            },
            tags: Tags::from_map(&request["tags"])
                .map_err(|error| client_error(error.to_string()))?,
            of_stack: false,
        };
        if request["priority"].is_null() {
            return Err(client_error("priority must be provided"));
        }
        if texts_of_order(request)?.is_none_or(|order| order.is_empty()) {
            return Err(client_error(
                "At least 1 compute environment must be provided",
            ));
        }
        self.apply(request, &mut queue.runs)?;
        let mut queues = self.inner.queues.lock();
        if queues.iter().any(|one| one.is(name)) {
            return Err(client_error(format!("Job queue {name} already exists")));
        }
        self.inner.records.queues.create(name, &queue)?;
        let answer = queue.answer();
        queues.push(queue);
        Ok(answer)
    }

    pub(super) fn update_queue(&self, request: &Value) -> Result<Value, ServiceError> {
        let wanted = required(request, "jobQueue")?;
        let mut runs = self.queue(wanted)?;
        self.apply(request, &mut runs)?;
        self.change_queue(wanted, |queue| {
            queue.runs = runs;
            Ok(queue.answer())
        })
    }

    /// Changes a queue, also for the next start unless the stack's file has it.
    pub(super) fn change_queue<T>(
        &self,
        name_or_arn: &str,
        change: impl FnOnce(&mut Queue) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut queues = self.inner.queues.lock();
        let found = queues.iter_mut().find(|queue| queue.is(name_or_arn));
        let missing = || client_error(format!("Job queue {name_or_arn} not found."));
        let found = found.ok_or_else(missing)?;
        let before = found.clone();
        let answer = change(found)?;
        if !found.of_stack && *found != before {
            self.inner.records.queues.save(&found.runs.name, found);
        }
        Ok(answer)
    }

    /// DeleteJobQueue: of one that is disabled; its jobs are ended.
    pub(super) fn delete_queue(&self, request: &Value) -> Result<Value, ServiceError> {
        let wanted = required(request, "jobQueue")?;
        let queue = self.queue(wanted)?;
        if queue.state != "DISABLED" {
            return Err(client_error("Cannot delete, state must be DISABLED"));
        }
        let jobs: Vec<String> = (self.jobs().iter())
            .filter(|job| job.job.borrow().queue.arn == queue.arn)
            .map(|job| job.id.clone())
            .collect();
        for job in jobs {
            self.terminate_job(&job, "Job queue was deleted");
        }
        self.inner.queues.lock().retain(|one| !one.is(wanted));
        self.inner.records.queues.remove(&queue.name);
        Ok(json!({}))
    }

    pub(super) fn describe_queues(&self, request: &Value) -> Result<Value, ServiceError> {
        let named = texts(&request["jobQueues"]);
        let queues = self.inner.queues.lock().clone();
        let found = queues
            .iter()
            .filter(|one| named.is_empty() || named.iter().any(|name| one.is(name)));
        let page = page(found.collect(), |one: &&Queue| &one.runs.arn, request, PAGE)
            .map_err(|error| client_error(error.to_string()))?;
        let found: Vec<Value> = page.items.iter().map(|one| self.queue_json(one)).collect();
        Ok(with_next(json!({"jobQueues": found}), page.next))
    }

    fn queue_json(&self, queue: &Queue) -> Value {
        let environments = self.inner.environments.lock();
        let order = queue.runs.compute_environments.iter().enumerate();
        let order: Vec<_> = order
            .map(|(order, name)| {
                let found = environments.iter().find(|one| one.is(name));
                let arn = found.map_or(name, |one| &one.runs.arn);
                json!({"order": order + 1, "computeEnvironment": arn})
            })
            .collect();
        let limits = queue.runs.time_limits.iter().map(|limit| {
            json!({
                "reason": limit.reason,
                "state": "RUNNABLE",
                "maxTimeSeconds": limit.seconds,
                "action": "CANCEL",
            })
        });
        json!({
            "jobQueueName": queue.runs.name,
            "jobQueueArn": queue.runs.arn,
            "state": queue.runs.state,
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": queue.runs.priority,
            "computeEnvironmentOrder": order,
            "jobStateTimeLimitActions": limits.collect::<Vec<_>>(),
            "tags": queue.tags.to_map(),
        })
    }

    /// Takes over what CreateJobQueue or UpdateJobQueue says.
    fn apply(&self, request: &Value, queue: &mut JobQueue) -> Result<(), ServiceError> {
        if let Some(state) = state(request)? {
            state.clone_into(&mut queue.state);
        }
        if !request["priority"].is_null() {
            let priority = request["priority"].as_i64();
            let priority = priority.and_then(|priority| i32::try_from(priority).ok());
            queue.priority = priority
                .filter(|priority| *priority >= 0)
                .ok_or_else(|| client_error("priority must be a whole number from 0"))?;
        }
        if let Some(order) = texts_of_order(request)? {
            queue.compute_environments = self.environments(&order)?;
        }
        if let Some(limits) = request["jobStateTimeLimitActions"].as_array() {
            queue.time_limits = limits.iter().map(time_limit).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// The names of a queue's compute environments, all of EC2 or all of Fargate.
    fn environments(&self, order: &[&str]) -> Result<Vec<String>, ServiceError> {
        if !(1..=MOST_ENVIRONMENTS).contains(&order.len()) {
            return Err(client_error(format!(
                "computeEnvironmentOrder must have 1 to {MOST_ENVIRONMENTS} members"
            )));
        }
        let environments = self.inner.environments.lock();
        let mut found = Vec::new();
        for wanted in order {
            let environment = environments.iter().find(|one| one.is(wanted));
            found.push(environment.ok_or_else(|| does_not_exist(wanted))?);
        }
        if found
            .iter()
            .any(|one| one.is_fargate() != found[0].is_fargate())
        {
            return Err(client_error(
                "computeEnvironmentOrder: all compute environments must be either of EC2 or of Fargate",
            ));
        }
        Ok(found.iter().map(|one| one.runs.name.clone()).collect())
    }
}

/// The compute environments that a request names, in their order.
fn texts_of_order(request: &Value) -> Result<Option<Vec<&str>>, ServiceError> {
    let Some(list) = request["computeEnvironmentOrder"].as_array() else {
        return Ok(None);
    };
    let mut order: Vec<(i64, &str)> = Vec::new();
    for one in list {
        match (one["order"].as_i64(), one["computeEnvironment"].as_str()) {
            (Some(place), Some(name)) if !name.is_empty() => order.push((place, name)),
            _ => return Err(client_error("computeEnvironmentOrder is malformed")),
        }
    }
    order.sort_by_key(|(place, _)| *place);
    Ok(Some(order.into_iter().map(|(_, name)| name).collect()))
}

/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html>
fn time_limit(action: &Value) -> Result<TimeLimit, ServiceError> {
    let wrong = |words: String| client_error(format!("jobStateTimeLimitActions: {words}"));
    for (member, wanted) in [("state", "RUNNABLE"), ("action", "CANCEL")] {
        if action[member] != wanted {
            return Err(wrong(format!(
                "{member} must be {wanted}, not {}",
                action[member]
            )));
        }
    }
    let seconds = action["maxTimeSeconds"].as_u64().unwrap_or_default();
    if !TIME_LIMIT.contains(&seconds) {
        return Err(wrong(format!(
            "maxTimeSeconds must be between {} and {}, not {seconds}",
            TIME_LIMIT.start(),
            TIME_LIMIT.end()
        )));
    }
    let reason = action["reason"]
        .as_str()
        .filter(|reason| !reason.is_empty());
    let reason = reason.ok_or_else(|| wrong("reason is required".to_owned()))?;
    Ok(TimeLimit {
        reason: reason.to_owned(),
        seconds,
    })
}
