//! A state machine: its definition with what the validator finds, its executions, and the form that starts one.

use std::time::Duration;

use asl::{Diagnostic, ExecutionType, Severity, Timestamp};
use cloud::action::StepFunctionsAction;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use maud::{Markup, html};
use serde_json::{Value, json};
use stepfunctions::{ListedRow, Wanted};

use super::{home, text};
use crate::drawing::drawing;
use crate::error::Failure;
use crate::forms::Start;
use crate::links::{self, Fields};
use crate::live::View;
use crate::page::{Page, Part, Place};
use crate::parts::{badge, copy, duration, moment, start_command};
use crate::{Console, schema};

/// Executions of a page.
const PAGE: usize = 50;
/// What an execution can have come to.
const STATUSES: [&str; 5] = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];

/// A state machine.
pub struct Machine {
    arn: String,
    name: String,
    kind: ExecutionType,
    definition: String,
    findings: Vec<Diagnostic>,
}

/// Looks at a state machine.
pub struct Look {
    console: Console,
    machine: Machine,
    start: Start,
    filter: Filter,
}

/// Which executions are shown.
#[derive(Debug, Clone, Default)]
struct Filter {
    status: String,
    name: String,
    since: String,
    after: String,
}

impl Filter {
    fn of(query: &Fields) -> Filter {
        let get = |name: &str| query.get(name).cloned().unwrap_or_default();
        let known = STATUSES.into_iter().find(|status| *status == get("status"));
        Filter {
            status: known.unwrap_or_default().to_owned(),
            name: get("name"),
            since: get("since"),
            after: get("after"),
        }
    }

    fn wanted(&self, machine: &str) -> Wanted {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let after = self.after.split_once('.');
        Wanted {
            of: machine.to_owned(),
            status: given(&self.status),
            name: given(&self.name),
            // What a browser's `datetime-local` gives, taken as UTC, which the page says.
            since: Timestamp::parse_offset_date_time(&format!("{}Z", self.since)),
            after: after.and_then(|(at, id)| Some((Timestamp(at.parse().ok()?), id.parse().ok()?))),
            limit: PAGE + 1,
        }
    }

    fn address(&self, machine: &str, after: String) -> String {
        let fields = [
            ("status", self.status.clone()),
            ("name", self.name.clone()),
            ("since", self.since.clone()),
            ("after", after),
        ];
        format!(
            "{}#executions",
            links::with(&links::machine(machine), &fields)
        )
    }
}

impl Console {
    /// A state machine as it is now.
    pub async fn machine(&self, arn: &str) -> Result<Machine, Failure> {
        let asked = json!({"stateMachineArn": arn});
        let described = self
            .ask(StepFunctionsAction::DescribeStateMachine, asked)
            .await?;
        let definition = readable(text(&described, "definition"));
        let kind = ExecutionType::parse(text(&described, "type")).unwrap_or_default();
        let mut findings = asl::validate_as(&definition, kind);
        if let Some(schema) = self.read_beside(arn, "schema") {
            findings.extend(asl::history_warnings(&definition, &schema.into()));
        }
        Ok(Machine {
            arn: arn.to_owned(),
            name: text(&described, "name").to_owned(),
            kind,
            definition,
            findings,
        })
    }

    /// The form that starts an execution, with this input or the sample.
    pub fn start_form(&self, machine: &str, input: Option<String>) -> Start {
        let sample = self.read_beside(machine, "input");
        let schema = self.read_beside(machine, "schema");
        let given = input
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        let value = given.as_ref().or(sample.as_ref()).unwrap_or(&Value::Null);
        let fields = schema.as_ref().map(|schema| schema::fields(schema, value));
        let sample = sample.map(|sample| format!("{sample:#}"));
        Start {
            machine: machine.to_owned(),
            name: String::new(),
            cases: self.0.sfn.test_cases(links::name_of(machine)),
            case: String::new(),
            input: input
                .or_else(|| sample.clone())
                .unwrap_or_else(|| "{}".to_owned()),
            fields: fields.unwrap_or_default(),
            has_schema: schema.is_some(),
            sample,
            problems: Vec::new(),
        }
    }
}

impl Look {
    /// A look at the state machine of that ARN, with a form as it is to be filled in.
    pub async fn new(
        console: Console,
        arn: &str,
        query: &Fields,
        start: Start,
    ) -> Result<Look, Failure> {
        Ok(Look {
            machine: console.machine(arn).await?,
            filter: Filter::of(query),
            console,
            start,
        })
    }
}

impl View for Look {
    fn look(&mut self) -> BoxFuture<'_, Result<Option<Page>, Failure>> {
        async move {
            let wanted = self.filter.wanted(&self.machine.arn);
            let rows = self.console.0.sfn.executions(wanted).await?;
            Ok(Some(self.page(&rows)))
        }
        .boxed()
    }

    fn tick(&self) -> Duration {
        Duration::from_secs(5)
    }
}

impl Look {
    fn page(&self, rows: &[ListedRow]) -> Page {
        let Machine { name, arn, .. } = &self.machine;
        Page {
            title: name.clone(),
            class: "machine",
            way: vec![
                home(),
                (self.console.short(name).to_owned(), links::machine(arn)),
            ],
            parts: vec![
                Part::new("head", Place::Top, head(&self.console, &self.machine)),
                Part::new(
                    "graph",
                    Place::Main,
                    drawing(&self.machine.definition, None),
                ),
                Part::new("executions", Place::Main, self.executions(rows)),
                Part::new("form", Place::Aside, self.form()),
                Part::new("definition", Place::Main, definition(&self.machine)),
            ],
        }
    }

    fn form(&self) -> Markup {
        match self.console.0.acts {
            true => self.start.form(&self.console),
            false => html! {},
        }
    }

    fn executions(&self, rows: &[ListedRow]) -> Markup {
        let (arn, filter) = (&self.machine.arn, &self.filter);
        let more = rows.len() > PAGE;
        let rows = &rows[..rows.len().min(PAGE)];
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| filter.address(arn, format!("{}.{}", row.started.0, row.id)));
        html! {
            h2 { "Executions" }
            @if self.machine.kind == ExecutionType::Express {
                p.hint { "Those of an Express state machine are not kept, as on AWS." }
            } @else {
                form.filter method="get" action={ (links::machine(arn)) "#executions" } {
                    p.field { label for="filter-status" { "Status" }
                        select #filter-status name="status" {
                            option value="" { "any" }
                            @for status in STATUSES { option selected[filter.status == status] { (status) } }
                        } }
                    p.field { label for="filter-name" { "Name has" } input #filter-name name="name" value=(filter.name) autocomplete="off"; }
                    p.field { label for="filter-since" { "Started since, UTC" } input #filter-since name="since" type="datetime-local" value=(filter.since); }
                    p.buttons { button { "Filter" } }
                }
                @if rows.is_empty() { p.hint { "None." } }
                @else { (table(rows)) }
                p.pager {
                    @if !filter.after.is_empty() { a href=(filter.address(arn, String::new())) data-soft { "Newest" } }
                    @if let Some(next) = next { a href=(next) data-soft { "Older" } }
                }
            }
        }
    }
}

/// A table of executions.
pub fn table(rows: &[ListedRow]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Executions" { table {
            thead { tr { th scope="col" { "status" } th scope="col" { "name" } th scope="col" { "started" }
                th.number scope="col" { "duration" } } }
            tbody { @for row in rows { tr {
                td { (badge(&row.status)) }
                th scope="row" { a href=(links::execution(&row.arn)) { (links::name_of(&row.arn)) } }
                td { (moment(row.started)) }
                td.number { (duration(row.started, row.stopped)) }
            } } }
        } }
    }
}

/// A definition that is all one line, over several.
fn readable(definition: &str) -> String {
    if definition.lines().nth(1).is_some() {
        return definition.to_owned();
    }
    let value = serde_json::from_str::<Value>(definition);
    value.map_or_else(|_| definition.to_owned(), |value| format!("{value:#}"))
}

fn head(console: &Console, machine: &Machine) -> Markup {
    let kind = match machine.kind {
        ExecutionType::Standard => "Standard",
        ExecutionType::Express => "Express",
    };
    let count = |severity| {
        machine
            .findings
            .iter()
            .filter(|one| one.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    html! {
        h1 { (console.short(&machine.name)) " " small { (kind) } }
        p { code { (machine.arn) } }
        div.actions { (copy("Copy as a command", &start_command(&machine.arn, "file://input.json"))) }
        @if errors + warnings > 0 {
            p { a href="#definition" { (errors) " errors and " (warnings) " warnings in the definition" } }
        }
    }
}

/// The text with each finding below the line that it is about.
fn definition(machine: &Machine) -> Markup {
    let mut findings: Vec<&Diagnostic> = machine.findings.iter().collect();
    findings.sort_by_key(|finding| finding.position.map_or(0, |position| position.line));
    let lines: Vec<&str> = machine.definition.lines().collect();
    let mut shown = 0;
    let mut pieces = Vec::new();
    for finding in findings {
        let line = finding
            .position
            .map_or(0, |position| position.line)
            .min(lines.len());
        if line > shown {
            pieces.push(html! { (lines[shown..line].join("\n")) "\n" });
            shown = line;
        }
        let class = match finding.severity {
            Severity::Error => "finding error",
            Severity::Warning => "finding warning",
        };
        pieces.push(html! { mark class=(class) {
            (finding.message) @if let Some(suggestion) = &finding.suggestion { "; " (suggestion) }
            @if !finding.location.is_empty() { " (" (finding.location) ")" }
        } "\n" });
    }
    html! {
        h2 { "Definition" }
        details #definition-text open[!machine.findings.is_empty()] {
            summary { (lines.len()) " lines" @if machine.findings.is_empty() { ", in which the validator finds nothing" } }
            pre.code tabindex="0" role="region" aria-label="Definition" { @for piece in &pieces { (piece) } (lines[shown..].join("\n")) }
        }
    }
}
