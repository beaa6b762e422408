//! Runs of the whole state machine: every input near the sample, every class of failure at every task, and seeded
//! combinations.

use std::collections::{BTreeMap, BTreeSet};

use asl::query::Random;
use asl::{EventKind, ExecutionType, Limits, Seen, Status, TaskError};
use serde_json::{Value, json};

use super::finding::{Finding, FindingKind};
use super::inputs::{self, Input};
use super::table::TableRow;
use super::vocabulary::Vocabulary;
use super::{Bounds, Subject};
use crate::coverage::{Coverage, Item};
use crate::mocks::{Mocks, Response, Responses};
use crate::rehearse::{Call, Options, Run, rehearse};

/// At how many events a run is stopped, unless it must be known whether it would ever end.
const FEW_EVENTS: u64 = 3_000;

/// How many long runs of a state are followed to their end.
const LONG_RUNS: usize = 3;

/// How many inputs are made up where neither a sample nor a schema says what an input is.
const MADE_UP: usize = 8;

/// Up to which invocation the last response of an endless case holds.
const FOR_EVER: u32 = 99_999;

/// How many runs the shrinking of one case may take.
const SHRINKING: usize = 60;

/// What the runs showed.
pub(super) struct Walked {
    pub findings: Vec<Finding>,
    pub runs: usize,
    pub coverage: Coverage,
    /// For each task with an error that nobody catches, a case that shows it.
    pub uncaught: BTreeMap<String, Value>,
}

/// A run to try.
#[derive(Clone)]
struct Trial {
    input: Input,
    mocks: Mocks,
    /// Whether the answers are known to be ones that the services give.
    trusted: bool,
}

/// What makes one finding of a run the same as another's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sign {
    kind: FindingKind,
    state: String,
    /// The field whose expression fails, or what was not reached.
    place: Option<String>,
}

impl Sign {
    fn of(kind: FindingKind, state: &str) -> Sign {
        Sign {
            kind,
            state: state.to_owned(),
            place: None,
        }
    }
}

struct Walker<'a> {
    subject: &'a Subject<'a>,
    kind: ExecutionType,
    vocabulary: Vocabulary,
    /// What each task's service is known to answer.
    answers: BTreeMap<String, Vec<Response>>,
    /// The answers of the plain case.
    base: Mocks,
    inputs: Vec<Input>,
    coverage: Coverage,
    runs: usize,
    found: BTreeMap<Sign, Finding>,
    /// For each task, a trial that calls it.
    callers: BTreeMap<String, Trial>,
    /// For each state, how many long runs through it have been followed to their end.
    followed: BTreeMap<String, usize>,
    /// For each task with an error that nobody catches, a case that shows it.
    uncaught: BTreeMap<String, Value>,
}

pub(super) fn walk(subject: &Subject, bounds: Bounds, table: &mut [TableRow]) -> Walked {
    let mut walker = Walker::new(subject, bounds.seed);
    walker.cases();
    walker.every_input();
    walker.chance(bounds);
    walker.every_failure(table);
    walker.not_reached();
    Walked {
        findings: walker.found.into_values().collect(),
        runs: walker.runs,
        coverage: walker.coverage,
        uncaught: walker.uncaught,
    }
}

impl<'a> Walker<'a> {
    fn new(subject: &'a Subject<'a>, seed: u64) -> Walker<'a> {
        let outline = &subject.definition.outline;
        let vocabulary = Vocabulary::of(subject.definition);
        let random = Random::seeded(seed);
        let cases = subject.suite.map_or(&[][..], |suite| &suite.cases);
        let mut answers: BTreeMap<String, Vec<Response>> = BTreeMap::new();
        let mut base = Mocks::default();
        for state in outline.mockable() {
            let responses = cases.iter().filter_map(|case| case.mocks.of(&state.name));
            let known: Vec<Response> =
                responses
                    .flat_map(Responses::all)
                    .fold(Vec::new(), |mut known, response| {
                        if response.outcome.is_ok() && !known.contains(response) {
                            known.push(response.clone());
                        }
                        known
                    });
            let plain = cases.first().and_then(|case| case.mocks.of(&state.name));
            let responses = match plain {
                Some(plain) => plain.clone().without_end(),
                None => {
                    Responses::always(Response::now(Ok(vocabulary.answer(state, &random).into())))
                }
            };
            base.set(&state.name, responses);
            answers.insert(state.name.clone(), known);
        }
        let mut inputs = inputs::inputs(subject.sample, subject.schema);
        if subject.sample.is_none() && subject.schema.is_none() {
            // Nobody says what an input is: some with the names that the definition reads.
            let value = |_| vocabulary.tree(&random);
            inputs.extend((0..MADE_UP).map(value).map(|value| Input {
                value,
                allowed: false,
            }));
        }
        Walker {
            subject,
            kind: subject
                .suite
                .map_or(ExecutionType::Standard, |suite| suite.kind),
            vocabulary,
            answers,
            base,
            inputs,
            coverage: Coverage::new(outline),
            runs: 0,
            found: BTreeMap::new(),
            callers: BTreeMap::new(),
            followed: BTreeMap::new(),
            uncaught: BTreeMap::new(),
        }
    }

    /// The test cases themselves: what they reach is reached, and what they show is meant.
    fn cases(&mut self) {
        let schema = self
            .subject
            .schema
            .and_then(|schema| jsonschema::validator_for(schema).ok());
        let allowed = |input: &Value| match &schema {
            Some(schema) => schema.is_valid(input),
            None => self.subject.sample == Some(input),
        };
        let sample = self.subject.sample;
        let inputs: Vec<Input> = self
            .subject
            .suite
            .iter()
            .flat_map(|suite| &suite.cases)
            .map(|case| case.input(sample))
            .map(|value| Input {
                allowed: allowed(&value),
                value,
            })
            .collect();
        let mut inputs = inputs.into_iter();
        for case in self.subject.suite.map_or(&[][..], |suite| &suite.cases) {
            let Some(input) = inputs.next() else {
                return;
            };
            let trial = Trial {
                input,
                mocks: case.mocks.clone(),
                trusted: true,
            };
            let run = self.run(&trial);
            self.remember(&run, &trial);
        }
    }

    /// Every input, with the answers of the plain case.
    fn every_input(&mut self) {
        let trusted = self.answers.values().all(|known| !known.is_empty());
        for input in self.inputs.clone() {
            let trial = Trial {
                input,
                mocks: self.base.clone(),
                trusted,
            };
            let run = self.run(&trial);
            self.remember(&run, &trial);
            self.judge(&run, &trial);
        }
    }

    /// Random inputs, answers and errors.
    fn chance(&mut self, bounds: Bounds) {
        let random = Random::seeded(bounds.seed);
        for _ in 0..bounds.runs {
            let trial = self.random_trial(&random);
            let run = self.run(&trial);
            self.remember(&run, &trial);
            self.judge(&run, &trial);
        }
    }

    fn random_trial(&self, random: &Random) -> Trial {
        let pick = |count: usize| (random.next() % count.max(1) as u64) as usize;
        let input = if random.next().is_multiple_of(2) {
            self.inputs[0].clone()
        } else {
            self.inputs[pick(self.inputs.len())].clone()
        };
        let mut mocks = Mocks::default();
        let mut trusted = true;
        for state in self.subject.definition.outline.mockable() {
            let known = &self.answers[&state.name];
            let mut sequence = Vec::new();
            for _ in 0..=pick(4) {
                let throw = random.next().is_multiple_of(4);
                if throw {
                    sequence.push(error(&self.an_error(&state.name, random)));
                } else if known.is_empty() {
                    trusted = false;
                    sequence.push(Response::now(Ok(self
                        .vocabulary
                        .answer(state, random)
                        .into())));
                } else {
                    sequence.push(known[pick(known.len())].clone());
                }
            }
            mocks.set(&state.name, Responses::sequence(sequence));
        }
        Trial {
            input,
            mocks,
            trusted,
        }
    }

    /// An error that the state's rules name, or another one.
    fn an_error(&self, state: &str, random: &Random) -> String {
        let state = self.subject.definition.outline.get(state);
        let named: Vec<&str> = state
            .into_iter()
            .flat_map(|state| state.retry.iter().flat_map(|rule| &rule.errors))
            .map(String::as_str)
            .filter(|name| *name != "States.ALL")
            .chain(["States.TaskFailed"])
            .collect();
        named[(random.next() % named.len() as u64) as usize].to_owned()
    }

    /// At each task, each class of failure: errors that the same rules take in are one.
    fn every_failure(&mut self, table: &mut [TableRow]) {
        let mut done: BTreeMap<(String, String), (String, Option<String>)> = BTreeMap::new();
        for row in table.iter_mut() {
            let Some(caller) = self.callers.get(&row.state).cloned() else {
                continue;
            };
            let class = (
                row.state.clone(),
                format!(
                    "{} {:?} {}",
                    row.retries,
                    row.caught,
                    if row.caught.is_some() {
                        ""
                    } else {
                        &row.as_error
                    }
                ),
            );
            let own = row.as_error == row.error;
            if let Some((status, error)) = done.get(&class) {
                let error = if row.caught.is_none() && own {
                    Some(row.error.clone())
                } else {
                    error.clone()
                };
                row.ends = Some((status.clone(), error));
                continue;
            }
            let mut trial = caller;
            trial
                .mocks
                .set(&row.state, Responses::always(error(&row.error)));
            let run = self.run(&trial);
            self.judge(&run, &trial);
            if row.caught.is_none()
                && run.failure().0 == Some(row.error.as_str())
                && !self.uncaught.contains_key(&row.state)
            {
                let case = self.case(&trial, &run, FindingKind::Uncaught, &row.state);
                self.uncaught.insert(row.state.clone(), case);
            }
            if run.unanswered().is_none() {
                let ends = (
                    run.status().name().to_owned(),
                    run.failure().0.map(str::to_owned),
                );
                done.insert(class, ends.clone());
                row.ends = Some(ends);
            }
        }
    }

    fn run(&mut self, trial: &Trial) -> Run {
        self.runs += 1;
        let run = self.rehearse(trial);
        self.coverage.add(&run.observations);
        run
    }

    fn rehearse(&self, trial: &Trial) -> Run {
        self.rehearse_up_to(trial, FEW_EVENTS)
    }

    fn rehearse_up_to(&self, trial: &Trial, events: u64) -> Run {
        let options = Options {
            kind: self.kind,
            max_events: Some(events),
            ..Options::default()
        };
        let input = trial.input.value.clone().into();
        rehearse(self.subject.definition, &input, &trial.mocks, options)
    }

    /// The first trial that calls a task stands for the task; the plainest come first.
    fn remember(&mut self, run: &Run, trial: &Trial) {
        for Call { state, .. } in &run.calls {
            if !self.callers.contains_key(state) {
                self.callers.insert(state.clone(), trial.clone());
            }
        }
    }

    fn judge(&mut self, run: &Run, trial: &Trial) {
        for (sign, message) in judgements(run, trial) {
            if self.found.contains_key(&sign) {
                continue;
            }
            if sign.kind == FindingKind::Endless && !self.is_endless(trial, &sign.state) {
                continue;
            }
            let (trial, run) = self.shrunk(trial.clone(), &sign);
            let mut finding = Finding::new(sign.kind, &sign.state, message);
            finding.field = sign.place.clone();
            finding.case = Some(self.case(&trial, &run, sign.kind, &sign.state));
            self.found.insert(sign, finding);
        }
    }

    /// Whether a long run is still not over at the quota of a Standard execution.
    fn is_endless(&mut self, trial: &Trial, state: &str) -> bool {
        let followed = self.followed.entry(state.to_owned()).or_default();
        *followed += 1;
        if *followed > LONG_RUNS {
            return false;
        }
        self.runs += 1;
        let quota = Limits::aws(ExecutionType::Standard).history_events;
        self.rehearse_up_to(trial, quota).is_endless()
    }

    /// The smallest trial near the given one that shows the same.
    fn shrunk(&self, mut trial: Trial, sign: &Sign) -> (Trial, Run) {
        let mut left = SHRINKING;
        let mut shows = |trial: &Trial| {
            left = left.saturating_sub(1);
            let run = (left > 0).then(|| self.rehearse(trial))?;
            judgements(&run, trial)
                .iter()
                .any(|(other, _)| other == sign)
                .then_some(run)
        };
        let mut best = None;
        let called: Vec<String> = trial.mocks.states().map(str::to_owned).collect();
        for name in called {
            let Some(plain) = self.base.of(&name) else {
                continue;
            };
            let mut simpler = trial.clone();
            simpler.mocks.set(&name, plain.clone());
            if let Some(run) = shows(&simpler) {
                best = Some(run);
                trial = simpler;
            }
        }
        for input in self.inputs.iter().filter(|input| input.allowed).take(1) {
            let simpler = Trial {
                input: input.clone(),
                ..trial.clone()
            };
            if let Some(run) = shows(&simpler) {
                best = Some(run);
                trial = simpler;
            }
        }
        let run = best.unwrap_or_else(|| self.rehearse(&trial));
        (trial, run)
    }

    /// The trial as a case of a NAME.test.json.
    fn case(&self, trial: &Trial, run: &Run, kind: FindingKind, state: &str) -> Value {
        let mut mocks = serde_json::Map::new();
        let called: BTreeSet<&str> = run.calls.iter().map(|call| call.state.as_str()).collect();
        for name in called {
            let calls: Vec<&Call> = run.calls.iter().filter(|call| call.state == name).collect();
            let last = (kind == FindingKind::Endless).then_some(FOR_EVER);
            mocks.insert(name.to_owned(), responses(&calls, last));
        }
        let (error, _) = run.failure();
        let mut case = json!({"name": format!("{}: {state}", kind.name())});
        if Some(&trial.input.value) != self.subject.sample {
            case["input"] = trial.input.value.clone();
        }
        if !mocks.is_empty() {
            case["mocks"] = mocks.into();
        }
        case["expect"] = match error {
            Some(error) => json!({"status": run.status().name(), "error": error}),
            None => json!({"status": run.status().name()}),
        };
        case
    }

    /// States that no run reached, and Choice rules that always or never held.
    fn not_reached(&mut self) {
        let missing: Vec<Item> = self
            .coverage
            .items()
            .filter(|(_, count)| *count == 0)
            .map(|(item, _)| item.clone())
            .collect();
        for item in missing {
            let finding = match &item {
                Item::State(state) => {
                    let message = format!("no run of {} reached it", self.runs);
                    Finding::new(FindingKind::Unreached, state, message)
                }
                Item::Choice(state, rule, side)
                    if self.coverage.count(&Item::State(state.clone())) != Some(0) =>
                {
                    // A rule that is never asked is no fault of its own: the one before it always holds.
                    let asked = self
                        .coverage
                        .count(&Item::Choice(state.clone(), *rule, !side))
                        != Some(0);
                    if !asked {
                        continue;
                    }
                    let how = if *side { "never" } else { "always" };
                    let message = format!("Choices[{rule}] {how} held in {} runs", self.runs);
                    Finding::new(FindingKind::OneSided, state, message)
                }
                _ => continue,
            };
            let mut sign = Sign::of(finding.kind, &finding.state);
            sign.place = Some(item.to_string());
            self.found.insert(sign, finding);
        }
    }
}

fn error(name: &str) -> Response {
    Response::now(Err(TaskError {
        error: name.to_owned(),
        cause: Some("explored".to_owned()),
    }))
}

/// The responses to the calls of one state, equal neighbours as a range; the last one up to `until`.
fn responses(calls: &[&Call], until: Option<u32>) -> Value {
    let mut ranges: Vec<(u32, u32, &Response)> = Vec::new();
    for call in calls {
        let Some(response) = &call.response else {
            continue;
        };
        match ranges.last_mut() {
            Some((_, last, same)) if *same == response => *last = call.invocation,
            _ => ranges.push((call.invocation, call.invocation, response)),
        }
    }
    if let (Some((_, last, _)), Some(until)) = (ranges.last_mut(), until) {
        *last = until;
    }
    let key = |first: u32, last: u32| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    let entries = ranges
        .iter()
        .map(|(first, last, response)| (key(*first, *last), response.to_json()));
    Value::Object(entries.collect())
}

/// What a run shows: the kind of finding, the state, and what is wrong.
fn judgements(run: &Run, trial: &Trial) -> Vec<(Sign, String)> {
    let mut found = Vec::new();
    if run.unanswered().is_some() {
        return found;
    }
    if run.is_endless() {
        let mut visits: BTreeMap<&str, usize> = BTreeMap::new();
        run.entered
            .iter()
            .for_each(|state| *visits.entry(state).or_default() += 1);
        if let Some((state, times)) = visits.into_iter().max_by_key(|(_, times)| *times) {
            let message = format!(
                "an execution does not end before 25,000 events; it had been here {times} times after {}",
                run.execution.history().len()
            );
            found.push((Sign::of(FindingKind::Endless, state), message));
        }
        return found;
    }
    if *run.status() == Status::Running {
        let state = run.entered.last().cloned().unwrap_or_default();
        let message = "an execution waits here for what never comes".to_owned();
        found.push((Sign::of(FindingKind::MayNotEnd, &state), message));
    }
    if !(trial.trusted && trial.input.allowed) {
        return found;
    }
    let thrown: BTreeSet<&str> = run
        .calls
        .iter()
        .filter_map(|call| call.response.as_ref()?.outcome.as_ref().err())
        .map(|error| error.error.as_str())
        .collect();
    for event in run.execution.history() {
        if let EventKind::EvaluationFailed(evaluation) = &event.kind
            && !thrown.contains("States.QueryEvaluationError")
        {
            let cause = evaluation.failure.cause.as_deref().unwrap_or_default();
            let mut sign = Sign::of(FindingKind::QueryFails, &evaluation.state);
            sign.place = evaluation.location.as_deref().map(str::to_owned);
            found.push((sign, cause.to_owned()));
        }
    }
    for (_, observation) in &run.observations {
        let Seen::Failed {
            error: Some(error),
            cause,
        } = &observation.seen
        else {
            continue;
        };
        if thrown.contains(&**error) {
            continue;
        }
        let cause = cause.as_deref().unwrap_or_default();
        let kind = match &**error {
            "States.DataLimitExceeded" => FindingKind::TooLarge,
            "States.QueryEvaluationError"
            | "States.Runtime"
            | "States.ReferencePathConflict"
            | "States.ParameterPathFailure"
            | "States.ResultPathMatchFailure"
            | "States.IntrinsicFailure"
            | "States.NoChoiceMatched" => FindingKind::QueryFails,
            _ => continue,
        };
        let sign = Sign::of(kind, &observation.state);
        // An expression that could not be evaluated is told by its field above.
        let is_told = |(told, _): &(Sign, String)| told.kind == kind && told.state == sign.state;
        if !found.iter().any(is_told) {
            found.push((sign, format!("{error}: {cause}")));
        }
    }
    found
}
