//! What the ledger of runs tells of the next job of a worker, to stand beside what somebody guesses.

use std::fmt;

use jobs::attempt::Runs;
use placement::estimate::Expected;
use serde::Serialize;

use crate::ledger::Ledgers;

/// How long the jobs of a class take, and how much memory, whatever the size of their input.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Learnt {
    class: String,
    /// Runs that this is told from.
    runs: usize,
    expected_seconds: f64,
    longest_seconds: f64,
    /// The share of runs that take no longer, and need no more memory.
    coverage: f64,
    #[serde(rename = "memoryMiB", skip_serializing_if = "Option::is_none")]
    memory_mib: Option<f64>,
}

impl Learnt {
    fn of(class: &str, runs: &Runs) -> Option<Self> {
        let told = Expected::of(&runs.samples(), None);
        let seconds = told.seconds?;
        Some(Self {
            class: class.to_owned(),
            runs: seconds.runs,
            expected_seconds: seconds.expected,
            longest_seconds: seconds.bound,
            coverage: seconds.coverage,
            memory_mib: told.memory.map(|memory| memory.bound),
        })
    }
}

/// Of each class of `worker` of which a run has succeeded.
pub fn of(ledgers: &Ledgers, worker: &str) -> Vec<Learnt> {
    let classes = ledgers.runs.get(worker).into_iter().flatten();
    let told = classes.filter_map(|(class, runs)| Learnt::of(class, runs));
    told.collect()
}

impl fmt::Display for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.coverage * 100.0;
        write!(
            f,
            "learnt from {} of {}: {:.1} s, {percent:.0} % within {:.1} s",
            match self.runs {
                1 => "1 run".to_owned(),
                runs => format!("{runs} runs"),
            },
            self.class,
            self.expected_seconds,
            self.longest_seconds
        )?;
        match self.memory_mib {
            Some(memory) => write!(f, " and {memory:.0} MiB"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_class_with_runs_is_told() {
        let run = |end: u64| {
            json!({"ending": "SUCCEEDED", "placement": "FARGATE", "startedAtMs": 0, "finishedAtMs": end,
                   "peakMemoryMiB": 100})
        };
        let runs = |newest: Vec<_>| json!({"recorded": newest.len(), "newest": newest});
        let kept = json!({
            "Train": runs((1..=19).map(|second| run(second * 1_000)).collect()),
            "Once": runs(vec![run(1_000)]),
            "Never": runs(vec![]),
        });
        let mut ledgers = Ledgers::default();
        ledgers
            .runs
            .insert("trainer".into(), serde_json::from_value(kept).unwrap());
        let told: Vec<String> = of(&ledgers, "trainer")
            .iter()
            .map(Learnt::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "learnt from 1 run of Once: 1.0 s, 50 % within 2.0 s and 200 MiB",
                "learnt from 19 runs of Train: 10.0 s, 95 % within 19.0 s and 100 MiB",
            ]
        );
        assert!(of(&ledgers, "transformer").is_empty());
    }
}
