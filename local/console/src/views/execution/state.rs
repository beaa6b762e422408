//! The state that is looked at: its documents, its attempts, what it used, and what was written for it.

use std::collections::HashSet;

use asl::{EventKind, HistoryEvent, StateType, TaskFamily, TaskProgress, Timestamp};
use cloud::usage::Usage;
use gatherer::figures;
use maud::{Markup, html};
use serde_json::Value;
use stepfunctions::ExecutionDescription;

use crate::error::Failure;
use crate::logs::{Log, Search, called};
use crate::parts::{badge, document, duration};
use crate::trace::{Trace, Visit};
use crate::words::{lasted, seconds};
use crate::{Console, forms, links};

/// Events of a visit that are read, the first and the last of them: a Map has two for each item.
const EVENTS: usize = 60;

/// What is known of a visit.
pub struct State {
    visit: Visit,
    within: Option<String>,
    began: Timestamp,
    input: Option<String>,
    output: Option<String>,
    variables: Option<String>,
    called: Option<String>,
    arguments: Option<String>,
    result: Option<String>,
    error: Option<(String, String)>,
    used: Vec<Usage>,
    log: Vec<Log>,
}

impl State {
    /// Finds out what is known of a visit.
    pub async fn find(
        console: &Console,
        arn: &str,
        trace: &Trace,
        index: usize,
    ) -> Result<State, Failure> {
        let visit = trace.visits[index].clone();
        let ids = visit.events.clone();
        let wanted = move |history: &[HistoryEvent]| -> Vec<HistoryEvent> {
            let last = ids.len().saturating_sub(EVENTS / 2).max(EVENTS / 2);
            let ids = ids.iter().take(EVENTS / 2).chain(ids.iter().skip(last));
            let index = |id: &u64| usize::try_from(*id).ok()?.checked_sub(1);
            ids.filter_map(|id| history.get(index(id)?).cloned())
                .collect()
        };
        let events = console.0.sfn.look_at_history(arn, wanted).await?;
        let within = visit.within.map(|outer| {
            let outer = &trace.visits[outer];
            let branch = visit
                .branch
                .map_or_else(String::new, |branch| format!(" [{branch}]"));
            format!("{}{branch}", outer.name)
        });
        let mut state = State {
            began: trace.began.unwrap_or(visit.entered),
            visit,
            within,
            input: None,
            output: None,
            variables: None,
            called: None,
            arguments: None,
            result: None,
            error: None,
            used: Vec::new(),
            log: Vec::new(),
        };
        let mut search = Search {
            from: state.visit.entered,
            to: state.visit.left,
            ..Search::default()
        };
        let mut words = HashSet::new();
        for event in &events {
            state.read(event, &mut search.names, &mut words);
        }
        state.used = used(console, &words);
        search.ids = state.used.iter().flat_map(ids_of).collect();
        search
            .ids
            .extend(words.into_iter().filter(|word| is_job(word)));
        if !search.names.is_empty() {
            let logs = console.0.compute.logs.clone();
            let read = tokio::task::spawn_blocking(move || search.run(&logs));
            state.log = read.await.unwrap_or_default();
        }
        Ok(state)
    }

    fn read(&mut self, event: &HistoryEvent, names: &mut Vec<String>, words: &mut HashSet<String>) {
        match &event.kind {
            EventKind::StateEntered { input, .. } => self.input = Some(input.to_string()),
            EventKind::StateExited {
                output, assigned, ..
            } => {
                self.output = Some(output.to_string());
                let variables = assigned.as_ref().map(|map| asl::Value::Object(map.clone()));
                self.variables = variables.map(|variables| variables.to_string());
            }
            EventKind::Task(task) => {
                let (family, progress) = &**task;
                self.read_task(family, progress, names, words);
            }
            EventKind::ExecutionFailed(details) | EventKind::MapRunFailed(details) => {
                self.fail(details.error.as_deref(), details.cause.as_deref());
            }
            EventKind::EvaluationFailed(evaluation) => {
                let failure = &evaluation.failure;
                self.fail(failure.error.as_deref(), failure.cause.as_deref());
            }
            _ => {}
        }
    }

    fn read_task(
        &mut self,
        family: &TaskFamily,
        progress: &TaskProgress,
        names: &mut Vec<String>,
        words: &mut HashSet<String>,
    ) {
        match progress {
            TaskProgress::Scheduled { input, .. } => {
                self.called = Some(match family {
                    TaskFamily::Lambda { arn } | TaskFamily::Activity { arn } => arn.to_string(),
                    TaskFamily::Service {
                        resource_type,
                        resource,
                    } => format!("{resource_type}:{resource}"),
                });
                let arguments = Value::from(input.clone());
                *names = called(&arguments);
                if let TaskFamily::Lambda { arn } = family {
                    names.extend(called(&serde_json::json!({"FunctionName": **arn})));
                }
                self.arguments = Some(arguments.to_string());
                self.result = None;
            }
            TaskProgress::Submitted { output } => collect(&Value::from(output.clone()), words),
            TaskProgress::Succeeded { output } => {
                let result = Value::from(output.clone());
                collect(&result, words);
                self.result = Some(result.to_string());
                self.error = None;
            }
            TaskProgress::Failed(details) | TaskProgress::TimedOut(details) => {
                if let Some(cause) = details.cause.as_deref() {
                    let document =
                        serde_json::from_str(cause).unwrap_or_else(|_| Value::from(cause));
                    collect(&document, words);
                }
                self.fail(details.error.as_deref(), details.cause.as_deref());
            }
            TaskProgress::Started { .. } => {}
        }
    }

    fn fail(&mut self, error: Option<&str>, cause: Option<&str>) {
        let (error, cause) = (error.unwrap_or("no error name"), cause.unwrap_or_default());
        self.error = Some((error.to_owned(), cause.to_owned()));
    }
}

/// Every word in a document that could name an invocation, a task or a job.
fn collect(value: &Value, into: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            let words = text.split(|c: char| c.is_whitespace() || "\"'(),;".contains(c));
            for word in words.filter(|word| (8..=200).contains(&word.len())) {
                into.insert(word.to_owned());
                into.extend(job_of(word).map(str::to_owned));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect(member, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The job in `s3://BUCKET/jobs/JOB/…`.
fn job_of(uri: &str) -> Option<&str> {
    uri.strip_prefix("s3://")?
        .split_once("/jobs/")?
        .1
        .split('/')
        .next()
}

/// Whether a word is a job's id, as every URI of the job has it.
fn is_job(word: &str) -> bool {
    word.contains('-') && !word.contains([':', '/'])
}

/// What was used by what the words name.
fn used(console: &Console, words: &HashSet<String>) -> Vec<Usage> {
    let meant = |usage: &Usage| {
        let job = usage.job_uri.as_deref().and_then(job_of);
        words.contains(&usage.id) || job.is_some_and(|job| words.contains(job))
    };
    console.0.compute.meter.found(meant)
}

/// The words by which the log of an invocation, a task or a job can be told.
fn ids_of(usage: &Usage) -> Vec<String> {
    let job = usage.job_uri.as_deref().and_then(job_of);
    let id = usage.id.rsplit('/').next();
    id.into_iter().chain(job).map(str::to_owned).collect()
}

/// The state.
pub fn state(
    console: &Console,
    arn: &str,
    execution: &ExecutionDescription,
    state: Option<&State>,
) -> Markup {
    let Some(state) = state else {
        return html! {
            h2 { "State" }
            p.hint { "Choose a state in the list to see its input, output, error and log." }
        };
    };
    let visit = &state.visit;
    let alone = console.0.acts
        && !matches!(visit.kind, StateType::Map | StateType::Parallel)
        && execution.map_run.is_none();
    html! {
        div.bar { h2 { (visit.name) " " small { (visit.kind.name()) } } (badge(visit.outcome.word())) }
        (facts(state))
        (uses(console, state))
        @if let Some((error, cause)) = &state.error {
            h3 { "Error" }
            p { b.bad { (error) } }
            (document("cause", "Cause", Some(cause).filter(|cause| !cause.is_empty()).map(String::as_str)))
        }
        (attempts(state))
        (document("state-input", "Input", state.input.as_deref()))
        (document("state-arguments", "Arguments of the call", state.arguments.as_deref()))
        (document("state-result", "Result of the call", state.result.as_deref()))
        (document("state-variables", "Variables assigned", state.variables.as_deref()))
        (document("state-output", "Output", state.output.as_deref()))
        @if let (true, Some(input)) = (alone, &state.input) { (forms::test(console, arn, &visit.name, input)) }
    }
}

fn facts(state: &State) -> Markup {
    let visit = &state.visit;
    html! {
        dl.facts {
            @if let Some(within) = &state.within { dt { "within" } dd { (within) } }
            dt { "entered after" } dd { (lasted(seconds(state.began, visit.entered))) }
            dt { @if visit.left.is_some() { "took" } @else { "for" } } dd { (duration(visit.entered, visit.left)) }
            @if let Some(called) = &state.called { dt { "calls" } dd { code { (called) } } }
            @if let Some(map_run) = &visit.map_run { dt { "Map Run" } dd { a href=(links::map_run(map_run)) { (links::name_of(map_run)) } } }
        }
    }
}

/// What ran for it, and what that would cost on AWS. Time up to the start of a container is start-up here too.
fn uses(console: &Console, state: &State) -> Markup {
    let asked = state
        .visit
        .attempts
        .last()
        .map_or(state.visit.entered, |attempt| attempt.scheduled);
    html! {
        @if !state.used.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="What ran for it" { table.uses {
                thead { tr { th scope="col" { "on" } th scope="col" { "name" } th.number scope="col" { "start-up" }
                    th.number scope="col" { "work" } th.number scope="col" { "USD" } } }
                tbody { @for one in &state.used { tr {
                    td { (one.placement) }
                    td { (console.short(&one.name)) }
                    td.number { (lasted(seconds(asked, one.started))) }
                    td.number { @if one.is_over() { (lasted(one.seconds())) } @else { (duration(one.started, None)) } }
                    td.number { @match one.usd(&console.0.prices).filter(|_| one.is_over()) { Some(usd) => (figures::usd(usd)), None => "" } }
                } } }
            } }
        }
    }
}

fn attempts(state: &State) -> Markup {
    let attempts = &state.visit.attempts;
    html! {
        @if attempts.len() > 1 {
            h3 { (attempts.len()) " attempts" }
            ol.attempts { @for attempt in attempts.iter().rev().take(20).rev() {
                li {
                    "after " (lasted(seconds(state.visit.entered, attempt.scheduled))) ": "
                    @match (&attempt.error, attempt.ended) {
                        (Some(error), _) => b.bad { (error) },
                        (None, Some(_)) => "succeeded",
                        (None, None) => "goes on",
                    }
                    @if let Some(ended) = attempt.ended { " in " (lasted(seconds(attempt.scheduled, ended))) }
                }
            } }
        }
    }
}

/// The log of its function, its task or its job.
pub fn log(state: Option<&State>) -> Markup {
    let Some(state) = state.filter(|state| state.called.is_some()) else {
        return html! {};
    };
    html! {
        h2 { "Log" }
        @if state.log.is_empty() { p.hint { "Nothing was written here for this state." } }
        @for (index, log) in state.log.iter().enumerate() {
            @let id = format!("log-{index}");
            h3 id=(id) { code { (log.stream) } }
            @if log.left_out > 0 { p.hint { (log.left_out) " lines before these." } }
            pre.log tabindex="0" role="group" aria-labelledby=(id) data-tail { @for line in &log.lines { (line) "\n" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_a_document_name_what_ran() {
        let document = json!({"jobUri": "s3://bucket/jobs/run-train-3/job.json", "n": 1,
            "Cause": ["task arn:aws:ecs:us-east-1:1:task/c/0123456789abcdef died"]});
        let mut words = HashSet::new();
        collect(&document, &mut words);
        assert!(words.contains("run-train-3"));
        assert!(words.contains("arn:aws:ecs:us-east-1:1:task/c/0123456789abcdef"));
        assert!(is_job("run-train-3") && !is_job("s3://bucket/jobs/run-train-3/job.json"));
    }
}
