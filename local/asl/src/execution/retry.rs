//! Retry
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).

use crate::definition::{RetryRule, State};

use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::failure::Failure;
use super::ledger::{Execution, TimerUse};
use super::observe::Seen;

/// The delay in seconds before the given retry, the first of which is 0.
pub(super) fn delay(rule: &RetryRule, retry: u32) -> f64 {
    let delay = rule.interval_seconds * rule.backoff_rate.powf(f64::from(retry));
    delay.min(rule.max_delay_seconds.unwrap_or(f64::INFINITY))
}

impl Execution {
    /// Starts the delay of a retry, if the state's Retry has one left for the failure.
    pub(super) fn retry(
        &mut self,
        key: FrameKey,
        state: &State,
        failure: &Failure,
    ) -> Result<bool, Broken> {
        let Some((index, rule)) = state
            .retry
            .iter()
            .enumerate()
            .find(|(_, rule)| failure.is_in(&rule.errors))
        else {
            return Ok(false);
        };
        let frame = self.frames.get_mut(key)?;
        if frame.retries.is_empty() {
            frame.retries.resize(state.retry.len(), 0);
        }
        let used = &mut frame.retries[index];
        let backoff = (u64::from(*used) < rule.max_attempts).then(|| delay(rule, *used));
        if backoff.is_some() {
            *used += 1;
            frame.retry_count += 1;
        }
        self.observer.see(state, frame, || Seen::Retrier {
            index,
            backoff_seconds: backoff,
        });
        let Some(mut seconds) = backoff else {
            return Ok(false);
        };
        if rule.jitter {
            seconds *= self.random.unit();
        }
        let at = self.now.plus_seconds(seconds);
        let timer = self.start_timer(TimerUse::Retry(key), at);
        let frame = self.frames.get_mut(key)?;
        frame.activity = Activity::Retrying { timer };
        // A retry runs the whole state, and so does a redrive in its place.
        frame.left = None;
        Ok(true)
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
}
