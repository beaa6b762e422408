//! The main job, for real: real functions, real workers, the real data set, a small budget.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use end_to_end::{Run, call, children, root, signal};
use serde_json::{Value, json};

fn sample() -> Value {
    let file = root().join("statemachines/ml-training.input.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A small budget: one round of one set of each kind of placement, and one that cannot train.
fn small() -> Value {
    let mut input = sample();
    input["rounds"] = json!(1);
    input
}

#[test]
fn an_unknown_pipeline_lists_the_known_ones() {
    let finished = call(&["run", "ml-trianing"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("ml-training"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("hybrid-hello"),
        "{}",
        finished.stderr
    );
}
