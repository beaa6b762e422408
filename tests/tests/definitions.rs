//! What the definitions promise by themselves, with the interpreter alone: no function and no worker runs.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use asl::simulate::{self, Answer, NoServices, Services};
use asl::{Execution, ExecutionType, Limits, Pattern, Resource, Start, StateMachine, Status, Task};
use end_to_end::root;
use serde_json::{Value, json};

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join("statemachines").join(file)).unwrap()
}

fn parsed(file: &str) -> Value {
    serde_json::from_str(&read(file)).unwrap()
}

fn sample(pipeline: &str) -> Value {
    parsed(&format!("{pipeline}.input.json"))
}

fn changed(pipeline: &str, changes: &Value) -> Value {
    let mut input = sample(pipeline);
    for (field, value) in changes.as_object().unwrap() {
        input[field] = value.clone();
    }
    input
}

fn pipelines() -> Vec<String> {
    let files = std::fs::read_dir(root().join("statemachines")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(".asl.json")?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 9, "the definitions are not where they were");
    names
}

/// A placeholder as the Resource itself stands for an activity.
fn name_activities(node: &mut Value) {
    match node {
        Value::Object(map) => {
            for (field, value) in map {
                match value.as_str() {
                    Some(text) if field == "Resource" && text.starts_with("${") => {
                        *value = json!("arn:aws:states:us-east-1:123456789012:activity:a");
                    }
                    _ => name_activities(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(name_activities),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn run(
    pipeline: &str,
    input: &Value,
    limits: Option<Limits>,
    services: &mut dyn Services,
) -> Execution {
    let mut definition = parsed(&format!("{pipeline}.asl.json"));
    name_activities(&mut definition);
    let machine = StateMachine::parse(&definition.to_string()).unwrap();
    let start = Start {
        input: asl::Value::from(input.clone()),
        limits,
        ..Start::default()
    };
    simulate::run(&machine, start, asl::Timestamp(0), services)
}

/// How many events of these types there are.
fn count(execution: &Execution, types: &[&str]) -> usize {
    let events = execution.history().iter();
    let names = events.map(asl::HistoryEvent::type_name);
    names.filter(|name| types.contains(&name.as_str())).count()
}

fn began_work(execution: &Execution) -> bool {
    let work = ["TaskScheduled", "ActivityScheduled", "MapRunStarted"];
    count(execution, &work) > 0
}

/// That `input` is refused, by a problem that begins with `path`, before anything is called.
fn assert_refused(pipeline: &str, input: &Value, path: &str) {
    let execution = run(pipeline, input, None, &mut NoServices);
    let Status::Failed { error, cause } = execution.status() else {
        panic!("{pipeline} {path}: {:?}", execution.status());
    };
    let cause = cause.as_deref().unwrap_or_default();
    let named = cause
        .strip_prefix(path)
        .is_some_and(|rest| rest.starts_with([':', '.', '[']));
    assert!(
        error.as_deref() == Some("Input.Invalid") && named && !began_work(&execution),
        "{pipeline} {path}: {error:?} {cause}"
    );
}

/// The sample, and what else shows every property of the schema.
fn accepted(pipeline: &str) -> Vec<Value> {
    let mut inputs = vec![sample(pipeline)];
    match pipeline {
        "activity" => inputs.push(changed(pipeline, &json!({"processor": "BATCH"}))),
        "load-test" => inputs.push(changed(pipeline, &json!({"concurrency": 10}))),
        "parallel-map" => {
            let mut input = inputs[0].clone();
            input.as_object_mut().unwrap().remove("items");
            input["file"] = json!({"key": "data/users.jsonl"});
            inputs.push(input);
            inputs.push(parsed("parallel-map.jobs.json"));
        }
        _ => {}
    }
    inputs
}

/// Values that a property with this schema may not have.
fn wrong(schema: &Value, example: &Value) -> Vec<Value> {
    let mut values = Vec::new();
    let kind = schema["type"].as_str().unwrap_or_else(|| {
        let all_text = schema["enum"]
            .as_array()
            .unwrap()
            .iter()
            .all(Value::is_string);
        assert!(all_text);
        "string"
    });
    for value in [
        json!(null),
        json!(true),
        json!("7"),
        json!(7),
        json!([7]),
        json!({"a": 7}),
    ] {
        let same = match kind {
            "string" => value.is_string(),
            "integer" | "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other}"),
        };
        if !same {
            values.push(value);
        }
    }
    if kind == "integer" {
        values.push(json!(2.5));
    }
    let bound = |name: &str| schema[name].as_f64();
    values.extend(bound("minimum").map(|least| json!(least - 1.0)));
    values.extend(bound("maximum").map(|most| json!(most + 1.0)));
    values.extend(bound("exclusiveMinimum").map(|limit| json!(limit)));
    values.extend(bound("exclusiveMaximum").map(|limit| json!(limit)));
    values.extend(bound("minLength").map(|_| json!("")));
    values.extend(bound("minItems").map(|_| json!([])));
    values.extend(bound("maxItems").map(|most| json!(vec![example[0].clone(); most as usize + 1])));
    values.extend(bound("minProperties").map(|_| json!({})));
    values
}

#[test]
fn what_the_schema_refuses_of_an_input_the_definition_refuses_by_its_path() {
    for pipeline in pipelines() {
        let schema = parsed(&format!("{pipeline}.schema.json"));
        assert_eq!(schema["additionalProperties"], false, "{pipeline}");
        let inputs = accepted(&pipeline);
        for (name, schema) in schema["properties"].as_object().unwrap() {
            // Of several forms; the function that gets it first tells them apart.
            if schema.get("oneOf").is_some() {
                continue;
            }
            let with = inputs.iter().find(|input| input.get(name).is_some());
            let input = with.unwrap_or_else(|| panic!("{pipeline}: no example of {name}"));
            for value in wrong(schema, &input[name]) {
                let mut input = input.clone();
                input[name] = value;
                assert_refused(&pipeline, &input, &format!("$.{name}"));
            }
        }
        for input in &inputs {
            let mut input = input.clone();
            input["nonsense"] = json!(1);
            assert_refused(&pipeline, &input, "$.nonsense");
        }
        for name in schema["required"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let mut input = inputs[0].clone();
            input.as_object_mut().unwrap().remove(name);
            assert_refused(&pipeline, &input, &format!("$.{name}"));
        }
    }
}

#[test]
fn what_the_schema_allows_is_begun() {
    for pipeline in pipelines() {
        let schema = parsed(&format!("{pipeline}.schema.json"));
        let mut inputs = accepted(&pipeline);
        let mut bare = inputs[0].clone();
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        bare.as_object_mut().unwrap().retain(|name, _| {
            required.contains(name.as_str()) || ["canary", "items"].contains(&&**name)
        });
        inputs.push(bare);
        for input in inputs {
            let execution = run(&pipeline, &input, None, &mut NoServices);
            let status = execution.status();
            assert!(began_work(&execution), "{pipeline} {input}: {status:?}");
        }
    }
}

#[test]
fn what_lies_deeper_is_refused_by_its_path_too() {
    let row = |field: &str, to: Value| json!({field: to});
    let data = sample("data-pipeline");
    let without = |at: &str, field: &str| {
        let mut value = data[at].clone();
        value[0].as_object_mut().unwrap().remove(field);
        row(at, value)
    };
    let with = |at: &str, field: &str, to: &str| {
        let mut value = data[at].clone();
        value[0][field] = json!(to);
        row(at, value)
    };
    let file = |more: Value| {
        let mut file = json!({"key": "data/users.jsonl"});
        file.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"items": null, "file": file})
    };
    let jobs = |more: Value| {
        let mut jobs = parsed("parallel-map.jobs.json")["jobs"].clone();
        let members = jobs.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        json!({"canary": null, "items": null, "jobs": jobs})
    };
    let cases = [
        (
            "activity",
            json!({"model": {"knn": {}, "forest": {}}}),
            "$.model",
        ),
        ("canary", json!({"canary": {"name": "c"}}), "$.canary"),
        ("canary", json!({"request": {"name": "r"}}), "$.request"),
        ("data-pipeline", without("sources", "key"), "$.sources"),
        (
            "data-pipeline",
            with("sources", "url", "https://x"),
            "$.sources",
        ),
        (
            "data-pipeline",
            with("sources", "name", "sf-temps"),
            "$.sources",
        ),
        (
            "data-pipeline",
            json!({"sources": [data["sources"][0]]}),
            "$.sources",
        ),
        ("data-pipeline", without("cities", "airport"), "$.cities"),
        (
            "data-pipeline",
            with("cities", "temperatures", "no"),
            "$.cities",
        ),
        ("data-pipeline", with("cities", "weather", "no"), "$.cities"),
        (
            "data-pipeline",
            json!({"transform": {"placment": "BATCH"}}),
            "$.transform.placment",
        ),
        ("load-test", json!({"test": {"load": {}}}), "$.test.url"),
        (
            "load-test",
            json!({"test": {"url": "http://x", "load": 1}}),
            "$.test.load",
        ),
        (
            "ml-pipeline",
            json!({"models": [{"name": "a"}, {"name": "b"}]}),
            "$.models",
        ),
        (
            "ml-pipeline",
            json!({"models": vec![sample("ml-pipeline")["models"][0].clone(); 2]}),
            "$.models[1].name",
        ),
        (
            "ml-training",
            json!({"maxRounds": 20, "setsPerRound": 21}),
            "$.setsPerRound",
        ),
        (
            "ml-training",
            json!({"maxRounds": 3, "setsPerRound": 134, "strategy": "random"}),
            "$.setsPerRound",
        ),
        ("parallel-map", json!({"file": {"key": "k"}}), "$.items"),
        ("parallel-map", json!({"items": ["ada"]}), "$.items"),
        ("parallel-map", json!({"canary": {"name": "c"}}), "$.canary"),
        ("parallel-map", file(json!({"key": 1})), "$.file.key"),
        (
            "parallel-map",
            file(json!({"maxConcurrency": 0})),
            "$.file.maxConcurrency",
        ),
        (
            "parallel-map",
            file(json!({"toleratedFailurePercentage": 101})),
            "$.file.toleratedFailurePercentage",
        ),
        (
            "parallel-map",
            file(json!({"toleratedFailurePercentage": "5"})),
            "$.file.toleratedFailurePercentage",
        ),
        (
            "parallel-map",
            file(json!({"maxConcurency": 5})),
            "$.file.maxConcurency",
        ),
        (
            "parallel-map",
            jobs(json!({"worker": null})),
            "$.jobs.worker",
        ),
        ("parallel-map", jobs(json!({"input": 1})), "$.jobs.input"),
        (
            "parallel-map",
            jobs(json!({"array": "yes"})),
            "$.jobs.array",
        ),
        ("parallel-map", jobs(json!({"packs": 3})), "$.jobs.packs"),
        (
            "parallel-map",
            json!({"jobs": {"worker": "trainer"}}),
            "$.items",
        ),
        ("wrapper", json!({"service": {}}), "$.service.url"),
        (
            "wrapper",
            json!({"service": {"url": "s3://b/k"}}),
            "$.service.url",
        ),
        (
            "wrapper",
            json!({"alternative": {"key": ""}}),
            "$.alternative.key",
        ),
    ];
    for (pipeline, changes, path) in cases {
        let mut input = changed(pipeline, &changes);
        input
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        assert_refused(pipeline, &input, path);
    }
}

/// Everything is tried as often as its state allows, and what may fail for good does, so that no run has more events.
struct Adversary {
    /// What befalls a state's attempts, one after the other.
    errors: BTreeMap<String, Vec<String>>,
    /// States whose failure is caught.
    caught: BTreeSet<String>,
}

impl Adversary {
    fn of(definition: &Value) -> Adversary {
        let mut adversary = Adversary {
            errors: BTreeMap::new(),
            caught: BTreeSet::new(),
        };
        adversary.learn(definition);
        adversary
    }

    fn learn(&mut self, node: &Value) {
        // Children have a history of their own.
        if node["ProcessorConfig"]["Mode"] == "DISTRIBUTED" {
            return;
        }
        for (name, state) in node["States"].as_object().into_iter().flatten() {
            let retriers = state["Retry"].as_array().into_iter().flatten();
            let errors = retriers.flat_map(|retrier| {
                let error = match retrier["ErrorEquals"][0].as_str().unwrap() {
                    "States.TaskFailed" => "Test.Crashed",
                    error => error,
                };
                let times = retrier["MaxAttempts"].as_u64().unwrap();
                vec![error.to_owned(); times as usize]
            });
            self.errors.insert(name.clone(), errors.collect());
            if state.get("Catch").is_some() {
                self.caught.insert(name.clone());
            }
            self.learn(&state["ItemProcessor"]);
            let branches = state["Branches"].as_array().into_iter().flatten();
            branches.for_each(|branch| self.learn(branch));
        }
    }
}

impl Services for Adversary {
    fn run(&mut self, task: &Task) -> Answer {
        let errors = self.errors.get(&*task.state).map_or(&[][..], Vec::as_slice);
        let mut answer = match errors.get(task.attempt as usize) {
            Some(error) => Answer::error(error.as_str(), None),
            None if self.caught.contains(&*task.state) => Answer::error("Test.ForGood", None),
            None => Answer::output(result(&Value::from(task.arguments.clone())).into()),
        };
        if let Resource::Service { pattern, .. } = &task.resource
            && *pattern != Pattern::RequestResponse
        {
            answer.submitted = Some(asl::Value::empty_object());
        }
        answer
    }
}

/// What any task answers: as much as the definitions read of any function, and such that loops go on.
fn result(arguments: &Value) -> Value {
    let payload = &arguments["Payload"];
    let sets = payload["sets"].as_u64().unwrap_or_default();
    let sets = match (
        payload["strategy"].get("halving"),
        payload["round"].as_u64(),
    ) {
        (Some(_), Some(round)) => sets >> (round - 1),
        _ => sets,
    };
    // As many as the dispatcher makes at most.
    let packs = match payload.get("mostPacks") {
        Some(_) => 200,
        None => 0,
    };
    let set = json!({"name": "forest nTrees=1", "model": {"forest": {"nTrees": 1}}, "placement": "FARGATE"});
    json!({
        "outcome": "s3://bucket/jobs/job/outcome.json",
        "Payload": {
            "sets": vec![set; sets as usize],
            "generators": vec![json!({"index": 0, "count": 40}); 40],
            "startAtMs": 0,
            "best": null,
            "report": {"html": "s3://bucket/report.html", "json": "s3://bucket/report.json"},
            "failed": 0,
            "passed": true,
            "verdict": "HOLD",
            "answer": "no verdict yet",
            "serving": ["v", "w"],
            "stable": {"variant": "v", "requests": 1, "successRate": 1, "meanLatencyMs": 1},
            "candidate": {"variant": "w", "requests": 1, "successRate": 1, "meanLatencyMs": 1},
            "course": {"curves": [], "limits": []},
            "role": "STABLE",
            "variant": "v",
            "of": 449,
            "jobId": "job",
            "jobUri": "s3://bucket/jobs/job/job.json",
            "jobs": 10_000,
            "manifest": "s3://bucket/jobs/job/manifest.json",
            "packs": vec![json!({"input": {}, "jobs": 50, "expectedSeconds": 1, "longestSeconds": 2}); packs],
            "expected": {"packs": packs, "usd": 0.1, "aloneUsd": 1, "seconds": 60},
        },
    })
}

#[test]
fn no_history_comes_to_an_end_before_its_execution_does() {
    let source = sample("data-pipeline")["sources"][0].clone();
    let sources: Vec<Value> = (0..500)
        .map(|index| {
            let mut source = source.clone();
            source["name"] = match index {
                0 => json!("airports"),
                1 => json!("seattle-temps"),
                2 => json!("sf-temps"),
                3 => json!("seattle-weather"),
                _ => json!(format!("source-{index}")),
            };
            source
        })
        .collect();
    let halving = json!({"halving": {"budget": "nTrees"}});
    let items = vec![json!({"user": "ada"}); 1_000];
    let jobs = parsed("parallel-map.jobs.json");
    // The largest inputs, and how many iterations or Map Runs they come to, so that nothing was cut short.
    let cases = [
        ("activity", json!({}), 0),
        // A request is a child: see below.
        (
            "canary",
            json!({"requestsPerRound": 1, "maxRounds": 100}),
            100,
        ),
        ("data-pipeline", json!({"sources": sources}), 500),
        ("hybrid-hello", json!({}), 0),
        ("load-test", json!({}), 40),
        ("ml-pipeline", json!({}), 2),
        (
            "ml-training",
            json!({"maxRounds": 20, "setsPerRound": 20}),
            400,
        ),
        (
            "ml-training",
            json!({"maxRounds": 2, "setsPerRound": 200}),
            400,
        ),
        (
            "ml-training",
            json!({"maxRounds": 20, "setsPerRound": 200, "strategy": halving}),
            397,
        ),
        ("parallel-map", json!({"items": items}), 1_000),
        ("wrapper", json!({}), 0),
    ];
    let tried: BTreeSet<&str> = cases.iter().map(|(pipeline, ..)| *pipeline).collect();
    assert!(
        pipelines()
            .iter()
            .all(|pipeline| tried.contains(pipeline.as_str()))
    );
    let quota = Limits::aws(ExecutionType::Standard);
    let endless = Limits {
        history_events: u64::MAX,
        ..quota
    };
    let worst = |pipeline: &str, input: &Value| {
        let mut adversary = Adversary::of(&parsed(&format!("{pipeline}.asl.json")));
        run(pipeline, input, Some(endless), &mut adversary)
    };
    let cases = cases
        .map(|(pipeline, changes, iterations)| (pipeline, changed(pipeline, &changes), iterations));
    let packed = ("parallel-map", jobs, 200);
    for (pipeline, input, iterations) in cases.into_iter().chain([packed]) {
        let execution = worst(pipeline, &input);
        let events = execution.history().len();
        let begun = count(&execution, &["MapIterationStarted", "MapRunStarted"]);
        println!("{pipeline:14} {begun:5} iterations {events:6} events");
        assert_eq!(begun, iterations, "{pipeline}: {:?}", execution.status());
        assert!(
            (events as u64) < quota.history_events,
            "{pipeline}: {events} events"
        );
    }
    let [few, many] = [1, 200].map(|requests| {
        let changes = json!({"requestsPerRound": requests, "maxRounds": 1});
        worst("canary", &changed("canary", &changes))
            .history()
            .len()
    });
    assert_eq!(few, many, "the requests of a canary are in its own history");
}

/// Every list of errors with what is done about them, for all definitions.
fn retriers(node: &Value, found: &mut BTreeMap<BTreeSet<String>, BTreeSet<String>>) {
    match node {
        Value::Object(map) => {
            for retrier in map
                .get("Retry")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let names = retrier["ErrorEquals"].as_array().unwrap();
                let names = names.iter().map(|name| name.as_str().unwrap().to_owned());
                let mut text = retrier.clone();
                text.as_object_mut().unwrap().remove("MaxAttempts");
                found
                    .entry(names.collect())
                    .or_default()
                    .insert(text.to_string());
            }
            map.values().for_each(|value| retriers(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| retriers(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_same_errors_are_retried_in_the_same_words() {
    let mut found = BTreeMap::new();
    for pipeline in pipelines() {
        retriers(&parsed(&format!("{pipeline}.asl.json")), &mut found);
    }
    assert!(found.len() >= 10);
    for texts in found.values() {
        assert_eq!(texts.len(), 1, "{texts:#?}");
    }
}
