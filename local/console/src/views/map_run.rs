//! A Map Run: how many of its items came to what, and its executions, the failed ones first.

use std::time::Duration;

use cloud::action::StepFunctionsAction;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use maud::{Markup, html};
use serde_json::{Value, json};
use stepfunctions::{ListedRow, Wanted};

use super::{home, machine, moment, text};
use crate::error::Failure;
use crate::live::View;
use crate::page::{Page, Part, Place};
use crate::parts::{badge, duration};
use crate::words::grouped;
use crate::{Console, links};

/// Executions of each kind that are shown.
const ROWS: usize = 50;
/// What an item can have come to, in the order of interest.
const COUNTS: [(&str, &str); 6] = [
    ("failed", "failed"),
    ("timedOut", "timed out"),
    ("aborted", "aborted"),
    ("running", "running"),
    ("pending", "pending"),
    ("succeeded", "succeeded"),
];

/// Looks at a Map Run.
pub struct Look {
    /// What all pages share.
    pub console: Console,
    /// Its ARN.
    pub arn: String,
}

impl View for Look {
    fn look(&mut self) -> BoxFuture<'_, Result<Option<Page>, Failure>> {
        async move {
            let asked = json!({"mapRunArn": self.arn});
            let run = self
                .console
                .ask(StepFunctionsAction::DescribeMapRun, asked)
                .await?;
            let mut rows = Vec::new();
            for status in ["FAILED", "TIMED_OUT", "ABORTED", "RUNNING", "SUCCEEDED"] {
                let wanted = Wanted {
                    of: self.arn.clone(),
                    status: Some(status.to_owned()),
                    limit: ROWS,
                    ..Wanted::default()
                };
                rows.extend(self.console.0.sfn.executions(wanted).await?);
            }
            Ok(Some(page(&self.arn, &run, &rows)))
        }
        .boxed()
    }

    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fn page(arn: &str, run: &Value, rows: &[ListedRow]) -> Page {
    let execution = text(run, "executionArn");
    Page {
        title: "Map Run".to_owned(),
        class: "map-run",
        way: vec![
            home(),
            (
                links::name_of(execution).to_owned(),
                links::execution(execution),
            ),
            ("Map Run".to_owned(), links::map_run(arn)),
        ],
        parts: vec![
            Part::new("head", Place::Top, head(run)),
            Part::new("executions", Place::Main, executions(run, rows)),
        ],
    }
}

fn head(run: &Value) -> Markup {
    let (started, stopped) = (moment(&run["startDate"]), moment(&run["stopDate"]));
    html! {
        h1 { "Map Run " (badge(text(run, "status"))) }
        p.facts {
            @if let Some(started) = started { span { @if stopped.is_none() { "runs for " } @else { "took " } (duration(started, stopped)) } }
            @if run["maxConcurrency"] != 0 { span { "at most " (run["maxConcurrency"]) " at a time" } }
            span { "tolerates " (run["toleratedFailureCount"]) " failures or " (run["toleratedFailurePercentage"].as_f64().unwrap_or_default()) " %" }
        }
        div.scroll tabindex="0" role="region" aria-label="Counts" { table.counts {
            thead { tr { th scope="col" { span.hidden { "counted" } } @for (_, word) in COUNTS { th.number scope="col" { (word) } } th.number scope="col" { "in all" } } }
            tbody { @for (member, word) in [("itemCounts", "items"), ("executionCounts", "executions")] { tr {
                th scope="row" { (word) }
                @for (count, class) in COUNTS { td.number { span class=[(run[member][count] != 0).then_some(class)] { (counted(&run[member][count])) } } }
                td.number { (counted(&run[member]["total"])) }
            } } }
        } }
    }
}

fn counted(count: &Value) -> String {
    count
        .as_u64()
        .map_or_else(String::new, |count| grouped(count as usize))
}

fn executions(run: &Value, rows: &[ListedRow]) -> Markup {
    html! {
        h2 { "Executions" }
        @if rows.is_empty() { p.hint { "None are kept: those of Express children are not, as on AWS." } }
        @else {
            (machine::table(rows))
            p.hint { "The " (ROWS) " latest of each status, the failed ones first, of " (counted(&run["executionCounts"]["total"])) "." }
        }
    }
}
