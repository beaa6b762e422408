//! The parts of a definition that tests speak of: its states with their rules and where they lead.

use asl::{Resource, StateType};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// The states of a definition, those of Map processors and Parallel branches included. Names are unique.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    states: IndexMap<String, StateOutline>,
}

/// One state.
#[derive(Clone, Debug)]
pub struct StateOutline {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: StateType,
    /// The Map or Parallel state around it.
    pub within: Option<String>,
    /// What a Task state calls.
    pub resource: Option<Resource>,
    /// Where Next, or a Choice's Default, leads.
    pub next: Option<String>,
    /// Where each rule of a Choice leads.
    pub choices: Vec<String>,
    /// The entries of Retry.
    pub retry: Vec<Retrier>,
    /// The entries of Catch.
    pub catch: Vec<Catcher>,
    /// A Map that reads its items from S3.
    pub reads_items: bool,
    /// A Distributed Map.
    pub distributed: bool,
    /// The state as it is written.
    pub definition: Map<String, Value>,
}

/// One entry of Retry.
#[derive(Clone, Debug)]
pub struct Retrier {
    /// ErrorEquals.
    pub errors: Vec<String>,
}

/// One entry of Catch.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// ErrorEquals.
    pub errors: Vec<String>,
    /// Where it leads.
    pub next: String,
}

impl Outline {
    /// The outline of a definition that has been found valid.
    pub(crate) fn of(definition: &Value) -> Outline {
        let mut outline = Outline::default();
        outline.block(definition, None);
        outline
    }

    /// A state.
    pub fn get(&self, name: &str) -> Option<&StateOutline> {
        self.states.get(name)
    }

    /// All states, in the order of the definition.
    pub fn states(&self) -> impl Iterator<Item = &StateOutline> {
        self.states.values()
    }

    /// The states that a mock can stand in for.
    pub fn mockable(&self) -> impl Iterator<Item = &StateOutline> {
        self.states().filter(|state| state.is_mockable())
    }

    /// The states around a state, the nearest first.
    pub fn around<'a>(&'a self, state: &'a StateOutline) -> impl Iterator<Item = &'a StateOutline> {
        let outer = |state: &StateOutline| self.get(state.within.as_deref()?);
        std::iter::successors(outer(state), move |state| outer(state))
    }

    fn block(&mut self, block: &Value, within: Option<&str>) {
        for (name, state) in block["States"].as_object().into_iter().flatten() {
            let Some(outline) = StateOutline::of(name, state, within) else {
                continue;
            };
            self.states.insert(name.clone(), outline);
            for inner in inner(state) {
                self.block(inner, Some(name));
            }
        }
    }
}

/// The branches of a Parallel, the processor of a Map.
fn inner(state: &Value) -> Vec<&Value> {
    let branches = state["Branches"].as_array().into_iter().flatten();
    branches
        .chain(state.get("ItemProcessor").or_else(|| state.get("Iterator")))
        .collect()
}

impl StateOutline {
    fn of(name: &str, state: &Value, within: Option<&str>) -> Option<StateOutline> {
        let text = |field: &str| state[field].as_str().map(str::to_owned);
        let list = |field: &str| state[field].as_array().map_or(&[][..], Vec::as_slice);
        let errors = |rule: &Value| {
            let names = rule["ErrorEquals"].as_array().into_iter().flatten();
            names
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        let kind = StateType::parse(state["Type"].as_str()?)?;
        let processor = inner(state)
            .into_iter()
            .next()
            .filter(|_| kind == StateType::Map);
        Some(StateOutline {
            name: name.to_owned(),
            kind,
            within: within.map(str::to_owned),
            resource: state["Resource"].as_str().and_then(Resource::parse),
            next: text("Next").or_else(|| text("Default")),
            choices: list("Choices")
                .iter()
                .filter_map(|rule| rule["Next"].as_str().map(str::to_owned))
                .collect(),
            retry: list("Retry")
                .iter()
                .map(|rule| Retrier {
                    errors: errors(rule),
                })
                .collect(),
            catch: list("Catch")
                .iter()
                .filter_map(|rule| {
                    let next = rule["Next"].as_str()?.to_owned();
                    Some(Catcher {
                        errors: errors(rule),
                        next,
                    })
                })
                .collect(),
            reads_items: state.get("ItemReader").is_some(),
            distributed: processor
                .is_some_and(|processor| processor["ProcessorConfig"]["Mode"] == "DISTRIBUTED"),
            definition: state.as_object()?.clone(),
        })
    }

    /// Whether a mock can stand in for what the state calls.
    pub fn is_mockable(&self) -> bool {
        self.kind == StateType::Task || self.reads_items
    }
}
