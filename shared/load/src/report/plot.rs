//! Line plots of a load test.

use maud::{Markup, html};

// Small enough to stay readable on a telephone; on a wide page two stand side by side.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 32.0;

/// A line with the CSS class of its colour.
pub(crate) struct Curve {
    /// For the legend.
    pub(crate) name: &'static str,
    /// CSS class.
    pub(crate) class: &'static str,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// What the horizontal axis shows.
pub(crate) enum Scale {
    /// Seconds from the start.
    Seconds,
    /// Whatever the marks say, from 0 to `high`.
    Marks {
        /// The right end.
        high: f64,
        /// Places and what stands there.
        marks: Vec<(f64, String)>,
    },
}

/// Curves over a common horizontal axis; the vertical one begins at 0.
pub(crate) struct Plot {
    /// Unit of the vertical axis.
    pub(crate) unit: &'static str,
    /// The horizontal axis.
    pub(crate) x: Scale,
    /// The lines.
    pub(crate) curves: Vec<Curve>,
    /// Values that are not to be crossed.
    pub(crate) limits: Vec<f64>,
}

impl Plot {
    /// The plot as SVG, with a legend if there is more than one curve.
    pub(crate) fn render(&self) -> Markup {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let values = points()
            .map(|point| point.1)
            .chain(self.limits.iter().copied());
        let top = values.fold(0.0, f64::max);
        let step = step(top);
        let high = (top / step).ceil().max(1.0) * step;
        let (right, marks) = match &self.x {
            Scale::Marks { high, marks } => (*high, marks.clone()),
            Scale::Seconds => {
                let last = points().map(|point| point.0).fold(1.0, f64::max);
                (
                    last,
                    multiples(step_of_seconds(last), last)
                        .map(|at| (at, format!("{at} s")))
                        .collect(),
                )
            }
        };
        let x = |value: f64| format!("{:.1}", LEFT + (WIDTH - LEFT - RIGHT) * value / right);
        let y = |value: f64| {
            format!(
                "{:.1}",
                TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / high)
            )
        };
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
                @for tick in multiples(step, high) {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(tick)) y2=(y(tick)) {}
                    text.tick x=(LEFT - 6.0) y=(y(tick)) dy="4" text-anchor="end" { (tick_text(tick)) " " (self.unit) }
                }
                @for (at, text) in marks {
                    line.grid x1=(x(at)) x2=(x(at)) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                    text.tick x=(x(at)) y=(HEIGHT - 12.0) text-anchor="middle" { (text) }
                }
                @for limit in &self.limits {
                    line.limit x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(*limit)) y2=(y(*limit)) {}
                }
                @for curve in &self.curves {
                    polyline class={ "curve " (curve.class) } points=(line(curve, &x, &y)) {}
                }
            }
            @if self.curves.len() > 1 || !self.limits.is_empty() {
                figcaption {
                    @for curve in &self.curves { span { i class=(curve.class) {} (curve.name) } }
                    @if !self.limits.is_empty() { span { i.line.limit {} "threshold" } }
                }
            }
        }
    }
}

fn line(curve: &Curve, x: &impl Fn(f64) -> String, y: &impl Fn(f64) -> String) -> String {
    let points = curve
        .points
        .iter()
        .map(|point| format!("{},{}", x(point.0), y(point.1)));
    points.collect::<Vec<_>>().join(" ")
}

/// 0 and every multiple of `step` up to `high`.
fn multiples(step: f64, high: f64) -> impl Iterator<Item = f64> {
    (0..=(high / step + 1e-9) as u32).map(move |count| f64::from(count) * step)
}

/// A round step that divides `top` into four to ten parts.
fn step(top: f64) -> f64 {
    let rough = top.max(1e-3) / 5.0;
    let magnitude = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .filter(|step| *step <= rough)
        .fold(magnitude, f64::max)
}

/// A step in which people count seconds.
fn step_of_seconds(last: f64) -> f64 {
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];
    steps
        .into_iter()
        .find(|step| last / step <= 8.0)
        .unwrap_or(600.0)
}

fn tick_text(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_divided_into_a_few_round_steps() {
        for top in [0.003, 0.7, 1.0, 9.9, 48.0, 250.0, 999.0, 20_000.0, 1e6] {
            let step = step(top);
            assert!((4.0..=10.1).contains(&(top / step)), "{top}: {step}");
        }
        for last in [1.0, 30.0, 59.0, 600.0, 900.0] {
            let step = step_of_seconds(last);
            assert!(
                last / step <= 12.0 && multiples(step, last).count() >= 2,
                "{last}: {step}"
            );
        }
    }

    #[test]
    fn ticks_are_short() {
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (2.0, "2"), (2_500.0, "2500")] {
            assert_eq!(tick_text(value), text);
        }
    }
}
