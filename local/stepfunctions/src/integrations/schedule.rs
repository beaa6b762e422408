//! From a scheduled task to the events that tell of it.

use std::future::pending;
use std::sync::Arc;

use asl::{Event, Pattern, Resource, Task, TaskError};

use super::lambda;
use super::request::{ask_outside, call_token, request, unsupported_error};
use crate::activities::ActivityTask;
use crate::engine::Engine;
use crate::replay::Progress;
use crate::run::Run;
use cloud::work::Busy;

/// Calls what the task names. The outcome comes back to the execution as events.
pub fn schedule(engine: &Arc<Engine>, run: &Arc<Run>, task: Task, progress: Progress) {
    match &task.resource {
        Resource::Activity { arn } if engine.outside(&task.state, &task.resource).is_none() => {
            schedule_activity(engine, run, arn, &task, &progress);
        }
        Resource::Service {
            pattern: Pattern::WaitForTaskToken,
            ..
        } => {
            await_token(engine, run, &task);
            // After a restart the request is not made again if the service took it: its callback is on the way.
            if progress.submitted.is_none() {
                spawn(engine, run, task, progress, true);
            }
        }
        Resource::Lambda { .. } | Resource::Activity { .. } | Resource::Service { .. } => {
            spawn(engine, run, task, progress, false);
        }
    }
}

fn await_token(engine: &Arc<Engine>, run: &Arc<Run>, task: &Task) {
    run.track(task.id, Some(task.task_token.clone()), || {
        engine.tokens.insert(run, task);
        None
    });
}

fn schedule_activity(
    engine: &Arc<Engine>,
    run: &Arc<Run>,
    arn: &str,
    task: &Task,
    progress: &Progress,
) {
    await_token(engine, run, task);
    // After a restart a task that a worker has fetched stays with that worker.
    if progress.started {
        return;
    }
    let offered = ActivityTask {
        token: task.task_token.clone(),
        input: task.arguments.clone(),
    };
    if !engine.activities.offer(arn, offered) {
        run.post(Event::TaskFailed {
            id: task.id,
            error: "ActivityDoesNotExist".into(),
            cause: Some(format!("Activity Does Not Exist: '{arn}'")),
        });
    }
}

fn spawn(engine: &Arc<Engine>, run: &Arc<Run>, task: Task, progress: Progress, has_token: bool) {
    let (engine, owner, id) = (engine.clone(), run.clone(), task.id);
    let token = has_token.then(|| task.task_token.clone());
    run.track(id, token, || {
        let runtime = engine.runtime.clone();
        let mut busy = Some(engine.clock.busy());
        let work = runtime.spawn(async move {
            if !progress.started {
                owner.post(Event::TaskStarted { id, worker: None });
            }
            match carry_out(&engine, &owner, &task, &progress, &mut busy).await {
                Ok(Some(output)) => owner.post(Event::TaskSucceeded { id, output }),
                // The token brings the result.
                Ok(None) => {}
                Err(TaskError { error, cause }) => {
                    owner.post(Event::TaskFailed { id, error, cause });
                }
            }
            drop(busy);
        });
        Some(work.abort_handle())
    });
}

/// Calls what the task names, waits for a job that it began; `None` where the token brings the result.
async fn carry_out(
    engine: &Arc<Engine>,
    run: &Arc<Run>,
    task: &Task,
    progress: &Progress,
    busy: &mut Option<Busy>,
) -> Result<Option<asl::Value>, TaskError> {
    let token = call_token(&run.start.arn, task.id.0);
    let outside = engine.outside(&task.state, &task.resource);
    let (pattern, accepted) = match (&task.resource, outside) {
        (Resource::Service { pattern, .. }, Some(outside)) => {
            (*pattern, ask_outside(outside, task, token).await?)
        }
        (Resource::Service { pattern, .. }, None) => {
            (*pattern, request(engine, task, token).await?)
        }
        (Resource::Lambda { .. } | Resource::Activity { .. }, Some(outside)) => {
            let answer = ask_outside(outside, task, token).await?;
            return Ok(Some(answer.output));
        }
        (Resource::Lambda { arn }, None) => {
            return lambda::invoke_arn(engine, arn, &task.arguments)
                .await
                .map(Some);
        }
        (Resource::Activity { .. }, None) => return Ok(None),
    };
    if pattern != Pattern::RequestResponse && progress.submitted.is_none() {
        run.post(Event::TaskSubmitted {
            id: task.id,
            output: accepted.output.clone(),
        });
    }
    match (pattern, accepted.job) {
        (Pattern::WaitForTaskToken, _) => Ok(None),
        (Pattern::Sync | Pattern::SyncV2, Some(job)) => {
            let mut stop = StopOnDrop {
                engine: engine.clone(),
                stop: Some(job.stop),
            };
            let Some(ended) = job.ended else {
                // Nothing is going on: the virtual clock may skip to the time limit of the task.
                drop(busy.take());
                return pending().await;
            };
            let outcome = ended.await;
            stop.stop = None;
            outcome.map(Some)
        }
        (Pattern::Sync | Pattern::SyncV2, None) => Err(unsupported_error(&task.resource)),
        (Pattern::RequestResponse, _) => Ok(Some(accepted.output)),
    }
}

/// Stops a job when the task that waits for it is dropped: it timed out or was aborted. When the
/// whole cloud shuts down, the job is to go on after the restart.
struct StopOnDrop {
    engine: Arc<Engine>,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take()
            && !self.engine.is_closed()
        {
            stop();
        }
    }
}
