//! Where everything is: each level is laid out in layers by itself, the inner ones first, for no transition leaves its
//! level; then a Map or Parallel state is a box as large as what is in it.

use std::collections::BTreeMap;

use asl::StateType;
use dagre::graph::{Graph as Layered, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

use crate::model::{Block, Edge, State, Via};
use crate::text::{shorten, width, wrap};

/// Sizes of fonts, in pixels.
pub(crate) const NAME: f64 = 13.0;
pub(crate) const DETAIL: f64 = 10.5;
pub(crate) const LABEL: f64 = 10.5;
/// From one line to the next.
pub(crate) const LINE: f64 = 17.0;
/// The radius of start and end marks.
pub(crate) const MARK: f64 = 7.0;

/// How much wider bold letters are.
const BOLD: f64 = 1.1;
/// Around the text of a state.
const PADDING: f64 = 12.0;
/// The width of a Choice's point, on either side.
pub(crate) const POINT: f64 = 14.0;
/// Around a drawing, and around what is in a box.
const MARGIN: f64 = 14.0;
/// The longest line of a name.
const WIDEST: f64 = 180.0;
/// The width at which the branches of a Parallel begin a new row.
const ROW: f64 = 1_400.0;
/// A state that more failures and decisions of a level lead to than this gets one of the lines; the others end at a
/// chip with its name. A failure handler of a whole pipeline would be behind a bundle of lines as long as the drawing,
/// which nobody could follow, and laying them out takes time with the square of their number.
const MOST_LINES: usize = 6;
/// The least distance between two ends of transitions at a state.
const APART: f64 = 14.0;

/// A level with everything in its place.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub width: f64,
    pub height: f64,
    /// By how much nodes and routes are to be moved, so that they begin at the margin.
    pub shift: (f64, f64),
    pub nodes: Vec<Node<'a>>,
    pub routes: Vec<Route<'a>>,
}

/// A mark or a state.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Its middle.
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub what: What<'a>,
}

#[derive(Debug)]
pub(crate) enum What<'a> {
    Start,
    End,
    State(Box<Content<'a>>),
    /// The end of a line whose state is elsewhere, with its name.
    Chip(String),
}

/// A state with the lines of its text and what is in it.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    pub state: &'a State,
    pub name: Vec<String>,
    pub detail: String,
    /// The levels inside, with the place of each within the box.
    pub inner: Inner<'a>,
}

/// A line with an arrow at its end.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    /// None for the entry into a level.
    pub edge: Option<&'a Edge>,
    /// The line, as the `d` of an SVG path.
    pub path: String,
    /// Where the arrow's point is.
    pub tip: (f64, f64),
    pub points: Points,
    /// The middle of the label.
    pub label: Option<(f64, f64)>,
    /// The node that is a chip at the line's end.
    pub chip: Option<usize>,
}

/// Where an arrow points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Points {
    Down,
    Up,
    Left,
}

/// A line between two nodes of a level.
struct Line<'a> {
    edge: Option<&'a Edge>,
    from: usize,
    to: usize,
}

/// A line on its way through the layers, from above to below.
struct Way {
    line: usize,
    upper: usize,
    lower: usize,
    /// Whether the line goes up.
    is_reversed: bool,
    /// The places between the two nodes.
    through: Vec<(f64, f64)>,
    label: Option<(f64, f64)>,
    /// Where it leaves the upper node and reaches the lower one.
    ends: (f64, f64),
}

/// Lays a level out. `is_inner` says that it is within a state: then one single state needs no marks.
pub(crate) fn place<'a>(block: &'a Block, edges: &'a [Edge], is_inner: bool) -> Placed<'a> {
    let (mut nodes, lines) = parts(block, edges, is_inner);
    let mut ways = layers(&mut nodes, &lines);
    spread(&nodes, &mut ways);
    let bands = bands(&nodes, &ways, &lines);
    let routes = ways
        .iter()
        .map(|way| route(way, &lines[way.line], &nodes, &bands));
    let mut placed = Placed {
        width: 0.0,
        height: 0.0,
        shift: (0.0, 0.0),
        routes: routes.collect(),
        nodes,
    };
    placed.fit(&ways);
    placed
}

/// The nodes of a level, in the order in which they are reached, and the lines between them.
fn parts<'a>(
    block: &'a Block,
    edges: &'a [Edge],
    is_inner: bool,
) -> (Vec<Node<'a>>, Vec<Line<'a>>) {
    let needs_marks = !is_inner || block.states.len() > 1;
    let mut nodes: Vec<Node> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    if needs_marks {
        nodes.push(Node::mark(What::Start));
    }
    let first = nodes.len();
    let order = reached(block, edges);
    nodes.extend(
        order
            .iter()
            .map(|&at| Node::state(&block.states[at], edges)),
    );
    let at = |name: &str| {
        let here = order.iter().position(|&at| block.states[at].name == name);
        here.map(|here| first + here)
    };
    let end = nodes.len();
    if needs_marks && let Some(start) = at(&block.start) {
        let (edge, from) = (None, 0);
        lines.push(Line {
            edge,
            from,
            to: start,
        });
    }
    // In the order of the nodes, so that a state's way on comes before its other ways.
    for &state in &order {
        let name = &block.states[state].name;
        let leaving = block.edges.iter().map(|&id| &edges[id]);
        for edge in leaving.filter(|edge| edge.from == *name) {
            let to = edge.to.as_deref().map_or(needs_marks.then_some(end), at);
            if let (Some(from), Some(to)) = (at(name), to) {
                let edge = Some(edge);
                lines.push(Line { edge, from, to });
            }
        }
    }
    if lines.iter().any(|line| line.to == end) {
        nodes.push(Node::mark(What::End));
    }
    chips(&mut nodes, &mut lines);
    (nodes, lines)
}

/// Ends all but the last of the lines that too many states send to the same one at chips.
fn chips(nodes: &mut Vec<Node>, lines: &mut [Line]) {
    let is_aside = |line: &Line| line.edge.is_some_and(|edge| edge.via != Via::Next);
    let mut many: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_aside(line)) {
        many.entry(line.to).or_default().push(at);
    }
    for aside in many.into_values().filter(|aside| aside.len() > MOST_LINES) {
        for &at in &aside[..aside.len() - 1] {
            let to = lines[at].edge.and_then(|edge| edge.to.as_deref());
            let text = format!("→ {}", shorten(to.unwrap_or_default(), 22));
            lines[at].to = nodes.len();
            let width = width(&text, LABEL) + PADDING;
            nodes.push(Node::sized(width, LINE + 2.0, What::Chip(text)));
        }
    }
}

/// The states of a level in the order in which a walk from its start meets them, then those that it does not meet.
fn reached(block: &Block, edges: &[Edge]) -> Vec<usize> {
    let index: BTreeMap<&str, usize> = block
        .states
        .iter()
        .enumerate()
        .map(|(at, state)| (state.name.as_str(), at))
        .collect();
    let mut leads: Vec<Vec<usize>> = vec![Vec::new(); block.states.len()];
    for edge in block.edges.iter().map(|&id| &edges[id]) {
        let to = edge.to.as_deref().and_then(|to| index.get(to));
        if let (Some(&from), Some(&to)) = (index.get(edge.from.as_str()), to) {
            leads[from].push(to);
        }
    }
    let mut order = Vec::new();
    let mut met = vec![false; block.states.len()];
    let start = index.get(block.start.as_str()).copied();
    for root in start.into_iter().chain(0..block.states.len()) {
        let mut next = vec![root];
        while let Some(state) = next.pop() {
            if !std::mem::replace(&mut met[state], true) {
                order.push(state);
                next.extend(leads[state].iter().rev());
            }
        }
    }
    order
}

impl<'a> Node<'a> {
    fn mark(what: What<'a>) -> Node<'a> {
        Node::sized(2.0 * MARK, 2.0 * MARK, what)
    }

    fn sized(width: f64, height: f64, what: What<'a>) -> Node<'a> {
        let (x, y) = (0.0, 0.0);
        Node {
            x,
            y,
            width,
            height,
            what,
        }
    }

    fn state(state: &'a State, edges: &'a [Edge]) -> Node<'a> {
        let inner: Vec<Placed> = state
            .inner
            .iter()
            .map(|block| place(block, edges, true))
            .collect();
        let name = wrap(&state.name, NAME, WIDEST);
        let retried = if state.is_retried { " ↻" } else { "" };
        let detail = format!("{}{retried}", shorten(&state.detail, 40));
        let lines = name.iter().map(|line| width(line, NAME) * BOLD);
        let widest = lines.fold(width(&detail, DETAIL), f64::max);
        let points = match state.kind {
            StateType::Choice => 2.0 * POINT,
            StateType::Succeed | StateType::Fail => POINT,
            StateType::Task
            | StateType::Wait
            | StateType::Pass
            | StateType::Parallel
            | StateType::Map => 0.0,
        };
        let own = (widest + 2.0 * PADDING + points).max(90.0);
        let head = name.len() as f64 * LINE + LINE + PADDING;
        let (inner, room) = rows(inner, head);
        let (width, height) = match inner.is_empty() {
            true => (own, head),
            false => (own.max(room.0), room.1),
        };
        let content = Content {
            state,
            name,
            detail,
            inner,
        };
        let mut node = Node::sized(width, height, What::State(Box::new(content)));
        node.centre(room.0);
        node
    }

    /// Moves what is inside to the middle of a box that is wider than it.
    fn centre(&mut self, room: f64) {
        let spare = (self.width - room) / 2.0;
        if let What::State(content) = &mut self.what {
            content.inner.iter_mut().for_each(|(x, ..)| *x += spare);
        }
    }

    fn top(&self) -> f64 {
        self.y - self.height / 2.0
    }

    fn bottom(&self) -> f64 {
        self.y + self.height / 2.0
    }

    /// How far from the middle a line may meet the node above or below.
    fn reach(&self) -> f64 {
        match &self.what {
            What::Start | What::End | What::Chip(_) => 0.0,
            What::State(content) if content.state.kind == StateType::Choice => {
                self.width / 2.0 - POINT - 4.0
            }
            What::State(_) => self.width / 2.0 - 12.0,
        }
    }
}

/// Levels with their places in a box.
type Inner<'a> = Vec<(f64, f64, Placed<'a>)>;

/// Puts the levels of a box side by side below its text, in rows; and the size of the box.
fn rows(inner: Vec<Placed<'_>>, head: f64) -> (Inner<'_>, (f64, f64)) {
    let (mut x, mut y, mut tallest, mut widest) = (MARGIN, head, 0.0_f64, 0.0_f64);
    let mut placed = Vec::new();
    for block in inner {
        if x > MARGIN && x + block.width > ROW {
            (x, y, tallest) = (MARGIN, y + tallest + MARGIN, 0.0);
        }
        let at = x;
        x += block.width + MARGIN;
        tallest = tallest.max(block.height);
        widest = widest.max(x);
        placed.push((at, y, block));
    }
    (placed, (widest, y + tallest + MARGIN))
}

/// Gives every node its place, and every line its way through the layers.
fn layers(nodes: &mut [Node], lines: &[Line]) -> Vec<Way> {
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

/// Spreads the lines that meet a node over its upper and lower side, each as near to its way as it can be.
fn spread(nodes: &[Node], ways: &mut [Way]) {
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
fn bands(nodes: &[Node], ways: &[Way], lines: &[Line]) -> BTreeMap<i64, f64> {
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

impl Line<'_> {
    fn is_labelled(&self) -> bool {
        self.edge.is_some_and(|edge| !edge.label.is_empty())
    }
}

fn route<'a>(way: &Way, line: &Line<'a>, nodes: &[Node], bands: &BTreeMap<i64, f64>) -> Route<'a> {
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

impl Placed<'_> {
    /// Takes the size, and where everything begins.
    fn fit(&mut self, ways: &[Way]) {
        let (mut left, mut top) = (f64::MAX, f64::MAX);
        let (mut right, mut bottom) = (f64::MIN, f64::MIN);
        let mut meet = |x: f64, y: f64, width: f64, height: f64| {
            left = left.min(x - width / 2.0);
            right = right.max(x + width / 2.0);
            top = top.min(y - height / 2.0);
            bottom = bottom.max(y + height / 2.0);
        };
        for node in &self.nodes {
            meet(node.x, node.y, node.width, node.height);
        }
        for (way, route) in ways.iter().zip(&self.routes) {
            way.through.iter().for_each(|&(x, y)| meet(x, y, 2.0, 0.0));
            if let (Some((x, y)), Some(edge)) = (route.label, route.edge) {
                meet(x, y, width(&edge.label, LABEL), LINE);
            }
            if way.upper == way.lower {
                meet(route.tip.0 + 13.0, route.tip.1, 26.0, 0.0);
            }
        }
        self.width = right - left + 2.0 * MARGIN;
        self.height = bottom - top + 2.0 * MARGIN;
        self.shift = (MARGIN - left, MARGIN - top);
    }
}
