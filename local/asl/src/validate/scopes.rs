//! Variables that hide others: a state within a Map or Parallel must not assign a name that has been assigned on a way
//! that leads to the Map or Parallel
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html#variable-scope>).

use std::collections::{HashMap, HashSet};

use super::findings::Findings;
use super::transitions::targets;
use crate::value::{Map, Value};

/// A name that a state assigns, and where.
struct Assigned<'d> {
    name: &'d str,
    location: String,
}

/// Reports the hiding variables within the composite states of a block.
pub(super) fn shadowing(states: &Map, at: &str, findings: &mut Findings) {
    let way = states.values().flat_map(targets).map(|(_, _, by)| by);
    let outer: HashSet<&str> = way.flat_map(assigns).map(|(_, name)| name).collect();
    let mut way_back: Option<HashMap<&str, Vec<(&str, &Value)>>> = None;
    for (name, state) in states.iter().filter(|_| !outer.is_empty()) {
        let mut inner = Vec::new();
        inside(state, &format!("{at}/{name}"), &mut inner);
        inner.retain(|assigned| outer.contains(assigned.name));
        if inner.is_empty() {
            continue;
        }
        let way_back = way_back.get_or_insert_with(|| way_back_of(states));
        let outer = assigned_before(name, states, way_back);
        for assigned in inner.iter().filter(|inner| outer.contains(inner.name)) {
            findings.error(
                "DUPLICATE_VARIABLE_NAME",
                &assigned.location,
                format!(
                    "The variable name '{}' was already defined in a parent scope.",
                    assigned.name
                ),
                Some("give the inner variable another name".to_string()),
            );
        }
    }
}

/// From each state the states that lead to it, with the object whose Assign is done on that way.
fn way_back_of(states: &Map) -> HashMap<&str, Vec<(&str, &Value)>> {
    let mut back: HashMap<&str, Vec<(&str, &Value)>> = HashMap::new();
    for (name, state) in states {
        for (target, _, by) in targets(state) {
            back.entry(target).or_default().push((name, by));
        }
    }
    back
}

/// The names assigned on the ways that lead to the state, its own apart.
fn assigned_before<'d>(
    state: &str,
    states: &'d Map,
    way_back: &HashMap<&'d str, Vec<(&'d str, &'d Value)>>,
) -> HashSet<&'d str> {
    let mut names = HashSet::new();
    let mut seen = HashSet::new();
    let mut open: Vec<&str> = vec![state];
    while let Some(target) = open.pop() {
        for (from, by) in way_back.get(target).into_iter().flatten() {
            if *from != state {
                names.extend(assigns(by).map(|(_, name)| name));
            }
            if states.contains_key(*from) && seen.insert(*from) {
                open.push(from);
            }
        }
    }
    names
}

/// The keys of an object's Assign, and the variables that they name.
fn assigns(by: &Value) -> impl Iterator<Item = (&str, &str)> {
    by.get("Assign")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|assign| assign.keys())
        .map(|key| (&**key, key.strip_suffix(".$").unwrap_or(key)))
}

/// Everything that the states within a composite state assign. A Distributed Map sees no variables from outside.
fn inside<'d>(state: &'d Value, at: &str, found: &mut Vec<Assigned<'d>>) {
    for field in ["ItemProcessor", "Iterator"] {
        let Some(processor) = state.get(field) else {
            continue;
        };
        let mode = processor
            .get("ProcessorConfig")
            .and_then(|config| config.get("Mode"));
        if mode.and_then(Value::as_str) != Some("DISTRIBUTED") {
            block(processor, &format!("{at}/{field}"), found);
        }
    }
    let branches = state.get("Branches").and_then(Value::as_array);
    for (index, branch) in branches.into_iter().flat_map(|b| b.iter()).enumerate() {
        block(branch, &format!("{at}/Branches[{index}]"), found);
    }
}

fn block<'d>(block: &'d Value, at: &str, found: &mut Vec<Assigned<'d>>) {
    let states = block.get("States").and_then(Value::as_object);
    for (name, state) in states.into_iter().flat_map(|states| states.iter()) {
        let at = format!("{at}/States/{name}");
        let mut add = |by: &'d Value, at: &str| {
            found.extend(assigns(by).map(|(key, name)| Assigned {
                name,
                location: format!("{at}/Assign/{key}"),
            }));
        };
        add(state, &at);
        for field in ["Choices", "Catch"] {
            let items = state.get(field).and_then(Value::as_array);
            for (index, item) in items.into_iter().flat_map(|items| items.iter()).enumerate() {
                add(item, &format!("{at}/{field}[{index}]"));
            }
        }
        inside(state, &at, found);
    }
}
