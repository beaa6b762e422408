//! Keeps the waiting state informed while the work goes on: heartbeats, and the notice that SIGTERM is.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tracing::{error, warn};

use super::failure;
use crate::job::Placement;
use crate::task::{
    CallBack, Delivery, Failure, JOB_INTERRUPTED, JOB_SPOT_RECLAIMED, Signal, TaskToken,
};

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
            let notice = interruption(placement, job_id);
            tasks.push(tokio::spawn(give_notice(
                callback.clone(),
                token.cloned(),
                notice,
            )));
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

/// Heartbeats until nobody waits any more. The work goes on even then: its outcome may serve the next attempt.
async fn heartbeat(callback: impl CallBack, token: TaskToken) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    loop {
        ticks.tick().await;
        match callback.call_back(&token, Signal::Heartbeat).await {
            Ok(Delivery::Delivered) => {}
            Ok(Delivery::Gone) => return,
            Err(error) => warn!("{error}"),
        }
    }
}

/// After SIGTERM there are seconds left, two minutes on Spot: tell the waiting state at once, then end.
async fn give_notice(callback: impl CallBack, token: Option<TaskToken>, notice: Failure) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    terminate.recv().await;
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
    #![allow(clippy::unwrap_used)]
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
    async fn heartbeats_come_at_once_and_then_in_time_until_the_end() {
        let callback = Arc::new(MemoryCallback::default());
        let vigil = Vigil::keep(
            &callback,
            Some(&TaskToken::new("t")),
            Placement::Lambda,
            "j",
        );
        tokio::time::sleep(HEARTBEAT * 2 + Duration::from_secs(1)).await;
        assert_eq!(callback.signals().len(), 3);
        drop(vigil);
        tokio::time::sleep(HEARTBEAT * 4).await;
        assert_eq!(callback.signals().len(), 3);
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
