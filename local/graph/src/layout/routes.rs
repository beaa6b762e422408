//! The lines as they are drawn: apart where they meet a node, bent where they cross no box.

use std::collections::BTreeMap;

use super::layers::{Line, Way};
use super::{LABEL, LINE, Node, Points, Route, What};
use crate::text::width;

/// The least distance between two ends of transitions at a state.
const APART: f64 = 14.0;

/// Spreads the lines that meet a node over its upper and lower side, each as near to its way as it can be.
pub(super) fn spread(nodes: &[Node], ways: &mut [Way]) {
    for (at, node) in nodes.iter().enumerate() {
        for is_below in [true, false] {
            let meets = |way: &Way| match is_below {
                true => way.upper == at,
                false => way.lower == at,
            };
            let mut wanted: Vec<(f64, usize)> = Vec::new();
            for (index, way) in ways.iter().enumerate() {
                if way.upper != way.lower && meets(way) {
                    wanted.push((way.toward(nodes, is_below), index));
                }
            }
            wanted.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            let places: Vec<f64> = wanted.iter().map(|(x, _)| *x).collect();
            let places = apart(&places, node.x, node.reach());
            for ((_, index), x) in wanted.iter().zip(places) {
                let ends = &mut ways[*index].ends;
                match is_below {
                    true => ends.0 = x,
                    false => ends.1 = x,
                }
            }
        }
    }
}

impl Way {
    /// The place that the line has next to one of its ends.
    fn toward(&self, nodes: &[Node], from_upper: bool) -> f64 {
        let (next, other) = match from_upper {
            true => (self.through.first(), self.lower),
            false => (self.through.last(), self.upper),
        };
        next.map_or(nodes[other].x, |(x, _)| *x)
    }
}

/// The nearest places to those wanted, which are in order, that are apart and within `reach` of the middle.
fn apart(wanted: &[f64], middle: f64, reach: f64) -> Vec<f64> {
    let gaps = wanted.len().saturating_sub(1).max(1) as f64;
    let gap = APART.min(2.0 * reach / gaps);
    let (left, right) = (middle - reach, middle + reach);
    let mut places: Vec<f64> = Vec::new();
    for &x in wanted {
        let least = places.last().map_or(left, |last| last + gap);
        places.push(x.clamp(left, right).max(least));
    }
    let mut most = right;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - gap;
    }
    places
}

/// How far each layer reaches above and below its middle. A line bends between layers only, so that it crosses no box.
pub(super) fn bands(nodes: &[Node], ways: &[Way], lines: &[Line]) -> BTreeMap<i64, f64> {
    let mut bands: BTreeMap<i64, f64> = BTreeMap::new();
    let mut add = |y: f64, half: f64| {
        let band = bands.entry(layer(y)).or_default();
        *band = band.max(half);
    };
    for node in nodes {
        add(node.y, node.height / 2.0);
    }
    for way in ways {
        if let Some((_, y)) = way.label.filter(|_| lines[way.line].is_labelled()) {
            add(y, LINE / 2.0);
        }
    }
    bands
}

fn layer(y: f64) -> i64 {
    (y * 10.0).round() as i64
}

/// The line of a transition, bent between the layers.
pub(super) fn route<'a>(
    way: &Way,
    line: &Line<'a>,
    nodes: &[Node],
    bands: &BTreeMap<i64, f64>,
) -> Route<'a> {
    let (upper, lower) = (&nodes[way.upper], &nodes[way.lower]);
    if way.upper == way.lower {
        return around(line, upper);
    }
    let half = |y: f64| bands.get(&layer(y)).copied().unwrap_or_default();
    let mut points = vec![
        (way.ends.0, upper.bottom()),
        (way.ends.0, upper.y + half(upper.y)),
    ];
    for &(x, y) in &way.through {
        points.extend([(x, y - half(y)), (x, y + half(y))]);
    }
    points.extend([
        (way.ends.1, lower.y - half(lower.y)),
        (way.ends.1, lower.top()),
    ]);
    if way.is_reversed {
        points.reverse();
    }
    let tip = points[points.len() - 1];
    Route {
        edge: line.edge,
        path: curve(&points),
        tip,
        points: if way.is_reversed {
            Points::Up
        } else {
            Points::Down
        },
        label: way.label.filter(|_| line.is_labelled()),
        chip: matches!(nodes[line.to].what, What::Chip(_)).then_some(line.to),
    }
}

/// A line from a state to itself, on its right.
fn around<'a>(line: &Line<'a>, node: &Node) -> Route<'a> {
    let (x, y) = (node.x + node.width / 2.0, node.y);
    let label = line.edge.map_or(0.0, |edge| width(&edge.label, LABEL));
    Route {
        edge: line.edge,
        path: format!(
            "M{x:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {x:.1} {:.1}",
            y - 9.0,
            x + 26.0,
            y - 22.0,
            x + 26.0,
            y + 22.0,
            y + 9.0
        ),
        tip: (x, y + 9.0),
        points: Points::Left,
        label: line.is_labelled().then_some((x + 26.0 + label / 2.0, y)),
        chip: None,
    }
}

/// A line through points that are, by turns, at the end and at the beginning of a bend.
fn curve(points: &[(f64, f64)]) -> String {
    let (x, y) = points[0];
    let mut path = format!("M{x:.1} {y:.1}");
    for pair in points.windows(2) {
        let ((fx, fy), (x, y)) = (pair[0], pair[1]);
        if (fx - x).abs() < 0.5 {
            path.push_str(&format!("L{x:.1} {y:.1}"));
        } else {
            let middle = f64::midpoint(fy, y);
            path.push_str(&format!(
                "C{fx:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}"
            ));
        }
    }
    path
}
