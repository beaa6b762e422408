//! The layers of a level: which node is in which, and how each line goes through them.

use dagre::graph::{Graph as Layered, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

use super::{LABEL, LINE, Node};
use crate::model::{Edge, Via};
use crate::text::width;

/// A line between two nodes of a level.
pub(super) struct Line<'a> {
    pub(super) edge: Option<&'a Edge>,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A line on its way through the layers, from above to below.
pub(super) struct Way {
    pub(super) line: usize,
    pub(super) upper: usize,
    pub(super) lower: usize,
    /// Whether the line goes up.
    pub(super) is_reversed: bool,
    /// The places between the two nodes.
    pub(super) through: Vec<(f64, f64)>,
    pub(super) label: Option<(f64, f64)>,
    /// Where it leaves the upper node and reaches the lower one.
    pub(super) ends: (f64, f64),
}

impl Line<'_> {
    pub(super) fn is_labelled(&self) -> bool {
        self.edge.is_some_and(|edge| !edge.label.is_empty())
    }
}

/// Gives every node its place, and every line its way through the layers.
pub(super) fn layers(nodes: &mut [Node], lines: &[Line]) -> Vec<Way> {
    let mut layered: Layered<NodeLabel, EdgeLabel> = Layered::with_options(GraphOptions {
        directed: true,
        multigraph: true,
        compound: false,
    });
    for (at, node) in nodes.iter().enumerate() {
        let label = NodeLabel {
            width: node.width,
            height: node.height,
            ..NodeLabel::default()
        };
        layered.set_node(at.to_string(), Some(label));
    }
    let reversed = backward(nodes.len(), lines);
    let ends = |at: usize| {
        let (from, to) = (lines[at].from, lines[at].to);
        if reversed[at] { (to, from) } else { (from, to) }
    };
    let is_loop = |line: &Line| line.from == line.to;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !is_loop(line)) {
        let (upper, lower) = ends(at);
        let (upper, lower) = (upper.to_string(), lower.to_string());
        layered.set_edge(&*upper, &*lower, Some(label(line)), Some(&at.to_string()));
    }
    let options = LayoutOptions {
        nodesep: 26.0,
        edgesep: 16.0,
        ranksep: 46.0,
        ..LayoutOptions::default()
    };
    dagre::layout(&mut layered, Some(options));
    for (at, node) in nodes.iter_mut().enumerate() {
        let placed = layered.node(&at.to_string());
        node.x = placed.and_then(|placed| placed.x).unwrap_or_default();
        node.y = placed.and_then(|placed| placed.y).unwrap_or_default();
    }
    let way = |line: usize| {
        let (upper, lower) = ends(line);
        let names = (upper.to_string(), lower.to_string());
        let edge = layered.edge(&names.0, &names.1, Some(&line.to_string()));
        let points = edge.map_or(&[][..], |edge| &edge.points);
        // The first and the last are where the line meets the two nodes, which is decided here.
        let between = points
            .get(1..points.len().saturating_sub(1))
            .unwrap_or_default();
        Way {
            line,
            upper,
            lower,
            is_reversed: reversed[line],
            through: between.iter().map(|point| (point.x, point.y)).collect(),
            label: edge.and_then(|edge| Some((edge.x?, edge.y?))),
            ends: (nodes[upper].x, nodes[lower].x),
        }
    };
    (0..lines.len()).map(way).collect()
}

/// What a line is to the layout: the room of its label, and how straight it should be.
fn label(line: &Line) -> EdgeLabel {
    let text = line.edge.map_or("", |edge| edge.label.as_str());
    let weight = match line.edge.map(|edge| &edge.via) {
        None | Some(Via::Next | Via::Default) => 4,
        Some(Via::Choice(_)) => 2,
        Some(Via::Catch(_)) => 1,
    };
    EdgeLabel {
        weight,
        width: if text.is_empty() {
            0.0
        } else {
            width(text, LABEL) + 8.0
        },
        height: if text.is_empty() { 0.0 } else { LINE },
        labelpos: dagre::layout::types::LabelPos::Center,
        ..EdgeLabel::default()
    }
}

/// The lines that lead back to a node on the way from the start to their own: they are laid out the other way round.
fn backward(nodes: usize, lines: &[Line]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTheWay,
        Done,
    }
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (at, line) in lines.iter().enumerate() {
        leaving[line.from].push(at);
    }
    let mut reversed = vec![false; lines.len()];
    let mut seen = vec![Seen::No; nodes];
    for root in 0..nodes {
        if seen[root] != Seen::No {
            continue;
        }
        seen[root] = Seen::OnTheWay;
        let mut way = vec![(root, 0)];
        while let Some((node, next)) = way.last_mut() {
            let Some(&line) = leaving[*node].get(*next) else {
                seen[*node] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let to = lines[line].to;
            match seen[to] {
                Seen::OnTheWay => reversed[line] = true,
                Seen::Done => {}
                Seen::No => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
            }
        }
    }
    reversed
}
