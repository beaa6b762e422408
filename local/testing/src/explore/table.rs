//! The failure table: for each state that can fail and each error, what Retry and Catch do, asked of the interpreter.
//!
//! A skeleton of the state and of the Maps and Parallels around it, with their Retry and Catch and nothing else, fails
//! again and again with the same error. So nothing here re-enacts which rule takes an error in.

use std::collections::BTreeSet;

use asl::{Seen, StateType};
use serde_json::{Map, Value, json};

use super::catalogue::{self, OWN_ERROR};
use super::finding::{Finding, FindingKind};
use crate::coverage::Item;
use crate::definition::{Definition, Substitutions};
use crate::mocks::{Mocks, Response, Responses};
use crate::outline::{Outline, StateOutline};
use crate::rehearse::{Options, Run, rehearse};

/// How many errors a message names.
const SOME: usize = 4;

/// What comes of an error that a state raises again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// The state.
    pub state: String,
    /// The error.
    pub error: String,
    /// How often the state is tried again.
    pub retries: u32,
    /// How long the delays between the attempts take at most.
    pub delay_seconds: f64,
    /// Who catches it in the end; none when it ends the execution.
    pub caught: Option<Caught>,
    /// The error that the execution, or the Catch, sees.
    pub as_error: String,
    /// How an execution ended in which this happened: its status, and its error. None when no run got there.
    pub ends: Option<(String, Option<String>)>,
}

/// An entry of Catch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// The state that has it.
    pub state: String,
    /// Its index.
    pub rule: usize,
    /// Where it leads.
    pub next: String,
}

/// The table, and what it shows by itself.
pub(super) fn build(definition: &Definition) -> (Vec<TableRow>, Vec<Finding>) {
    let outline = &definition.outline;
    let mut table = Vec::new();
    let mut fired = BTreeSet::new();
    for state in outline.states() {
        let Some(skeleton) = Skeleton::of(outline, state) else {
            continue;
        };
        for error in errors(outline, state) {
            let run = skeleton.fail_with(&error);
            for (_, observation) in &run.observations {
                match observation.seen {
                    Seen::Retrier { index, .. } => {
                        _ = fired.insert(Item::Retry(observation.state.to_string(), index));
                    }
                    Seen::Catcher { index } => {
                        _ = fired.insert(Item::Catch(observation.state.to_string(), index));
                    }
                    _ => {}
                }
            }
            if state.kind == StateType::Task {
                table.push(row(outline, state, &error, &run));
            }
        }
    }
    let mut findings = uncaught(&table);
    findings.extend(never_firing(outline, &fired));
    findings.extend(misspelt(outline));
    findings.extend(outlasting(definition, &table));
    findings.extend(unbounded(definition));
    (table, findings)
}

/// All errors that a state can raise: documented ones, and those that rules around it name.
fn errors(outline: &Outline, state: &StateOutline) -> BTreeSet<String> {
    let mut errors: BTreeSet<String> = catalogue::documented(state).into_iter().collect();
    let chain = || std::iter::once(state).chain(outline.around(state));
    let retried = chain().flat_map(|state| state.retry.iter().flat_map(|rule| &rule.errors));
    let caught = chain().flat_map(|state| state.catch.iter().flat_map(|rule| &rule.errors));
    let named = retried
        .chain(caught)
        .filter(|name| !matches!(name.as_str(), "States.ALL" | "States.TaskFailed"));
    match state.kind {
        StateType::Task => {
            errors.extend(
                named
                    .filter(|name| catalogue::impossible(state, name).is_none())
                    .cloned(),
            );
        }
        StateType::Map => {
            errors.insert("States.DataLimitExceeded".to_owned());
            if state.distributed {
                errors.insert("States.ExceedToleratedFailureThreshold".to_owned());
                errors.insert("States.ItemReaderFailed".to_owned());
                errors.insert("States.ResultWriterFailed".to_owned());
            }
        }
        StateType::Parallel => _ = errors.insert("States.DataLimitExceeded".to_owned()),
        StateType::Fail => {
            let own = state.definition.get("Error").and_then(Value::as_str);
            errors.insert(own.unwrap_or(OWN_ERROR).to_owned());
        }
        StateType::Pass | StateType::Wait | StateType::Choice | StateType::Succeed => {}
    }
    if state.kind != StateType::Fail {
        errors.insert("States.QueryEvaluationError".to_owned());
    }
    errors
}

/// A state machine of the rules alone.
struct Skeleton {
    definition: Definition,
    state: String,
}

impl Skeleton {
    fn of(outline: &Outline, state: &StateOutline) -> Option<Skeleton> {
        let mut inner = json!({
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:fails",
            "End": true,
        });
        let mut stubs = rules(state, &mut inner);
        let mut name = state.name.clone();
        for around in outline.around(state) {
            let mut states = Map::new();
            states.insert(name.clone(), inner);
            states.extend(stubs);
            let mut block = json!({"StartAt": name, "States": states});
            inner = if around.kind == StateType::Map {
                block["ProcessorConfig"] = if around.distributed {
                    json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"})
                } else {
                    json!({"Mode": "INLINE"})
                };
                json!({"Type": "Map", "Items": [1], "ItemProcessor": block, "End": true})
            } else {
                json!({"Type": "Parallel", "Branches": [block], "End": true})
            };
            stubs = rules(around, &mut inner);
            name.clone_from(&around.name);
        }
        let mut states = Map::new();
        states.insert(name.clone(), inner);
        states.extend(stubs);
        let text =
            json!({"QueryLanguage": "JSONata", "StartAt": name, "States": states}).to_string();
        let definition = Definition::parse("skeleton", &text, &Substitutions::new()).ok()?;
        Some(Skeleton {
            definition,
            state: state.name.clone(),
        })
    }

    fn fail_with(&self, error: &str) -> Run {
        let mut mocks = Mocks::default();
        let thrown = asl::TaskError {
            error: error.to_owned(),
            cause: None,
        };
        mocks.set(&self.state, Responses::always(Response::now(Err(thrown))));
        rehearse(
            &self.definition,
            &asl::Value::empty_object(),
            &mocks,
            Options::default(),
        )
    }
}

/// Gives a skeleton's state its Retry and Catch; the states that Catch leads to, which end at once.
fn rules(state: &StateOutline, skeleton: &mut Value) -> Map<String, Value> {
    let mut stubs = Map::new();
    if let Some(retry) = state.definition.get("Retry") {
        skeleton["Retry"] = retry.clone();
    }
    if !state.catch.is_empty() {
        let catch = state.catch.iter().enumerate().map(|(index, rule)| {
            let stub = format!("caught {index} by {}", state.name);
            stubs.insert(stub.clone(), json!({"Type": "Pass", "End": true}));
            json!({"ErrorEquals": rule.errors, "Next": stub})
        });
        skeleton["Catch"] = catch.collect();
    }
    stubs
}

fn row(outline: &Outline, state: &StateOutline, error: &str, run: &Run) -> TableRow {
    let mut delay_seconds = 0.0;
    let mut caught = None;
    let mut as_error = error.to_owned();
    for (_, observation) in &run.observations {
        match &observation.seen {
            Seen::Retrier {
                backoff_seconds, ..
            } => delay_seconds += backoff_seconds.unwrap_or_default(),
            Seen::Failed {
                error: Some(error), ..
            } => error.as_ref().clone_into(&mut as_error),
            Seen::Catcher { index } if caught.is_none() => {
                let next = outline
                    .get(&observation.state)
                    .and_then(|state| state.catch.get(*index));
                caught = next.map(|rule| Caught {
                    state: observation.state.to_string(),
                    rule: *index,
                    next: rule.next.clone(),
                });
            }
            _ => {}
        }
    }
    TableRow {
        state: state.name.clone(),
        error: error.to_owned(),
        retries: run.retries.get(&state.name).copied().unwrap_or_default(),
        delay_seconds,
        caught,
        as_error,
        ends: None,
    }
}

/// One finding a state, with every error that nobody catches.
fn uncaught(table: &[TableRow]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for row in table.iter().filter(|row| row.caught.is_none()) {
        match findings
            .last_mut()
            .filter(|finding| finding.state == row.state)
        {
            Some(finding) => finding.errors.push(row.error.clone()),
            None => {
                let mut finding = Finding::new(FindingKind::Uncaught, &row.state, String::new());
                finding.errors.push(row.error.clone());
                findings.push(finding);
            }
        }
    }
    for finding in &mut findings {
        let told = finding
            .errors
            .iter()
            .take(SOME)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match finding.errors.len().saturating_sub(SOME) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        finding.message = format!("nobody catches {told}{more}");
    }
    findings
}

fn never_firing(outline: &Outline, fired: &BTreeSet<Item>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for state in outline.states() {
        let retry = state.retry.iter().enumerate().map(|(index, rule)| {
            (
                "Retry",
                Item::Retry(state.name.clone(), index),
                index,
                &rule.errors,
            )
        });
        let catch = state.catch.iter().enumerate().map(|(index, rule)| {
            (
                "Catch",
                Item::Catch(state.name.clone(), index),
                index,
                &rule.errors,
            )
        });
        for (field, item, index, errors) in retry.chain(catch) {
            if fired.contains(&item) {
                continue;
            }
            let reasons: Vec<String> = errors
                .iter()
                .filter_map(|error| catalogue::impossible(state, error))
                .collect();
            let why = match reasons.first() {
                Some(reason) if reasons.len() == errors.len() => reason.clone(),
                _ if state.resource.is_some() => {
                    "the rules before it take all of its errors in".to_owned()
                }
                _ => "nothing in it raises these errors, or the rules before it take them in"
                    .to_owned(),
            };
            let message = format!(
                "{field}[{index}] ({}) can never fire: {why}",
                errors.join(", ")
            );
            let mut finding = Finding::new(FindingKind::NeverFires, &state.name, message);
            finding.errors.clone_from(errors);
            findings.push(finding);
        }
    }
    findings
}

fn misspelt(outline: &Outline) -> Vec<Finding> {
    let lists = |state: &StateOutline| -> Vec<String> {
        let retry = state.retry.iter().flat_map(|rule| rule.errors.clone());
        retry
            .chain(state.catch.iter().flat_map(|rule| rule.errors.clone()))
            .collect()
    };
    let all: Vec<String> = outline.states().flat_map(lists).collect();
    let often = |name: &str| all.iter().filter(|other| *other == name).count();
    let mut findings = Vec::new();
    for state in outline.states() {
        for name in lists(state) {
            // Of two names that are nearly one, the rarer is the misspelt one.
            let commoner = all
                .iter()
                .map(String::as_str)
                .filter(|other| often(other) > often(&name));
            if let Some(meant) = catalogue::misspelt(&name, commoner) {
                let message = format!("there is no error {name:?}; {meant:?} is probably meant");
                let mut finding = Finding::new(FindingKind::Misspelt, &state.name, message);
                finding.errors.push(name);
                findings.push(finding);
            }
        }
    }
    findings
}

/// Tasks whose attempts and delays may take longer than the state machine has.
fn outlasting(definition: &Definition, table: &[TableRow]) -> Vec<Finding> {
    let Some(limit) = definition.value["TimeoutSeconds"].as_f64() else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = Vec::new();
    for row in table {
        let Some(state) = definition.outline.get(&row.state) else {
            continue;
        };
        let attempt = match row.error.as_str() {
            "States.Timeout" => state.definition.get("TimeoutSeconds"),
            "States.HeartbeatTimeout" => state.definition.get("HeartbeatSeconds"),
            _ => None,
        };
        let attempt = attempt.and_then(Value::as_f64).unwrap_or_default();
        let worst = row.delay_seconds + attempt * f64::from(row.retries + 1);
        if row.retries == 0 || worst <= limit {
            continue;
        }
        let message = format!(
            "{}, tried {} times, takes up to {worst} s; the state machine ends after {limit} s, before anybody can catch the error",
            row.error,
            row.retries + 1
        );
        if findings.iter().all(|finding| finding.state != row.state) {
            let mut finding = Finding::new(FindingKind::RetriesOutlastLimit, &row.state, message);
            finding.errors.push(row.error.clone());
            findings.push(finding);
        }
    }
    findings
}

/// Tasks that may wait for ever: for a worker or a job, without a time limit of their own or of the state machine.
fn unbounded(definition: &Definition) -> Vec<Finding> {
    let limited = definition.value.get("TimeoutSeconds").is_some();
    let waits = |state: &&StateOutline| {
        let fields = [
            "TimeoutSeconds",
            "TimeoutSecondsPath",
            "HeartbeatSeconds",
            "HeartbeatSecondsPath",
        ];
        let bounded = fields
            .iter()
            .any(|field| state.definition.contains_key(*field));
        !bounded
            && match &state.resource {
                Some(asl::Resource::Activity { .. }) => true,
                Some(asl::Resource::Service { pattern, .. }) => {
                    *pattern != asl::Pattern::RequestResponse
                }
                Some(asl::Resource::Lambda { .. }) | None => false,
            }
    };
    let states = definition
        .outline
        .states()
        .filter(waits)
        .filter(|_| !limited);
    states
        .map(|state| {
            let message = "it waits for somebody's answer, and neither it nor the state machine has TimeoutSeconds";
            Finding::new(FindingKind::MayNotEnd, &state.name, message.to_owned())
        })
        .collect()
}
