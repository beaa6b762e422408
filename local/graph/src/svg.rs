//! The drawing as SVG.

use std::collections::BTreeMap;

use asl::StateType;
use maud::{Markup, PreEscaped, html};

use crate::layout::{LINE, MARK, Node, POINT, Placed, Points, Route, What, place};
use crate::model::{Edge, Graph, State};

/// The rules, in which `DARK` stands for those of the dark.
const STYLE: &str = include_str!("style.css");

/// What is said of a state or a transition in a drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Classes, such as `succeeded`; several are separated by spaces.
    pub class: String,
    /// A text that is shown when a pointer rests on it.
    pub note: String,
}

/// What is said of states, by their names, and of transitions, by [`Edge::id`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Of states.
    pub states: BTreeMap<String, Mark>,
    /// Of transitions.
    pub edges: BTreeMap<usize, Mark>,
    /// What every id begins with; needed where a page has more than one drawing.
    pub prefix: String,
}

impl Mark {
    /// Classes without a note.
    pub fn class(class: impl Into<String>) -> Mark {
        Mark {
            class: class.into(),
            note: String::new(),
        }
    }
}

/// The id of a state's element: `state-` and the name, in which every byte that is no ASCII letter or digit is a `_`
/// and its two hexadecimal digits.
pub fn state_id(name: &str) -> String {
    let letters = name.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("_{other:02x}"),
    });
    format!("state-{}", letters.collect::<String>())
}

impl Graph {
    /// The drawing as an SVG document, which may also stand in the text of a page.
    pub fn svg(&self, marks: &Marks) -> String {
        self.drawing(marks, true)
    }

    /// The same without its rules: for a page that takes no style but from files, of which one has [`style`].
    pub fn bare_svg(&self, marks: &Marks) -> String {
        self.drawing(marks, false)
    }

    fn drawing(&self, marks: &Marks, styled: bool) -> String {
        let placed = place(&self.block, &self.edges, false);
        let (width, height) = (number(placed.width), number(placed.height));
        let drawing = html! {
            svg xmlns="http://www.w3.org/2000/svg" class="asl-graph" role="img" aria-label="State machine"
                width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
                @if styled { style { (PreEscaped(style())) } }
                rect.page width="100%" height="100%" rx="6" {}
                (level(&placed, marks))
            }
        };
        drawing.into_string()
    }
}

/// The rules of the drawing's colours and fonts, with what they say of the dark filled in.
pub fn style() -> String {
    let dark = "--asl-page: #0d1117; --asl-ink: #e6edf3; --asl-soft: #9198a1; --asl-line: #848d97; --asl-box: #161b22; \
        --asl-inside: #11161d; --asl-task: #4493f8; --asl-choice: #ab7df8; --asl-flow: #9198a1; --asl-group: #39c5cf; \
        --asl-good: #3fb950; --asl-good-box: #12261e; --asl-bad: #f85149; --asl-bad-box: #2d1417; \
        --asl-warm: #d29922; --asl-warm-box: #272115; --asl-busy: #58a6ff; --asl-busy-box: #0c2d6b;";
    STYLE.replace("DARK", dark)
}

fn level(placed: &Placed, marks: &Marks) -> Markup {
    html! {
        g transform=(moved(placed.shift)) {
            @for route in &placed.routes { (line(route, &placed.nodes, marks)) }
            @for node in &placed.nodes { (drawn(node, marks)) }
            // Above everything that could hide them.
            @for route in &placed.routes {
                @if let (Some((x, y)), Some(edge)) = (route.label, route.edge) {
                    text.label x=(number(x)) y=(number(y + 3.5)) { (legal(&edge.label)) }
                }
            }
        }
    }
}

fn line(route: &Route, nodes: &[Node], marks: &Marks) -> Markup {
    let mark = route.edge.and_then(|edge| marks.edges.get(&edge.id));
    let kind = route.edge.map_or("entry", |edge| edge.via.class());
    html! {
        g class=(classes(&["edge", kind], mark)) data-edge=[route.edge.map(|edge| edge.id)]
            data-from=[route.edge.map(|edge| legal(&edge.from))]
            data-to=[route.edge.and_then(|edge| edge.to.as_deref()).map(legal)] {
            @if let Some(edge) = route.edge { (title(&said_of(edge), mark)) }
            path.line d=(route.path) {}
            path.tip d=(arrow(route.tip, route.points)) {}
            @if let Some(node) = route.chip.map(|chip| &nodes[chip]) { (chip(node)) }
        }
    }
}

fn chip(node: &Node) -> Markup {
    html! {
        @if let What::Chip(text) = &node.what {
            rect.chip x=(number(node.x - node.width / 2.0)) y=(number(node.y - node.height / 2.0))
                width=(number(node.width)) height=(number(node.height)) rx="4" {}
            text.detail x=(number(node.x)) y=(number(node.y + 3.5)) { (legal(text)) }
        }
    }
}

fn said_of(edge: &Edge) -> String {
    format!("{edge}\n{}", edge.title)
}

fn arrow((x, y): (f64, f64), points: Points) -> String {
    let (x, y) = (number(x), number(y));
    let back = match points {
        Points::Down => "l-4 -8h8z",
        Points::Up => "l-4 8h8z",
        Points::Left => "l8 -4v8z",
    };
    format!("M{x} {y}{back}")
}

fn drawn(node: &Node, marks: &Marks) -> Markup {
    let (x, y) = (number(node.x), number(node.y));
    match &node.what {
        What::Start => html! { circle.mark cx=(x) cy=(y) r=(MARK - 1.0) { title { "Start" } } },
        What::End => html! {
            g {
                title { "End" }
                circle.ring cx=(x) cy=(y) r=(MARK - 1.0) {}
                circle.mark cx=(x) cy=(y) r=(MARK - 4.0) {}
            }
        },
        // Its line draws it.
        What::Chip(_) => html! {},
        What::State(content) => {
            let state = content.state;
            let mark = marks.states.get(&state.name);
            let kind = state.kind.name().to_lowercase();
            let (left, top) = (node.x - node.width / 2.0, node.y - node.height / 2.0);
            let lines = content.name.len();
            html! {
                g class=(classes(&["state", &kind], mark)) id=(format!("{}{}", marks.prefix, state_id(&state.name)))
                    data-state=(legal(&state.name)) {
                    (title(&said_of_state(state), mark))
                    (shape(node, state.kind))
                    @for (at, text) in content.name.iter().enumerate() {
                        text.name x=(x) y=(number(top + LINE * (at as f64 + 1.0) + 2.0)) { (legal(text)) }
                    }
                    text.detail x=(x) y=(number(top + LINE * (lines as f64 + 1.0))) { (legal(&content.detail)) }
                    @for (inner_x, inner_y, placed) in &content.inner {
                        g transform=(moved((left + inner_x, top + inner_y))) {
                            @if content.inner.len() > 1 {
                                rect.inner width=(number(placed.width)) height=(number(placed.height)) rx="5" {}
                            }
                            g.inside { (level(placed, marks)) }
                        }
                    }
                }
            }
        }
    }
}

fn said_of_state(state: &State) -> String {
    let lines = [&state.name, &state.detail, &state.comment];
    let lines: Vec<&str> = lines
        .into_iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

fn shape(node: &Node, kind: StateType) -> Markup {
    let (left, top) = (node.x - node.width / 2.0, node.y - node.height / 2.0);
    let (right, bottom) = (left + node.width, top + node.height);
    if kind == StateType::Choice {
        let corners = [
            (left, node.y),
            (left + POINT, top),
            (right - POINT, top),
            (right, node.y),
            (right - POINT, bottom),
            (left + POINT, bottom),
        ];
        let corners = corners.map(|(x, y)| format!("{},{}", number(x), number(y)));
        return html! { polygon.box points=(corners.join(" ")) {} };
    }
    let round = match kind {
        StateType::Succeed | StateType::Fail => node.height / 2.0,
        StateType::Pass | StateType::Wait => 14.0,
        StateType::Task | StateType::Choice | StateType::Parallel | StateType::Map => 5.0,
    };
    html! {
        rect.box x=(number(left)) y=(number(top)) width=(number(node.width)) height=(number(node.height))
            rx=(number(round)) {}
    }
}

fn title(text: &str, mark: Option<&Mark>) -> Markup {
    let note = mark.map_or("", |mark| mark.note.as_str());
    let gap = if note.is_empty() { "" } else { "\n" };
    html! { title { (legal(text)) (gap) (legal(note)) } }
}

fn classes(own: &[&str], mark: Option<&Mark>) -> String {
    let given = mark
        .map(|mark| mark.class.as_str())
        .filter(|class| !class.is_empty());
    let all: Vec<&str> = own.iter().copied().chain(given).collect();
    all.join(" ")
}

pub(crate) fn moved((x, y): (f64, f64)) -> String {
    format!("translate({} {})", number(x), number(y))
}

/// A number with at most one digit after the point.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A text without the characters that XML cannot have, escaped or not (<https://www.w3.org/TR/xml/#charsets>).
fn legal(text: &str) -> String {
    let illegal = |character: char| matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.replace(illegal, "\u{fffd}")
}
