//! What the cases reach, as a page with the graph of each state machine.

use graph::{Edge, Graph, Mark, Marks, Via};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use testing::{Coverage, Item, Kind};

use super::{Outcome, Tested};

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; }
.graph { overflow-x: auto; margin: 1rem 0; }
.key span { margin-right: 1.2rem; }
.good { color: light-dark(#1a7f37, #3fb950); } .warm { color: light-dark(#9a6700, #d29922); }
.bad { color: light-dark(#cf222e, #f85149); }
";

/// The whole page.
pub fn document(tested: &[Tested]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Coverage of state machines" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Coverage of state machines" }
                p.key {
                    span.good { "■ reached" }
                    span.warm { "■ reached, but not with all of its rules" }
                    span.bad { "■ not reached" }
                }
                table {
                    tr { th { "state machine" } th { "cases" } th { "failed" } th { "reached" } }
                    @for (at, one) in tested.iter().enumerate() {
                        tr {
                            td { a href=(format!("#m{at}")) { (one.loaded.definition.name) } }
                            td.number { (one.outcomes.len()) }
                            td.number { (failed(one)) }
                            td.number { (percent(&one.coverage)) }
                        }
                    }
                }
                @for (at, one) in tested.iter().enumerate() { (machine(at, one)) }
            }
        }
    };
    page.into_string()
}

fn failed(one: &Tested) -> usize {
    one.outcomes
        .iter()
        .filter(|outcome| !Outcome::passed(outcome))
        .count()
}

fn percent(coverage: &Coverage) -> String {
    format!("{:.1} %", coverage.percent())
}

fn machine(at: usize, one: &Tested) -> Markup {
    let id = format!("m{at}");
    let drawn = Graph::of(&one.loaded.definition.value).map(|graph| {
        let marks = marks(&one.coverage, &graph, format!("{id}-"));
        graph.svg(&marks)
    });
    html! {
        h2 id=(id) { (one.loaded.definition.name) " " small { (percent(&one.coverage)) } }
        div.graph {
            @match drawn {
                Ok(svg) => { (PreEscaped(svg)) }
                Err(error) => { p { "No drawing: " (error) } }
            }
        }
        table {
            @for row in one.coverage.rows() {
                tr {
                    td { (row.kind.name()) @if row.kind == Kind::Maps { " (a hint)" } }
                    td.number { (row.reached) " of " (row.total) }
                    td { @for item in &row.missing { div { (item) } } }
                }
            }
        }
    }
}

/// How much of something has been reached.
#[derive(Clone, Copy, PartialEq)]
enum Reached {
    All,
    Some,
    Nothing,
}

impl Reached {
    fn of(counts: impl Iterator<Item = u64>) -> Option<Reached> {
        let (reached, missed): (Vec<u64>, Vec<u64>) = counts.partition(|count| *count > 0);
        match (reached.is_empty(), missed.is_empty()) {
            (true, true) => None,
            (false, true) => Some(Reached::All),
            (true, false) => Some(Reached::Nothing),
            (false, false) => Some(Reached::Some),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Reached::All => "covered",
            Reached::Some => "partly",
            Reached::Nothing => "missed",
        }
    }
}

/// What the drawing says of each state and transition.
fn marks(coverage: &Coverage, graph: &Graph, prefix: String) -> Marks {
    let mut marks = Marks {
        prefix,
        ..Marks::default()
    };
    for state in graph.states() {
        marks
            .states
            .insert(state.name.clone(), of_state(coverage, &state.name));
    }
    for edge in graph.edges() {
        if let Some(reached) = of_edge(coverage, edge) {
            marks.edges.insert(edge.id, Mark::class(reached.class()));
        }
    }
    marks
}

fn of_state(coverage: &Coverage, name: &str) -> Mark {
    let entered = coverage
        .count(&Item::State(name.to_owned()))
        .unwrap_or_default();
    let of_state = |item: &Item| match item {
        Item::Choice(state, ..) | Item::Retry(state, _) | Item::Catch(state, _) => state == name,
        // Transitions have lines of their own, and amounts of items are a hint.
        Item::State(_) | Item::Transition(..) | Item::Map(..) => false,
    };
    let missing: Vec<String> = coverage
        .items()
        .filter(|(item, count)| *count == 0 && of_state(item))
        .map(|(item, _)| format!("not reached: {item}"))
        .collect();
    let reached = match (entered, missing.is_empty()) {
        (0, _) => Reached::Nothing,
        (_, true) => Reached::All,
        (_, false) => Reached::Some,
    };
    let times = format!("entered {entered} times");
    Mark {
        class: reached.class().to_owned(),
        note: std::iter::once(times)
            .chain(missing)
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn of_edge(coverage: &Coverage, edge: &Edge) -> Option<Reached> {
    let from = || edge.from.clone();
    let items: Vec<Item> = match &edge.via {
        Via::Choice(rules) => rules
            .iter()
            .map(|&rule| Item::Choice(from(), rule, true))
            .collect(),
        Via::Catch(rules) => rules
            .iter()
            .map(|&rule| Item::Catch(from(), rule))
            .collect(),
        Via::Next | Via::Default => {
            // The end of a level is no transition that is counted.
            let to = edge.to.clone()?;
            vec![Item::Transition(from(), to)]
        }
    };
    Reached::of(items.iter().filter_map(|item| coverage.count(item)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::{Definition, Mocks, Options, Substitutions, rehearse};

    #[test]
    fn what_is_reached_is_told_of_states_and_lines() {
        let text = r#"{"StartAt":"Q","States":{
            "Q":{"Type":"Choice","Default":"B","Choices":[
                {"Condition":"{% $states.input.a %}","Next":"A"},
                {"Condition":"{% $states.input.c %}","Next":"C"}]},
            "A":{"Type":"Succeed"},"B":{"Type":"Succeed"},"C":{"Type":"Succeed"}},"QueryLanguage":"JSONata"}"#;
        let definition = Definition::parse("m", text, &Substitutions::new()).unwrap();
        let mut coverage = Coverage::new(&definition.outline);
        let input = asl::Value::parse(r#"{"a":true,"c":false}"#).unwrap();
        let run = rehearse(&definition, &input, &Mocks::default(), Options::default());
        coverage.add(&run.observations);
        let graph = Graph::of(&definition.value).unwrap();
        let marks = marks(&coverage, &graph, String::new());
        let states: Vec<&str> = marks
            .states
            .values()
            .map(|mark| mark.class.as_str())
            .collect();
        assert_eq!(states, ["covered", "missed", "missed", "partly"]);
        assert!(
            marks.states["Q"]
                .note
                .contains("not reached: Q: Choices[1] holds")
        );
        let edges: Vec<&str> = marks
            .edges
            .values()
            .map(|mark| mark.class.as_str())
            .collect();
        assert_eq!(edges, ["covered", "missed", "missed"]);
    }
}
