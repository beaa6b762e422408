//! A job at the head of its queue that cannot start: Batch tells why, in the job and as an event, and the queue gives
//! it up if it has a time limit for that reason. Unlike there, the jobs behind it go on here: this machine has room.
//! <https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html>

use std::time::Duration;

use super::Batch;
use super::job::Job;
use super::run::Run;

/// A reason for which a job stays RUNNABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    /// As the time limits of a queue name it.
    reason: String,
    /// What Batch writes after the reason.
    words: &'static str,
}

impl Batch {
    /// Why a job that waits cannot start, if it cannot.
    pub(super) fn blocked(&self, job: &Job) -> Option<Blocked> {
        if let Some(reason) = self
            .inner
            .workers
            .faults
            .queue(&job.queue.name, &job.queue.logical_id)
        {
            return Some(Blocked {
                reason,
                words: "fault given for the queue",
            });
        }
        let environments = self.inner.environments.lock();
        let mut of_queue = (job.queue.compute_environments.iter())
            .filter_map(|name| environments.iter().find(|one| one.is(name)))
            .peekable();
        of_queue.peek()?;
        let too_small = of_queue.all(|one| {
            let largest = one.runs.max_vcpus;
            largest.is_some_and(|largest| largest < job.definition.vcpus)
        });
        too_small.then(|| Blocked {
            reason: "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE".to_owned(),
            words: "CE(s) associated with the job queue cannot meet the CPU requirement of the job",
        })
    }
}

impl Run {
    /// Lets a job be blocked until it is stopped or its queue gives it up; the reason of its end.
    pub(super) async fn stay_blocked(&mut self, blocked: &Blocked) -> String {
        let Blocked { reason, words } = blocked;
        self.handle.job.send_modify(|job| {
            job.status_reason = Some(format!("{reason} - {words}"));
        });
        let (arn, queue) = {
            let job = self.handle.job.borrow();
            (job.arn.clone(), job.queue.clone())
        };
        self.batch.inner.events.publish(
            "aws.batch",
            "Batch Job Queue Blocked",
            &[&arn, &queue.arn],
            self.handle.describe(),
        );
        let limit = queue
            .time_limits
            .iter()
            .find(|limit| limit.reason == *reason);
        let work = &self.batch.inner.workers.processes.work;
        let given_up = async {
            match limit {
                Some(limit) => work.sleep(Duration::from_secs(limit.seconds)).await,
                None => std::future::pending().await,
            }
        };
        // While it waits for somebody to act nothing works.
        self.busy = None;
        let (reason, busy) = tokio::select! {
            reason = super::run::stopped(&mut self.stop) => (reason, work.begin()),
            busy = given_up => {
                let reason = format!("Canceled by JobStateTimeLimit action due to reason: {reason}");
                (reason, busy)
            }
        };
        self.busy = Some(busy);
        reason
    }
}
