//! What a history says of each state: how often it was entered, how long it took, what was retried.

use std::collections::HashMap;

use serde_json::Value;

/// One state of a run, over all its entries and branches.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRow {
    /// State name.
    pub name: String,
    /// `Task`, `Map`, …
    pub kind: String,
    /// How often it was entered.
    pub entered: u32,
    /// How often it was left; the difference failed, was aborted, or is still running.
    pub exited: u32,
    /// Scheduled again after a failure.
    pub retries: u32,
    /// Time between entry and exit, summed over entries, ms.
    pub total_ms: f64,
    /// The longest single entry, ms.
    pub longest_ms: f64,
}

/// Reads a history event by event.
#[derive(Debug, Default)]
pub struct Timeline {
    rows: Vec<StateRow>,
    row_of: HashMap<String, usize>,
    events: HashMap<u64, Seen>,
}

#[derive(Debug)]
struct Seen {
    previous: u64,
    entered: Option<Entry>,
    iteration: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    at: f64,
    schedules: u32,
}

/// What one event changed, for a live view.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// A state began; the id of its event names this entry.
    Entered(u64, String),
    /// That entry ended, after so many ms.
    Exited(u64, String, f64),
    /// That entry tries again.
    Retried(u64, String),
    /// Nothing that a view of states shows.
    Other,
}

impl Timeline {
    /// Takes the next event, in the shape of GetExecutionHistory.
    pub fn push(&mut self, event: &Value) -> Change {
        let kind = event["type"].as_str().unwrap_or_default();
        let id = event["id"].as_u64().unwrap_or_default();
        let previous = event["previousEventId"].as_u64().unwrap_or_default();
        let at = event["timestamp"].as_f64().unwrap_or_default();
        let mut seen = Seen {
            previous,
            entered: None,
            iteration: event
                .pointer("/mapIterationStartedEventDetails/index")
                .and_then(Value::as_u64),
        };
        let mut change = Change::Other;
        if let Some(state) = kind.strip_suffix("StateEntered") {
            let name = text(event, "/stateEnteredEventDetails/name");
            let row = self.row(&name, state);
            self.rows[row].entered += 1;
            seen.entered = Some(Entry {
                name: name.clone(),
                at,
                schedules: 0,
            });
            change = Change::Entered(id, name);
        } else if kind.ends_with("StateExited") {
            let name = text(event, "/stateExitedEventDetails/name");
            if let Some((entry, began)) = self.entry_before(previous, Some(&name)) {
                let row = self.row_of[&name];
                let took = (at - began) * 1000.0;
                let row = &mut self.rows[row];
                row.exited += 1;
                row.total_ms += took;
                row.longest_ms = row.longest_ms.max(took);
                change = Change::Exited(entry, name, took);
            }
        } else if kind.ends_with("Scheduled")
            && let Some((entry, _)) = self.entry_before(previous, None)
        {
            change = self.scheduled(entry);
        }
        self.events.insert(id, seen);
        change
    }

    /// The states in the order of their first entry.
    pub fn rows(&self) -> &[StateRow] {
        &self.rows
    }

    /// Which Map iteration the entry `event` is in, the innermost one.
    pub fn iteration(&self, mut event: u64) -> Option<u64> {
        while let Some(seen) = self.events.get(&event) {
            if seen.iteration.is_some() {
                return seen.iteration;
            }
            event = seen.previous;
        }
        None
    }

    fn scheduled(&mut self, entry: u64) -> Change {
        let Some(open) = self
            .events
            .get_mut(&entry)
            .and_then(|seen| seen.entered.as_mut())
        else {
            return Change::Other;
        };
        open.schedules += 1;
        if open.schedules == 1 {
            return Change::Other;
        }
        let name = open.name.clone();
        self.rows[self.row_of[&name]].retries += 1;
        Change::Retried(entry, name)
    }

    fn row(&mut self, name: &str, kind: &str) -> usize {
        if let Some(row) = self.row_of.get(name) {
            return *row;
        }
        self.rows.push(StateRow {
            name: name.to_owned(),
            kind: kind.to_owned(),
            entered: 0,
            exited: 0,
            retries: 0,
            total_ms: 0.0,
            longest_ms: 0.0,
        });
        self.row_of.insert(name.to_owned(), self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// The entry that `event` belongs to: the nearest before it, of that name where one is given.
    fn entry_before(&self, mut event: u64, name: Option<&str>) -> Option<(u64, f64)> {
        while let Some(seen) = self.events.get(&event) {
            if let Some(entry) = &seen.entered
                && name.is_none_or(|name| name == entry.name)
            {
                return Some((event, entry.at));
            }
            event = seen.previous;
        }
        None
    }
}

fn text(event: &Value, pointer: &str) -> String {
    event
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_knows_its_map_iteration() {
        let mut timeline = Timeline::default();
        timeline.push(&event(1, 0, 0.0, "MapStateEntered", "Each"));
        timeline.push(
            &json!({"id": 2, "previousEventId": 1, "type": "MapIterationStarted",
            "mapIterationStartedEventDetails": {"index": 7}}),
        );
        timeline.push(&event(3, 2, 0.0, "TaskStateEntered", "Train"));
        assert_eq!(timeline.iteration(3), Some(7));
        assert_eq!(timeline.iteration(1), None);
    }

    fn event(id: u64, previous: u64, at: f64, kind: &str, name: &str) -> Value {
        json!({"id": id, "previousEventId": previous, "timestamp": at, "type": kind,
               "stateEnteredEventDetails": {"name": name}, "stateExitedEventDetails": {"name": name}})
    }

    #[test]
    fn a_map_with_a_retried_branch_is_told_by_state() {
        let history = [
            event(1, 0, 0.0, "ExecutionStarted", ""),
            event(2, 0, 0.0, "MapStateEntered", "Each"),
            event(3, 2, 0.0, "MapStateStarted", ""),
            event(4, 3, 0.0, "MapIterationStarted", ""),
            event(5, 4, 1.0, "TaskStateEntered", "Train"),
            event(6, 3, 1.0, "MapIterationStarted", ""),
            event(7, 6, 1.0, "TaskStateEntered", "Train"),
            event(8, 5, 1.0, "TaskScheduled", ""),
            event(9, 7, 1.0, "TaskScheduled", ""),
            event(10, 9, 2.0, "TaskFailed", ""),
            event(11, 10, 3.0, "TaskScheduled", ""),
            event(12, 8, 3.0, "TaskSucceeded", ""),
            event(13, 12, 3.0, "TaskStateExited", "Train"),
            event(14, 11, 5.0, "TaskSucceeded", ""),
            event(15, 14, 5.0, "TaskStateExited", "Train"),
            event(16, 15, 5.0, "MapStateSucceeded", ""),
            event(17, 15, 5.0, "MapStateExited", "Each"),
        ];
        let mut timeline = Timeline::default();
        let changes: Vec<Change> = history.iter().map(|event| timeline.push(event)).collect();
        assert_eq!(changes[10], Change::Retried(7, "Train".to_owned()));
        assert_eq!(changes[12], Change::Exited(5, "Train".to_owned(), 2_000.0));
        let [each, train] = timeline.rows() else {
            panic!("two states: {:?}", timeline.rows());
        };
        assert_eq!((each.kind.as_str(), each.total_ms), ("Map", 5000.0));
        assert_eq!((train.entered, train.exited, train.retries), (2, 2, 1));
        assert_eq!((train.total_ms, train.longest_ms), (6000.0, 4000.0));
    }
}
