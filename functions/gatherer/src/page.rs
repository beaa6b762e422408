//! The report as one HTML page that needs nothing else. It opens with the answer; charts and tables are its grounds.

use std::collections::{BTreeMap, BTreeSet};

use jobs::attempt::Predicted;
use load::report::STYLE;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use placement::Placement;
use serde_json::Value;

use crate::answer::{Leaders, interval, no_difference, verdict};
use crate::chart::form;
use crate::charts;
use crate::figures;
use crate::report::{Branch, Report, Section, Status, label};

/// Rows of a section that the page shows; the JSON has all of them.
const ROWS: usize = 500;

/// A section with more rows than this, in which all went well, is folded.
const FOLDED: usize = 12;

/// What the reports of pipelines have beyond the stylesheet of all reports.
const OWN_STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn render(report: &Report) -> Markup {
    let leaders = report.leaders();
    let charts = charts::all(report, &leaders);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.pipeline) " · " (report.execution) }
                style { (PreEscaped(STYLE)) (PreEscaped(OWN_STYLE)) (PreEscaped(colours())) }
            }
            body {
                header {
                    h1 { (report.pipeline) }
                    p.answer { (report.answer.replace(" %", "\u{a0}%")) }
                    p { "Execution " code { (report.execution) } " · " (report.generated_at) }
                }
                (tiles(report))
                @if !charts.is_empty() {
                    (charts::legend(report, &charts, |placement| html! { span { (sign(placement)) (placement) } }))
                    section.charts {
                        @for chart in &charts { figure { h3 { (chart.title) } (chart.drawing) } }
                    }
                }
                (placements(report))
                (predictions(report))
                (paths(report))
                @for section in &report.sections { (self::section(section, &leaders)) }
                @if let Some(run) = &report.run { (run.render(badge)) }
                footer { "All figures are in " code { "report.json" } " beside this page. Durations are those of the work; start-up comes before, and is in the cost." }
            }
        }
    }
}

/// The colour of each placement, which the stylesheet uses.
fn colours() -> String {
    let rule = |one: Placement| format!(".{} {{ --placement: {}; }}\n", one.class(), one.colour());
    Placement::ALL.map(rule).concat()
}

/// What the jobs that had a prediction were to cost, and did.
fn predictions(report: &Report) -> Markup {
    let costs = report.predictions().filter_map(|(_, step, predicted)| {
        Some((predicted, step.measured.usd?, step.whole_seconds()?))
    });
    let costs: Vec<_> = costs.collect();
    let learnt = costs.iter().filter(|one| one.0.runs > 0);
    let within = learnt
        .clone()
        .filter(|one| one.2 <= one.0.longest_seconds)
        .count();
    let sum =
        |usd: &dyn Fn(&(Predicted, f64, f64)) -> f64| figures::usd(costs.iter().map(usd).sum());
    html! {
        @if !costs.is_empty() {
            p {
                "Predicted cost of " (costs.len()) " attempts: " (sum(&|one| one.0.usd))
                ", actual: " (sum(&|one| one.1)) ". "
                @if learnt.clone().count() > 0 {
                    (within) " of " (learnt.count()) " that were predicted from the ledger stayed within their bound."
                }
            }
        }
    }
}

/// The path of each job that took more than one attempt.
fn paths(report: &Report) -> Markup {
    let long = report.branches().filter(|branch| branch.attempts.len() > 1);
    let long: Vec<_> = long.take(ROWS).collect();
    html! {
        @if !long.is_empty() {
            h2 { "Paths" }
            div.scroll {
                table {
                    thead { tr { th { "job" } th.number { "attempt" } th { "placement" } th { "ended" } th.number { "worked" } th.number { "predicted" } th.number { "cost" } th { "why there" } } }
                    tbody {
                        @for branch in long { @for (number, step) in (1..).zip(&branch.attempts) { tr {
                            td { @if number == 1 { (label(&branch.item)) } }
                            td.number { (number) }
                            td { (badge(step.placement)) }
                            td { (step.ending.as_deref().unwrap_or("no word")) }
                            td.number { (step.seconds.map_or_else(|| "–".to_owned(), |s| figures::duration(s * 1e6))) }
                            td.number { (step.predicted.map_or_else(|| "–".to_owned(), |told| figures::usd(told.usd))) }
                            td.number { (step.measured.usd.map_or_else(|| "–".to_owned(), figures::usd)) }
                            td { (step.reason) }
                        } } }
                    }
                }
            }
        }
    }
}

/// The mark of a placement as charts have it.
fn sign(placement: Placement) -> Markup {
    html! {
        svg.sign viewBox="-8 -8 16 16" aria-hidden="true" {
            g class={ "dot " (placement.class()) } { path d=(form(Some(placement))) {} }
        }
    }
}

/// What of a report stands out as a figure. A section that gives its own sentence compares what all succeeded, and
/// counting that would tell nothing.
fn tiles(report: &Report) -> Markup {
    let counts = report.sections.iter().map(Section::counts);
    let (succeeded, failed, missing) =
        counts.fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    let busy: u64 = report
        .branches()
        .filter_map(|branch| branch.duration_ms)
        .sum();
    let count = |count: usize| figures::number(count as f64);
    let counted = report
        .sections
        .iter()
        .any(|section| section.answer.is_none());
    html! {
        section.tiles {
            @if counted { (tile("succeeded", &count(succeeded), "")) }
            @if failed > 0 { (tile("failed", &count(failed), "bad")) }
            @if missing > 0 { (tile("missing", &count(missing), "bad")) }
            @if busy > 0 { (tile("work in all", &figures::duration(busy as f64 * 1e3), "")) }
            @if let Some(usd) = report.usd() { (tile("cost of the work", &figures::usd(usd), "")) }
            @if let Some(run) = &report.run {
                (tile("from start to end", &figures::duration(run.seconds * 1e6), ""))
                (tile("cost of all on AWS", &figures::usd(run.usd), ""))
            }
        }
    }
}

fn tile(name: &str, value: &str, mood: &str) -> Markup {
    html! { div class={ "tile " (mood) } { b { (value) } span { (name) } } }
}

/// Jobs, time and cost per placement.
fn placements(report: &Report) -> Markup {
    let mut totals: BTreeMap<Placement, (u32, u64, Option<f64>)> = BTreeMap::new();
    for branch in report.branches() {
        if let (Some(placement), Some(duration)) = (branch.placement, branch.duration_ms) {
            let total = totals.entry(placement).or_default();
            let usd = total
                .2
                .map_or(branch.usd, |sum| Some(sum + branch.usd.unwrap_or(0.0)));
            *total = (total.0 + 1, total.1 + duration, usd);
        }
    }
    let time = |ms: u64| figures::duration(ms as f64 * 1e3);
    html! {
        @if !totals.is_empty() {
            h2 { "Placements" }
            div.scroll {
                table {
                    thead { tr { th { "placement" } th.number { "jobs" } th.number { "work" } th.number { "mean" } th.number { "cost" } } }
                    tbody {
                        @for (placement, (jobs, busy, usd)) in totals {
                            tr {
                                td { (badge(placement)) }
                                td.number { (jobs) }
                                td.number { (time(busy)) }
                                td.number { (time(busy / u64::from(jobs.max(1)))) }
                                td.number { (usd.map_or_else(|| "–".to_owned(), figures::usd)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn section(section: &Section, leaders: &Leaders) -> Markup {
    let course = section.course.as_ref();
    let course = course.and_then(|course| Some((&course.title, course.render()?)));
    let columns = Columns::of(section);
    let all = section.branches.len();
    let well = section
        .branches
        .iter()
        .all(|branch| branch.status == Status::Succeeded);
    let destinations = charts::destinations(section);
    html! {
        h2 { (section.title) }
        @if let Some(verdict) = verdict(section) {
            p.verdict.tie[no_difference(section)] { (verdict) }
        }
        @let facts = facts(section);
        @if !facts.is_empty() { dl { @for (name, value) in facts { dt { (name) } dd { (value) } } } }
        @if let Some((title, drawing)) = course { figure.course { h3 { (title) } (drawing) } }
        @if !destinations.is_empty() { (went_to(&destinations, all)) }
        @if all > FOLDED && well && section.rank.is_none() {
            details { summary { "all " (figures::number(all as f64)) " succeeded; show them" } (table(section, &columns, leaders)) }
        } @else {
            (table(section, &columns, leaders))
        }
        @for file in section.branches.iter().flat_map(|branch| &branch.files) { (file.render()) }
        @if all > ROWS { p { "The first " (ROWS) " of " (figures::number(all as f64)) "." } }
    }
}

/// Who went where, as shares of a bar.
fn went_to(destinations: &[(String, usize)], all: usize) -> Markup {
    html! {
        div.shares {
            @for (name, count) in destinations {
                @let share = 100.0 * *count as f64 / all.max(1) as f64;
                div {
                    span { (name) }
                    div.bar style={ "--width: " (format!("{share:.1}")) "%" } { (count) " · " (format!("{share:.0} %")) }
                }
            }
        }
    }
}

/// The columns that a section has something in.
struct Columns<'a> {
    /// The place in the fan-out, where it tells more than the names.
    index: bool,
    status: bool,
    placement: bool,
    went_to: bool,
    duration: bool,
    cost: bool,
    /// The metric whose interval is shown beside it in place of two columns.
    interval: Option<&'a str>,
    metrics: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(section: &'a Section) -> Self {
        let any = |has: fn(&Branch) -> bool| section.branches.iter().any(has);
        let interval = section
            .rank
            .as_ref()
            .filter(|_| any(|branch| interval(branch).is_some()));
        let interval = interval.map(|rank| rank.metric.as_str());
        let names = section
            .branches
            .iter()
            .flat_map(|branch| branch.metrics.keys());
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let beside = |name: &&str| interval.is_none() || !["low", "high"].contains(name);
        // What tells nothing that another column does not tell: it is 0 or 1 beside the name of the variant.
        let told = |name: &&str| !any(|branch| branch.went_to.is_some()) || *name != "toCandidate";
        let named = |branch: &Branch| branch.item["name"].is_string();
        Self {
            index: section.branches.len() > FOLDED || !section.branches.iter().all(named),
            status: any(|branch| branch.status != Status::Succeeded),
            placement: any(|branch| branch.placement.is_some()),
            went_to: any(|branch| branch.went_to.is_some()),
            duration: any(|branch| branch.duration_ms.is_some()),
            cost: any(|branch| branch.usd.is_some()),
            interval,
            metrics: names.into_iter().filter(beside).filter(told).collect(),
        }
    }
}

fn table(section: &Section, columns: &Columns<'_>, leaders: &Leaders) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        @if columns.index { th.number { "#" } }
                        th { "branch" }
                        @if columns.status { th { "status" } }
                        @if columns.went_to { th { "went to" } }
                        @if columns.placement { th { "placement" } }
                        @for metric in &columns.metrics { th.number { (figures::read(metric).1) } }
                        @if columns.duration { th.number { "duration" } }
                        @if columns.cost { th.number { "cost" } }
                    }
                }
                tbody { @for branch in section.branches.iter().take(ROWS) { (row(section, branch, columns, leaders)) } }
            }
        }
    }
}

fn row(section: &Section, branch: &Branch, columns: &Columns<'_>, leaders: &Leaders) -> Markup {
    let ahead = leaders
        .iter()
        .any(|(key, index)| *key == section.key && *index == branch.index);
    let mood = match (ahead, leaders.len()) {
        (false, _) => "",
        (true, 1) => "winner",
        (true, _) => "tie",
    };
    html! {
        tr class=(mood) {
            @if columns.index { td.number { (branch.index) } }
            td {
                (label(&branch.item))
                @if ahead { span.mark { (if leaders.len() == 1 { "best" } else { "tie" }) } }
                @if let Some(message) = &branch.message { small { (message) } }
            }
            @if columns.status { td { (status(branch)) } }
            @if columns.went_to { td { (branch.went_to.as_deref().unwrap_or("–")) } }
            @if columns.placement { td { @if let Some(placement) = branch.placement { (badge(placement)) } @else { "–" } } }
            @for metric in &columns.metrics { td.number { (value(branch, metric, columns.interval)) } }
            @if columns.duration { td.number { @if let Some(ms) = branch.duration_ms { (figures::duration(ms as f64 * 1e3)) } } }
            @if columns.cost { td.number { @if let Some(usd) = branch.usd { (figures::usd(usd)) } } }
        }
    }
}

/// The value of a metric, with its interval where that is known.
fn value(branch: &Branch, metric: &str, with_interval: Option<&str>) -> Markup {
    let (unit, _) = figures::read(metric);
    let interval = interval(branch).filter(|_| with_interval == Some(metric));
    html! {
        @if let Some(value) = branch.metrics.get(metric) { (figures::show(*value, unit)) }
        @if let Some((low, high)) = interval { small { (figures::show(low, unit)) "–" (figures::show(high, unit)) } }
    }
}

fn status(branch: &Branch) -> Markup {
    match branch.status {
        Status::Succeeded => html! { "succeeded" },
        Status::Failed => html! { span.bad { (branch.error.as_deref().unwrap_or("failed")) } },
        Status::Missing => html! { span.bad { "missing" } },
    }
}

fn badge(placement: Placement) -> Markup {
    html! { span.badge { (sign(placement)) (placement) } }
}

/// The facts of a section but the verdict, which stands above them; a difference with its interval is one.
fn facts(section: &Section) -> Vec<(&str, String)> {
    let number = |name: &str| section.facts.get(name).and_then(Value::as_f64);
    let interval = number("difference").and(number("low")).zip(number("high"));
    let shown = section
        .facts
        .iter()
        .filter(|(name, _)| match name.as_str() {
            "verdict" => false,
            "low" | "high" => interval.is_none(),
            _ => true,
        });
    let told = shown.map(|(name, value)| match interval {
        Some((low, high)) if name == "difference" => {
            let (low, high) = (figures::number(low), figures::number(high));
            (
                name.as_str(),
                format!("{} (from {low} to {high})", fact(value)),
            )
        }
        _ => (name.as_str(), fact(value)),
    });
    told.collect()
}

fn fact(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), figures::number),
        other => other.to_string(),
    }
}
