//! The patterns and the other pipelines, for real: real functions, workers and data.

#![allow(clippy::unwrap_used)]

use end_to_end::{Run, root};
use serde_json::{Value, json};

fn sample(pipeline: &str) -> Value {
    let file = root().join(format!("statemachines/{pipeline}.input.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Runs `pipeline` on `input`, and gives what `--json` prints.
fn run(pipeline: &str, input: &Value) -> Value {
    let (finished, _out) = Run::start(pipeline, input, &[]).finish();
    finished.json()
}

/// The output of a run that must succeed.
fn output(pipeline: &str, input: &Value) -> Value {
    let ended = run(pipeline, input);
    assert_eq!(
        ended["status"], "SUCCEEDED",
        "{pipeline}: {} {}",
        ended["error"], ended["cause"]
    );
    match &ended["output"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        other => other.clone(),
    }
}

#[test]
fn the_wrapper_tells_who_served() {
    let mut input = sample("wrapper");
    input["service"]["url"] = json!("http://127.0.0.1:9/airports.csv");
    let output = output("wrapper", &input);
    assert_eq!(output["servedBy"], "alternative", "{output}");
    assert_eq!(
        output["because"]["Error"], "Job.SourceUnavailable",
        "{output}"
    );
    assert_eq!(output["result"]["rows"], 3_376, "{output}");
}

#[test]
fn the_wrapper_refuses_what_cannot_be_meant() {
    let mut input = sample("wrapper");
    input["request"]["fields"][3]["from"] = json!("latitudes");
    input["service"]["url"] = json!("http://127.0.0.1:9/airports.csv");
    let ended = run("wrapper", &input);
    assert_eq!(
        (&ended["status"], &ended["error"]),
        (&json!("FAILED"), &json!("Job.NobodyServed")),
        "{ended}"
    );
    assert!(
        ended["cause"]
            .as_str()
            .unwrap()
            .contains("$.source.fields[3]: no column"),
        "{ended}"
    );
}

#[test]
fn parallel_map_reports_the_item_that_failed() {
    let output = output("parallel-map", &sample("parallel-map"));
    assert_eq!(
        (&output["succeeded"], &output["failed"]),
        (&json!(6), &json!(1)),
        "{output}"
    );
}

#[test]
fn parallel_map_takes_ten_thousand_items_from_a_file() {
    let mut input = sample("parallel-map");
    input.as_object_mut().unwrap().remove("items");
    input["file"] = json!({"key": "data/users.jsonl", "maxConcurrency": 20});
    let output = output("parallel-map", &input);
    assert_eq!(
        (&output["succeeded"], &output["failed"]),
        (&json!(9_990), &json!(10)),
        "{output}"
    );
}

/// A thousandth of the sample: ten thousand jobs take minutes.
#[test]
fn parallel_map_runs_small_jobs_in_packs_and_as_an_array() {
    let file = root().join("statemachines/parallel-map.jobs.json");
    let mut input: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    input["jobs"]["vary"] = json!({"/seed": {"from": 1, "to": 5}, "/model/knn/k": [3, 0]});
    input["jobs"]["mostPacks"] = json!(2);
    for array in [false, true] {
        input["jobs"]["array"] = json!(array);
        let output = output("parallel-map", &input);
        // With no neighbours there is nothing to predict from.
        let counts = (&output["succeeded"], &output["failed"], &output["missing"]);
        assert_eq!(counts, (&json!(5), &json!(5), &json!(0)), "{output}");
        let answer = output["answer"].as_str().unwrap();
        assert!(answer.starts_with("10 jobs in "), "{answer}");
        assert!(answer.contains("Input.Invalid"), "{answer}");
    }
}

#[test]
fn the_canary_rolls_back_a_candidate_that_fails_and_serves_everybody() {
    let output = output("canary", &sample("canary"));
    assert_eq!(output["verdict"], "ROLL_BACK", "{output}");
    assert_eq!(output["unserved"], 0, "{output}");
    assert_eq!(output["candidate"]["successRate"], 0.0, "{output}");
    assert_eq!(
        output["fallbacks"], output["candidate"]["requests"],
        "{output}"
    );
}

#[test]
fn both_forms_of_the_activity_answer() {
    let output = output("activity", &sample("activity"));
    assert_eq!(
        (&output["succeeded"], &output["failed"]),
        (&json!(2), &json!(0)),
        "{output}"
    );
}

#[test]
fn the_data_pipeline_makes_both_tables() {
    let output = output("data-pipeline", &sample("data-pipeline"));
    assert!(
        output["tables"]["monthly"]
            .as_str()
            .unwrap()
            .ends_with("/monthly.parquet"),
        "{output}"
    );
    assert!(output["report"]["html"].is_string(), "{output}");
}

#[test]
fn the_data_pipeline_does_not_join_half_the_sources() {
    let mut input = sample("data-pipeline");
    input["sources"][1]["key"] = json!("data/none.csv");
    let ended = run("data-pipeline", &input);
    assert_eq!(ended["error"], "Job.SourceMissing", "{ended}");
}

#[test]
fn the_ml_pipeline_compares_two_libraries() {
    let output = output("ml-pipeline", &sample("ml-pipeline"));
    let models = output["models"].as_array().unwrap();
    assert_eq!(models.len(), 2, "{output}");
    for model in models {
        let metrics = &model["metrics"];
        let [low, accuracy, high] =
            ["low", "accuracy", "high"].map(|name| metrics[name].as_f64().unwrap());
        assert!(
            0.85 < low && low < accuracy && accuracy < high && high <= 1.0,
            "{output}"
        );
        assert_eq!(metrics["records"], 449, "{output}");
    }
}
