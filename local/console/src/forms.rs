//! What can be done from a page, as forms, which work without JavaScript.

use cloud::router::CONSOLE;
use maud::{Markup, html};
use serde_json::Value;
use stepfunctions::Waiting;

use crate::Console;
use crate::links;
use crate::schema::{Field, Kind, Problem};

/// What a start form holds.
#[derive(Debug, Default)]
pub struct Start {
    /// ARN of the state machine.
    pub machine: String,
    /// Name of the execution; may be empty.
    pub name: String,
    /// The test cases that take the place of its services.
    pub cases: Vec<String>,
    /// The chosen one; empty for the services.
    pub case: String,
    /// Input, as it is written.
    pub input: String,
    /// What the schema beside the definition asks for.
    pub fields: Vec<Field>,
    /// Whether there is such a schema.
    pub has_schema: bool,
    /// The sample input beside the definition.
    pub sample: Option<String>,
    /// Why it was not started.
    pub problems: Vec<Problem>,
}

impl Start {
    /// The form.
    pub fn form(&self, console: &Console) -> Markup {
        html! {
            h2 #start { "Start an execution" }
            form.start method="post" action={ (CONSOLE) "/start" } data-check={ (CONSOLE) "/check" } {
                (console.token())
                input type="hidden" name="machine" value=(self.machine);
                p.field { label for="start-name" { "Name" } input #start-name name="name" value=(self.name) maxlength="80"
                    autocomplete="off" placeholder="the pipeline's and the time"; }
                @if !self.cases.is_empty() {
                    p.field { label for="start-case" { "Test case" }
                        select #start-case name="case" {
                            option value="" { "none: its services are called" }
                            @for case in &self.cases { option value=(case) selected[self.case == *case] { (case) } }
                        } }
                }
                @if !self.fields.is_empty() { details open {
                    summary { "Input by its schema" }
                    div.fields { @for field in self.fields.iter().filter(|field| field.is_scalar()) { (self::field(field)) } }
                    @let nested: Vec<&str> = self.fields.iter().filter(|field| !field.is_scalar()).map(|field| field.label.as_str()).collect();
                    @if !nested.is_empty() { p.hint { "In the JSON only: " (nested.join(", ")) "." } }
                } }
                p.field.wide { label for="start-input" { "Input, JSON" }
                    textarea #start-input name="input" rows="12" spellcheck="false" required
                        aria-describedby="start-problems" { (self.input) } }
                div #start-problems aria-live="polite" { (problems(&self.problems, self.has_schema)) }
                p.buttons {
                    button.primary { "Start" }
                    @if let Some(sample) = &self.sample {
                        button type="button" data-fill="start-input" data-text=(sample) hidden { "Sample input" }
                    }
                }
            }
        }
    }
}

/// What is wrong with an input; that nothing is, where there is a schema to tell it.
pub fn problems(problems: &[Problem], has_schema: bool) -> Markup {
    html! {
        @if problems.is_empty() {
            @if has_schema { p.hint { "Checked against the schema while you type." } }
        } @else {
            ul.problems { @for problem in problems { li { code { (problem.path) } " " (problem.message) } } }
        }
    }
}

fn field(field: &Field) -> Markup {
    let id = format!("field{}", field.pointer);
    let about = format!("{id}-about");
    let described = (!field.description.is_empty()).then_some(about.as_str());
    let pointer = &field.pointer;
    let shown = field.value.as_ref().map_or_else(String::new, shown);
    html! {
        p.field {
            label for=(id) { (field.label) @if field.required { abbr title="required" { "*" } } }
            @match &field.kind {
                Kind::Text => input id=(id) data-pointer=(pointer) data-kind="text" value=(shown) aria-describedby=[described];,
                Kind::Number(whole) => input id=(id) data-pointer=(pointer) data-kind="number" type="number"
                    step=(if *whole { "1" } else { "any" }) value=(shown) aria-describedby=[described];,
                Kind::Choice(choices) => select id=(id) data-pointer=(pointer) data-kind="json" aria-describedby=[described] {
                    @if !field.required { option value="" { "–" } }
                    @for choice in choices { option value=(choice) selected[field.value.as_ref() == Some(choice)] { (self::shown(choice)) } }
                },
                Kind::Nested => {},
            }
            @if described.is_some() { small id=(about) { (field.description) } }
        }
    }
}

/// A value in an input of its own.
fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What waits for an answer to its token, with a form for each.
pub fn waiting(console: &Console, waiting: &[Waiting], with_execution: bool) -> Markup {
    html! {
        @if !waiting.is_empty() {
            h2 { "Waiting for an answer" }
            ul.plain.waiting { @for one in waiting { li { (answer(console, one, with_execution)) } } }
        }
    }
}

/// An activity by its name.
fn called(console: &Console, called: &str) -> String {
    match called.split_once(":activity:") {
        Some((_, name)) => format!("activity {}", console.short(name)),
        None => called.to_owned(),
    }
}

fn answer(console: &Console, waiting: &Waiting, with_execution: bool) -> Markup {
    // Enough of the token to tell it from others on a page.
    let key: String = waiting
        .token
        .chars()
        .rev()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    let id = |what: &str| format!("answer-{key}-{what}");
    html! {
        details id=(id("details")) {
            summary { b { (waiting.state) } " " small { (called(console, &waiting.called)) } }
            @if with_execution { p { "of " a href=(links::execution(&waiting.execution)) { (links::name_of(&waiting.execution)) } } }
            form.answer method="post" action={ (CONSOLE) "/answer" } {
                (console.token())
                input type="hidden" name="execution" value=(waiting.execution);
                input type="hidden" name="task" value=(waiting.token);
                p.field.wide { label for=(id("output")) { "Output, JSON" }
                    textarea id=(id("output")) name="output" rows="3" spellcheck="false" { "{}" } }
                p.buttons { button.primary name="answer" value="success" { "Success" } }
                p.field { label for=(id("error")) { "Error" } input id=(id("error")) name="error" maxlength="256" value="Rejected"; }
                p.field { label for=(id("cause")) { "Cause" } input id=(id("cause")) name="cause" maxlength="2000"; }
                p.buttons { button.danger name="answer" value="failure" { "Failure" } }
            }
        }
    }
}

/// A form that stops an execution, behind a word that is to be clicked first.
pub fn stop(console: &Console, arn: &str) -> Markup {
    html! {
        details.menu id="stop" {
            summary.button { "Stop" }
            form method="post" action={ (CONSOLE) "/stop" } {
                (console.token())
                input type="hidden" name="execution" value=(arn);
                p.field { label for="stop-error" { "Error" } input #stop-error name="error" maxlength="256"; }
                p.field { label for="stop-cause" { "Cause" } input #stop-cause name="cause" maxlength="2000"; }
                p.buttons { button.danger { "Stop the execution" } }
            }
        }
    }
}

/// A form that lets an execution go on where it stopped.
pub fn redrive(console: &Console, arn: &str) -> Markup {
    html! {
        form method="post" action={ (CONSOLE) "/redrive" } {
            (console.token())
            input type="hidden" name="execution" value=(arn);
            button title="Goes on where it stopped; what succeeded is kept" { "Redrive" }
        }
    }
}

/// A form that runs one state by itself.
pub fn test(console: &Console, execution: &str, state: &str, input: &str) -> Markup {
    html! {
        details id="test" {
            summary { "Run this state alone" }
            form method="post" action={ (CONSOLE) "/test" } {
                (console.token())
                input type="hidden" name="execution" value=(execution);
                input type="hidden" name="state" value=(state);
                p.field.wide { label for="test-input" { "Input, JSON" }
                    textarea #test-input name="input" rows="6" spellcheck="false" { (input) } }
                p.field.wide { label for="test-mock" { "Result in place of the call, JSON; empty for the real one" }
                    textarea #test-mock name="mock" rows="2" spellcheck="false" {} }
                p.buttons { button { "Run" } }
            }
        }
    }
}
