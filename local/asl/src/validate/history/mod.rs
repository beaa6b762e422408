//! Whether an execution can outgrow its history: AWS ends one at 25,000 events, which nothing catches
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>).
//!
//! The events are counted for the largest input that a JSON schema allows, nothing failing: a Map runs as often as the
//! array may be long that its items are, a loop as often as the largest number says that its Choices compare with. What
//! no schema bounds and no literal tells (a loop that polls until a job is done) is taken to run once.

mod components;
mod sizes;

use super::transitions::targets;
use crate::diagnostic::{Diagnostic, Severity};
use crate::quota::HISTORY_EVENTS;
use crate::state_type::StateType;
use crate::value::{Map, Value};
use components::components;
use sizes::{Sizes, UNBOUNDED};

/// The schema's keyword for the reason why an execution stays within its history in spite of what is counted.
const ACCEPTED: &str = "x-history";

/// Warnings for executions of a valid definition that can outgrow their history by an input that the JSON schema allows.
/// None if the schema says in `x-history` why they cannot.
pub fn history_warnings(definition: &str, schema: &Value) -> Vec<Diagnostic> {
    let accepted = schema.get(ACCEPTED).and_then(Value::as_str);
    let (Ok(machine), true) = (Value::parse(definition), accepted.is_none_or(str::is_empty)) else {
        return Vec::new();
    };
    let mut counter = Counter {
        sizes: Sizes::of(&machine, schema),
        found: Vec::new(),
    };
    counter.execution(&machine, "");
    super::positions::place(definition, &mut counter.found);
    counter.found
}

struct Counter<'d> {
    sizes: Sizes<'d>,
    found: Vec<Diagnostic>,
}

/// What a block, or a part of it, adds to a history, and which state adds the most.
#[derive(Clone, Default)]
struct Cost {
    events: u64,
    heaviest: u64,
    at: String,
}

impl Cost {
    fn and(self, other: Cost) -> Cost {
        let events = self.events.saturating_add(other.events);
        let heavier = if other.heaviest > self.heaviest {
            other
        } else {
            self
        };
        Cost { events, ..heavier }
    }

    fn times(self, times: u64) -> Cost {
        Cost {
            events: self.events.saturating_mul(times),
            heaviest: self.heaviest.saturating_mul(times),
            at: self.at,
        }
    }
}

impl Counter<'_> {
    /// Counts an execution of its own: the state machine's, or a Distributed Map's children's.
    fn execution(&mut self, block: &Value, at: &str) {
        let limit = HISTORY_EVENTS;
        let cost = self.block(block, at);
        // It starts and ends.
        let events = cost.events.saturating_add(2);
        if events <= limit {
            return;
        }
        let message = if events == UNBOUNDED {
            "The schema of the input does not bound how often this runs".to_string()
        } else {
            format!("The largest input that its schema allows leads to about {events} events")
        };
        self.found.push(Diagnostic {
            severity: Severity::Warning,
            code: "HISTORY_LIMIT".to_string(),
            message: format!("{message}; an execution ends at {limit}, and nothing catches that."),
            location: cost.at,
            suggestion: Some(format!(
                "run the Map in mode DISTRIBUTED or the loop's round as a nested execution, allow less in the schema, or \
                 say in the schema's '{ACCEPTED}' why it cannot happen"
            )),
            position: None,
        });
    }

    /// The longest way through a block.
    fn block(&mut self, block: &Value, at: &str) -> Cost {
        let Some(states) = block.get("States").and_then(Value::as_object) else {
            return Cost::default();
        };
        let start = block.get("StartAt").and_then(Value::as_str);
        let Some(start) = start.and_then(|start| states.get_index_of(start)) else {
            return Cost::default();
        };
        let next: Vec<Vec<usize>> = states
            .values()
            .map(|state| {
                let targets = targets(state).into_iter();
                targets
                    .filter_map(|(target, ..)| states.get_index_of(target))
                    .collect()
            })
            .collect();
        // What is behind a component has been counted before it.
        let mut ways: Vec<Cost> = vec![Cost::default(); states.len()];
        for component in components(&next) {
            let mut cost = Cost::default();
            for &index in &component {
                if let Some((name, state)) = states.get_index(index) {
                    cost = cost.and(self.state(state, &format!("{at}/States/{name}")));
                }
            }
            let loops =
                component.len() > 1 || component.iter().any(|index| next[*index].contains(index));
            if loops {
                cost = cost.times(self.rounds(states, &component));
            }
            let behind = component.iter().flat_map(|index| &next[*index]);
            let behind = behind.filter(|index| !component.contains(index));
            let longest = behind
                .map(|index| &ways[*index])
                .max_by_key(|way| way.events);
            let way = cost.and(longest.cloned().unwrap_or_default());
            for index in component {
                ways[index] = way.clone();
            }
        }
        ways.swap_remove(start)
    }

    /// How often a loop is run through.
    fn rounds(&self, states: &Map, component: &[usize]) -> u64 {
        let states = component
            .iter()
            .filter_map(|index| states.get_index(*index));
        let choices =
            states.filter_map(|(_, state)| state.get("Choices").and_then(Value::as_array));
        let tests = choices.flat_map(|choices| choices.iter());
        tests
            .filter_map(|test| self.sizes.compared_with(test))
            .max()
            .unwrap_or(1)
            .max(1)
    }

    fn state(&mut self, state: &Value, at: &str) -> Cost {
        let kind = state.get("Type").and_then(Value::as_str);
        let inner = match kind.and_then(StateType::parse) {
            Some(StateType::Parallel) => {
                let branches = state.get("Branches").and_then(Value::as_array);
                let branches = branches.into_iter().flat_map(|branches| branches.iter());
                let mut cost = Cost::default();
                for (index, branch) in branches.enumerate() {
                    cost = cost.and(self.block(branch, &format!("{at}/Branches[{index}]")));
                }
                cost
            }
            Some(StateType::Map) => self.map(state, at),
            _ => Cost::default(),
        };
        let own = match kind.and_then(StateType::parse) {
            // Entered, exited, and between them scheduled, started and succeeded; a job is submitted, too.
            Some(StateType::Task) => match state.get("Resource").and_then(Value::as_str) {
                Some(arn) if arn.contains(".sync") || arn.ends_with(".waitForTaskToken") => 6,
                _ => 5,
            },
            Some(StateType::Parallel) => 4,
            // A Map Run has events of its own.
            Some(StateType::Map) => 6,
            Some(StateType::Fail) => 1,
            _ => 2,
        };
        let events = inner.events.saturating_add(own);
        Cost {
            events,
            heaviest: events,
            at: at.to_string(),
        }
    }

    /// What the iterations of a Map add. Those of a Distributed Map are executions of their own.
    fn map(&mut self, state: &Value, at: &str) -> Cost {
        let Some((field, processor)) = ["ItemProcessor", "Iterator"]
            .iter()
            .find_map(|field| Some((field, state.get(field)?)))
        else {
            return Cost::default();
        };
        let at = format!("{at}/{field}");
        let config = |name: &str| processor.get("ProcessorConfig")?.get(name)?.as_str();
        match (config("Mode"), config("ExecutionType")) {
            (Some("DISTRIBUTED"), Some("EXPRESS")) => Cost::default(),
            (Some("DISTRIBUTED"), _) => {
                self.execution(processor, &at);
                Cost::default()
            }
            _ => {
                // Each iteration starts and succeeds.
                let mut cost = self.block(processor, &at);
                cost.events = cost.events.saturating_add(2);
                cost.times(self.sizes.items(state).unwrap_or(1))
            }
        }
    }
}

#[cfg(test)]
mod tests;
