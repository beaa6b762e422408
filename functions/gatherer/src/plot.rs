//! The plot: the ranked metric of every branch, section by section, and the best so far.

use maud::{Markup, html};
use placement::Placement;
use serde_json::Value;

use crate::report::{Branch, Rank, Report, Section, Status};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;

/// The scale of the value axis.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// A scale of about five round steps that holds all values; `None` without values.
    fn over(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.reduce(f64::max)?;
        let span = if high > low {
            high - low
        } else {
            high.abs().max(1.0) * 0.1
        };
        let magnitude = 10_f64.powf((span / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * magnitude)
            .into_iter();
        let step = step.min_by(|a, b| (span / a - 5.0).abs().total_cmp(&(span / b - 5.0).abs()))?;
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        Some(Self {
            low,
            high: if high > low { high } else { low + step },
            step,
        })
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value - self.low) / (self.high - self.low))
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = vec![self.low];
        while let Some(last) = ticks.last()
            && last + self.step / 2.0 < self.high
        {
            ticks.push(last + self.step);
        }
        ticks
    }
}

/// The plot of all sections with the metric of `rank`; `None` when no branch has it.
pub(crate) fn render(report: &Report, rank: &Rank) -> Option<Markup> {
    let sections: Vec<&Section> = report
        .sections
        .iter()
        .filter(|section| section.rank.as_ref() == Some(rank))
        .collect();
    let values = || {
        sections
            .iter()
            .flat_map(|section| &section.branches)
            .filter_map(|branch| value(branch, rank))
    };
    let axis = Axis::over(values().collect::<Vec<_>>().into_iter())?;
    #[allow(clippy::cast_precision_loss)] // a handful of sections
    let width = (WIDTH - LEFT - RIGHT) / sections.len() as f64;
    #[allow(clippy::cast_precision_loss)]
    let left = |index: usize| LEFT + width * index as f64;
    Some(html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (rank.metric) " of every branch" } {
            @for tick in axis.ticks() {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(f(axis.y(tick))) y2=(f(axis.y(tick))) {}
                text.tick x=(LEFT - 8.0) y=(f(axis.y(tick) + 4.0)) text-anchor="end" { (number(tick)) }
            }
            text.tick transform=(format!("translate(14 {}) rotate(-90)", f((TOP + HEIGHT - BOTTOM) / 2.0))) text-anchor="middle" { (rank.metric) }
            @for (index, section) in sections.iter().enumerate() {
                @if index > 0 { line.grid x1=(f(left(index))) x2=(f(left(index))) y1=(TOP) y2=(HEIGHT - BOTTOM) {} }
                text.tick x=(f(left(index) + width / 2.0)) y=(HEIGHT - 14.0) text-anchor="middle" { (section.title) }
            }
            polyline.best points=(best_line(&sections, rank, &axis, width)) {}
            @for (index, section) in sections.iter().enumerate() {
                @for branch in &section.branches {
                    (mark(section, branch, rank, &axis, left(index), width))
                }
            }
        }
    })
}

fn value(branch: &Branch, rank: &Rank) -> Option<f64> {
    branch.metrics.get(&rank.metric).copied()
}

/// A dot for a value, a cross on the axis for a branch without one.
fn mark(
    section: &Section,
    branch: &Branch,
    rank: &Rank,
    axis: &Axis,
    left: f64,
    width: f64,
) -> Markup {
    let x = place(section, branch, left, width);
    let title = |what: String| html! { title { (label(&branch.item)) " · " (what) } };
    match value(branch, rank) {
        Some(value) => {
            let placement = branch.placement.map_or("", Placement::as_str);
            html! {
                circle class={ "dot " (branch.placement.map(Placement::class).unwrap_or_default()) } cx=(f(x)) cy=(f(axis.y(value))) r="6" {
                    (title(format!("{} {} · {placement}", rank.metric, number(value))))
                }
            }
        }
        None if branch.status == Status::Succeeded => html! {},
        None => html! {
            text.cross x=(f(x)) y=(HEIGHT - BOTTOM - 4.0) text-anchor="middle" {
                "×" (title(branch.error.clone().unwrap_or_else(|| "missing".to_owned())))
            }
        },
    }
}

#[allow(clippy::cast_precision_loss)] // thousands of branches at most
fn place(section: &Section, branch: &Branch, left: f64, width: f64) -> f64 {
    left + width * (branch.index as f64 + 0.5) / section.branches.len() as f64
}

/// The best value so far, as steps from branch to branch.
fn best_line(sections: &[&Section], rank: &Rank, axis: &Axis, width: f64) -> String {
    let mut best: Option<f64> = None;
    let mut points = Vec::new();
    let mut left = LEFT;
    for section in sections {
        for branch in &section.branches {
            let Some(value) = value(branch, rank) else {
                continue;
            };
            let x = f(place(section, branch, left, width));
            let now = best
                .filter(|best| !rank.prefers(value, *best))
                .unwrap_or(value);
            points.extend(best.map(|before| format!("{x},{}", f(axis.y(before)))));
            points.push(format!("{x},{}", f(axis.y(now))));
            best = Some(now);
        }
        left += width;
    }
    points.join(" ")
}

/// What to call an item: its name, or itself.
pub(crate) fn label(item: &Value) -> String {
    match item {
        Value::Object(map) => map
            .get("name")
            .and_then(Value::as_str)
            .map_or_else(|| item.to_string(), str::to_owned),
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

/// A number as people read it: at most four digits after the point, none that say nothing.
pub(crate) fn number(value: f64) -> String {
    let text = if value.abs() >= 1_000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.4}")
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn f(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_all_values_in_about_five_round_steps() {
        let cases: [&[f64]; 5] = [&[0.91, 0.987], &[0.5], &[0.0], &[-3.0, 12.0], &[1e6, 5e6]];
        for values in cases {
            let axis = Axis::over(values.iter().copied()).unwrap();
            assert!(
                values
                    .iter()
                    .all(|value| (axis.low..=axis.high).contains(value)),
                "{values:?}"
            );
            let ticks = axis.ticks();
            assert!((2..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(
                (ticks.last().unwrap() - axis.high).abs() < axis.step / 100.0,
                "{ticks:?}"
            );
        }
        assert!(Axis::over(std::iter::empty()).is_none());
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.98, "0.98"),
            (1.0, "1"),
            (0.123_456, "0.1235"),
            (12_345.6, "12346"),
            (0.0, "0"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
