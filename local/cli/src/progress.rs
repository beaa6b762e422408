//! The live view of a run: on a terminal one line per open state and branch, elsewhere one line per state.

use std::{collections::HashMap, io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::timeline::{Change, Timeline};

/// Lines that stay readable on a small terminal; further branches are only counted.
const LINES: usize = 16;

/// Draws on standard error.
pub enum Progress {
    /// Lines that come and go.
    Bars(Bars),
    /// Lines that stay, for a file or the log of a CI.
    Lines(Lines),
}

impl Progress {
    /// An empty view of the run of `pipeline`.
    pub fn new(pipeline: &str) -> Self {
        if std::io::stderr().is_terminal() {
            Self::Bars(Bars::new(pipeline))
        } else {
            Self::Lines(Lines::default())
        }
    }

    /// Takes the next event and the timeline that has just read it.
    pub fn show(&mut self, timeline: &mut Timeline, event: &Value) {
        let change = timeline.push(event);
        match self {
            Self::Bars(bars) => bars.show(timeline, event, change),
            Self::Lines(lines) => {
                if let Some(line) = lines.line(timeline, event, &change) {
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Removes all lines that do not stay.
    pub fn clear(self) {
        if let Self::Bars(bars) = self {
            bars.clear();
        }
    }
}

/// The view on a terminal.
pub struct Bars {
    lines: MultiProgress,
    total: ProgressBar,
    open: HashMap<u64, ProgressBar>,
    entered: u64,
    exited: u64,
}

impl Bars {
    fn new(pipeline: &str) -> Self {
        let lines = MultiProgress::new();
        let total = lines.add(line(
            "{spinner} {prefix}  {elapsed}  [{bar:24}] {pos} of {len} states done",
            pipeline,
        ));
        Self {
            lines,
            total,
            open: HashMap::new(),
            entered: 0,
            exited: 0,
        }
    }

    fn show(&mut self, timeline: &Timeline, event: &Value, change: Change) {
        match change {
            Change::Entered(id, name) => {
                self.entered += 1;
                if self.open.len() < LINES {
                    let bar = line(
                        "  {spinner} {prefix}  {elapsed}  {msg}",
                        &labelled(timeline, event, id, &name),
                    );
                    self.open.insert(id, self.lines.add(bar));
                }
            }
            Change::Retried(id, _) => {
                if let Some(bar) = self.open.get(&id) {
                    bar.set_message("retried");
                }
            }
            Change::Exited(id, ..) => {
                self.exited += 1;
                if let Some(bar) = self.open.remove(&id) {
                    bar.finish_and_clear();
                }
            }
            Change::Other => {}
        }
        self.total.set_length(self.entered);
        self.total.set_position(self.exited);
    }

    fn clear(self) {
        for bar in self.open.values() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}

/// The view where nothing can be drawn over: what begins and what took its time. Of the branches of a Map, which may
/// be thousands, only what is retried is told.
#[derive(Default)]
pub struct Lines {
    began: Option<f64>,
}

impl Lines {
    fn line(&mut self, timeline: &Timeline, event: &Value, change: &Change) -> Option<String> {
        let at = event["timestamp"].as_f64()?;
        let at = at - *self.began.get_or_insert(at);
        match change {
            Change::Entered(id, name) if timeline.iteration(*id).is_none() => Some(format!(
                "{at:>8.1} s  {}",
                labelled(timeline, event, *id, name)
            )),
            Change::Exited(id, name, took)
                if timeline.iteration(*id).is_none() && *took >= 1_000.0 =>
            {
                Some(format!("{at:>8.1} s  {name}: done in {:.1} s", took / 1e3))
            }
            Change::Retried(id, name) => Some(format!(
                "{at:>8.1} s  {}: tried again",
                labelled(timeline, event, *id, name)
            )),
            Change::Entered(..) | Change::Exited(..) | Change::Other => None,
        }
    }
}

/// A state with its place in a Map, and what its input says of the work: a name, a worker, a placement.
fn labelled(timeline: &Timeline, event: &Value, id: u64, name: &str) -> String {
    let mut label = match timeline.iteration(id) {
        Some(index) => format!("{name} [{index}]"),
        None => name.to_owned(),
    };
    let input = event
        .pointer("/stateEnteredEventDetails/input")
        .and_then(Value::as_str);
    let input: Value = input
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null);
    for field in ["name", "worker", "placement"] {
        if let Some(text) = input[field].as_str().filter(|text| text.len() <= 40) {
            label.push_str(" · ");
            label.push_str(text);
        }
    }
    label
}

fn line(template: &str, prefix: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_prefix(prefix.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn without_a_terminal_every_state_has_a_line_and_branches_have_none() {
        let entered = |id: u64, previous: u64, at: f64, kind: &str, name: &str, input: &str| {
            json!({"id": id, "previousEventId": previous, "timestamp": at, "type": format!("{kind}StateEntered"),
                   "stateEnteredEventDetails": {"name": name, "input": input}})
        };
        let history = [
            entered(1, 0, 10.0, "Map", "Train all", "{\"name\": \"x\"}"),
            json!({"id": 2, "previousEventId": 1, "timestamp": 10.0, "type": "MapIterationStarted",
                   "mapIterationStartedEventDetails": {"index": 7}}),
            entered(3, 2, 10.5, "Task", "Train", "{\"placement\": \"BATCH\"}"),
            json!({"id": 4, "previousEventId": 3, "timestamp": 10.5, "type": "TaskScheduled"}),
            json!({"id": 5, "previousEventId": 4, "timestamp": 11.0, "type": "TaskFailed"}),
            json!({"id": 6, "previousEventId": 5, "timestamp": 11.5, "type": "TaskScheduled"}),
            json!({"id": 7, "previousEventId": 1, "timestamp": 12.5, "type": "MapStateExited",
                   "stateExitedEventDetails": {"name": "Train all"}}),
        ];
        let (mut timeline, mut lines) = (Timeline::default(), Lines::default());
        let told = history.iter().filter_map(|event| {
            let change = timeline.push(event);
            lines.line(&timeline, event, &change)
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "     0.0 s  Train all · x",
                "     1.5 s  Train [7]: tried again",
                "     2.5 s  Train all: done in 2.5 s",
            ]
        );
    }
}
