//! States over time: a bar for each visit, in which start-up, work and the pauses between attempts are told apart.

use asl::{StateType, Timestamp};
use maud::{Markup, html};

use super::choice::{Choice, Show};
use crate::trace::{Outcome, Trace, Visit};
use crate::words::{grouped, lasted, seconds};

/// Visits of a page.
const ROWS: usize = 120;
/// Attempts of a visit that have a bar of their own, the last of them.
const ATTEMPTS: usize = 6;

/// The time that the bars share.
struct Scale {
    from: Timestamp,
    to: Timestamp,
}

impl Scale {
    fn percent(&self, at: Timestamp) -> f64 {
        let whole = seconds(self.from, self.to).max(0.001);
        (seconds(self.from, at) / whole * 100.0).min(100.0)
    }

    fn bar(&self, class: &str, from: Timestamp, to: Timestamp) -> Markup {
        let (x, end) = (self.percent(from), self.percent(to));
        html! { rect class=(class) x=(format!("{x:.2}%")) width=(format!("{:.2}%", (end - x).max(0.3))) height="100%" {} }
    }
}

/// The timeline.
pub fn timeline(arn: &str, trace: &Trace, choice: &Choice) -> Markup {
    let now = trace.ended.unwrap_or_else(cloud::time::now);
    let scale = Scale {
        from: trace.began.unwrap_or(now),
        to: now,
    };
    let order = trace.tree(|visit| choice.show.has(visit));
    let pages = order.len().div_ceil(ROWS).max(1);
    let page = choice.rows.min(pages - 1);
    let rows = order.iter().skip(page * ROWS).take(ROWS);
    let chosen = choice.visit(trace);
    html! {
        div.bar {
            h2 #timeline-title { "States" @if !trace.visits.is_empty() { " " small { (grouped(trace.visits.len())) } } }
            p.tabs { @for show in Show::ALL {
                a href=(choice.address(arn, |choice| { choice.show = show; choice.rows = 0; })) data-soft
                    aria-current=[(choice.show == show).then_some("true")] { (show.word()) }
            } }
        }
        @if order.is_empty() { p.hint { "None." } }
        ol.timeline aria-labelledby="timeline-title" {
            @for &index in rows {
                (row(arn, trace, choice, &scale, index, chosen == Some(index)))
            }
        }
        @if pages > 1 {
            p.pager {
                @if page > 0 { a href=(choice.address(arn, |choice| choice.rows = page - 1)) data-soft { "Before" } }
                span { (grouped(page * ROWS + 1)) "–" (grouped((page * ROWS + ROWS).min(order.len()))) " of " (grouped(order.len())) }
                @if page + 1 < pages { a href=(choice.address(arn, |choice| choice.rows = page + 1)) data-soft { "After" } }
            }
        }
    }
}

fn row(
    arn: &str,
    trace: &Trace,
    choice: &Choice,
    scale: &Scale,
    index: usize,
    chosen: bool,
) -> Markup {
    let visit = &trace.visits[index];
    let until = visit.left.unwrap_or(scale.to);
    let took = lasted(seconds(visit.entered, until));
    let depth = trace.depth(index).min(6);
    let address = choice.address(arn, |choice| {
        choice.visit = Some(visit.event);
        choice.state = None;
    });
    html! {
        li class={ "visit depth" (depth) " " (visit.outcome.word()) } {
            a href=(address) data-soft data-visit=(visit.event) aria-current=[chosen.then_some("true")] {
                span.name {
                    span.dot aria-hidden="true" {}
                    (visit.name)
                    @if let Some(branch) = visit.branch { " " small { "[" (branch) "]" } }
                    span.hidden { ", " (visit.outcome.word()) }
                }
                svg.track aria-hidden="true" { (bars(scale, visit, until)) }
                span.took {
                    @if visit.attempts.len() > 1 { small { (visit.attempts.len()) "× " } }
                    (took)
                }
            }
        }
    }
}

/// The bars of a visit. A task is asked for, starts up and works, perhaps more than once.
fn bars(scale: &Scale, visit: &Visit, until: Timestamp) -> Markup {
    let whole = match visit.kind {
        StateType::Wait => "wait",
        StateType::Map | StateType::Parallel => "around",
        _ => visit.outcome.word(),
    };
    if visit.attempts.is_empty() {
        return scale.bar(whole, visit.entered, until);
    }
    let skip = visit.attempts.len().saturating_sub(ATTEMPTS);
    html! {
        (scale.bar("pause", visit.entered, until))
        @for attempt in visit.attempts.iter().skip(skip) {
            @let end = attempt.ended.unwrap_or(until);
            @let start = attempt.started.unwrap_or(end);
            (scale.bar("start-up", attempt.scheduled, start))
            (scale.bar(if attempt.error.is_some() { "failed" } else if attempt.ended.is_none() { "running" } else { settled(visit.outcome) }, start, end))
        }
    }
}

/// The class of an attempt that ended without an error.
fn settled(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Aborted => "aborted",
        _ => "succeeded",
    }
}
