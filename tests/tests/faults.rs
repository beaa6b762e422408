//! Every pipeline under every fault that can strike it, for real: real functions, workers and data, and the faults
//! given as data. The outcome is the undisturbed run's, or the declared error; nothing is lost, nothing counted
//! twice. `cargo nextest run -p end-to-end --test faults --no-capture` prints the matrix.

#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use end_to_end::{Run, root, strip};
use placement::Placement;
use serde_json::{Value, json};

/// One name for all executions, so that job ids and URIs are the same in each run.
const EXECUTION: &str = "run";
/// Runs at the same time: they wait more than they compute.
const LANES: usize = 5;
/// A pipeline with a small input, and what of it can fail.
struct Pipeline {
    name: &'static str,
    input: Value,
    functions: &'static [&'static str],
    worker: Option<&'static str>,
    /// How the worker is started, as `service:Action`; none where there is no worker.
    starts: &'static [&'static str],
    /// The job queue that it submits to.
    queue: Option<&'static str>,
    /// Whether the worker answers a task token. A container under `.sync` answers by its exit code.
    token: bool,
    /// Runs on Lambda too.
    worker_function: bool,
}

/// What goes wrong in one run.
struct Fault {
    name: &'static str,
    faults: Vec<Value>,
}

fn sample(pipeline: &str) -> Value {
    let file = root().join(format!("statemachines/{pipeline}.input.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn changed(pipeline: &str, changes: &[(&str, Value)]) -> Value {
    let mut input = sample(pipeline);
    for (field, value) in changes {
        input[field] = value.clone();
    }
    input
}

fn pipelines() -> Vec<Pipeline> {
    let forest = json!({"forest": {"nTrees": 60, "maxDepth": 10, "minSamplesLeaf": 1}});
    let mut wrapper = sample("wrapper");
    wrapper["service"]["url"] = json!("http://127.0.0.1:9/airports.csv");
    let none = Pipeline {
        name: "",
        input: Value::Null,
        functions: &[],
        worker: None,
        starts: &[],
        queue: None,
        token: false,
        worker_function: false,
    };
    vec![
        Pipeline {
            name: "activity",
            input: sample("activity"),
            functions: &["activity-poller", "dispatcher", "gatherer"],
            worker: Some("trainer"),
            starts: &["ecs:RunTask"],
            token: true,
            ..none
        },
        Pipeline {
            name: "ml-training",
            input: changed(
                "ml-training",
                &[
                    ("maxRounds", json!(1)),
                    ("setsPerRound", json!(3)),
                    (
                        "placements",
                        json!(["FARGATE_SPOT", "BATCH_SPOT", "LAMBDA"]),
                    ),
                    ("targetAccuracy", json!(0.5)),
                    ("space", json!({"knn": {"k": {"min": 1, "max": 9}}})),
                    ("include", json!([forest])),
                ],
            ),
            functions: &["tuner", "dispatcher", "gatherer"],
            worker: Some("trainer"),
            starts: &["ecs:RunTask", "batch:SubmitJob"],
            queue: Some("SpotJobQueue"),
            token: true,
            worker_function: true,
        },
        Pipeline {
            name: "ml-pipeline",
            input: changed("ml-pipeline", &[("batchSize", json!(225))]),
            functions: &["dispatcher", "predictor", "gatherer"],
            worker: Some("trainer"),
            starts: &["ecs:RunTask", "batch:SubmitJob"],
            queue: Some("JobQueue"),
            token: true,
            ..none
        },
        Pipeline {
            name: "data-pipeline",
            input: sample("data-pipeline"),
            functions: &["fetcher", "dispatcher", "gatherer"],
            worker: Some("transformer"),
            starts: &["batch:SubmitJob"],
            queue: Some("JobQueue"),
            token: true,
            ..none
        },
        Pipeline {
            name: "hybrid-hello",
            input: changed("hybrid-hello", &[("forest", forest["forest"].clone())]),
            functions: &["dispatcher", "gatherer"],
            worker: Some("trainer"),
            starts: &["ecs:RunTask", "batch:SubmitJob"],
            // Its state waits for the job itself, so the virtual clock stands still while the job is blocked.
            queue: None,
            ..none
        },
        Pipeline {
            name: "parallel-map",
            input: sample("parallel-map"),
            functions: &["canary-router", "gatherer"],
            ..none
        },
        Pipeline {
            name: "canary",
            input: sample("canary"),
            functions: &["canary-router", "fetcher", "gatherer"],
            ..none
        },
        Pipeline {
            name: "wrapper",
            input: wrapper,
            functions: &["fetcher"],
            ..none
        },
    ]
}

fn faults(pipeline: &Pipeline) -> Vec<Fault> {
    let fault = |name, faults| Fault { name, faults };
    let functions = |effect: Value| {
        let worker = pipeline.worker.filter(|_| pipeline.worker_function);
        let names = pipeline.functions.iter().chain(worker.as_ref());
        let strike = |name: &&str| merge(json!({"at": format!("function:{name}")}), &effect);
        names.map(strike).collect::<Vec<_>>()
    };
    let often = |at: &str, effect: Value| merge(json!({"at": at}), &effect);
    let slow_down = json!({"do": "throttle", "times": 4});
    let poller = "function:activity-poller";
    let mut time_outs = functions(json!({"do": "timeOut"}));
    time_outs.retain(|fault| fault["at"] != poller);
    let mut all = vec![
        fault("function crash", functions(json!({"do": "crash"}))),
        fault("function time-out", time_outs),
        fault(
            "duplicate invocation",
            functions(json!({"do": "duplicate"})),
        ),
        fault(
            "throttled Invoke",
            vec![often(
                "lambda:Invoke",
                json!({"do": "throttle", "times": 2}),
            )],
        ),
        fault(
            "lost Invoke",
            vec![often("lambda:Invoke", json!({"do": "lose", "times": 2}))],
        ),
        fault(
            "S3 503",
            vec![
                often("s3:PutObject", slow_down.clone()),
                often("s3:GetObject", slow_down.clone()),
            ],
        ),
    ];
    if pipeline.name == "activity" {
        // It may have taken a task already, which only the heartbeat tells.
        let effect = json!({"do": "timeOut"});
        all.push(fault("poller time-out", vec![often(poller, effect)]));
    }
    let Some(worker) = pipeline.worker else {
        return all;
    };
    let at = format!("worker:{worker}");
    let throttled = |at: &&str| often(at, slow_down.clone());
    all.push(fault(
        "throttled start",
        pipeline.starts.iter().map(throttled).collect(),
    ));
    let lost = |at: &&str| often(at, json!({"do": "lose"}));
    all.push(fault(
        "lost start",
        pipeline.starts.iter().map(lost).collect(),
    ));
    let kill = often(&at, json!({"do": "kill", "after_ms": 150}));
    let interrupt = json!({"do": "interrupt", "after_ms": 150, "notice_ms": 2_000});
    all.push(fault("worker killed", vec![kill.clone()]));
    all.push(fault(
        "Spot interruption",
        vec![often(&at, interrupt.clone())],
    ));
    all.push(fault(
        "duplicate worker",
        vec![often(&at, json!({"do": "duplicate"}))],
    ));
    if let Some(queue) = pipeline.queue {
        let blocked = |reason: &str| {
            let block = json!({"do": "block", "reason": reason});
            vec![often(&format!("queue:{queue}"), block)]
        };
        all.push(fault(
            "no Batch capacity",
            blocked("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"),
        ));
        all.push(fault(
            "Batch misconfigured",
            blocked("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"),
        ));
    }
    if pipeline.queue == Some("SpotJobQueue") {
        // Both kinds of Spot at once: the task of Fargate and the job of Batch.
        let both = merge(interrupt, &json!({"times": 2}));
        all.push(fault("Spot of both kinds", vec![often(&at, both)]));
    }
    if pipeline.token {
        let success = "states:SendTaskSuccess";
        let lose = json!({"do": "lose", "times": 1_000});
        all.push(fault("throttled callback", vec![often(success, slow_down)]));
        all.push(fault(
            "lost callback",
            vec![often(success, json!({"do": "lose"}))],
        ));
        // The worker is dead, and the news of it is lost: only the heartbeat tells.
        let news = often("states:SendTaskFailure", json!({"do": "lose"}));
        let beats = often("states:SendTaskHeartbeat", lose);
        all.push(fault(
            "heartbeat loss",
            match pipeline.name {
                // Its worker polls: whoever is killed there is missed by its heartbeat alone.
                "activity" => vec![kill, beats],
                _ => vec![kill, news, beats],
            },
        ));
    }
    all
}

fn merge(mut one: Value, other: &Value) -> Value {
    for (key, value) in other.as_object().unwrap() {
        one[key] = value.clone();
    }
    one
}

/// What came of a run.
struct Outcome {
    /// Output and report without what is volatile.
    essence: Value,
    /// Error of the execution, and of the branches that the report has as failed.
    errors: BTreeSet<String>,
    unstruck: Vec<String>,
}

fn run(pipeline: &Pipeline, faults: &[Value]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    std::fs::write(&file, json!({"faults": faults}).to_string()).unwrap();
    let file = file.display().to_string();
    let arguments = ["--clock", "virtual", "--name", EXECUTION, "--faults", &file];
    let (finished, out) = Run::start(pipeline.name, &pipeline.input, &arguments).finish();
    let document = finished.json();
    let report = std::fs::read_to_string(out.path().join(EXECUTION).join("report.json"));
    let mut report: Value = report.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    if let Some(report) = report.as_object_mut() {
        // When each state ran and how often it was tried is what a fault changes.
        report.remove("run");
    }
    let mut errors = BTreeSet::new();
    errors.extend(document["error"].as_str().map(str::to_owned));
    failed_branches(&report, &mut errors);
    let output = match pipeline.name {
        // Which requests the candidate got is for it to decide, not who was served and what was counted.
        "canary" => counted(&document["output"]),
        _ => document["output"].clone(),
    };
    if pipeline.name == "canary" {
        report = Value::Null;
    }
    let mut essence = json!({"status": document["status"], "output": output, "report": report});
    strip(&mut essence, pipeline.name == "activity");
    Outcome {
        essence,
        errors,
        unstruck: serde_json::from_value(document["unstruckFaults"].clone()).unwrap(),
    }
}

fn failed_branches(report: &Value, errors: &mut BTreeSet<String>) {
    let sections = report["sections"].as_array().into_iter().flatten();
    let branches =
        sections.flat_map(|section| section["branches"].as_array().into_iter().flatten());
    errors.extend(branches.filter_map(|branch| branch["error"].as_str().map(str::to_owned)));
}

fn counted(output: &Value) -> Value {
    let requests = ["stable", "candidate"].map(|role| output[role]["requests"].as_u64().unwrap());
    json!({
        "verdict": output["verdict"],
        "unserved": output["unserved"],
        "requests": requests.iter().sum::<u64>(),
    })
}

#[test]
fn the_outcome_is_the_undisturbed_one_or_the_declared_error() {
    let pipelines = pipelines();
    let undisturbed: BTreeMap<&str, Outcome> = parallel(pipelines.iter().collect(), |pipeline| {
        let outcome = run(pipeline, &[]);
        assert_eq!(outcome.essence["status"], "SUCCEEDED", "{}", pipeline.name);
        (pipeline.name, outcome)
    })
    .into_iter()
    .collect();
    let cases: Vec<(&Pipeline, Fault)> = pipelines
        .iter()
        .flat_map(|pipeline| {
            faults(pipeline)
                .into_iter()
                .map(move |fault| (pipeline, fault))
        })
        .collect();
    let mut rows = parallel(cases, |(pipeline, fault)| {
        let outcome = run(pipeline, &fault.faults);
        (pipeline.name, fault.name, outcome)
    });
    rows.sort_by_key(|(pipeline, fault, _)| (*pipeline, *fault));
    let mut wrong = Vec::new();
    for (pipeline, fault, outcome) in &rows {
        let calm = &undisturbed[pipeline];
        let (calm_essence, essence) = match moves(pipeline, fault) {
            true => (placeless(&calm.essence), placeless(&outcome.essence)),
            false => (calm.essence.clone(), outcome.essence.clone()),
        };
        let same = essence == calm_essence;
        let errors: Vec<&str> = outcome
            .errors
            .difference(&calm.errors)
            .map(String::as_str)
            .collect();
        let verdict = if same {
            "same".to_owned()
        } else {
            format!("declared error {}", errors.join(", "))
        };
        println!("{pipeline:14} {fault:22} {verdict}");
        let allowed = declared(pipeline, fault);
        let expected =
            same || !errors.is_empty() && errors.iter().all(|error| allowed.contains(error));
        if !expected {
            wrong.push(format!(
                "{pipeline} under {fault}: {verdict}\nundisturbed {calm_essence}\ndisturbed   {essence}"
            ));
        }
        // What lies behind a declared error need not be reached: a poller that crashes may take its task along.
        if verdict == "same" && !outcome.unstruck.is_empty() {
            wrong.push(format!(
                "{pipeline}: {fault} never struck {:?}",
                outcome.unstruck
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a fault makes a job go on elsewhere: what a function could not end in its time, a container does, and what a
/// placement has twice had no room for, another does.
fn moves(pipeline: &str, fault: &str) -> bool {
    fault == "throttled start" || (pipeline, fault) == ("ml-training", "function time-out")
}

/// Without the placements, and without their names in sentences.
fn placeless(essence: &Value) -> Value {
    match essence {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "placement")
            .map(|(name, value)| (name.clone(), placeless(value)))
            .collect(),
        Value::Array(items) => items.iter().map(placeless).collect(),
        Value::String(text) => {
            let mut names = Placement::ALL.map(|placement| placement.to_string());
            // One may be the beginning of another.
            names.sort_by_key(|name| Reverse(name.len()));
            let without = |text: String, name: &String| text.replace(name.as_str(), "");
            names.iter().fold(text.clone(), without).into()
        }
        other => other.clone(),
    }
}

/// The errors by which a pipeline may end, or that its report may tell of, instead of the undisturbed outcome. Who
/// serves an activity in the sample takes one task, so an answer that is lost or a failure is not cured by another
/// worker; it is a row of the report.
fn declared(pipeline: &str, fault: &str) -> &'static [&'static str] {
    match (pipeline, fault) {
        ("activity", "S3 503") => &["Job.Storage"],
        ("activity", "throttled start") => &["Job.Capacity"],
        ("activity", "worker killed" | "heartbeat loss") => &["Job.Crashed"],
        ("activity", "Spot interruption") => {
            &["Job.Interrupted", "Job.SpotReclaimed", "Job.Crashed"]
        }
        ("activity", "poller time-out" | "function crash" | "lost callback" | "lost start") => {
            &["States.Timeout"]
        }
        ("ml-training", "Batch misconfigured") => &["Job.NotStarted"],
        ("ml-pipeline", "Batch misconfigured") => &["Job.NotStarted", "Job.ModelMissing"],
        ("data-pipeline", "Batch misconfigured") => &["Job.NotStarted", "Job.NotTransformed"],
        _ => &[],
    }
}

/// Does `work` on all items in a few lanes.
fn parallel<I: Send, O: Send>(items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    let (queue, done) = (Mutex::new(items.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let Some(item) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let outcome = work(item);
                    done.lock().unwrap().push(outcome);
                }
            });
        }
    });
    done.into_inner().unwrap()
}
