//! What a drawing promises, for the pipelines of this workspace and for any machine.

#![allow(clippy::unwrap_used, missing_docs)]

use graph::{Error, Graph, Mark, Marks, Via, state_id};
use proptest::prelude::*;
use serde_json::{Value, json};

fn graph(definition: &Value) -> Graph {
    Graph::of(definition).unwrap()
}

fn pipelines() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../statemachines");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let definitions = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        let name = name.strip_suffix(".asl.json")?.to_owned();
        let text = std::fs::read_to_string(file.path()).unwrap();
        Some((name, serde_json::from_str(&text).unwrap()))
    });
    definitions.collect()
}

/// Every state and transition is there once, and the text is well-formed: each element that begins also ends.
fn check(graph: &Graph, svg: &str) {
    for state in graph.states() {
        let id = format!(" id=\"{}\"", state_id(&state.name));
        assert_eq!(svg.matches(&id).count(), 1, "{}", state.name);
    }
    for edge in graph.edges() {
        let drawn = svg.matches(&format!(" data-edge=\"{}\"", edge.id)).count();
        // The end of a state that stands alone in its box is not drawn.
        assert!(drawn == 1 || (drawn == 0 && edge.to.is_none()), "{edge}");
    }
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let name = tag.split([' ', '>']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None => open.push(name),
        }
    }
    assert!(open.is_empty());
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn every_pipeline_is_drawn_whole_and_always_the_same() {
    let pipelines = pipelines();
    assert_eq!(pipelines.len(), 9);
    for (name, definition) in pipelines {
        let graph = graph(&definition);
        let svg = graph.svg(&Marks::default());
        check(&graph, &svg);
        assert_eq!(svg, graph.svg(&Marks::default()), "{name}");
        let chart = graph.mermaid();
        for state in graph.states() {
            assert!(chart.contains(&state.name), "{name}: {}", state.name);
        }
    }
}

/// `hybrid graph ml-training --output docs/ml-training.svg` renews it.
#[test]
fn the_picture_of_the_documentation_is_what_is_drawn() {
    let (_, definition) = pipelines()
        .into_iter()
        .find(|(name, _)| name == "ml-training")
        .unwrap();
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ml-training.svg");
    let picture = std::fs::read_to_string(picture).unwrap();
    assert_eq!(
        picture.trim_end(),
        graph(&definition).svg(&Marks::default())
    );
}

#[test]
fn rules_with_one_target_are_one_line_and_a_catch_is_dashed() {
    let graph = graph(&json!({"StartAt": "Q", "States": {
        "Q": {"Type": "Choice", "Default": "T", "Choices": [
            {"Condition": "{% $n > 1 %}", "Next": "T"},
            {"Condition": "{% $n > 2 %}", "Next": "F"},
            {"Condition": "{% $n > 3 %}", "Next": "T"}]},
        "T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "F"}]},
        "F": {"Type": "Fail"}}}));
    let vias: Vec<&Via> = graph.edges().iter().map(|edge| &edge.via).collect();
    let expected = [
        &Via::Choice(vec![0, 2]),
        &Via::Choice(vec![1]),
        &Via::Default,
        &Via::Next,
        &Via::Catch(vec![0]),
    ];
    assert_eq!(vias, expected);
    let svg = graph.svg(&Marks::default());
    check(&graph, &svg);
    for text in [
        ">2 rules<",
        ">$n &gt; 2<",
        ">default<",
        ">any error<",
        "Task: sqs:sendMessage",
        "class=\"edge catch\"",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(graph.mermaid().contains("-.->|\"any error\"|"));
}

#[test]
fn marks_become_classes_and_notes() {
    let graph = graph(&json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}}));
    let mut marks = Marks {
        prefix: "x-".to_owned(),
        ..Marks::default()
    };
    marks.states.insert(
        "A".to_owned(),
        Mark {
            class: "failed".to_owned(),
            note: "why <so>".to_owned(),
        },
    );
    marks.edges.insert(0, Mark::class("taken"));
    let svg = graph.svg(&marks);
    assert!(
        svg.contains("class=\"state pass failed\" id=\"x-state-A\" data-state=\"A\""),
        "{svg}"
    );
    assert!(
        svg.contains("class=\"edge next taken\" data-edge=\"0\" data-from=\"A\" data-to=\"B\""),
        "{svg}"
    );
    assert!(svg.contains("why &lt;so&gt;"));
}

#[test]
fn whatever_a_definition_holds_is_text() {
    let name = "<script>alert(1)</script>\"'&\u{0}\u{8}";
    let graph = graph(&json!({"StartAt": name, "States": {
        name: {"Type": "Task", "Resource": "\"><script>", "Comment": "</title><script>", "End": true}}}));
    let svg = graph.svg(&Marks::default());
    assert!(!svg.contains("<script") && !svg.contains('\u{0}') && !svg.contains('\u{8}'));
    assert!(!graph.mermaid().contains("<script"));
}

#[test]
fn what_cannot_be_drawn_is_told_with_its_place() {
    let refused = |definition: Value| Graph::of(&definition).unwrap_err().to_string();
    assert_eq!(refused(json!({})), "$.States: expected an object of states");
    assert_eq!(
        refused(json!({"StartAt": "B", "States": {"A": {"Type": "Pass", "End": true}}})),
        "$.StartAt: there is no state \"B\" on this level"
    );
    assert_eq!(
        refused(json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}})),
        "$.States['A']: there is no state \"B\" on this level"
    );
    assert_eq!(
        refused(json!({"StartAt": "A", "States": {"A": {"Type": "Pas", "End": true}}})),
        "$.States['A'].Type: expected the type of a state"
    );
    let many: serde_json::Map<String, Value> = (0..501)
        .map(|at| (format!("S{at}"), json!({"Type": "Succeed"})))
        .collect();
    let error = Graph::of(&json!({"StartAt": "S0", "States": many})).unwrap_err();
    assert_eq!(error, Error::TooLarge);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Loops, states that nothing reaches, a state that leads to itself: every machine is drawn.
    #[test]
    fn any_machine_is_drawn(ways in prop::collection::vec((0usize..14, 0usize..14, 0usize..14, 0u8..5), 1..14)) {
        let count = ways.len();
        let name = |at: usize| format!("State {}", at % count);
        let mut states = serde_json::Map::new();
        for (at, (one, two, three, kind)) in ways.iter().enumerate() {
            let inner = json!({"StartAt": format!("Inner {at}"), "States": {
                format!("Inner {at}"): {"Type": "Pass", "Next": format!("Last {at}")},
                format!("Last {at}"): {"Type": "Pass", "End": true}}});
            let state = match kind {
                0 => json!({"Type": "Choice", "Default": name(*one), "Choices": [
                    {"Variable": "$.a", "IsNull": true, "Next": name(*two)},
                    {"Variable": "$.b", "IsNull": true, "Next": name(*three)}]}),
                1 => json!({"Type": "Task", "Resource": "r", "Next": name(*one),
                    "Catch": [{"ErrorEquals": ["E"], "Next": name(*two)}]}),
                2 => json!({"Type": "Map", "ItemProcessor": inner, "Next": name(*one)}),
                3 => json!({"Type": "Parallel", "Branches": [inner], "End": true}),
                _ => json!({"Type": "Succeed"}),
            };
            states.insert(name(at), state);
        }
        let graph = graph(&json!({"StartAt": name(0), "States": states}));
        check(&graph, &graph.svg(&Marks::default()));
    }
}
