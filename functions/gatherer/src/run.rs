//! How an execution went, as its history tells: when each state ran, what was tried again, and what it cost where.

use std::collections::BTreeSet;

use maud::{Markup, html};
use placement::Placement;
use serde::{Deserialize, Serialize};

use crate::chart::{Axis, f};
use crate::figures;

/// How an execution went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// How long it took, s.
    pub seconds: f64,
    /// What it would have cost on AWS, in USD.
    pub usd: f64,
    /// The states in the order of their first entry.
    pub lanes: Vec<Lane>,
    /// What ran where, and what that costs.
    pub places: Vec<Place>,
}

/// All entries of one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// Name of the state.
    pub state: String,
    /// `Task`, `Map`, …
    pub kind: String,
    /// Its entries: more than one in a loop or a Map.
    pub spans: Vec<Span>,
}

/// One entry of a state, in seconds since the execution began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// When it was entered.
    pub from: f64,
    /// When it was left, or the execution ended.
    pub to: f64,
    /// Place in the innermost Map around it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch: Option<u64>,
    /// Where its work was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub placement: Option<Placement>,
    /// The tries of a task; a state that is no task has none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tries: Vec<Try>,
}

/// One try of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// When it was scheduled.
    pub from: f64,
    /// When the work began; before it the worker started up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub began: Option<f64>,
    /// When it ended.
    pub to: f64,
    /// Name of the error, if it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The error in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

/// What ran in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Where.
    pub placement: Placement,
    /// The function, task definition or job definition.
    pub name: String,
    /// Invocations, tasks or jobs.
    pub runs: u32,
    /// How long they ran, s.
    pub seconds: f64,
    /// What that costs on AWS, in USD; none where no size of the placement holds it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usd: Option<f64>,
}

/// Most rows of a lane; entries beyond them share the last.
const MOST_ROWS: usize = 24;
/// Most failed tries that the page lists.
const MOST_TRIES: usize = 40;

impl Run {
    /// The chart and its tables.
    pub(crate) fn render(&self, badge: impl Fn(Placement) -> Markup) -> Markup {
        html! {
            h2 { "The run" }
            @if let Some(drawing) = self.drawing() {
                figure.run {
                    (drawing)
                    figcaption {
                        @for placement in self.placements() { (badge(placement)) }
                        @if self.tries().any(|(_, span, ..)| span.placement.is_none()) { span { i.work {} "a call of a service" } }
                        @if self.tries().any(|(.., one)| one.began.is_some()) { span { i.startup {} "start-up of a worker, pale" } }
                        @if self.tries().any(|(.., one)| one.error.is_some()) { span { i.failed {} "a try that failed" } }
                        span { i.other {} "decides, or waits for others" }
                    }
                }
            }
            (self.failures())
            (self.costs(badge))
        }
    }

    /// Where work was done, each once.
    fn placements(&self) -> BTreeSet<Placement> {
        let tries = self.tries();
        tries.filter_map(|(_, span, ..)| span.placement).collect()
    }

    fn tries(&self) -> impl Iterator<Item = (&Lane, &Span, usize, &Try)> {
        let spans = self
            .lanes
            .iter()
            .flat_map(|lane| lane.spans.iter().map(move |span| (lane, span)));
        spans.flat_map(|(lane, span)| {
            let tries = span.tries.iter().enumerate();
            tries.map(move |(at, one)| (lane, span, at, one))
        })
    }

    /// The states below each other on one scale of time. Made of boxes, so that its text keeps its size on a telephone.
    fn drawing(&self) -> Option<Markup> {
        if self.lanes.is_empty() || self.seconds <= 0.0 {
            return None;
        }
        let axis = Axis::over([0.0, self.seconds].into_iter(), 4.0)?;
        let share = |value: f64| 100.0 * value.clamp(0.0, self.seconds) / self.seconds;
        // The last tick may lie beyond the end, and one close to it would run out of the page.
        let ticks = || {
            axis.ticks()
                .filter(|tick| share(*tick) < 92.0 && *tick < self.seconds)
        };
        Some(html! {
            div.lanes {
                @for lane in &self.lanes {
                    @let rows = rows(&lane.spans);
                    @let count = rows.iter().max().map_or(1, |most| most + 1);
                    @let height = (60 / count).clamp(4, 13);
                    p { (lane.state) small { (told(lane).trim()) } }
                    div.track style={ "height:" (height * count) "px" } {
                        @for tick in ticks() { u style={ "left:" (f(share(tick))) "%" } {} }
                        @for (span, row) in lane.spans.iter().zip(&rows) { (bar(lane, span, row * height, height - 1, &share)) }
                    }
                }
                div.axis { @for tick in ticks() { span style={ "left:" (f(share(tick))) "%" } { (figures::duration(tick * 1e6)) } } }
            }
        })
    }

    /// The tries that failed, which a retry or a Catch may have made good.
    fn failures(&self) -> Markup {
        let failed = || self.tries().filter(|(.., one)| one.error.is_some());
        let all = failed().count();
        html! {
            @if all > 0 {
                h3 { "What failed on the way" }
                div.scroll {
                    table {
                        thead { tr { th { "state" } th.number { "try" } th.number { "after" } th.number { "took" } th { "error" } } }
                        tbody {
                            @let before = std::iter::once(None).chain(failed().map(|(.., one)| Some(one)));
                            @for ((lane, span, at, one), before) in failed().take(MOST_TRIES).zip(before) {
                                tr {
                                    td { (lane.state) @if let Some(branch) = span.branch { " [" (branch) "]" } }
                                    td.number { (at + 1) " of " (span.tries.len()) }
                                    td.number { (figures::duration(one.from * 1e6)) }
                                    td.number { (figures::duration((one.to - one.from) * 1e6)) }
                                    td {
                                        span.bad { (one.error.as_deref().unwrap_or_default()) }
                                        @if before.is_some_and(|before| before.cause == one.cause) { small { "as before" } }
                                        @else if let Some(cause) = one.cause.as_deref().filter(|cause| !cause.is_empty()) { small { (cause) } }
                                    }
                                }
                            }
                        }
                    }
                }
                @if all > MOST_TRIES { p { "The first " (MOST_TRIES) " of " (figures::number(all as f64)) "." } }
            }
        }
    }

    fn costs(&self, badge: impl Fn(Placement) -> Markup) -> Markup {
        html! {
            @if !self.places.is_empty() {
                h3 { "What it cost where" }
                div.scroll {
                    table {
                        thead { tr { th { "placement" } th { "name" } th.number { "runs" } th.number { "time here" } th.number { "cost on AWS" } } }
                        tbody {
                            @for place in &self.places {
                                tr {
                                    td { (badge(place.placement)) }
                                    td { (place.name) }
                                    td.number { (figures::number(f64::from(place.runs))) }
                                    td.number { (figures::duration(place.seconds * 1e6)) }
                                    td.number { (place.usd.map_or_else(|| "too large".to_owned(), figures::usd)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How often a state was entered and tried again.
fn told(lane: &Lane) -> String {
    let entered = lane.spans.len();
    let again: usize = lane
        .spans
        .iter()
        .map(|span| span.tries.len().saturating_sub(1))
        .sum();
    let mut told = String::new();
    if entered > 1 {
        told.push_str(&format!("×{}", figures::number(entered as f64)));
    }
    if again > 0 {
        told.push_str(&format!(" {again} tried again"));
    }
    told
}

/// The row of each span: the first that is free when it begins.
fn rows(spans: &[Span]) -> Vec<usize> {
    let mut free: Vec<f64> = Vec::new();
    let place = |span: &Span| {
        let row = free.iter().position(|until| *until <= span.from);
        let row = row.unwrap_or_else(|| free.len().min(MOST_ROWS - 1));
        match free.get_mut(row) {
            Some(until) => *until = until.max(span.to),
            None => free.push(span.to),
        }
        row
    };
    spans.iter().map(place).collect()
}

/// One entry of a state: its tries, or for a state that is no task one box.
fn bar(lane: &Lane, span: &Span, top: usize, height: usize, share: &impl Fn(f64) -> f64) -> Markup {
    let branch = span
        .branch
        .map_or(String::new(), |branch| format!(" [{branch}]"));
    let mut title = format!(
        "{}{branch}: {}",
        lane.state,
        figures::duration((span.to - span.from) * 1e6)
    );
    for (at, one) in span.tries.iter().enumerate() {
        if let Some(error) = &one.error {
            title.push_str(&format!("; try {}: {error}", at + 1));
        }
    }
    let placement = span.placement.map(Placement::class).unwrap_or_default();
    let part = |from: f64, to: f64, class: &str| {
        let (left, width) = (share(from), share(to) - share(from));
        html! {
            b class={ (class) " " (placement) } title=(title)
                style={ "left:" (f(left)) "%;width:" (f(width)) "%;top:" (top) "px;height:" (height) "px" } {}
        }
    };
    html! {
        @if span.tries.is_empty() { (part(span.from, span.to, "other")) }
        @for one in &span.tries {
            @if let Some(began) = one.began { (part(one.from, began, "startup")) }
            (part(one.began.unwrap_or(one.from), one.to, if one.error.is_some() { "failed" } else { "work" }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: f64, to: f64) -> Span {
        Span {
            from,
            to,
            branch: None,
            placement: None,
            tries: Vec::new(),
        }
    }

    #[test]
    fn what_overlaps_is_in_rows_of_its_own() {
        let spans = [
            span(0.0, 2.0),
            span(1.0, 3.0),
            span(2.0, 4.0),
            span(3.5, 5.0),
        ];
        assert_eq!(rows(&spans), [0, 1, 0, 1]);
        let many: Vec<Span> = (0..100).map(|_| span(0.0, 1.0)).collect();
        assert_eq!(rows(&many).into_iter().max(), Some(MOST_ROWS - 1));
    }

    #[test]
    fn tries_are_drawn_apart_with_their_start_up() {
        let failed = Try {
            from: 0.0,
            began: None,
            to: 1.0,
            error: Some("Job.X".to_owned()),
            cause: Some("no".to_owned()),
        };
        let done = Try {
            from: 2.0,
            began: Some(3.0),
            to: 4.0,
            error: None,
            cause: None,
        };
        let tries = vec![failed, done];
        let lane = Lane {
            state: "Train".to_owned(),
            kind: "Task".to_owned(),
            spans: vec![Span {
                tries,
                placement: Some(Placement::Fargate),
                ..span(0.0, 4.0)
            }],
        };
        let run = Run {
            seconds: 4.0,
            lanes: vec![lane],
            ..Run::default()
        };
        let page = run.render(|_| html! {}).into_string();
        for part in [
            "b class=\"failed fargate\"",
            "b class=\"startup fargate\"",
            "b class=\"work fargate\"",
            "1 of 2",
            "1 tried again",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
