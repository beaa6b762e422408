//! Keeps the waiting state informed while the work goes on: heartbeats, and the notice that SIGTERM or the time limit is.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, warn};

use super::failure;
use crate::env;
use crate::task::{
    CallBack, Delivery, Failure, JOB_INTERRUPTED, JOB_SPOT_RECLAIMED, Signal, TaskToken,
};
use placement::Placement;

/// Time between two heartbeats. State machines wait at least three times as long (`HeartbeatSeconds`).
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Background tasks that end when this is dropped.
pub(super) struct Vigil(Vec<JoinHandle<()>>);

impl Vigil {
    pub(super) fn keep<C>(
        callback: &C,
        token: Option<&TaskToken>,
        placement: Placement,
        job_id: &str,
    ) -> Self
    where
        C: CallBack + Clone + Send + Sync + 'static,
    {
        let mut tasks = Vec::new();
        if let Some(token) = token {
            tasks.push(tokio::spawn(heartbeat(callback.clone(), token.clone())));
        }
        // Lambda gives no notice; a container gets SIGTERM.
        if placement != Placement::Lambda {
            let (callback, token) = (callback.clone(), token.cloned());
            let job_id = job_id.to_owned();
            tasks.push(tokio::spawn(async move {
                let notice = end_from_outside(placement, &job_id, time_limit()).await;
                give_notice(&callback, token, notice).await;
            }));
        }
        Self(tasks)
    }
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

/// Waits for SIGTERM or the time limit; what to tell the waiting state.
async fn end_from_outside(placement: Placement, job_id: &str, limit: Option<Duration>) -> Failure {
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
        () = terminated => interruption(placement, job_id),
        () = expired => failure(JOB_INTERRUPTED, "the time limit was reached", job_id),
    }
}

/// After SIGTERM there are seconds left, two minutes on Spot: tell the waiting state at once, then end.
async fn give_notice(callback: &impl CallBack, token: Option<TaskToken>, notice: Failure) {
    error!(error = notice.error, "{notice}");
    if let Some(token) = token
        && let Err(error) = callback.call_back(&token, Signal::Failure(notice)).await
    {
        error!("{error}");
    }
    std::process::exit(1);
}

fn interruption(placement: Placement, job_id: &str) -> Failure {
    if placement.is_spot() {
        failure(
            JOB_SPOT_RECLAIMED,
            &format!("{placement} capacity was reclaimed"),
            job_id,
        )
    } else {
        failure(JOB_INTERRUPTED, "the container was told to stop", job_id)
    }
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
            assert_eq!(interruption(placement, "j").error, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_ends_at_its_time_limit() {
        let (start, limit) = (tokio::time::Instant::now(), Duration::from_secs(7_200));
        let notice = end_from_outside(Placement::FargateSpot, "j", Some(limit)).await;
        assert_eq!(notice.error, JOB_INTERRUPTED);
        assert!(notice.cause.contains("time limit"), "{notice}");
        assert_eq!(start.elapsed(), limit);
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_come_in_time_until_the_end() {
        let callback = Arc::new(MemoryCallback::default());
        let vigil = Vigil::keep(
            &callback,
            Some(&TaskToken::new("t")),
            Placement::Lambda,
            "j",
        );
        tokio::time::sleep(HEARTBEAT * 2 + Duration::from_secs(1)).await;
        assert_eq!(callback.signals().len(), 2);
        drop(vigil);
        tokio::time::sleep(HEARTBEAT * 4).await;
        assert_eq!(callback.signals().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_stop_when_nobody_waits() {
        let (callback, token) = (Arc::new(MemoryCallback::default()), TaskToken::new("t"));
        callback
            .call_back(&token, Signal::Success(1.into()))
            .await
            .unwrap();
        let vigil = Vigil::keep(&callback, Some(&token), Placement::Lambda, "j");
        tokio::time::sleep(HEARTBEAT * 3).await;
        assert!(vigil.0[0].is_finished());
    }
}
