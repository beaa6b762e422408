//! The clocks of rules that have a schedule.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Events;
use super::rule::Rule;
use crate::schedule::sleep_until;
use crate::time::now;

impl Events {
    /// Begins to watch the clock for rules with a schedule.
    pub fn start(&self) {
        let rules: Vec<Rule> = {
            let mut state = self.state();
            state.started = true;
            state.rules.values().cloned().collect()
        };
        for rule in rules {
            self.wind(&rule);
        }
    }

    /// Stops watching the clock.
    pub fn stop(&self) {
        let mut state = self.state();
        state.started = false;
        for (_, clock) in std::mem::take(&mut state.clocks) {
            clock.abort();
        }
    }

    /// Makes a rule's clock go by what the rule says now.
    pub(super) fn wind(&self, rule: &Rule) {
        let mut state = self.state();
        if let Some(clock) = state.clocks.remove(&rule.key()) {
            clock.abort();
        }
        if state.started && rule.is_enabled() && rule.compiled.expression.is_some() {
            let clock = tokio::spawn(self.clone().tick(rule.key())).abort_handle();
            state.clocks.insert(rule.key(), clock);
        }
    }

    /// Fires a rule whenever it is due, with the targets that it has by then. A rate counts from when the rule was
    /// made, and its first time is after one interval.
    async fn tick(self, key: (String, String)) {
        let find = || self.state().rules.get(&key).cloned();
        let mut last = Utc::now();
        loop {
            let Some(rule) = find() else { return };
            let made = DateTime::from_timestamp_micros(rule.created.0).unwrap_or(last);
            let next = rule.compiled.expression.as_ref();
            let Some(due) = next.and_then(|expression| expression.next(last, made)) else {
                return;
            };
            sleep_until(due).await;
            if let Some(rule) = find() {
                tracing::info!(rule = %rule.name, "due");
                let resources = json!([rule.arn]);
                let event =
                    self.envelope("aws.events", "Scheduled Event", resources, json!({}), now());
                if let Err(error) = self.fire(&rule, &event, 0) {
                    tracing::error!(rule = %rule.name, %error, "a scheduled event was lost");
                }
            }
            last = due;
        }
    }
}
