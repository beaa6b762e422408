//! Curves of a section over one scale, with the values that they have to reach: the evidence of a sequential test over
//! the requests.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use crate::chart::{Axis, BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, f};
use crate::figures;

/// What a section shows as curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Shown above the chart.
    pub title: String,
    /// What the scale from left to right counts.
    pub over: String,
    /// The curves.
    pub curves: Vec<Curve>,
    /// The values to reach.
    #[serde(default)]
    pub limits: Vec<Limit>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// Its points from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A value to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What happens when it is reached.
    pub name: String,
    /// The value.
    pub value: f64,
}

/// Classes of curves in the stylesheet; more curves begin again.
const STYLES: [&str; 3] = ["first", "second", "third"];

impl Course {
    /// The chart with its legend; none for fewer than three points, which words tell better.
    pub(crate) fn render(&self) -> Option<Markup> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        if self.curves.iter().all(|curve| curve.points.len() < 3) {
            return None;
        }
        let floor = self.floor();
        let columns = Axis::over(points().map(|point| point.0), 4.0)?;
        let heights = points().map(|point| floor.map_or(point.1, |floor| point.1.max(floor)));
        let heights: Vec<f64> = heights
            .chain(self.limits.iter().map(|limit| limit.value))
            .collect();
        let rows = Axis::over(heights.into_iter(), 5.0)?;
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * columns.share(value);
        let y = |value: f64| {
            TOP + (HEIGHT - TOP - BOTTOM)
                * (1.0 - rows.share(value.max(rows.ticks().next().unwrap_or(value))))
        };
        let line = |curve: &Curve| {
            let points = curve.points.iter();
            let points: Vec<String> = points
                .map(|&(a, b)| format!("{},{}", f(x(a)), f(y(b))))
                .collect();
            points.join(" ")
        };
        let cut = floor.is_some_and(|floor| points().any(|point| point.1 < floor));
        Some(html! {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.title) {
                @for tick in rows.ticks() {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(f(y(tick))) y2=(f(y(tick))) {}
                    text.tick x=(LEFT - 6.0) y=(f(y(tick) + 4.5)) text-anchor="end" { (figures::number(tick)) }
                }
                @for tick in columns.ticks() {
                    text.tick x=(f(x(tick))) y=(HEIGHT - BOTTOM + 17.0) text-anchor="middle" { (figures::number(tick)) }
                }
                text.tick x=((LEFT + WIDTH - RIGHT) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { (self.over) }
                @for (_, value) in self.boundaries() {
                    line.target x1=(LEFT) x2=(WIDTH - RIGHT) y1=(f(y(value))) y2=(f(y(value))) {}
                }
                @for (index, curve) in self.curves.iter().enumerate() {
                    polyline class={ "course " (STYLES[index % STYLES.len()]) } points=(line(curve)) { title { (curve.name) } }
                }
            }
            figcaption {
                @for (index, curve) in self.curves.iter().enumerate() {
                    span { i class={ "line course " (STYLES[index % STYLES.len()]) } {} (curve.name) }
                }
                @for (name, value) in self.boundaries() { span { i.line.target {} (name) " at " (figures::number(value)) } }
                @if cut { span { "far below the boundaries the curves are cut off" } }
            }
        })
    }

    /// The limits; those of one value are one line with all their names.
    fn boundaries(&self) -> Vec<(String, f64)> {
        let mut lines: Vec<(String, f64)> = Vec::new();
        for limit in &self.limits {
            match lines.iter_mut().find(|line| line.1 == limit.value) {
                Some(line) => line.0 = format!("{} or {}", line.0, limit.name),
                None => lines.push((limit.name.clone(), limit.value)),
            }
        }
        lines
    }

    /// Below it a curve tells nothing but that it is far from every limit; drawn to its end it would press the limits
    /// against the top.
    fn floor(&self) -> Option<f64> {
        let highest = self
            .limits
            .iter()
            .map(|limit| limit.value)
            .reduce(f64::max)?;
        (highest > 0.0).then_some(-highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(points: usize) -> Course {
        let curve = |name: &str, slope: f64| Curve {
            name: name.to_owned(),
            points: (0..points)
                .map(|at| (at as f64, slope * at as f64))
                .collect(),
        };
        let limit = |name: &str, value| Limit {
            name: name.to_owned(),
            value,
        };
        Course {
            title: "evidence".to_owned(),
            over: "requests".to_owned(),
            curves: vec![curve("good", 0.5), curve("bad", -2.0)],
            limits: vec![limit("promote", 3.0), limit("roll back", 3.0)],
        }
    }

    #[test]
    fn limits_of_one_value_are_one_line() {
        let drawn = course(20).render().unwrap().into_string();
        assert_eq!(drawn.matches("class=\"target\"").count(), 1);
        assert!(drawn.contains("promote or roll back at 3"), "{drawn}");
        assert!(drawn.contains("cut off"), "{drawn}");
    }

    #[test]
    fn two_points_are_no_chart() {
        assert!(course(2).render().is_none());
        assert!(course(3).render().is_some());
    }
}
