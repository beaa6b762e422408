//! The live view of a run: one line per open state and branch, on a terminal only.

use std::{collections::HashMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::timeline::{Change, Timeline};

/// Lines that stay readable on a small terminal; further branches are only counted.
const LINES: usize = 16;

/// Draws on standard error. Where that is no terminal, nothing is drawn.
pub struct Progress {
    lines: MultiProgress,
    total: ProgressBar,
    open: HashMap<u64, ProgressBar>,
    entered: u64,
    exited: u64,
}

impl Progress {
    /// An empty view of the run of `pipeline`.
    pub fn new(pipeline: &str) -> Self {
        let lines = MultiProgress::new();
        let total = lines.add(line("{spinner} {prefix}  {elapsed}  {msg}", pipeline));
        Self {
            lines,
            total,
            open: HashMap::new(),
            entered: 0,
            exited: 0,
        }
    }

    /// Takes the next event and the timeline that has just read it.
    pub fn show(&mut self, timeline: &mut Timeline, event: &Value) {
        match timeline.push(event) {
            Change::Entered(id, name) => {
                self.entered += 1;
                if self.open.len() < LINES {
                    let label = match timeline.iteration(id) {
                        Some(index) => format!("{name} [{index}]"),
                        None => name,
                    };
                    let bar = line("  {spinner} {prefix}  {elapsed}  {msg}", &label);
                    self.open.insert(id, self.lines.add(bar));
                }
            }
            Change::Retried(id, _) => {
                if let Some(bar) = self.open.get(&id) {
                    bar.set_message("retried");
                }
            }
            Change::Exited(id, _) => {
                self.exited += 1;
                if let Some(bar) = self.open.remove(&id) {
                    bar.finish_and_clear();
                }
            }
            Change::Other => {}
        }
        self.total
            .set_message(format!("{} of {} states done", self.exited, self.entered));
    }

    /// Removes all lines.
    pub fn clear(self) {
        for bar in self.open.values() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}

fn line(template: &str, prefix: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(prefix.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
