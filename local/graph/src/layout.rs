//! Where everything is: each level is laid out in layers by itself, the inner ones first, for no transition leaves its
//! level; then a Map or Parallel state is a box as large as what is in it.

mod layers;
mod routes;

use std::collections::BTreeMap;

use asl::StateType;

use self::layers::{Line, Way, layers};
use self::routes::{bands, route, spread};
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
