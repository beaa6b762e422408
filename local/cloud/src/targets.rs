//! Delivers events and scheduled calls to their targets: functions and state machines.
//!
//! What is to be delivered is on disk before whoever asked for it hears of that, in the queue of the function or in a
//! record here. A delivery that is refused for a while is tried again, as long and as often as its retry policy says.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html>

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::config::Local;
use crate::error::ServiceError;
use crate::lambda::Lambda;
use crate::private;
use crate::records::Records;
use crate::time::{Timestamp, now};

/// Wait before the first retry; each further one is twice as long, with jitter.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// Longest and default age of an event, seconds: a day.
pub(crate) const LONGEST_EVENT_AGE: u64 = 86_400;
/// Most and default retries.
pub(crate) const MOST_RETRIES: u64 = 185;

/// An execution that a target asks for.
#[derive(Debug, Clone)]
pub struct Start {
    /// ARN of the state machine.
    pub state_machine: String,
    /// Name of the execution: the same for each try of one delivery, so that it starts once.
    pub name: String,
    /// Its input.
    pub input: Value,
}

/// Starts an execution.
pub type StartExecution =
    Arc<dyn Fn(Start) -> BoxFuture<'static, Result<(), ServiceError>> + Send + Sync>;

/// How long and how often a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RetryPolicy {
    /// 60 to 86,400.
    #[serde(default = "longest_event_age")]
    pub maximum_event_age_in_seconds: u64,
    /// 0 to 185.
    #[serde(default = "most_retries")]
    pub maximum_retry_attempts: u64,
}

fn longest_event_age() -> u64 {
    LONGEST_EVENT_AGE
}

fn most_retries() -> u64 {
    MOST_RETRIES
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            maximum_event_age_in_seconds: LONGEST_EVENT_AGE,
            maximum_retry_attempts: MOST_RETRIES,
        }
    }
}

impl RetryPolicy {
    /// What is wrong with its bounds.
    pub(crate) fn problem(self) -> Option<String> {
        if !(60..=LONGEST_EVENT_AGE).contains(&self.maximum_event_age_in_seconds) {
            let given = self.maximum_event_age_in_seconds;
            return Some(format!(
                "MaximumEventAgeInSeconds is {given}, not from 60 to {LONGEST_EVENT_AGE}"
            ));
        }
        let given = self.maximum_retry_attempts;
        (given > MOST_RETRIES)
            .then(|| format!("MaximumRetryAttempts is {given}, not from 0 to {MOST_RETRIES}"))
    }
}

/// `DeadLetterConfig` of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetterConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

/// One call of one target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub id: String,
    /// ARN of the rule or schedule.
    pub source: String,
    /// ARN of the function or state machine.
    pub target: String,
    pub input: Value,
    pub retry: RetryPolicy,
    /// ARN of the queue for what cannot be delivered.
    pub dead_letters: Option<String>,
    accepted: Timestamp,
    retries: u64,
}

impl Delivery {
    pub(crate) fn new(source: &str, target: &str, input: Value) -> Self {
        Delivery {
            id: Uuid::new_v4().to_string(),
            source: source.to_owned(),
            target: target.to_owned(),
            input,
            retry: RetryPolicy::default(),
            dead_letters: None,
            accepted: now(),
            retries: 0,
        }
    }

    /// The wait before its next try; `None` if there is none.
    fn next_delay(&mut self) -> Option<Duration> {
        self.retries += 1;
        let exponent = u32::try_from(self.retries - 1).unwrap_or(u32::MAX).min(16);
        let longest = (FIRST_DELAY * 2_u32.pow(exponent)).min(LONGEST_DELAY);
        // Random bits of the kind that ids are made of.
        let share = f64::from(u16::from_le_bytes([
            Uuid::new_v4().as_bytes()[0],
            Uuid::new_v4().as_bytes()[1],
        ])) / f64::from(u16::MAX);
        let delay = longest.mul_f64(0.5 + 0.5 * share);
        let age = Duration::from_micros((now().0 - self.accepted.0).unsigned_abs()) + delay;
        let in_time = age <= Duration::from_secs(self.retry.maximum_event_age_in_seconds);
        (in_time && self.retries <= self.retry.maximum_retry_attempts).then_some(delay)
    }
}

/// What a target is, by its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    StateMachine,
    /// Of a service that is not here.
    Other,
}

impl Kind {
    pub(crate) fn of(arn: &str) -> Kind {
        match arn.split(':').nth(2) {
            Some("lambda") => Kind::Function,
            Some("states") => Kind::StateMachine,
            _ => Kind::Other,
        }
    }
}

/// The way to the targets. Clones share it.
#[derive(Clone)]
pub struct Targets {
    inner: Arc<Inner>,
}

struct Inner {
    lambda: Lambda,
    start_execution: OnceLock<StartExecution>,
    /// Deliveries under way.
    outbox: Records,
    dead_letters: PathBuf,
    /// Held while a dead letter is written.
    writing: Mutex<()>,
}

impl Targets {
    /// Within a tokio runtime. Deliveries that an earlier local cloud has left go on once this one is open.
    pub fn new(local: &Local, lambda: Lambda) -> Self {
        let targets = Targets {
            inner: Arc::new(Inner {
                lambda,
                start_execution: OnceLock::new(),
                outbox: Records::new(local.data_dir.join("deliveries")),
                dead_letters: local.data_dir.join("dead-letters"),
                writing: Mutex::new(()),
            }),
        };
        for delivery in targets.inner.outbox.load::<Delivery>() {
            targets.work_off(delivery);
        }
        targets
    }

    /// Gives the way to start executions; the first call counts.
    pub fn on_start_execution(&self, start: StartExecution) {
        let _ = self.inner.start_execution.set(start);
    }

    /// Takes a delivery on: once this returns, it is made whatever ends in between.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub(crate) fn deliver(&self, delivery: Delivery) -> Result<(), ServiceError> {
        match Kind::of(&delivery.target) {
            Kind::Other => {
                tracing::debug!(target_arn = %delivery.target, "targets of this kind are not run locally");
                return Ok(());
            }
            Kind::Function => {
                let payload = delivery.input.to_string().into();
                match self.inner.lambda.enqueue(&delivery.target, payload) {
                    Ok(()) => return Ok(()),
                    Err(error) if is_lasting(&error) => {
                        self.give_up(&delivery, &error);
                        return Ok(());
                    }
                    // It is tried again from the record.
                    Err(_) => {}
                }
            }
            Kind::StateMachine => {}
        }
        self.inner.outbox.create(&delivery.id, &delivery)?;
        self.work_off(delivery);
        Ok(())
    }

    fn work_off(&self, delivery: Delivery) {
        let targets = self.clone();
        let busy = self.inner.lambda.work().begin();
        tokio::spawn(async move {
            let processes = targets.inner.lambda.processes().clone();
            processes.while_open(targets.run(delivery)).await;
            drop(busy);
        });
    }

    /// Tries until it is delivered or given up.
    async fn run(&self, mut delivery: Delivery) {
        while let Err(error) = self.call(&delivery).await {
            let delay = if is_lasting(&error) {
                None
            } else {
                delivery.next_delay()
            };
            let Some(delay) = delay else {
                self.give_up(&delivery, &error);
                break;
            };
            tracing::warn!(target_arn = %delivery.target, %error, ?delay, "will be delivered again");
            self.inner.outbox.save(&delivery.id, &delivery);
            sleep(delay).await;
        }
        self.inner.outbox.remove(&delivery.id);
    }

    async fn call(&self, delivery: &Delivery) -> Result<(), ServiceError> {
        let Delivery { target, input, .. } = delivery;
        if Kind::of(target) == Kind::Function {
            return self.inner.lambda.enqueue(target, input.to_string().into());
        }
        let Some(start) = self.inner.start_execution.get() else {
            let message = format!("State Machine Does Not Exist: '{target}'");
            return Err(ServiceError::new("StateMachineDoesNotExist", message));
        };
        let started = start(Start {
            state_machine: target.clone(),
            name: delivery.id.clone(),
            input: input.clone(),
        });
        match started.await {
            // An earlier try has started it, and was cut off before that was noted.
            Err(error) if error.code == "ExecutionAlreadyExists" => Ok(()),
            answer => answer,
        }
    }

    /// Keeps what cannot be delivered where its dead-letter queue would: one JSON document a line, in a file of the
    /// queue's name, with the attributes that AWS gives the message.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html>
    fn give_up(&self, delivery: &Delivery, error: &ServiceError) {
        tracing::error!(target_arn = %delivery.target, source = %delivery.source, %error, "not delivered");
        let Some(queue) = &delivery.dead_letters else {
            return;
        };
        let name = queue.rsplit(':').next().unwrap_or(queue).replace('/', "_");
        let letter = json!({
            "body": delivery.input,
            "attributes": {
                "RULE_ARN": delivery.source,
                "TARGET_ARN": delivery.target,
                "ERROR_CODE": error.code,
                "ERROR_MESSAGE": error.message,
                "RETRY_ATTEMPTS": delivery.retries,
            },
        });
        let _writing = self.inner.writing.lock();
        let write = || {
            private::create_dir_all(&self.inner.dead_letters)?;
            let path = self.inner.dead_letters.join(format!("{name}.jsonl"));
            let mut file = private::options().create(true).append(true).open(path)?;
            file.write_all(format!("{letter}\n").as_bytes())
        };
        if let Err(error) = write() {
            tracing::error!(%error, queue, "a dead letter was not kept");
        }
    }
}

/// Whether the same call would be refused again: the caller's mistake, and not too many calls.
fn is_lasting(error: &ServiceError) -> bool {
    error.status < 500 && error.status != 429 && !error.code.contains("Throttling")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_as_often_and_as_long_as_its_policy_says() {
        let mut delivery = Delivery::new("rule", "target", json!({}));
        delivery.retry.maximum_retry_attempts = 2;
        let first = delivery.next_delay().unwrap();
        let second = delivery.next_delay().unwrap();
        assert!(first >= FIRST_DELAY / 2 && first <= FIRST_DELAY);
        assert!(second >= FIRST_DELAY && second <= FIRST_DELAY * 2);
        assert_eq!(delivery.next_delay(), None);

        let mut old = Delivery::new("rule", "target", json!({}));
        old.retry.maximum_event_age_in_seconds = 60;
        old.accepted = Timestamp(now().0 - 60_000_000);
        assert_eq!(old.next_delay(), None);
    }

    #[test]
    fn only_refusals_that_may_pass_are_tried_again() {
        let lasting = |status, code: &str| is_lasting(&ServiceError::with_status(status, code, ""));
        assert!(lasting(404, "ResourceNotFoundException"));
        assert!(!lasting(429, "TooManyRequestsException"));
        assert!(!lasting(400, "ThrottlingException"));
        assert!(!lasting(500, "ServiceException"));
    }
}
