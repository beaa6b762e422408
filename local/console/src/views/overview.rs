//! The overview: state machines and how they fared, what runs, what waits, what it would cost on AWS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use asl::Timestamp;
use cloud::action::StepFunctionsAction;
use cloud::usage::{self, PlacementRow, Usage};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gatherer::figures;
use maud::{Markup, PreEscaped, html};
use serde_json::json;
use stepfunctions::{ListedRow, Waiting, Wanted};

use super::{home, text};
use crate::error::Failure;
use crate::forms;
use crate::links;
use crate::live::View;
use crate::page::{Page, Part, Place};
use crate::parts::{badge, duration};
use crate::words::{grouped, lasted, seconds};
use crate::{Console, drawing};

/// Executions of a state machine that are shown.
const EXECUTIONS: usize = 16;
/// Rows of each of the other lists.
const ROWS: usize = 40;

/// What the overview shows.
struct Overview {
    machines: Vec<Machine>,
    running: Vec<Usage>,
    waiting: Vec<Waiting>,
    activities: Vec<String>,
    costs: Vec<PlacementRow>,
}

/// A state machine, with its last executions, the newest first.
struct Machine {
    name: String,
    arn: String,
    express: bool,
    /// Its graph in small.
    drawing: Arc<str>,
    executions: Vec<ListedRow>,
}

/// Looks at the overview.
pub struct Look {
    console: Console,
    /// The graphs in small, by what tells definitions apart: laying one out takes longer than all the rest.
    drawings: HashMap<String, Arc<str>>,
}

impl Look {
    /// A look at all there is.
    pub fn new(console: Console) -> Look {
        Look {
            console,
            drawings: HashMap::new(),
        }
    }

    fn drawing(&mut self, machine: &str) -> Arc<str> {
        // It may have been deleted since it was listed.
        let (definition, hash) = self.console.0.sfn.definition(machine).unwrap_or_default();
        let drawing = self.drawings.entry(hash);
        let drawing = drawing.or_insert_with(|| drawing::small(&definition).into());
        drawing.clone()
    }
}

impl View for Look {
    fn look(&mut self) -> BoxFuture<'_, Result<Option<Page>, Failure>> {
        async move {
            let found = find(self).await?;
            Ok(Some(page(&self.console, &found)))
        }
        .boxed()
    }

    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }
}

async fn find(look: &mut Look) -> Result<Overview, Failure> {
    let console = look.console.clone();
    let sfn = &console.0.sfn;
    let listed = console
        .ask(
            StepFunctionsAction::ListStateMachines,
            json!({"maxResults": 1_000}),
        )
        .await?;
    let mut machines = Vec::new();
    for machine in listed["stateMachines"].as_array().into_iter().flatten() {
        let arn = text(machine, "stateMachineArn");
        let wanted = Wanted {
            of: arn.to_owned(),
            limit: EXECUTIONS,
            ..Wanted::default()
        };
        machines.push(Machine {
            name: text(machine, "name").to_owned(),
            arn: arn.to_owned(),
            express: text(machine, "type") == "EXPRESS",
            drawing: look.drawing(arn),
            executions: sfn.executions(wanted).await?,
        });
    }
    let activities = console
        .ask(StepFunctionsAction::ListActivities, json!({}))
        .await?;
    let names = activities["activities"].as_array().into_iter().flatten();
    let meter = &console.0.compute.meter;
    Ok(Overview {
        machines,
        running: meter.running(),
        waiting: sfn.waiting(None, ROWS),
        activities: names.map(|one| text(one, "name").to_owned()).collect(),
        costs: meter.placements(&console.0.prices),
    })
}

fn page(console: &Console, found: &Overview) -> Page {
    Page {
        title: "Console".to_owned(),
        class: "overview",
        way: vec![home()],
        parts: vec![
            Part::new("machines", Place::Main, machines(console, &found.machines)),
            Part::new("running", Place::Aside, running(console, &found.running)),
            Part::new(
                "waiting",
                Place::Aside,
                forms::waiting(console, &found.waiting, true),
            ),
            Part::new("costs", Place::Aside, costs(console, &found.costs)),
            Part::new(
                "activities",
                Place::Aside,
                activities(console, &found.activities),
            ),
        ],
    }
}

fn machines(console: &Console, machines: &[Machine]) -> Markup {
    html! {
        h1 { "State machines" }
        div.scroll tabindex="0" role="region" aria-label="State machines" { table.machines {
            thead { tr {
                th scope="col" { span.hidden { "graph" } }
                th scope="col" { "name" }
                th scope="col" { "last executions" }
                th scope="col" { "the last" }
                @if console.0.acts { th scope="col" { span.hidden { "start" } } }
            } }
            tbody { @for machine in machines { tr {
                td.drawing { (PreEscaped(&machine.drawing)) }
                th scope="row" {
                    a href=(links::machine(&machine.arn)) { (console.short(&machine.name)) }
                    @if machine.express { " " small { "Express" } }
                }
                td { (fared(&machine.executions)) }
                td { @match machine.executions.first() {
                    Some(last) => { (badge(&last.status)) " "
                        a href=(links::execution(&last.arn)) { (links::name_of(&last.arn)) }
                        " " small { (duration(last.started, last.stopped)) } }
                    None => small { @if machine.express { "Express: not listed" } @else { "none yet" } },
                } }
                @if console.0.acts { td.number { a.button href={ (links::machine(&machine.arn)) "#start" } aria-label={ "Start " (console.short(&machine.name)) } { "Start" } } }
            } } }
        } }
    }
}

/// One bar for each execution, the oldest first, as high as it took long.
fn fared(executions: &[ListedRow]) -> Markup {
    if executions.is_empty() {
        return html! {};
    }
    let now = cloud::time::now();
    let took = |row: &ListedRow| seconds(row.started, row.stopped.unwrap_or(now));
    let longest = executions.iter().map(took).fold(0.001, f64::max);
    let count = |status: &str| executions.iter().filter(|row| row.status == status).count();
    let words: Vec<String> = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
        .iter()
        .filter(|status| count(status) > 0)
        .map(|status| {
            format!(
                "{} {}",
                count(status),
                status.to_lowercase().replace('_', " ")
            )
        })
        .collect();
    html! {
        svg.fared viewBox="0 0 128 24" role="img" aria-label=(words.join(", ")) {
            @for (index, row) in executions.iter().rev().enumerate() {
                @let height = 4.0 + 20.0 * (took(row) / longest).sqrt();
                rect class=(row.status.to_lowercase()) x=(index * 8) width="6" rx="1"
                    y=(format!("{:.1}", 24.0 - height)) height=(format!("{height:.1}")) {
                    title { (links::name_of(&row.arn)) ", " (row.status) ", " (lasted(took(row))) }
                }
            }
        }
    }
}

fn running(console: &Console, running: &[Usage]) -> Markup {
    html! {
        h2 { "Running" @if !running.is_empty() { " " small { (grouped(running.len())) } } }
        @if running.is_empty() { p.hint { "No function, task or job runs now." } }
        @else {
            table {
                thead { tr { th scope="col" { "on" } th scope="col" { "name" } th.number scope="col" { "for" } } }
                tbody { @for one in running.iter().take(ROWS) { tr {
                    td { (one.placement) }
                    td { (console.short(&one.name)) }
                    td.number { (duration(Timestamp(one.started.0), None)) }
                } } }
            }
            @if running.len() > ROWS { p.hint { "The " (ROWS) " oldest of " (grouped(running.len())) "." } }
        }
    }
}

fn costs(console: &Console, rows: &[PlacementRow]) -> Markup {
    html! {
        h2 { "Cost on AWS" @if !rows.is_empty() { " " small { (figures::usd(usage::total(rows))) } } }
        @if rows.is_empty() { p.hint { "Nothing has run yet since this local cloud was started." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Cost on AWS" { table {
                thead { tr { th scope="col" { "on" } th scope="col" { "name" } th.number scope="col" { "runs" }
                    th.number scope="col" { "here" } th.number scope="col" { "USD" } } }
                tbody { @for row in rows { tr {
                    td { (row.placement) }
                    td { (console.short(&row.name)) }
                    td.number { (grouped(row.count as usize)) }
                    td.number { (lasted(row.seconds)) }
                    td.number { @match row.usd { Some(usd) => (format!("{usd:.6}")), None => "too large" } }
                } } }
            } }
            p.hint { "Since this local cloud was started; prices of " (console.0.prices.as_of) ", times of this machine." }
        }
    }
}

fn activities(console: &Console, names: &[String]) -> Markup {
    html! {
        @if !names.is_empty() {
            h2 { "Activities" }
            ul.plain { @for name in names { li { (console.short(name)) } } }
        }
    }
}
