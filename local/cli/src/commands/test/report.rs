//! What `hybrid test` prints.

use std::time::Duration;

use serde_json::{Value, json};
use testing::{Kind, Row};

use super::{Outcome, Tested};
use crate::{commands::history, summary::table};

/// How many differences of one value are told.
const DIFFERENCES: usize = 20;

/// Names or dots, then what failed, coverage, and the sum.
pub fn print(tested: &[Tested], took: Duration, dots: bool, coverage: bool) {
    for one in tested {
        if !dots {
            println!("{}", one.loaded.file.display());
        }
        for outcome in &one.outcomes {
            if dots {
                print!("{}", if outcome.passed() { "." } else { "F" });
            } else {
                println!("  {}", line(outcome));
            }
        }
    }
    if dots {
        println!("");
    }
    for one in tested {
        for outcome in one.outcomes.iter().filter(|outcome| !outcome.passed()) {
            println!("\n{}: {}", one.loaded.file.display(), outcome.name);
            print!("{}", failure(outcome));
        }
    }
    if coverage {
        tested.iter().for_each(print_coverage);
    }
    let outcomes = || tested.iter().flat_map(|one| &one.outcomes);
    let failed = outcomes().filter(|outcome| !outcome.passed()).count();
    let all = outcomes().count();
    println!(
        "\n{} passed, {failed} failed; {all} cases of {} state machines in {:.0} ms",
        all - failed,
        tested.len(),
        took.as_secs_f64() * 1e3
    );
}

fn line(outcome: &Outcome) -> String {
    let verdict = if outcome.passed() { "ok  " } else { "FAIL" };
    let states = outcome.path.len();
    let plural = if states == 1 { "state" } else { "states" };
    format!(
        "{verdict} {} ({states} {plural}, {})",
        outcome.name,
        seconds(outcome.seconds)
    )
}

fn seconds(seconds: f64) -> String {
    if seconds.fract() == 0.0 {
        format!("{seconds} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// What is not as expected, and the history.
pub fn failure(outcome: &Outcome) -> String {
    let mut text = String::new();
    for mismatch in &outcome.mismatches {
        text.push_str(&format!("  {}\n", mismatch.what));
        let differences = differences("$", Some(&mismatch.expected), Some(&mismatch.actual));
        for difference in differences.iter().take(DIFFERENCES) {
            text.push_str(&format!("    {difference}\n"));
        }
        if differences.len() > DIFFERENCES {
            text.push_str(&format!(
                "    and {} more\n",
                differences.len() - DIFFERENCES
            ));
        }
    }
    if outcome.is_endless {
        text.push_str(&format!(
            "  stopped at {} events: it might never have ended\n",
            outcome.history.len()
        ));
    }
    text.push_str("  history\n");
    let events = &outcome.history;
    // Beginning and end tell what happened; thousands of events between them do not.
    let cut = events.len().saturating_sub(60);
    let shown = if cut == 0 {
        events.clone()
    } else {
        [&events[..20], &events[events.len() - 40..]].concat()
    };
    for line in history::events(&shown).lines() {
        text.push_str(&format!("    {line}\n"));
    }
    if cut > 0 {
        text.push_str(&format!(
            "    {cut} events between the 20th and the last 40 are left out\n"
        ));
    }
    text
}

/// Where two values differ, by JSON path.
fn differences(path: &str, expected: Option<&Value>, actual: Option<&Value>) -> Vec<String> {
    match (expected, actual) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.flat_map(|key| differences(&format!("{path}.{key}"), a.get(key), b.get(key)))
                .collect()
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => (0..a.len().max(b.len()))
            .flat_map(|index| differences(&format!("{path}[{index}]"), a.get(index), b.get(index)))
            .collect(),
        (expected, actual) if expected == actual => Vec::new(),
        (expected, actual) => {
            let told = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            vec![format!(
                "{path}: expected {}, got {}",
                told(expected),
                told(actual)
            )]
        }
    }
}

fn print_coverage(one: &Tested) {
    println!(
        "\n{}: {:.1} %",
        one.loaded.definition.name,
        one.coverage.percent()
    );
    let rows = one.coverage.rows().into_iter().filter(|row| row.total > 0);
    let (maps, rows): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.kind == Kind::Maps);
    let cells = rows.iter().map(|row| {
        let share = format!("{:.0} %", row.reached as f64 * 100.0 / row.total as f64);
        vec![
            row.kind.name().to_owned(),
            format!("{}/{}", row.reached, row.total),
            share,
        ]
    });
    print!("{}", table(&["reached", "", ""], cells.collect::<Vec<_>>()));
    for item in rows.iter().flat_map(|row| &row.missing) {
        println!("  not reached: {item}");
    }
    for item in maps.iter().flat_map(|row| &row.missing) {
        println!("  no case has: {item}");
    }
}

/// The one document of `--json`.
pub fn json(tested: &[Tested], took: Duration) -> Value {
    let file = |one: &Tested| {
        let cases: Vec<Value> = one.outcomes.iter().map(case).collect();
        let rows: Vec<Value> = one
            .coverage
            .rows()
            .iter()
            .map(|row| {
                let missing: Vec<String> = row.missing.iter().map(ToString::to_string).collect();
                json!({"kind": row.kind.name(), "reached": row.reached, "total": row.total, "missing": missing})
            })
            .collect();
        json!({
            "file": one.loaded.file,
            "stateMachine": one.loaded.definition.name,
            "cases": cases,
            "coverage": {"percent": one.coverage.percent(), "rows": rows},
        })
    };
    let outcomes = || tested.iter().flat_map(|one| &one.outcomes);
    let failed = outcomes().filter(|outcome| !outcome.passed()).count();
    json!({
        "passed": outcomes().count() - failed,
        "failed": failed,
        "milliseconds": took.as_secs_f64() * 1e3,
        "files": tested.iter().map(file).collect::<Vec<_>>(),
    })
}

fn case(outcome: &Outcome) -> Value {
    let mismatches = outcome.mismatches.iter().map(|mismatch| {
        json!({"what": mismatch.what, "expected": mismatch.expected, "actual": mismatch.actual})
    });
    let mut case = json!({
        "name": outcome.name,
        "passed": outcome.passed(),
        "status": outcome.status,
        "output": outcome.output.as_ref().map(Value::from),
        "error": outcome.error,
        "cause": outcome.cause,
        "path": outcome.path,
        "retries": outcome.retries,
        "seconds": outcome.seconds,
        "mismatches": mismatches.collect::<Vec<_>>(),
    });
    if !outcome.passed() {
        case["history"] = json!(outcome.history);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_path() {
        let expected = json!({"a": 1, "b": [1, 2], "c": {"d": "x"}});
        let actual = json!({"a": 1, "b": [1], "c": {"d": "y"}, "e": null});
        assert_eq!(
            differences("$", Some(&expected), Some(&actual)),
            [
                "$.b[1]: expected 2, got nothing",
                "$.c.d: expected \"x\", got \"y\"",
                "$.e: expected nothing, got null",
            ]
        );
    }
}
