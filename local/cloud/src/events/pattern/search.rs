//! Looks for values of an event that satisfy an alternative and do not contradict each other: two values from
//! different elements of the same array never count together.
//! <https://github.com/aws/event-ruler/blob/main/README.md#json-array-matching>

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::Alternative;
use super::condition::Condition;

/// In which element of which array a value stands; arrays are numbered in the order of the event.
type Elements = BTreeMap<u32, u32>;

/// The values at the leaves of an event, by their paths. Arrays leave no trace in a path.
#[derive(Debug, Default)]
pub(super) struct Fields<'e> {
    by_path: HashMap<String, Leaves<'e>>,
    arrays: u32,
}

/// The values at one path.
#[derive(Debug, Default)]
struct Leaves<'e> {
    all: Vec<(&'e Value, Elements)>,
    /// Which of them stand in an element of an array.
    within: HashMap<(u32, u32), Vec<usize>>,
    arrays: HashSet<u32>,
}

impl<'e> Fields<'e> {
    pub(super) fn of(event: &'e Value) -> Self {
        let mut fields = Fields::default();
        if let Value::Object(members) = event {
            fields.add_object("", members, &Elements::new());
        }
        fields
    }

    fn add_object(&mut self, path: &str, members: &'e Map<String, Value>, elements: &Elements) {
        for (name, value) in members {
            if path.is_empty() {
                self.add(name, value, elements);
            } else {
                self.add(&format!("{path}.{name}"), value, elements);
            }
        }
    }

    fn add(&mut self, path: &str, value: &'e Value, elements: &Elements) {
        match value {
            Value::Object(members) => self.add_object(path, members, elements),
            Value::Array(items) => {
                let array = self.arrays;
                self.arrays += 1;
                for (index, item) in (0..).zip(items) {
                    if item.is_object() || item.is_array() {
                        let mut inside = elements.clone();
                        inside.insert(array, index);
                        self.add(path, item, &inside);
                    } else {
                        // Bare values of one array may count together.
                        self.add(path, item, elements);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let leaves = self.by_path.entry(path.to_owned()).or_default();
                let at = leaves.all.len();
                for (&array, &index) in elements {
                    leaves.arrays.insert(array);
                    leaves.within.entry((array, index)).or_default().push(at);
                }
                leaves.all.push((value, elements.clone()));
            }
        }
    }

    /// Whether values can be chosen that satisfy all paths of an alternative.
    pub(super) fn satisfy(&self, alternative: &Alternative) -> bool {
        let steps: Vec<Step<'_, 'e>> = alternative
            .iter()
            .map(|(path, conditions)| Step {
                leaves: self.by_path.get(path),
                conditions,
            })
            .collect();
        let mut search = Search {
            steps: &steps,
            failed: HashSet::new(),
        };
        search.goes_on(0, &Elements::new())
    }
}

/// A path of the alternative with its values in the event.
struct Step<'a, 'e> {
    leaves: Option<&'a Leaves<'e>>,
    conditions: &'a [Condition],
}

struct Search<'s, 'a, 'e> {
    steps: &'s [Step<'a, 'e>],
    /// From where no way leads to the end: the step, and the elements that matter to it and the steps after it.
    failed: HashSet<(usize, Elements)>,
}

impl Search<'_, '_, '_> {
    /// Whether the steps from this one on can be satisfied within the elements chosen so far.
    fn goes_on(&mut self, at: usize, chosen: &Elements) -> bool {
        let Some(step) = self.steps.get(at) else {
            return true;
        };
        let matters = |array: &u32| {
            let later = self.steps[at..].iter().filter_map(|step| step.leaves);
            later
                .into_iter()
                .any(|leaves| leaves.arrays.contains(array))
        };
        let chosen: Elements = chosen
            .iter()
            .filter(|(array, _)| matters(array))
            .map(|(&array, &index)| (array, index))
            .collect();
        if self.failed.contains(&(at, chosen.clone())) {
            return false;
        }
        let candidates = step.leaves.map(|leaves| leaves.consistent(&chosen));
        let candidates = candidates.unwrap_or_default();
        let absent = candidates.is_empty() && step.conditions.contains(&Condition::Absent);
        let found = absent && self.goes_on(at + 1, &chosen)
            || candidates.into_iter().any(|(value, elements)| {
                step.conditions
                    .iter()
                    .any(|condition| condition.holds(value))
                    && self.goes_on(at + 1, &elements)
            });
        if !found {
            self.failed.insert((at, chosen));
        }
        found
    }
}

impl<'e> Leaves<'e> {
    /// The values that may stand beside the elements chosen so far, each with the elements that are chosen with it.
    fn consistent(&self, chosen: &Elements) -> Vec<(&'e Value, Elements)> {
        let merged = |(value, elements): &(&'e Value, Elements)| {
            let fits = elements
                .iter()
                .all(|(array, index)| chosen.get(array).is_none_or(|chosen| chosen == index));
            let together = || {
                chosen
                    .iter()
                    .chain(elements)
                    .map(|(a, i)| (*a, *i))
                    .collect()
            };
            fits.then(|| (*value, together()))
        };
        // The innermost array has the highest number.
        let shared = chosen
            .iter()
            .rev()
            .find(|(array, _)| self.arrays.contains(array));
        match shared {
            Some((&array, &index)) => {
                let places = self.within.get(&(array, index));
                let places = places.map_or(&[][..], Vec::as_slice);
                places
                    .iter()
                    .filter_map(|&place| merged(&self.all[place]))
                    .collect()
            }
            None => self.all.iter().filter_map(merged).collect(),
        }
    }
}
