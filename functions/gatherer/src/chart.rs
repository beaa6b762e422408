//! Charts as SVG. They are small enough to stay readable on a telephone; on a wide page two stand side by side.

use maud::{Markup, html};
use placement::Placement;

pub(crate) const WIDTH: f64 = 440.0;
pub(crate) const LEFT: f64 = 46.0;
pub(crate) const RIGHT: f64 = 26.0;
pub(crate) const TOP: f64 = 14.0;
pub(crate) const BOTTOM: f64 = 42.0;
pub(crate) const HEIGHT: f64 = 270.0;

/// A round scale over values.
pub(crate) struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// A scale of about `steps` round steps that holds all values; none without values.
    pub(crate) fn over(values: impl Iterator<Item = f64> + Clone, steps: f64) -> Option<Self> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.reduce(f64::max)?;
        let span = if high > low {
            high - low
        } else {
            high.abs().max(1.0) * 0.1
        };
        let magnitude = 10_f64.powf((span / steps).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * magnitude)
            .into_iter();
        let far = |step: f64| (span / step - steps).abs();
        let step = step.min_by(|a, b| far(*a).total_cmp(&far(*b)))?;
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        let high = if high > low { high } else { low + step };
        Some(Self { low, high, step })
    }

    pub(crate) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    pub(crate) fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let count = ((self.high - self.low) / self.step).round() as u32;
        (0..=count).map(|index| {
            let tick = self.low + self.step * f64::from(index);
            // Sums of a step such as 0.1 miss zero by a hair.
            if tick.abs() < self.step / 1e6 {
                0.0
            } else {
                tick
            }
        })
    }
}

/// One mark of a scatter plot.
pub(crate) struct Mark {
    pub x: f64,
    pub y: f64,
    pub placement: Option<Placement>,
    /// Shown when the pointer rests on it.
    pub title: String,
    /// Whether it is ahead of all others.
    pub leads: bool,
}

/// Where the marks of a chart stand from left to right.
pub(crate) enum Across {
    /// On a scale of its own, with what it measures.
    Scale {
        name: String,
        show: fn(f64) -> String,
    },
    /// One after the other from 0, in named groups: where each begins and ends.
    Groups(Vec<(String, f64, f64)>),
}

/// A scatter plot.
pub(crate) struct Scatter {
    pub name: String,
    pub across: Across,
    pub marks: Vec<Mark>,
    /// Where something failed, on the axis, and what.
    pub crosses: Vec<(f64, String)>,
    /// A value to reach.
    pub target: Option<f64>,
    /// The best so far, as a line through these points.
    pub line: Vec<(f64, f64)>,
    pub show: fn(f64) -> String,
}

impl Scatter {
    /// The plot; none for fewer than three marks, which a table tells better.
    pub(crate) fn render(&self) -> Option<Markup> {
        if self.marks.len() < 3 {
            return None;
        }
        let ys: Vec<f64> = self
            .marks
            .iter()
            .map(|mark| mark.y)
            .chain(self.target)
            .collect();
        let rows = Axis::over(ys.into_iter(), 5.0)?;
        let columns = match &self.across {
            Across::Scale { .. } => Axis::over(
                self.marks
                    .iter()
                    .map(|mark| mark.x)
                    .collect::<Vec<_>>()
                    .into_iter(),
                4.0,
            )?,
            Across::Groups(groups) => {
                let end = groups.last().map_or(1.0, |(_, _, end)| *end);
                Axis {
                    low: 0.0,
                    high: end,
                    step: end,
                }
            }
        };
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * columns.share(value);
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - rows.share(value));
        let line: Vec<String> = self
            .line
            .iter()
            .map(|&(a, b)| format!("{},{}", f(x(a)), f(y(b))))
            .collect();
        Some(html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.name) {
                @for tick in rows.ticks() {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(f(y(tick))) y2=(f(y(tick))) {}
                    text.tick x=(LEFT - 6.0) y=(f(y(tick) + 4.5)) text-anchor="end" { ((self.show)(tick)) }
                }
                (self.across.render(&columns, x))
                @if let Some(target) = self.target {
                    line.target x1=(LEFT) x2=(WIDTH - RIGHT) y1=(f(y(target))) y2=(f(y(target))) {}
                }
                @if line.len() > 1 { polyline.best points=(line.join(" ")) {} }
                @for mark in &self.marks { (shape(mark, x(mark.x), y(mark.y))) }
                @for (at, title) in &self.crosses {
                    text.cross x=(f(x(*at))) y=(HEIGHT - BOTTOM - 3.0) text-anchor="middle" { "×" title { (title) } }
                }
            }
        })
    }
}

impl Across {
    fn render(&self, columns: &Axis, x: impl Fn(f64) -> f64) -> Markup {
        html! {
            @match self {
                Self::Scale { name, show } => {
                    @for tick in columns.ticks() {
                        line.grid x1=(f(x(tick))) x2=(f(x(tick))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                        text.tick x=(f(x(tick))) y=(HEIGHT - BOTTOM + 17.0) text-anchor="middle" { (show(tick)) }
                    }
                    text.tick x=((LEFT + WIDTH - RIGHT) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { (name) }
                }
                Self::Groups(groups) => {
                    @for (index, (name, begin, end)) in groups.iter().enumerate() {
                        @if index > 0 { line.grid x1=(f(x(*begin))) x2=(f(x(*begin))) y1=(TOP) y2=(HEIGHT - BOTTOM) {} }
                        // Names of many groups would run into each other.
                        @if groups.len() <= 6 || index == 0 || index + 1 == groups.len() {
                            text.tick x=(f(x(f64::midpoint(*begin, *end)))) y=(HEIGHT - 14.0) text-anchor="middle" { (name) }
                        }
                    }
                }
            }
        }
    }
}

/// A mark whose colour and form tell the placement, so that nobody depends on colours.
fn shape(mark: &Mark, x: f64, y: f64) -> Markup {
    let class = mark.placement.map(Placement::class).unwrap_or_default();
    html! {
        g class={ "dot " (class) } transform={ "translate(" (f(x)) " " (f(y)) ")" } {
            @if mark.leads { circle.leader r="10" {} }
            path d=(form(mark.placement)) {}
            title { (mark.title) }
        }
    }
}

/// The outline of a placement's mark around 0, 0.
pub(crate) fn form(placement: Option<Placement>) -> &'static str {
    match placement {
        Some(Placement::Lambda) => "M0-6.5 6.5 5.5H-6.5Z",
        Some(Placement::Fargate) => "M-5-5H5V5H-5Z",
        Some(Placement::FargateSpot) => "M0-6.5 6.5 0 0 6.5-6.5 0Z",
        Some(Placement::BatchSpot) => "M0 6.5 6.5-5.5H-6.5Z",
        Some(Placement::Batch) | None => "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0Z",
    }
}

/// One row of a bar chart.
pub(crate) struct Bar {
    pub name: String,
    pub from: f64,
    pub to: f64,
    /// A point inside of it, where it is an interval.
    pub point: Option<f64>,
    /// Since when it was waited for, where that is before it began.
    pub waits: Option<f64>,
    pub class: String,
    pub title: String,
}

/// Bars or intervals below each other on one scale; `named` says whether rows have room for their names.
pub(crate) fn bars(
    name: &str,
    rows: &[Bar],
    named: bool,
    show: fn(f64) -> String,
) -> Option<Markup> {
    let values: Vec<f64> = rows
        .iter()
        .flat_map(|row| [row.waits.unwrap_or(row.from), row.to])
        .collect();
    let axis = Axis::over(values.into_iter(), 4.0)?;
    let (left, step) = if named {
        (110.0, 26.0)
    } else {
        (14.0, (260.0 / rows.len() as f64).clamp(3.0, 18.0))
    };
    let bottom = TOP + step * rows.len() as f64;
    let x = |value: f64| left + (WIDTH - left - RIGHT - 8.0) * axis.share(value);
    Some(html! {
        svg viewBox={ "0 0 " (WIDTH) " " (f(bottom + BOTTOM)) } role="img" aria-label=(name) {
            @for tick in axis.ticks() {
                line.grid x1=(f(x(tick))) x2=(f(x(tick))) y1=(TOP - 6.0) y2=(f(bottom)) {}
                text.tick x=(f(x(tick))) y=(f(bottom + 17.0)) text-anchor="middle" { (show(tick)) }
            }
            text.tick x=(WIDTH / 2.0) y=(f(bottom + 35.0)) text-anchor="middle" { (name) }
            @for (index, row) in rows.iter().enumerate() {
                @let y = TOP + step * (index as f64 + 0.5);
                @if named { text.tick x=(left - 8.0) y=(f(y + 4.5)) text-anchor="end" { (shorten(&row.name)) } }
                g class={ "bar-row " (row.class) } {
                    @match row.point {
                        Some(point) => {
                            line.interval x1=(f(x(row.from))) x2=(f(x(row.to))) y1=(f(y)) y2=(f(y)) {}
                            circle r="5" cx=(f(x(point))) cy=(f(y)) {}
                        }
                        None => {
                            @if let Some(since) = row.waits {
                                rect.startup x=(f(x(since))) y=(f(y - step * 0.35)) height=(f(step * 0.7)) rx="1.5"
                                    width=(f((x(row.from) - x(since)).max(1.0))) {}
                            }
                            rect x=(f(x(row.from))) y=(f(y - step * 0.35)) height=(f(step * 0.7)) rx="1.5"
                                width=(f((x(row.to) - x(row.from)).max(1.5))) {}
                        }
                    }
                    title { (row.title) }
                }
            }
        }
    })
}

/// A name that fits beside a row.
fn shorten(name: &str) -> String {
    const MOST: usize = 14;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// A coordinate as SVG has it.
pub(crate) fn f(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_all_values_in_about_five_round_steps() {
        let cases: [&[f64]; 5] = [&[0.91, 0.987], &[0.5], &[0.0], &[-3.0, 12.0], &[1e6, 5e6]];
        for values in cases {
            let axis = Axis::over(values.iter().copied(), 5.0).unwrap();
            let holds = |value: &f64| (axis.low..=axis.high).contains(value);
            assert!(values.iter().all(holds), "{values:?}");
            let ticks: Vec<f64> = axis.ticks().collect();
            assert!((2..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!(
                (ticks.last().unwrap() - axis.high).abs() < axis.step / 100.0,
                "{ticks:?}"
            );
        }
        assert!(Axis::over(std::iter::empty(), 5.0).is_none());
    }

    #[test]
    fn placements_differ_in_form() {
        let forms: std::collections::BTreeSet<_> = Placement::ALL.map(|one| form(Some(one))).into();
        assert_eq!(forms.len(), Placement::ALL.len());
    }
}
