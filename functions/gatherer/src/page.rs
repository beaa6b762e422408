//! The report as one HTML page that needs nothing else.

use std::collections::BTreeMap;

use load::report::STYLE;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use placement::Placement;
use serde_json::Value;

use crate::plot::{label, number};
use crate::report::{Branch, Rank, Report, Section, Status};

/// Rows of a section that the page shows; the JSON has all of them.
const ROWS: usize = 500;

/// The whole page.
pub(crate) fn render(report: &Report) -> Markup {
    let ranks = ranks(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.pipeline) " · " (report.execution) }
                style { (PreEscaped(STYLE)) (PreEscaped(colours())) }
            }
            body {
                header {
                    h1 { (report.pipeline) }
                    p { "Execution " code { (report.execution) } " · " (report.generated_at) }
                }
                (tiles(report, &ranks))
                @for rank in &ranks {
                    @if let Some(plot) = crate::plot::render(report, rank) {
                        figure { (plot) (legend(report)) }
                    }
                }
                (placements(report))
                @for section in &report.sections { (table(section)) }
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

/// Every way in which sections are ranked, once.
fn ranks(report: &Report) -> Vec<Rank> {
    let mut ranks: Vec<Rank> = Vec::new();
    for rank in report
        .sections
        .iter()
        .filter_map(|section| section.rank.as_ref())
    {
        if !ranks.contains(rank) {
            ranks.push(rank.clone());
        }
    }
    ranks
}

fn tiles(report: &Report, ranks: &[Rank]) -> Markup {
    let counts = report.sections.iter().map(Section::counts);
    let (succeeded, failed, missing) =
        counts.fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    let busy: u64 = report
        .branches()
        .filter_map(|branch| branch.duration_ms)
        .sum();
    html! {
        section.tiles {
            @for rank in ranks {
                @if let Some(best) = report.best(rank) {
                    (tile(&format!("best {}", rank.metric), &number(best.value), "good"))
                }
            }
            (tile("succeeded", &succeeded.to_string(), ""))
            (tile("failed", &failed.to_string(), if failed > 0 { "bad" } else { "" }))
            (tile("missing", &missing.to_string(), if missing > 0 { "bad" } else { "" }))
            (tile("work in all", &duration(busy), ""))
            @if let Some(usd) = report.usd() { (tile("cost of the work", &format!("${usd:.4}"), "")) }
        }
    }
}

fn tile(name: &str, value: &str, mood: &str) -> Markup {
    html! { div class={ "tile " (mood) } { b { (value) } span { (name) } } }
}

fn legend(report: &Report) -> Markup {
    let used: BTreeMap<Placement, ()> = report
        .branches()
        .filter_map(|branch| Some((branch.placement?, ())))
        .collect();
    html! {
        figcaption {
            @for placement in used.keys() { span { i class=(placement.class()) {} (placement) } }
            span { i.line {} "best so far" }
            span { b.bad { "×" } " failed or missing" }
        }
    }
}

/// Jobs and time per placement.
fn placements(report: &Report) -> Markup {
    let mut totals: BTreeMap<Placement, (u32, u64)> = BTreeMap::new();
    for branch in report.branches() {
        if let (Some(placement), Some(duration)) = (branch.placement, branch.duration_ms) {
            let total = totals.entry(placement).or_default();
            *total = (total.0 + 1, total.1 + duration);
        }
    }
    html! {
        @if !totals.is_empty() {
            h2 { "Placements" }
            table {
                thead { tr { th { "placement" } th.number { "jobs" } th.number { "work" } th.number { "mean" } } }
                tbody {
                    @for (placement, (jobs, busy)) in totals {
                        tr {
                            td { (badge(Some(placement))) }
                            td.number { (jobs) }
                            td.number { (duration(busy)) }
                            td.number { (duration(busy / u64::from(jobs.max(1)))) }
                        }
                    }
                }
            }
        }
    }
}

fn table(section: &Section) -> Markup {
    let metrics = metric_names(section);
    let best = section
        .rank
        .as_ref()
        .and_then(|rank| best_of(section, rank));
    html! {
        h2 { (section.title) }
        @if !section.facts.is_empty() {
            dl { @for (name, value) in &section.facts { dt { (name) } dd { (fact(value)) } } }
        }
        table {
            thead {
                tr {
                    th.number { "#" }
                    th { "branch" }
                    th { "status" }
                    th { "placement" }
                    @for metric in &metrics { th.number { (words(metric)) } }
                    th.number { "duration" }
                }
            }
            tbody { @for branch in section.branches.iter().take(ROWS) { (row(branch, &metrics, best)) } }
        }
        @if section.branches.len() > ROWS {
            p { "The first " (ROWS) " of " (section.branches.len()) " branches." }
        }
    }
}

fn row(branch: &Branch, metrics: &[&str], best: Option<usize>) -> Markup {
    let mood = if best == Some(branch.index) {
        "winner"
    } else {
        ""
    };
    html! {
        tr class=(mood) {
            td.number { (branch.index) }
            td {
                (label(&branch.item))
                @if let Some(message) = &branch.message { small { (message) } }
            }
            td { (status(branch)) }
            td { (badge(branch.placement)) }
            @for metric in metrics {
                td.number { @if let Some(value) = branch.metrics.get(*metric) { (number(*value)) } }
            }
            td.number { @if let Some(ms) = branch.duration_ms { (duration(ms)) } }
        }
    }
}

fn status(branch: &Branch) -> Markup {
    match branch.status {
        Status::Succeeded => html! { span.good { "succeeded" } },
        Status::Failed => html! { span.bad { (branch.error.as_deref().unwrap_or("failed")) } },
        Status::Missing => html! { span.bad { "missing" } },
    }
}

fn badge(placement: Option<Placement>) -> Markup {
    if let Some(placement) = placement {
        html! { span.badge { i class=(placement.class()) {} (placement) } }
    } else {
        html! { "–" }
    }
}

fn best_of(section: &Section, rank: &Rank) -> Option<usize> {
    let scored = section
        .branches
        .iter()
        .filter_map(|branch| Some((branch.index, *branch.metrics.get(&rank.metric)?)));
    let better = |a: (usize, f64), b: (usize, f64)| if rank.prefers(b.1, a.1) { b } else { a };
    scored.reduce(better).map(|(index, _)| index)
}

fn metric_names(section: &Section) -> Vec<&str> {
    let mut names: Vec<&str> = section
        .branches
        .iter()
        .flat_map(|branch| branch.metrics.keys())
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `trainSeconds` as `train seconds`.
fn words(name: &str) -> String {
    let spaced = |c: char| {
        if c.is_uppercase() {
            format!(" {}", c.to_lowercase())
        } else {
            c.to_string()
        }
    };
    name.chars().map(spaced).collect()
}

fn fact(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        let cases = [
            (7, "7 ms"),
            (1_234, "1.23 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn metric_names_become_words() {
        assert_eq!(words("trainSeconds"), "train seconds");
        assert_eq!(words("accuracy"), "accuracy");
    }
}
