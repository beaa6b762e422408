//! The graph of a state machine as a page shows it.

use std::collections::BTreeMap;

use graph::{Graph, Mark, Marks};
use maud::{Markup, PreEscaped, html};

use crate::trace::{Outcome, Trace};

/// The graph of a definition, with what its states came to; nothing for one that has none.
pub fn drawing(definition: &str, trace: Option<&Trace>) -> Markup {
    let Ok(graph) = Graph::parse(definition) else {
        return html! {};
    };
    let marks = Marks {
        states: trace.map(marks).unwrap_or_default(),
        ..Marks::default()
    };
    html! { div.graph tabindex="0" role="region" aria-label="Graph" { (PreEscaped(graph.bare_svg(&marks))) } }
}

/// The same in small and without what it came to, as SVG.
pub fn small(definition: &str) -> String {
    Graph::parse(definition).map_or_else(|_| String::new(), |graph| graph.thumbnail())
}

/// What each state came to, over all its visits, of which the most telling counts.
fn marks(trace: &Trace) -> BTreeMap<String, Mark> {
    let mut states: BTreeMap<String, [u32; 5]> = BTreeMap::new();
    for visit in &trace.visits {
        let counts = states.entry(visit.name.to_string()).or_default();
        counts[rank(visit.outcome)] += 1;
    }
    let mark = |counts: [u32; 5]| {
        let told = TELLING
            .into_iter()
            .rev()
            .find(|outcome| counts[rank(*outcome)] > 0);
        let words: Vec<String> = TELLING
            .into_iter()
            .map(|outcome| (counts[rank(outcome)], outcome.word()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        Mark {
            class: told.map_or("", Outcome::word).to_owned(),
            note: words.join(", "),
        }
    };
    let states = states.into_iter();
    states.map(|(name, counts)| (name, mark(counts))).collect()
}

/// From what tells least to what tells most.
const TELLING: [Outcome; 5] = [
    Outcome::Succeeded,
    Outcome::Aborted,
    Outcome::Caught,
    Outcome::Failed,
    Outcome::Running,
];

fn rank(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Succeeded => 0,
        Outcome::Aborted => 1,
        Outcome::Caught => 2,
        Outcome::Failed => 3,
        Outcome::Running => 4,
    }
}
