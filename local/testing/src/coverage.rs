//! What the cases of a state machine reach, and what they do not.

use std::collections::BTreeMap;
use std::fmt;

use asl::{Observation, Seen, StateType};
use indexmap::IndexMap;

use crate::outline::{Outline, StateOutline};

/// Something that a case can reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// A state is entered.
    State(String),
    /// A state is followed by another one.
    Transition(String, String),
    /// A rule of a Choice decides so: it holds, or it does not.
    Choice(String, usize, bool),
    /// An entry of Retry takes an error in.
    Retry(String, usize),
    /// An entry of Catch takes an error in.
    Catch(String, usize),
    /// A Map meets so many items.
    Map(String, Amount),
}

/// How many items a Map has, or that one of them fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Amount {
    /// No item.
    None,
    /// One.
    One,
    /// Two or more.
    Many,
    /// A state of an iteration fails, and no Retry helps.
    Failing,
}

/// The kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// States entered.
    States,
    /// Transitions taken.
    Transitions,
    /// Sides of Choice rules.
    Choices,
    /// Entries of Retry that fired.
    Retries,
    /// Entries of Catch that fired.
    Catches,
    /// Amounts of items of Maps. A hint: it does not count in the percentage, for not every Map can meet all.
    Maps,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] = [
        Kind::States,
        Kind::Transitions,
        Kind::Choices,
        Kind::Retries,
        Kind::Catches,
        Kind::Maps,
    ];

    /// The name in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::States => "states",
            Kind::Transitions => "transitions",
            Kind::Choices => "choice sides",
            Kind::Retries => "retry rules",
            Kind::Catches => "catch rules",
            Kind::Maps => "map items",
        }
    }
}

impl Item {
    /// Of what kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Item::State(_) => Kind::States,
            Item::Transition(..) => Kind::Transitions,
            Item::Choice(..) => Kind::Choices,
            Item::Retry(..) => Kind::Retries,
            Item::Catch(..) => Kind::Catches,
            Item::Map(..) => Kind::Maps,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Item::State(state) => write!(f, "{state}"),
            Item::Transition(from, to) => write!(f, "{from} -> {to}"),
            Item::Choice(state, rule, true) => write!(f, "{state}: Choices[{rule}] holds"),
            Item::Choice(state, rule, false) => write!(f, "{state}: Choices[{rule}] does not hold"),
            Item::Retry(state, rule) => write!(f, "{state}: Retry[{rule}]"),
            Item::Catch(state, rule) => write!(f, "{state}: Catch[{rule}]"),
            Item::Map(state, amount) => {
                let amount = match amount {
                    Amount::None => "no items",
                    Amount::One => "one item",
                    Amount::Many => "many items",
                    Amount::Failing => "a failing item",
                };
                write!(f, "{state}: {amount}")
            }
        }
    }
}

/// How much of a state machine has been reached.
#[derive(Clone, Debug)]
pub struct Coverage {
    items: IndexMap<Item, u64>,
    /// For each Choice, how many rules it has.
    rules: BTreeMap<String, usize>,
    /// The Maps around each state.
    maps: BTreeMap<String, Vec<String>>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is counted.
    pub kind: Kind,
    /// How many have been reached.
    pub reached: usize,
    /// How many there are.
    pub total: usize,
    /// Those that have not been reached.
    pub missing: Vec<Item>,
}

impl Coverage {
    /// Nothing reached yet.
    pub fn new(outline: &Outline) -> Coverage {
        let mut coverage = Coverage {
            items: IndexMap::new(),
            rules: BTreeMap::new(),
            maps: BTreeMap::new(),
        };
        for state in outline.states() {
            coverage.add_state(state);
            let maps = outline
                .around(state)
                .filter(|around| around.kind == StateType::Map);
            coverage.maps.insert(
                state.name.clone(),
                maps.map(|map| map.name.clone()).collect(),
            );
        }
        coverage
    }

    fn add_state(&mut self, state: &StateOutline) {
        let name = || state.name.clone();
        let mut add = |item| _ = self.items.entry(item).or_insert(0);
        add(Item::State(name()));
        let targets = state
            .choices
            .iter()
            .chain(&state.next)
            .chain(state.catch.iter().map(|catcher| &catcher.next));
        for target in targets {
            add(Item::Transition(name(), target.clone()));
        }
        for rule in 0..state.choices.len() {
            add(Item::Choice(name(), rule, true));
            add(Item::Choice(name(), rule, false));
        }
        (0..state.retry.len()).for_each(|rule| add(Item::Retry(name(), rule)));
        (0..state.catch.len()).for_each(|rule| add(Item::Catch(name(), rule)));
        if state.kind == StateType::Map {
            for amount in [Amount::None, Amount::One, Amount::Many, Amount::Failing] {
                add(Item::Map(name(), amount));
            }
        }
        if state.kind == StateType::Choice {
            self.rules.insert(name(), state.choices.len());
        }
    }

    fn reach(&mut self, item: Item) {
        if let Some(count) = self.items.get_mut(&item) {
            *count += 1;
        }
    }

    /// Takes note of what happened in a run.
    pub fn add(&mut self, observations: &[(u64, Observation)]) {
        for (index, (run, observation)) in observations.iter().enumerate() {
            let name = || observation.state.to_string();
            self.reach(Item::State(name()));
            match &observation.seen {
                Seen::Chosen(rule) => {
                    let rules = self
                        .rules
                        .get(&*observation.state)
                        .copied()
                        .unwrap_or_default();
                    for rejected in 0..rule.unwrap_or(rules) {
                        self.reach(Item::Choice(name(), rejected, false));
                    }
                    if let Some(rule) = rule {
                        self.reach(Item::Choice(name(), *rule, true));
                    }
                }
                Seen::Retrier { index, .. } => self.reach(Item::Retry(name(), *index)),
                Seen::Catcher { index } => self.reach(Item::Catch(name(), *index)),
                Seen::Left {
                    next: Some(next), ..
                } => self.reach(Item::Transition(name(), next.to_string())),
                Seen::Items(items) => {
                    let amount = match items.len() {
                        0 => Amount::None,
                        1 => Amount::One,
                        _ => Amount::Many,
                    };
                    self.reach(Item::Map(name(), amount));
                }
                Seen::Failed { .. }
                    if !is_retried(&observations[index + 1..], *run, observation) =>
                {
                    for map in self
                        .maps
                        .get(&*observation.state)
                        .cloned()
                        .unwrap_or_default()
                    {
                        self.reach(Item::Map(map, Amount::Failing));
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes in what else has been reached of the same state machine.
    pub fn merge(&mut self, other: &Coverage) {
        for (item, count) in &other.items {
            if let Some(reached) = self.items.get_mut(item) {
                *reached += count;
            }
        }
    }

    /// How often an item has been reached; none when there is no such item.
    pub fn count(&self, item: &Item) -> Option<u64> {
        self.items.get(item).copied()
    }

    /// Every item with how often it has been reached.
    pub fn items(&self) -> impl Iterator<Item = (&Item, u64)> {
        self.items.iter().map(|(item, count)| (item, *count))
    }

    /// The table.
    pub fn rows(&self) -> Vec<Row> {
        let row = |kind: Kind| {
            let of_kind: Vec<_> = self
                .items()
                .filter(|(item, _)| item.kind() == kind)
                .collect();
            let missing: Vec<Item> = of_kind
                .iter()
                .filter(|(_, count)| *count == 0)
                .map(|(item, _)| (*item).clone())
                .collect();
            Row {
                kind,
                reached: of_kind.len() - missing.len(),
                total: of_kind.len(),
                missing,
            }
        };
        Kind::ALL.into_iter().map(row).collect()
    }

    /// The share of what has been reached, in percent; amounts of items do not count.
    pub fn percent(&self) -> f64 {
        let counted = self.items().filter(|(item, _)| item.kind() != Kind::Maps);
        let (reached, total) = counted.fold((0, 0), |(reached, total), (_, count)| {
            (reached + u32::from(count > 0), total + 1)
        });
        if total == 0 {
            100.0
        } else {
            f64::from(reached) * 100.0 / f64::from(total)
        }
    }
}

/// Whether the state's next observation says that it is tried again.
fn is_retried(later: &[(u64, Observation)], run: u64, failed: &Observation) -> bool {
    let next = later
        .iter()
        .find(|(other, seen)| *other == run && seen.entered_event_id == failed.entered_event_id);
    next.is_some_and(|(_, next)| {
        matches!(
            next.seen,
            Seen::Retrier {
                backoff_seconds: Some(_),
                ..
            }
        )
    })
}
