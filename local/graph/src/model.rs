//! What a drawing shows of a definition.

use std::fmt;

use asl::{Resource, StateType};
use serde_json::Value;

use crate::condition;
use crate::text::shorten;

/// The most states of a drawing: beyond it nobody could read it, and laying it out would take minutes.
const MOST_STATES: usize = 500;

/// The graph of a state machine.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) block: Block,
    pub(crate) edges: Vec<Edge>,
}

/// The states on one level: of the state machine, of a branch, of a Map's processor.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub start: String,
    pub states: Vec<State>,
    /// Ids of the transitions between them.
    pub edges: Vec<usize>,
}

/// A state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateType,
    /// What it does, in a few words.
    pub detail: String,
    /// Its Comment.
    pub comment: String,
    /// Whether it has a Retry.
    pub is_retried: bool,
    pub(crate) inner: Vec<Block>,
}

/// A transition. The rules of a Choice, or the catchers of a state, that lead to the same state are one.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Its number in the drawing.
    pub id: usize,
    /// The state that it leaves.
    pub from: String,
    /// The state that it leads to; none for the end of its level.
    pub to: Option<String>,
    /// By what it is taken.
    pub via: Via,
    pub(crate) label: String,
    pub(crate) title: String,
}

/// By what a transition is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Next, or End.
    Next,
    /// The rules of a Choice with these numbers.
    Choice(Vec<usize>),
    /// The Default of a Choice.
    Default,
    /// The entries of Catch with these numbers.
    Catch(Vec<usize>),
}

/// What cannot be drawn, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// Something that a drawing needs is not there or not of its kind.
    #[error("{path}: expected {expected}")]
    Expected {
        /// The place.
        path: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A transition to a state that its level does not have.
    #[error("{path}: there is no state {name:?} on this level")]
    NoState {
        /// The place.
        path: String,
        /// The name.
        name: String,
    },
    /// More states than a drawing can show.
    #[error("the state machine has more than {MOST_STATES} states, too many for a drawing")]
    TooLarge,
}

impl Via {
    /// The class of such transitions in a drawing.
    pub fn class(&self) -> &'static str {
        match self {
            Via::Next => "next",
            Via::Choice(_) => "choice",
            Via::Default => "default",
            Via::Catch(_) => "catch",
        }
    }
}

impl Graph {
    /// The graph of a definition in JSON. It need not be valid beyond its states and transitions.
    pub fn parse(definition: &str) -> Result<Graph, Error> {
        let value =
            serde_json::from_str(definition).map_err(|error| Error::NotJson(error.to_string()))?;
        Graph::of(&value)
    }

    /// The graph of a definition.
    pub fn of(definition: &Value) -> Result<Graph, Error> {
        let mut reader = Reader::default();
        let block = reader.block(definition, "$")?;
        Ok(Graph {
            block,
            edges: reader.edges,
        })
    }

    /// Every transition, those inside of Map and Parallel states included. An edge's id is its place here.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Every state, those inside of Map and Parallel states included.
    pub fn states(&self) -> Vec<&State> {
        let mut states = Vec::new();
        self.block.collect(&mut states);
        states
    }
}

impl Block {
    fn collect<'a>(&'a self, states: &mut Vec<&'a State>) {
        for state in &self.states {
            states.push(state);
            state.inner.iter().for_each(|block| block.collect(states));
        }
    }
}

#[derive(Default)]
struct Reader {
    edges: Vec<Edge>,
    states: usize,
}

impl Reader {
    fn block(&mut self, block: &Value, path: &str) -> Result<Block, Error> {
        let Some(states) = block["States"].as_object().filter(|all| !all.is_empty()) else {
            return Err(expected(format!("{path}.States"), "an object of states"));
        };
        let place = format!("{path}.StartAt");
        let Some(start) = block["StartAt"].as_str() else {
            return Err(expected(place, "the name of a state"));
        };
        if !states.contains_key(start) {
            let name = start.to_owned();
            return Err(Error::NoState { path: place, name });
        }
        self.states += states.len();
        if self.states > MOST_STATES {
            return Err(Error::TooLarge);
        }
        let mut read = Block {
            start: start.to_owned(),
            states: Vec::new(),
            edges: Vec::new(),
        };
        for (name, state) in states {
            let path = format!("{path}.States['{name}']");
            let first = self.edges.len();
            self.transitions(name, state, &path)?;
            read.edges.extend(first..self.edges.len());
            for edge in &self.edges[first..] {
                let target = edge.to.as_ref().filter(|to| !states.contains_key(*to));
                if let Some(name) = target {
                    let name = name.clone();
                    return Err(Error::NoState { path, name });
                }
            }
            read.states.push(self.state(name, state, &path)?);
        }
        Ok(read)
    }

    fn state(&mut self, name: &str, state: &Value, path: &str) -> Result<State, Error> {
        let kind = state["Type"].as_str().and_then(StateType::parse);
        let Some(kind) = kind else {
            return Err(expected(format!("{path}.Type"), "the type of a state"));
        };
        let mut inner = Vec::new();
        for (at, branch) in list(&state["Branches"]).iter().enumerate() {
            inner.push(self.block(branch, &format!("{path}.Branches[{at}]"))?);
        }
        for field in ["ItemProcessor", "Iterator"] {
            if let Some(processor) = state.get(field) {
                inner.push(self.block(processor, &format!("{path}.{field}"))?);
            }
        }
        Ok(State {
            name: name.to_owned(),
            kind,
            detail: detail(kind, state),
            comment: text(&state["Comment"]),
            is_retried: !list(&state["Retry"]).is_empty(),
            inner,
        })
    }

    fn transitions(&mut self, from: &str, state: &Value, path: &str) -> Result<(), Error> {
        let rules = list(&state["Choices"]);
        for (to, numbers) in by_target(rules, &format!("{path}.Choices"))? {
            let texts = numbers.iter().map(|&at| condition::text(&rules[at]));
            let label = match numbers[..] {
                [only] => label(&rules[only], condition::text(&rules[only])),
                _ => format!("{} rules", numbers.len()),
            };
            let title = lines("Choices", &numbers, texts);
            self.add(from, Some(to), Via::Choice(numbers), label, title);
        }
        if let Some(to) = state["Default"].as_str() {
            let label = "default".to_owned();
            self.add(from, Some(to), Via::Default, label, "Default".to_owned());
        }
        let ends = state["End"] == true;
        let next = state["Next"].as_str();
        if ends || next.is_some() {
            let title = if ends { "End" } else { "Next" };
            let title = title.to_owned();
            self.add(from, next, Via::Next, String::new(), title);
        }
        let catchers = list(&state["Catch"]);
        for (to, numbers) in by_target(catchers, &format!("{path}.Catch"))? {
            let caught = |at: &usize| condition::errors(&catchers[*at]["ErrorEquals"]);
            let label = match numbers[..] {
                [only] => shorten(&caught(&only), 26),
                _ => format!(
                    "{} and {} more",
                    shorten(&caught(&numbers[0]), 18),
                    numbers.len() - 1
                ),
            };
            let title = lines("Catch", &numbers, numbers.iter().map(caught));
            self.add(from, Some(to), Via::Catch(numbers), label, title);
        }
        Ok(())
    }

    fn add(&mut self, from: &str, to: Option<&str>, via: Via, label: String, title: String) {
        self.edges.push(Edge {
            id: self.edges.len(),
            from: from.to_owned(),
            to: to.map(str::to_owned),
            via,
            label,
            title,
        });
    }
}

/// The numbers of the rules that lead to each state, in the order of the rules.
fn by_target<'a>(rules: &'a [Value], path: &str) -> Result<Vec<(&'a str, Vec<usize>)>, Error> {
    let mut targets: Vec<(&str, Vec<usize>)> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let Some(to) = rule["Next"].as_str() else {
            let place = format!("{path}[{at}].Next");
            return Err(expected(place, "the name of a state"));
        };
        match targets.iter_mut().find(|(known, _)| *known == to) {
            Some((_, numbers)) => numbers.push(at),
            None => targets.push((to, vec![at])),
        }
    }
    Ok(targets)
}

/// A rule's own words for itself, where they are short, else its condition.
fn label(rule: &Value, condition: String) -> String {
    let comment = rule["Comment"].as_str();
    let comment = comment.filter(|comment| !comment.is_empty() && comment.chars().count() <= 26);
    shorten(comment.unwrap_or(&condition), 26)
}

fn lines(field: &str, numbers: &[usize], texts: impl Iterator<Item = String>) -> String {
    let lines = numbers.iter().zip(texts);
    let lines: Vec<String> = lines
        .map(|(at, text)| format!("{field}[{at}]: {text}"))
        .collect();
    lines.join("\n")
}

/// What a state does, in a few words.
fn detail(kind: StateType, state: &Value) -> String {
    let name = kind.name();
    let more = match kind {
        StateType::Task => called(state["Resource"].as_str().unwrap_or_default()),
        StateType::Wait => waits(state),
        StateType::Fail => text(&state["Error"]),
        StateType::Parallel => format!("{} branches", list(&state["Branches"]).len()),
        StateType::Map => maps(state),
        StateType::Pass | StateType::Succeed | StateType::Choice => String::new(),
    };
    if more.is_empty() {
        name.to_owned()
    } else {
        format!("{name}: {more}")
    }
}

/// What a Task calls, without what all ARNs have in common.
fn called(resource: &str) -> String {
    match Resource::parse(resource) {
        Some(service @ Resource::Service { .. }) => service.to_string(),
        Some(Resource::Lambda { arn } | Resource::Activity { arn }) => {
            // The parts before the sixth are partition, service, region and account.
            arn.splitn(6, ':').last().unwrap_or_default().to_owned()
        }
        None => resource.to_owned(),
    }
}

fn waits(state: &Value) -> String {
    let known = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
    let found = known
        .iter()
        .find_map(|field| Some((*field, state.get(*field)?)));
    match found {
        Some(("Seconds", Value::Number(seconds))) => format!("{seconds} s"),
        Some(("Seconds" | "SecondsPath", value)) => format!("{} s", condition::plain(value)),
        Some((_, value)) => format!("until {}", condition::plain(value)),
        None => String::new(),
    }
}

fn maps(state: &Value) -> String {
    if state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED" {
        "distributed".to_owned()
    } else {
        "each item".to_owned()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map(condition::expression)
        .unwrap_or_default()
}

fn expected(path: String, expected: &'static str) -> Error {
    Error::Expected { path, expected }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "{} -> {to}", self.from),
            None => write!(f, "{} -> end", self.from),
        }
    }
}
