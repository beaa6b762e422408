//! Retry, and how error names are matched
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).

use std::sync::Arc;

use crate::definition::{RetryRule, State};

use super::failure::Failure;
use super::frame::{Activity, FrameKey};
use super::{Execution, TimerUse};

/// Whether an ErrorEquals list takes in an error. `States.ALL` takes in every error but `States.Runtime`, which does
/// not come here; `States.TaskFailed` every one but `States.Timeout`, the missed heartbeat and
/// `States.QueryEvaluationError`; `States.Timeout` the missed heartbeat too.
pub(super) fn matches(list: &[Arc<str>], error: Option<&str>) -> bool {
    list.iter().any(|name| match (&**name, error) {
        ("States.ALL", _) => true,
        ("States.TaskFailed", Some(error)) => !matches!(
            error,
            "States.Timeout" | "States.HeartbeatTimeout" | "States.QueryEvaluationError"
        ),
        ("States.Timeout", Some(error)) => {
            matches!(error, "States.Timeout" | "States.HeartbeatTimeout")
        }
        (name, Some(error)) => name == error,
        (_, None) => false,
    })
}

/// The delay in seconds before the given retry, the first of which is 0.
pub(super) fn delay(rule: &RetryRule, retry: u32) -> f64 {
    let delay = rule.interval_seconds * rule.backoff_rate.powf(f64::from(retry));
    delay.min(rule.max_delay_seconds.unwrap_or(f64::INFINITY))
}

impl Execution {
    /// Starts the delay of a retry, if the state's Retry has one left for the failure.
    pub(super) fn retry(&mut self, key: FrameKey, state: &State, failure: &Failure) -> bool {
        let Some((index, rule)) = state
            .retry
            .iter()
            .enumerate()
            .find(|(_, rule)| failure.is_in(&rule.errors))
        else {
            return false;
        };
        let Some(frame) = self.frames.get_mut(key) else {
            return false;
        };
        if frame.retries.is_empty() {
            frame.retries.resize(state.retry.len(), 0);
        }
        let used = &mut frame.retries[index];
        if u64::from(*used) >= rule.max_attempts {
            return false;
        }
        let mut seconds = delay(rule, *used);
        *used += 1;
        frame.retry_count += 1;
        if rule.jitter {
            seconds *= self.random.unit();
        }
        let at = self.now.plus_seconds(seconds);
        let timer = self.start_timer(TimerUse::Retry(key), at);
        if let Some(frame) = self.frames.get_mut(key) {
            frame.activity = Activity::Retrying { timer };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(interval_seconds: f64, backoff_rate: f64, max_delay_seconds: Option<f64>) -> RetryRule {
        RetryRule {
            errors: Vec::new(),
            interval_seconds,
            max_attempts: 3,
            backoff_rate,
            max_delay_seconds,
            jitter: false,
        }
    }

    #[test]
    fn delays_grow_up_to_their_maximum() {
        let delays = |rule: RetryRule| (0..4).map(|retry| delay(&rule, retry)).collect::<Vec<_>>();
        assert_eq!(delays(rule(1.0, 2.0, None)), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(delays(rule(3.0, 2.0, Some(10.0))), [3.0, 6.0, 10.0, 10.0]);
        assert_eq!(delays(rule(5.0, 1.0, None)), [5.0; 4]);
    }

    #[test]
    fn names_match_as_the_language_says() {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| Arc::from(*name))
                .collect::<Vec<Arc<str>>>()
        };
        for (list, error, expected) in [
            (&["States.ALL"][..], Some("Job.Crashed"), true),
            (&["States.ALL"], None, true),
            (&["States.TaskFailed"], Some("Job.Crashed"), true),
            (&["States.TaskFailed"], Some("States.Timeout"), false),
            (
                &["States.TaskFailed"],
                Some("States.QueryEvaluationError"),
                false,
            ),
            (&["States.ALL"], Some("States.QueryEvaluationError"), true),
            (&["States.Timeout"], Some("States.HeartbeatTimeout"), true),
            (&["States.HeartbeatTimeout"], Some("States.Timeout"), false),
            (&["A", "B"], Some("B"), true),
            (&["A"], Some("a"), false),
            (&["A"], None, false),
        ] {
            assert_eq!(
                matches(&names(list), error),
                expected,
                "{list:?} on {error:?}"
            );
        }
    }
}
