//! Where an execution stands, what can be done with it, its input and its output.

use asl::Status;
use maud::{Markup, html};
use serde_json::Value;
use stepfunctions::ExecutionDescription;

use super::machine_of;
use crate::parts::{badge, copy, document, duration, moment, start_command};
use crate::trace::{Outcome, Trace};
use crate::{Console, forms, links};

/// The head of the page.
pub fn head(console: &Console, execution: &ExecutionDescription, trace: &Trace) -> Markup {
    let running = execution.status == Status::Running;
    let acts = console.0.acts;
    let failed = trace
        .visits
        .iter()
        .rfind(|visit| visit.outcome == Outcome::Failed);
    let again = links::with(
        &links::machine(machine_of(execution)),
        &[("input-of", execution.arn.clone())],
    );
    html! {
        h1 { (execution.name) " " (badge(execution.status.name())) }
        p.facts {
            span { "started " (moment(execution.started)) }
            span { @if running { "runs for " } @else { "took " } (duration(execution.started, execution.stopped)) }
            @if let Some(map_run) = &execution.map_run { a href=(links::map_run(map_run)) { "part of a Map Run" } }
        }
        @if running && !acts { p.hint { "It was interrupted, and goes on when " code { "hybrid serve" } " is given its folder as " code { "--data" } "." } }
        @if let Some(reason) = &execution.stands_still { p.bad role="alert" { "It stands still: " (reason) } }
        @if execution.error().is_some() || execution.cause().is_some() {
            div.failure {
                p { b.bad { (execution.error().unwrap_or("no error name")) }
                    @if let Some(visit) = failed { " in "
                        a href=(links::with(&links::execution(&execution.arn), &[("visit", visit.event.to_string())])) data-soft { (visit.name) } } }
                @if let Some(cause) = execution.cause() { p.cause { (shortened(cause)) } }
            }
        }
        div.actions {
            @if acts && running && execution.map_run.is_none() { (forms::stop(console, &execution.arn)) }
            @if acts && execution.can_be_redriven() { (forms::redrive(console, &execution.arn)) }
            @if acts && execution.map_run.is_none() { a.button href={ (again) "#start" } { "Start again with this input" } }
            (copy("Copy as a command", &start_command(machine_of(execution), &execution.input)))
        }
    }
}

/// The first words of a cause; the whole stands in the state that failed and in the last event.
fn shortened(cause: &str) -> String {
    const MOST: usize = 600;
    match cause.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &cause[..at]),
        None => cause.to_owned(),
    }
}

/// Input, output and report.
pub fn documents(execution: &ExecutionDescription) -> Markup {
    let output = execution.output();
    html! {
        h2 { "Input and output" }
        (document("input", "Input", Some(&execution.input)))
        (document("output", "Output", output.as_ref().map(Value::to_string).as_deref()))
        @if report_of(execution).is_some() {
            h2 { "Report" }
            iframe.report title="Report of the pipeline" src=(links::report(&execution.arn)) sandbox="allow-popups" loading="lazy" {}
            p { a href=(links::report(&execution.arn)) { "The report by itself" } }
        }
    }
}

/// Where the report of an execution is, as a URI: its output says so.
pub fn report_of(execution: &ExecutionDescription) -> Option<String> {
    let output = execution.output()?;
    output.pointer("/report/html")?.as_str().map(str::to_owned)
}
