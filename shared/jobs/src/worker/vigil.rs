//! Keeps the waiting state informed while the work goes on: heartbeats, and the notice that SIGTERM or the time limit is.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, warn};

use super::failure;
use crate::checkpoint::{Order, Stop};
use crate::env;
use crate::task::{
    CallBack, Delivery, Failure, JOB_INTERRUPTED, JOB_SPOT_RECLAIMED, Signal, TaskToken,
};
use placement::Placement;

/// Time between two heartbeats. State machines wait at least three times as long (`HeartbeatSeconds`).
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is kept from a container's stop timeout, or from a function's remaining time, for telling how it ended.
const RESERVE: Duration = Duration::from_secs(5);
/// Between SIGTERM and SIGKILL where a definition says nothing else, as on Batch: `ECS_CONTAINER_STOP_TIMEOUT`, 30 s
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html>).
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// When a function stops its work before Lambda ends it: long enough to save a checkpoint.
const BEFORE_DEADLINE: Duration = Duration::from_secs(20);

/// Background tasks that end when this is dropped.
pub(super) struct Vigil(Vec<JoinHandle<()>>);

impl Vigil {
    /// Watches over the work of `job_id`, for whose end `assignment` names who waits and where it runs.
    pub(super) fn keep<C>(callback: &C, assignment: &Watched<'_>, stop: &Stop) -> Self
    where
        C: CallBack + Clone + Send + Sync + 'static,
    {
        let mut tasks = Vec::new();
        if let Some(token) = assignment.token {
            tasks.push(tokio::spawn(heartbeat(callback.clone(), token.clone())));
        }
        let stop = stop.clone();
        if assignment.placement == Placement::Lambda {
            // Lambda gives no notice, but tells when it will end the function.
            if let Some(deadline) = assignment.deadline {
                tasks.push(tokio::spawn(stop_before(deadline, stop)));
            }
            return Self(tasks);
        }
        let (callback, token) = (callback.clone(), assignment.token.cloned());
        let (placement, job_id) = (assignment.placement, assignment.job_id.to_owned());
        tasks.push(tokio::spawn(async move {
            let order = end_from_outside(placement, time_limit()).await;
            let notice = failure(order.name, &order.reason, &job_id);
            // Work with a checkpoint saves first, so that the next attempt, which the notice begins, finds it; it then
            // ends the job itself.
            stop.give(order);
            if stop.is_heeded() {
                tokio::time::sleep(time_to_save(stop_timeout())).await;
            }
            give_notice(&callback, token, notice).await;
        }));
        Self(tasks)
    }
}

/// The job that a vigil is kept for.
pub(super) struct Watched<'a> {
    /// Who waits for it.
    pub token: Option<&'a TaskToken>,
    /// Where it runs.
    pub placement: Placement,
    /// When Lambda ends it.
    pub deadline: Option<Instant>,
    /// Its id.
    pub job_id: &'a str,
}

impl Drop for Vigil {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// Heartbeats until nobody waits any more, the first after the one that came before the work. The work goes on even
/// then: its outcome may serve the next attempt.
async fn heartbeat(callback: impl CallBack, token: TaskToken) {
    let mut ticks = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    loop {
        ticks.tick().await;
        match callback.call_back(&token, Signal::Heartbeat).await {
            Ok(Delivery::Delivered) => {}
            Ok(Delivery::Gone) => return,
            Err(error) => warn!("{error}"),
        }
    }
}

/// How long a container may work on one job: `MAX_SECONDS`, without end when absent. Fargate, unlike Lambda and Batch,
/// never ends a job, and Step Functions does not stop one whose state timed out.
fn time_limit() -> Option<Duration> {
    let seconds = env::parsed("MAX_SECONDS").unwrap_or_else(|error| {
        warn!("{error}; this job has no time limit");
        None
    });
    seconds.map(Duration::from_secs)
}

/// How long the container has after SIGTERM: `STOP_SECONDS`, which the definition sets beside its stop timeout.
fn stop_timeout() -> Duration {
    let seconds = env::parsed("STOP_SECONDS").unwrap_or_else(|error| {
        warn!("{error}; {} s are taken", STOP_TIMEOUT.as_secs());
        None
    });
    seconds.map_or(STOP_TIMEOUT, Duration::from_secs)
}

/// How much of it the work has for its last checkpoint.
fn time_to_save(stop_timeout: Duration) -> Duration {
    stop_timeout.saturating_sub(RESERVE).max(stop_timeout / 2)
}

/// Waits until Lambda is about to end the function, then stops its work.
async fn stop_before(deadline: Instant, stop: Stop) {
    let left = deadline.saturating_duration_since(Instant::now());
    let work = left.saturating_sub(BEFORE_DEADLINE).max(left * 3 / 4);
    tokio::time::sleep(work).await;
    stop.give(Order {
        name: JOB_INTERRUPTED,
        reason: "the time of the function is nearly over".to_owned(),
    });
}

/// Waits for SIGTERM or the time limit; why the work has to stop.
async fn end_from_outside(placement: Placement, limit: Option<Duration>) -> Order {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    let expired = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => interruption(placement),
        () = expired => Order {
            name: JOB_INTERRUPTED,
            reason: "the time limit was reached".to_owned(),
        },
    }
}

/// There are seconds left, two minutes on Spot: tells the waiting state, then ends.
async fn give_notice(callback: &impl CallBack, token: Option<TaskToken>, notice: Failure) {
    error!(error = notice.error, "{notice}");
    if let Some(token) = token
        && let Err(error) = callback.call_back(&token, Signal::Failure(notice)).await
    {
        error!("{error}");
    }
    std::process::exit(1);
}

fn interruption(placement: Placement) -> Order {
    let (name, reason) = if placement.is_spot() {
        let reason = format!("{placement} capacity was reclaimed");
        (JOB_SPOT_RECLAIMED, reason)
    } else {
        let reason = "the container was told to stop".to_owned();
        (JOB_INTERRUPTED, reason)
    };
    Order { name, reason }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::task::MemoryCallback;

    #[test]
    fn only_spot_is_reclaimed() {
        for placement in Placement::ALL {
            let expected = if placement.is_spot() {
                JOB_SPOT_RECLAIMED
            } else {
                JOB_INTERRUPTED
            };
            assert_eq!(interruption(placement).name, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_ends_at_its_time_limit() {
        let (start, limit) = (tokio::time::Instant::now(), Duration::from_secs(7_200));
        let order = end_from_outside(Placement::FargateSpot, Some(limit)).await;
        assert_eq!(order.name, JOB_INTERRUPTED);
        assert!(order.reason.contains("time limit"), "{order:?}");
        assert_eq!(start.elapsed(), limit);
    }

    /// Watches over a function that has the token `t`.
    fn watch(callback: &Arc<MemoryCallback>, stop: Option<(Duration, &Stop)>) -> Vigil {
        let watched = Watched {
            token: Some(&TaskToken::new("t")),
            placement: Placement::Lambda,
            deadline: stop.map(|(left, _)| Instant::now() + left),
            job_id: "j",
        };
        Vigil::keep(
            callback,
            &watched,
            stop.map_or(&Stop::default(), |(_, stop)| stop),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_stops_before_its_time_is_over() {
        for (left, stops_after) in [(900, 880), (60, 45)] {
            let (callback, stop) = (Arc::default(), Stop::default());
            let _vigil = watch(&callback, Some((Duration::from_secs(left), &stop)));
            tokio::time::sleep(Duration::from_secs(stops_after - 1)).await;
            assert_eq!(stop.order(), None);
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(stop.order().unwrap().name, JOB_INTERRUPTED);
        }
    }

    #[test]
    fn most_of_the_stop_timeout_is_for_saving() {
        for (timeout, expected) in [(120, 115), (30, 25), (2, 1)] {
            let left = time_to_save(Duration::from_secs(timeout));
            assert_eq!(left, Duration::from_secs(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_come_in_time_until_the_end() {
        let callback = Arc::new(MemoryCallback::default());
        let vigil = watch(&callback, None);
        tokio::time::sleep(HEARTBEAT * 2 + Duration::from_secs(1)).await;
        assert_eq!(callback.signals().len(), 2);
        drop(vigil);
        tokio::time::sleep(HEARTBEAT * 4).await;
        assert_eq!(callback.signals().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_stop_when_nobody_waits() {
        let (callback, token) = (Arc::new(MemoryCallback::default()), TaskToken::new("t"));
        let answered = callback.call_back(&token, Signal::Success(1.into()));
        answered.await.unwrap();
        let vigil = watch(&callback, None);
        tokio::time::sleep(HEARTBEAT * 3).await;
        assert!(vigil.0[0].is_finished());
    }
}
