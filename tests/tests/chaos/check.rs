//! What must hold of a history, and what a disturbed round must have in common with the undisturbed one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sfn::types::HistoryEvent;
use serde_json::Value;

use crate::notes::Notes;

/// How one execution ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub status: String,
    /// Output without what is volatile; error and cause of one that failed.
    pub result: Value,
    pub events: Vec<Event>,
}

/// What of a history event is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    id: i64,
    previous: i64,
    /// Milliseconds.
    at: i64,
    kind: String,
    /// The state that is entered or left.
    state: String,
}

impl Event {
    /// Of the SDK's event.
    pub fn of(event: &HistoryEvent) -> Self {
        let entered = event
            .state_entered_event_details()
            .map(aws_sdk_sfn::types::StateEnteredEventDetails::name);
        let exited = event
            .state_exited_event_details()
            .map(aws_sdk_sfn::types::StateExitedEventDetails::name);
        Self {
            id: event.id(),
            previous: event.previous_event_id(),
            at: event.timestamp().to_millis().unwrap(),
            kind: event.r#type().as_str().to_owned(),
            state: entered.or(exited).unwrap_or_default().to_owned(),
        }
    }
}

/// What came of a round.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By the execution's name.
    pub endings: BTreeMap<String, Ending>,
    /// Executions of each machine, those of nested starts and Distributed Maps too, by their status.
    pub executions: BTreeMap<String, usize>,
    pub notes: Notes,
    /// Servers after the first.
    pub restarts: usize,
    /// Polls of the activity whose answer never came: a task may have been on its way.
    pub lost_polls: usize,
}

impl Outcome {
    /// Everything in which this round differs from the undisturbed one beyond what a kill explains.
    pub fn differences(&self, calm: &Outcome) -> Vec<String> {
        let mut found = Vec::new();
        for (name, ending) in &self.endings {
            found.extend(
                problems(ending)
                    .into_iter()
                    .map(|problem| format!("{name}: {problem}")),
            );
            match calm.endings.get(name) {
                None => found.push(format!("{name}: nothing to compare with")),
                Some(expected) => self.compare(name, ending, expected, &mut found),
            }
        }
        for (what, count) in &self.executions {
            let expected = calm.executions.get(what).copied().unwrap_or(0);
            if *count != expected {
                found.push(format!("{what}: {count} executions, not {expected}"));
            }
        }
        // Names of work begin with their execution's.
        let ran = |work: &str| {
            let names = self.endings.keys();
            names
                .map(|name| work.strip_prefix(name.as_str()))
                .any(|rest| rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
        };
        found.extend(self.notes.differences(&calm.notes.of(ran), self.restarts));
        found
    }

    fn compare(&self, name: &str, ending: &Ending, expected: &Ending, found: &mut Vec<String>) {
        let excused = name == "activity-0" && is_reported(ending);
        if !excused && (&ending.status, &ending.result) != (&expected.status, &expected.result) {
            found.push(format!(
                "{name}: ended {} with {}, not {} with {}",
                ending.status, ending.result, expected.status, expected.result
            ));
            return;
        }
        let (mut signature, mut calm) = (signature(&ending.events), signature(&expected.events));
        if may_end_early(name) {
            for signature in [&mut signature, &mut calm] {
                remove(signature, SUBMITTED, usize::MAX);
            }
        }
        if name.starts_with("activity-task") {
            // Each lost poll may have taken the task with it; its heartbeat tells, and it is asked again.
            let timed_out = count(&signature, "ActivityTimedOut");
            if timed_out > self.lost_polls {
                found.push(format!(
                    "{name}: timed out {timed_out} times with {} lost polls",
                    self.lost_polls
                ));
            }
            for kind in ["ActivityTimedOut", "ActivityScheduled", "ActivityStarted"] {
                remove(&mut signature, kind, timed_out);
            }
        }
        // A pipeline whose worker was told to stop tries again, as it does on AWS; each history is sound by itself.
        let retried = is_pipeline(name)
            && ["Failed", "TimedOut"]
                .iter()
                .any(|end| has_end(&signature, end));
        if !retried && signature != calm {
            found.push(format!(
                "{name}: its history has {signature:?}, not {calm:?}"
            ));
        }
        let compared = !is_pipeline(name) && !name.starts_with("activity-task");
        if compared && is_linear(&ending.events) {
            let order = |events: &[Event]| {
                let counted = events
                    .iter()
                    .filter(|event| !(may_end_early(name) && event.kind == SUBMITTED));
                let named = counted.map(|event| (event.kind.clone(), event.state.clone()));
                named.collect::<Vec<_>>()
            };
            if order(&ending.events) != order(&expected.events) {
                found.push(format!(
                    "{name}: its history has another order: {:?}",
                    order(&ending.events)
                ));
            }
        }
    }
}

const SUBMITTED: &str = "TaskSubmitted";

/// Whether a token may be answered, or its time be over, before the call that hands it out has been answered: nothing
/// is submitted then.
fn may_end_early(name: &str) -> bool {
    let waits = ["token-", "refused-token-", "timeout-"];
    is_pipeline(name) || waits.iter().any(|kind| name.starts_with(kind))
}

/// Whether nothing in it happens at the same time as something else.
fn is_linear(events: &[Event]) -> bool {
    let branches =
        |event: &Event| event.kind.starts_with("Parallel") || event.kind.starts_with("Map");
    !events.iter().any(branches)
}

fn is_pipeline(name: &str) -> bool {
    crate::machines::PIPELINES
        .iter()
        .any(|pipeline| name == format!("{pipeline}-0"))
}

/// The sample of the activity pipeline has one worker for one task: what dies with it is a row of the report, and both
/// rows are there.
fn is_reported(ending: &Ending) -> bool {
    let rows = |field: &str| ending.result[field].as_u64().unwrap_or(0);
    ending.status == "SUCCEEDED" && rows("failed") > 0 && rows("succeeded") + rows("failed") == 2
}

type Signature = BTreeMap<(String, String), usize>;

/// How often each event and state occurs. Branches may overtake each other; what happens in them may not differ.
fn signature(events: &[Event]) -> Signature {
    let mut counted = Signature::new();
    for event in events {
        *counted
            .entry((event.kind.clone(), event.state.clone()))
            .or_default() += 1;
    }
    counted
}

fn count(signature: &Signature, kind: &str) -> usize {
    signature
        .get(&(kind.to_owned(), String::new()))
        .copied()
        .unwrap_or(0)
}

fn remove(signature: &mut Signature, kind: &str, times: usize) {
    let key = (kind.to_owned(), String::new());
    if let Some(count) = signature.get_mut(&key) {
        *count -= times.min(*count);
    }
    signature.retain(|_, count| *count > 0);
}

fn has_end(signature: &Signature, end: &str) -> bool {
    signature.keys().any(|(kind, _)| kind.ends_with(end))
}

/// What is wrong with a history by itself.
fn problems(ending: &Ending) -> Vec<String> {
    let events = &ending.events;
    let mut found = Vec::new();
    for (event, expected) in events.iter().zip(1..) {
        if event.id != expected {
            found.push(format!("event {} stands where {expected} should", event.id));
        }
        if event.previous >= event.id {
            found.push(format!("event {} follows on {}", event.id, event.previous));
        }
    }
    if events.windows(2).any(|pair| pair[0].at > pair[1].at) {
        found.push("its times go back".to_owned());
    }
    if events.first().map(|event| event.kind.as_str()) != Some("ExecutionStarted") {
        found.push("its history does not begin with ExecutionStarted".to_owned());
    }
    let terminal =
        |event: &&Event| event.kind.starts_with("Execution") && event.kind != "ExecutionStarted";
    let last = events.last().filter(terminal);
    if last.is_none() || events.iter().filter(terminal).count() != 1 {
        found.push("its history does not end with the one event of its end".to_owned());
    }
    if let Some(last) = last {
        let said = ending.status.replace('_', "").to_lowercase();
        if last.kind.strip_prefix("Execution").map(str::to_lowercase) != Some(said) {
            found.push(format!(
                "its history ends with {}, its status is {}",
                last.kind, ending.status
            ));
        }
    }
    found.extend(pairs(events));
    if ending.status == "SUCCEEDED" {
        found.extend(states(events));
    }
    found
}

/// Every task that was scheduled has its end, once.
fn pairs(events: &[Event]) -> Vec<String> {
    let by_id: BTreeMap<i64, &Event> = events.iter().map(|event| (event.id, event)).collect();
    let mut open: BTreeSet<i64> = events
        .iter()
        .filter(|event| event.kind.ends_with("Scheduled"))
        .map(|event| event.id)
        .collect();
    let mut found = Vec::new();
    for event in events {
        let Some(family) = ["Task", "LambdaFunction", "Activity"]
            .iter()
            .find(|family| {
                let rest = event.kind.strip_prefix(**family);
                rest.is_some_and(|rest| {
                    [
                        "Succeeded",
                        "Failed",
                        "TimedOut",
                        "StartFailed",
                        "SubmitFailed",
                    ]
                    .contains(&rest)
                })
            })
        else {
            continue;
        };
        let scheduled = format!("{family}Scheduled");
        let mut at = event;
        while at.kind != scheduled {
            match by_id.get(&at.previous) {
                Some(previous) => at = previous,
                None => break,
            }
        }
        if !open.remove(&at.id) {
            found.push(format!(
                "{} {} ends what was not under way",
                event.kind, event.id
            ));
        }
    }
    found.extend(
        open.iter()
            .map(|id| format!("{} {id} has no end", by_id[id].kind)),
    );
    found
}

/// Every state that was entered was left, as often.
fn states(events: &[Event]) -> Vec<String> {
    let passed = |what: &str| {
        let of = events.iter().filter(|event| event.kind.ends_with(what));
        let mut names: Vec<&str> = of.map(|event| event.state.as_str()).collect();
        names.sort_unstable();
        names
    };
    let (entered, exited) = (passed("StateEntered"), passed("StateExited"));
    if entered == exited {
        return Vec::new();
    }
    vec![format!("entered {entered:?}, but left {exited:?}")]
}
