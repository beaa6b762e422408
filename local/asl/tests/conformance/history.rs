//! When a history equals a recorded one.

use std::collections::HashMap;

use asl::{HistoryEvent, Map, Value};

use crate::compare::differ;

/// Events that join branches: which branch they refer to depends on which one was the last.
const JOINS: [&str; 6] = [
    "MapStateSucceeded",
    "MapStateFailed",
    "MapStateExited",
    "ParallelStateSucceeded",
    "ParallelStateFailed",
    "ParallelStateExited",
];

/// Tells where a history differs from the recorded one, if it does.
pub fn check(
    recorded: &[Value],
    date: &str,
    unordered: bool,
    history: &[HistoryEvent],
) -> Result<(), String> {
    let mut recorded = as_today(recorded, date);
    // A history asked for in reverse order is still the same history.
    if recorded
        .first()
        .is_some_and(|event| kind(event).starts_with("Execution") && number(event, "id") > 1)
    {
        recorded.reverse();
    }
    let mut actual: Vec<Value> = history.iter().map(HistoryEvent::to_json).collect();
    // A recording that ends early is compared as far as it goes.
    if !recorded
        .iter()
        .any(|event| kind(event).starts_with("Execution") && kind(event) != "ExecutionStarted")
    {
        actual.truncate(recorded.len());
    }
    if month(date) < ("2023", "11") {
        actual.iter_mut().for_each(without_redrive_count);
    }
    // The recordings of Parallel leave this event out, though they count it.
    if !recorded
        .iter()
        .any(|event| kind(event) == "ParallelStateSucceeded")
    {
        actual.retain(|event| kind(event) != "ParallelStateSucceeded");
    }
    let ordered = in_order(&recorded, &actual);
    if ordered.is_ok() || !unordered {
        return ordered;
    }
    by_branch(&recorded, &actual)
        .map_err(|why| format!("{why}\nand in order: {}", ordered.err().unwrap_or_default()))
}

/// Two links of the history have changed on AWS since the first recordings:
/// - until autumn 2024 the MapStateExited of a Distributed Map referred to MapRunSucceeded, now to MapRunStarted;
/// - until November 2024 EvaluationFailed referred to the event before the state was entered, now to the last one.
fn as_today(recorded: &[Value], date: &str) -> Vec<Value> {
    let month = month(date);
    let mut events = recorded.to_vec();
    for index in 1..events.len() {
        let previous = number(&recorded[index], "previousEventId");
        let link = match kind(&recorded[index]) {
            "MapStateExited" if month < ("2024", "11") => by_id(recorded, previous)
                .filter(|event| kind(event) == "MapRunSucceeded")
                .map(|event| number(event, "previousEventId")),
            "EvaluationFailed" if month < ("2024", "12") => recorded[..index]
                .iter()
                .rev()
                .find(|event| kind(event).ends_with("StateEntered"))
                .filter(|event| number(event, "previousEventId") == previous)
                .map(|event| number(event, "id")),
            _ => None,
        };
        if let (Some(link), Value::Object(members)) = (link, &mut events[index]) {
            std::sync::Arc::make_mut(members).insert("previousEventId".into(), Value::from(link));
        }
    }
    events
}

/// The year and month of `DD-MM-YYYY, HH:MM:SS`.
fn month(date: &str) -> (&str, &str) {
    (
        date.get(6..10).unwrap_or_default(),
        date.get(3..5).unwrap_or_default(),
    )
}

/// The context object has told how often an execution was redriven since November 2023, when that became possible.
fn without_redrive_count(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace(",\"RedriveCount\":0", "").into(),
        Value::Object(members) => {
            for member in std::sync::Arc::make_mut(members).values_mut() {
                without_redrive_count(member);
            }
        }
        _ => {}
    }
}

fn in_order(recorded: &[Value], actual: &[Value]) -> Result<(), String> {
    for (index, expected) in recorded.iter().enumerate() {
        let Some(event) = actual.get(index) else {
            return Err(format!("event {} is missing: {expected}", index + 1));
        };
        same(expected, event).map_err(|why| format!("event {}: {why}", index + 1))?;
        if is_counted(expected) {
            for link in ["id", "previousEventId"] {
                if number(expected, link) != number(event, link) {
                    let (wanted, was) = (number(expected, link), number(event, link));
                    return Err(format!(
                        "event {} {}: {link} is {was} instead of {wanted}",
                        index + 1,
                        kind(expected)
                    ));
                }
            }
        }
    }
    match actual.get(recorded.len()) {
        None => Ok(()),
        Some(event) => Err(format!("event {} is too much: {event}", recorded.len() + 1)),
    }
}

/// Every recorded event has one of its own that comes from the same predecessor.
fn by_branch(recorded: &[Value], actual: &[Value]) -> Result<(), String> {
    if recorded.len() != actual.len() {
        return Err(format!(
            "{} events instead of {}",
            actual.len(),
            recorded.len()
        ));
    }
    let mut partner: HashMap<u64, u64> = HashMap::from([(0, 0)]);
    let mut free: Vec<&Value> = actual.iter().collect();
    for expected in recorded {
        let from = partner.get(&number(expected, "previousEventId")).copied();
        let any = !is_counted(expected) || JOINS.contains(&kind(expected)) || from.is_none();
        let found = free.iter().position(|event| {
            same(expected, event).is_ok() && (any || Some(number(event, "previousEventId")) == from)
        });
        let Some(found) = found else {
            return Err(format!("nothing like {expected}"));
        };
        let event = free.remove(found);
        if is_counted(expected) {
            partner.insert(number(expected, "id"), number(event, "id"));
        }
    }
    Ok(())
}

/// The same type and details.
fn same(expected: &Value, actual: &Value) -> Result<(), String> {
    differ(&details(expected), &details(actual))
}

fn details(event: &Value) -> Value {
    let members = event.as_object().cloned().unwrap_or_default();
    let kept: Map = members
        .iter()
        .filter(|(key, _)| !matches!(&***key, "id" | "previousEventId" | "timestamp"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::from(kept)
}

fn kind(event: &Value) -> &str {
    event
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(event: &Value, key: &str) -> u64 {
    event
        .get(key)
        .and_then(Value::as_i64)
        .and_then(|id| u64::try_from(id).ok())
        .unwrap_or_default()
}

/// Events of concurrent branches were recorded without a number of their own.
fn is_counted(event: &Value) -> bool {
    event.get("id").is_some_and(|id| id.as_i64().is_some())
}

fn by_id(events: &[Value], id: u64) -> Option<&Value> {
    events
        .iter()
        .find(|event| is_counted(event) && number(event, "id") == id)
}
