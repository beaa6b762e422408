//! What the function and the workers note of themselves: the count of starts that the server cannot embellish.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Notes by the name of the work.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Notes(BTreeMap<String, Counts>);

/// How often it was noted.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Counts {
    /// Starts of a worker.
    starts: usize,
    /// Workers that were told to stop.
    stops: usize,
    /// Workers that came to their end.
    ends: usize,
    /// Invocations of the function.
    calls: usize,
}

impl Notes {
    /// Reads the file of notes.
    pub fn read(path: &Path) -> Self {
        let mut notes = Self::default();
        let mut ended = HashSet::new();
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(work), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let counts = notes.0.entry(work.to_owned()).or_default();
            match what {
                "start" => counts.starts += 1,
                "stop" => {
                    counts.stops += 1;
                    // It was about to leave when it was told: its end was none yet.
                    counts.ends -= usize::from(ended.remove(&(work, words.next())));
                }
                "end" => {
                    counts.ends += 1;
                    ended.insert((work, words.next()));
                }
                "call" => counts.calls += 1,
                other => panic!("{other} in {}", path.display()),
            }
        }
        notes
    }

    /// Where the work differs from the undisturbed one. A worker comes to its end as often, and starts as often again
    /// as it was told to stop; an invocation that died with a server is made again, at most once for each.
    pub fn differences(&self, calm: &Self, restarts: usize) -> Vec<String> {
        let mut found = Vec::new();
        for (work, expected) in &calm.0 {
            let counts = self.0.get(work).copied().unwrap_or_default();
            if counts.ends != expected.ends {
                found.push(format!(
                    "{work}: ended {} times, not {}",
                    counts.ends, expected.ends
                ));
            }
            if counts.starts != expected.starts + counts.stops {
                let Counts { starts, stops, .. } = counts;
                found.push(format!(
                    "{work}: started {starts} times and stopped {stops} times, undisturbed {}",
                    expected.starts
                ));
            }
            if !(expected.calls..=expected.calls + restarts).contains(&counts.calls) {
                let Counts { calls, .. } = counts;
                found.push(format!(
                    "{work}: called {calls} times with {restarts} restarts, undisturbed {}",
                    expected.calls
                ));
            }
        }
        let unknown = self.0.keys().filter(|work| !calm.0.contains_key(*work));
        found.extend(unknown.map(|work| format!("{work}: nobody asked for it")));
        found
    }

    /// Whether no worker is at work.
    pub fn are_settled(&self) -> bool {
        self.0
            .values()
            .all(|counts| counts.starts == counts.stops + counts.ends)
    }

    /// Only the work of these executions.
    pub fn of(&self, executions: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(work, _)| executions(work));
        Self(kept.map(|(work, counts)| (work.clone(), *counts)).collect())
    }
}
