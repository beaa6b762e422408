//! Task states.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::command::{Command, Task, TaskId};
use crate::definition::{Dynamic, State, TaskFields};
use crate::error_name;
use crate::history::{ErrorDetails, EventKind, TaskFamily, TaskProgress};
use crate::query::Random;
use crate::quota::MAX_NUMBER;
use crate::resource::Resource;
use crate::value::Value;

use super::activity::{Activity, FrameKey, TaskRun};
use super::broken::Broken;
use super::context::Given;
use super::data;
use super::failure::{Failure, Origin};
use super::ledger::{Execution, Step, TimerUse};
use super::observe::Seen;

impl Execution {
    pub(super) fn task(
        &mut self,
        key: FrameKey,
        state: &State,
        task: &TaskFields,
    ) -> Result<Step, Failure> {
        let id = TaskId(self.next_id());
        let token = self.task_token(id);
        let input = self.filtered_input(key, state)?;
        let timeout_seconds = self.seconds(key, state, &input, task.timeout.as_ref())?;
        let heartbeat_seconds = self.seconds(key, state, &input, task.heartbeat.as_ref())?;
        let shown = task.waits_for_token();
        let given = || Given {
            input: &input,
            result: None,
            error_output: None,
            item: None,
            token: shown.then_some(&token),
        };
        if shown {
            self.see(key, state, || Seen::Token(Arc::clone(&token)))?;
        }
        let arguments = match &state.arguments {
            None => input.clone(),
            Some(arguments) => self.evaluate(key, state, given(), |scope| {
                arguments.render(scope, "Arguments")
            })?,
        };
        self.see(key, state, || Seen::Arguments(arguments.clone()))?;
        let credentials = match &task.credentials {
            None => None,
            Some(credentials) => Some(self.evaluate(key, state, given(), |scope| {
                credentials.render(scope, "Credentials")
            })?),
        };
        let frame = self.frames.get(key)?;
        let asked = Task {
            id,
            state: Arc::clone(&state.name),
            index: frame.parent.map(|_| frame.index),
            attempt: frame.retry_count,
            resource: task.resource.clone(),
            arguments,
            task_token: Arc::clone(&token),
            timeout_seconds,
            heartbeat_seconds,
            credentials,
        };
        self.schedule(key, task, asked)?;
        Ok(Step::Blocked)
    }

    /// Tells the history and the driver of a task, and starts its timers.
    fn schedule(&mut self, key: FrameKey, fields: &TaskFields, task: Task) -> Result<(), Broken> {
        let family = family(fields);
        let scheduled = TaskProgress::Scheduled {
            input: task.arguments.clone(),
            region: self.region(),
            timeout_seconds: task.timeout_seconds,
            heartbeat_seconds: task.heartbeat_seconds,
            credentials: task.credentials.clone(),
        };
        self.record_for(key, EventKind::Task(Box::new((family.clone(), scheduled))))?;
        let (id, token) = (task.id, Arc::clone(&task.task_token));
        let (timeout_seconds, heartbeat_seconds) = (task.timeout_seconds, task.heartbeat_seconds);
        self.tasks.insert(id.0, key);
        self.commands.push(Command::ScheduleTask(task));
        let now = self.now;
        let timeout = timeout_seconds.map(|seconds| {
            let at = now.plus_seconds(seconds as f64);
            self.start_timer(TimerUse::TaskTimeout(key, at), at)
        });
        // Nobody can send a heartbeat for a call that has no token.
        let beats =
            fields.waits_for_token() || matches!(fields.resource, Resource::Activity { .. });
        let heartbeat = heartbeat_seconds.filter(|_| beats).map(|seconds| {
            let seconds = seconds as f64;
            let timer = self.start_timer(TimerUse::TaskHeartbeat(key), now.plus_seconds(seconds));
            (timer, seconds)
        });
        self.frames.get_mut(key)?.activity = Activity::Task(Box::new(TaskRun {
            id,
            family,
            token,
            timeout,
            heartbeat,
        }));
        Ok(())
    }

    fn seconds(
        &self,
        key: FrameKey,
        state: &State,
        input: &Value,
        field: Option<&Dynamic>,
    ) -> Result<Option<u64>, Failure> {
        let Some(field) = field else {
            return Ok(None);
        };
        self.query(key, state, input, |scope| {
            let seconds = field.integer(scope)?;
            match u64::try_from(seconds) {
                Ok(seconds) if seconds > 0 => Ok(Some(seconds)),
                Err(_) if matches!(field, Dynamic::Jsonata { .. }) => Err(field.refuse(format!(
                    "{} must be between 0 and {MAX_NUMBER} but was: {seconds}",
                    field.name()
                ))),
                _ => Err(field.refuse(format!(
                    "{} must be a positive integer but was: {seconds}",
                    field.name()
                ))),
            }
        })
    }

    /// A token that the seed and the task determine, so that a replay finds the same one.
    fn task_token(&self, id: TaskId) -> Arc<str> {
        let random = Random::seeded(self.about.seed ^ id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut token = String::with_capacity(66);
        token.push_str("AQ");
        for _ in 0..4 {
            // Writing to a String cannot fail.
            let _ = write!(token, "{:016x}", random.next());
        }
        token.into()
    }

    /// The region of the execution's ARN.
    pub(super) fn region(&self) -> Arc<str> {
        self.about
            .arn
            .split(':')
            .nth(3)
            .unwrap_or("us-east-1")
            .into()
    }

    pub(super) fn task_started(
        &mut self,
        id: TaskId,
        worker: Option<String>,
    ) -> Result<(), Broken> {
        let worker = worker.map(Arc::from);
        match self.thread_of(id) {
            Some(key) => self.progress(key, TaskProgress::Started { worker }),
            None => Ok(()),
        }
    }

    pub(super) fn task_submitted(&mut self, id: TaskId, output: Value) -> Result<(), Broken> {
        match self.thread_of(id) {
            Some(key) => self.progress(key, TaskProgress::Submitted { output }),
            None => Ok(()),
        }
    }

    pub(super) fn task_succeeded(&mut self, id: TaskId, output: Value) -> Result<(), Broken> {
        let Some(key) = self.thread_of(id) else {
            return Ok(());
        };
        if !data::fits(&output, self.limits.payload_bytes) {
            let family = &self.frames.get_mut(key)?.task()?.family;
            let failure = Failure::too_large(family.called());
            return self.task_failed(id, failure.error.unwrap_or_default(), failure.cause);
        }
        self.progress(
            key,
            TaskProgress::Succeeded {
                output: output.clone(),
            },
        )?;
        self.task_over(key)?;
        let program = Arc::clone(&self.machine.program);
        let state = self.state_of(&program, key)?;
        self.see(key, state, || Seen::Result(output.clone()))?;
        self.complete(&program, key, output)
    }

    pub(super) fn task_failed(
        &mut self,
        id: TaskId,
        error: Arc<str>,
        cause: Option<Arc<str>>,
    ) -> Result<(), Broken> {
        let Some(key) = self.thread_of(id) else {
            return Ok(());
        };
        let details = ErrorDetails {
            error: Some(Arc::clone(&error)),
            cause: cause.clone(),
        };
        self.progress(key, TaskProgress::Failed(details))?;
        self.task_over(key)?;
        self.task_failure(key, error, cause, Origin::Task)
    }

    /// A task's time is up. Others whose time is up at the same moment are told of before any of them fails.
    pub(super) fn tasks_timed_out(&mut self, key: FrameKey) -> Result<(), Broken> {
        let now = self.now;
        let mut due: Vec<(u64, FrameKey)> = self
            .timers
            .iter()
            .filter_map(|(id, purpose)| match purpose {
                TimerUse::TaskTimeout(other, at) if *at <= now => Some((*id, *other)),
                _ => None,
            })
            .collect();
        due.sort_unstable_by_key(|(id, _)| *id);
        let mut keys = vec![key];
        keys.extend(due.into_iter().map(|(_, key)| key));
        for key in &keys {
            self.time_up(*key)?;
        }
        for key in keys {
            // The failure of one may have ended the others.
            if self.frames.find(key).is_some() {
                self.task_failure(key, error_name::TIMEOUT.into(), None, Origin::Task)?;
            }
        }
        Ok(())
    }

    /// A task has been silent for too long. AWS tells it as a timeout
    /// (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#wait-token-hearbeat>).
    pub(super) fn task_was_silent(&mut self, key: FrameKey) -> Result<(), Broken> {
        self.time_up(key)?;
        self.task_failure(key, error_name::TIMEOUT.into(), None, Origin::SilentTask)
    }

    fn time_up(&mut self, key: FrameKey) -> Result<(), Broken> {
        let id = self.frames.get_mut(key)?.task()?.id;
        let details = ErrorDetails {
            error: Some(error_name::TIMEOUT.into()),
            cause: None,
        };
        self.progress(key, TaskProgress::TimedOut(details))?;
        self.commands.push(Command::CancelTask { id });
        self.task_over(key)
    }

    fn task_failure(
        &mut self,
        key: FrameKey,
        error: Arc<str>,
        cause: Option<Arc<str>>,
        origin: Origin,
    ) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        let failure = Failure {
            error: Some(error),
            cause,
            origin,
        };
        self.fail_thread(&program, key, failure)
    }

    pub(super) fn task_heartbeat(&mut self, id: TaskId) -> Result<(), Broken> {
        let Some(key) = self.thread_of(id) else {
            return Ok(());
        };
        // A task without HeartbeatSeconds may send heartbeats all the same.
        let Some((timer, seconds)) = self.frames.get_mut(key)?.task()?.heartbeat else {
            return Ok(());
        };
        self.cancel_timer(timer);
        let at = self.now.plus_seconds(seconds);
        let next = self.start_timer(TimerUse::TaskHeartbeat(key), at);
        self.frames.get_mut(key)?.task()?.heartbeat = Some((next, seconds));
        Ok(())
    }

    /// The thread that waits for a task; none when there is no such task, or none any more.
    fn thread_of(&self, id: TaskId) -> Option<FrameKey> {
        let key = self.tasks.get(&id.0).copied()?;
        match &self.frames.find(key)?.activity {
            Activity::Task(task) if task.id == id => Some(key),
            _ => None,
        }
    }

    fn progress(&mut self, key: FrameKey, progress: TaskProgress) -> Result<(), Broken> {
        let family = self.frames.get_mut(key)?.task()?.family.clone();
        self.record_for(key, EventKind::Task(Box::new((family, progress))))?;
        Ok(())
    }

    /// Forgets a task that has ended, and its timers.
    fn task_over(&mut self, key: FrameKey) -> Result<(), Broken> {
        let frame = self.frames.get_mut(key)?;
        if let Activity::Task(task) = std::mem::replace(&mut frame.activity, Activity::Repeating) {
            self.forget(&task);
        }
        Ok(())
    }

    fn forget(&mut self, task: &TaskRun) {
        self.tasks.remove(&task.id.0);
        if let Some(timer) = task.timeout {
            self.cancel_timer(timer);
        }
        if let Some((timer, _)) = task.heartbeat {
            self.cancel_timer(timer);
        }
    }

    /// Stops a task that is no longer wanted.
    pub(super) fn call_off(&mut self, task: &TaskRun) {
        self.commands.push(Command::CancelTask { id: task.id });
        self.forget(task);
    }
}

fn family(task: &TaskFields) -> TaskFamily {
    match &task.resource {
        Resource::Lambda { arn } => TaskFamily::Lambda {
            arn: Arc::clone(arn),
        },
        Resource::Activity { arn } => TaskFamily::Activity {
            arn: Arc::clone(arn),
        },
        Resource::Service { .. } => TaskFamily::Service {
            resource_type: Arc::clone(&task.resource_type),
            resource: Arc::clone(&task.resource_name),
        },
    }
}
