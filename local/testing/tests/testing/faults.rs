//! Faults planted in copies of this workspace's own definitions: the explorer finds every one.

use std::path::PathBuf;

use serde_json::{Value, json};
use testing::explore::{Bounds, Exploration, FindingKind, Subject, explore};
use testing::{Definition, Suite};

fn read(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../statemachines");
    std::fs::read_to_string(root.join(name)).unwrap()
}

fn parsed(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

fn explored(pipeline: &str, change: impl FnOnce(&mut Value)) -> Exploration {
    let mut value = parsed(&format!("{pipeline}.asl.json"));
    change(&mut value);
    let suite = Suite::parse(&read(&format!("{pipeline}.test.json"))).unwrap();
    let definition = Definition::parse(pipeline, &value.to_string(), &suite.substitutions).unwrap();
    let (sample, schema) = (
        parsed(&format!("{pipeline}.input.json")),
        parsed(&format!("{pipeline}.schema.json")),
    );
    let subject = Subject {
        definition: &definition,
        suite: Some(&suite),
        sample: Some(&sample),
        schema: Some(&schema),
    };
    explore(&subject, Bounds { runs: 40, seed: 1 })
}

/// That the fault is found, at this state, and is not what the definition has anyway.
fn assert_found(pipeline: &str, kind: FindingKind, state: &str, change: impl FnOnce(&mut Value)) {
    let exploration = explored(pipeline, change);
    let found = exploration
        .open()
        .any(|finding| finding.kind == kind && finding.state == state);
    assert!(
        found,
        "{kind:?} at {state:?} is not among {:#?}",
        exploration.open().collect::<Vec<_>>()
    );
}

#[test]
fn our_own_definitions_have_no_finding_that_is_not_accepted() {
    for pipeline in [
        "activity",
        "canary",
        "data-pipeline",
        "hybrid-hello",
        "load-test",
        "ml-pipeline",
        "ml-training",
        "parallel-map",
        "wrapper",
    ] {
        let exploration = explored(pipeline, |_| {});
        let open: Vec<_> = exploration.open().collect();
        assert!(open.is_empty(), "{pipeline}: {open:#?}");
    }
}

#[test]
fn an_error_that_nobody_catches() {
    assert_found(
        "wrapper",
        FindingKind::Uncaught,
        "Call the alternative",
        |machine| {
            machine["States"]["Call the alternative"]
                .as_object_mut()
                .unwrap()
                .remove("Catch");
            // What only this Catch led to is gone too.
            machine["States"]
                .as_object_mut()
                .unwrap()
                .remove("Nobody served");
        },
    );
}

#[test]
fn a_retry_behind_one_that_takes_all_of_its_errors() {
    assert_found(
        "data-pipeline",
        FindingKind::NeverFires,
        "Transform",
        |machine| {
            machine["States"]["Transform"]["Retry"]
                .as_array_mut()
                .unwrap()
                .rotate_right(1);
        },
    );
}

#[test]
fn a_retry_for_errors_of_another_service() {
    assert_found(
        "wrapper",
        FindingKind::NeverFires,
        "Call the alternative",
        |machine| {
            machine["States"]["Call the alternative"]["Retry"][0]["ErrorEquals"] =
                json!(["ECS.ThrottlingException"]);
        },
    );
}

#[test]
fn a_catch_for_an_error_that_the_job_cannot_name() {
    assert_found(
        "hybrid-hello",
        FindingKind::NeverFires,
        "Train the neighbours on Batch",
        |machine| {
            let catch = json!({"ErrorEquals": ["Input.Invalid"], "Next": "Report"});
            machine["States"]["Train the neighbours on Batch"]["Catch"]
                .as_array_mut()
                .unwrap()
                .insert(0, catch);
        },
    );
}

#[test]
fn a_misspelt_error() {
    assert_found(
        "ml-training",
        FindingKind::Misspelt,
        "Gather results",
        |machine| {
            machine["States"]["Gather results"]["Retry"][1]["ErrorEquals"][3] =
                json!("Lambda.TooManyRequestException");
        },
    );
}

#[test]
fn a_loop_without_a_last_round() {
    assert_found(
        "ml-training",
        FindingKind::Endless,
        "Train one set",
        |machine| {
            machine["States"]["Good enough?"]["Choices"][1]["Condition"] =
                json!("{% $proposed = 0 %}");
        },
    );
}

#[test]
fn a_catch_that_leads_back_to_its_own_state() {
    assert_found(
        "wrapper",
        FindingKind::Endless,
        "Call the service",
        |machine| {
            let catch = &mut machine["States"]["Call the service"]["Catch"][1];
            catch["Next"] = json!("Call the service");
            machine["States"]
                .as_object_mut()
                .unwrap()
                .remove("Call the alternative");
            machine["States"]
                .as_object_mut()
                .unwrap()
                .remove("Nobody served");
        },
    );
}

#[test]
fn results_that_add_up_to_too_much() {
    assert_found(
        "ml-pipeline",
        FindingKind::TooLarge,
        "Train the models",
        |machine| {
            let task = &mut machine["States"]["Train the models"]["ItemProcessor"]["States"]["Train one model"];
            task["Output"] =
                json!({"item": "{% $states.input.name %}", "log": "{% $pad('', 200000, '.') %}"});
        },
    );
}

#[test]
fn an_optional_field_that_is_read_as_if_it_were_there() {
    assert_found(
        "data-pipeline",
        FindingKind::QueryFails,
        "Read the input",
        |machine| {
            machine["States"]["Read the input"]["Assign"]["transform"] =
                json!("{% $states.input.transform %}");
        },
    );
}

#[test]
fn an_expression_that_fails_only_after_a_failure() {
    assert_found(
        "load-test",
        FindingKind::QueryFails,
        "Generate a share",
        |machine| {
            let task = &mut machine["States"]["Generate the load"]["ItemProcessor"]["States"]["Generate a share"];
            task["Catch"][0]["Output"] = json!("{% $states.errorOutput.Message %}");
        },
    );
}

#[test]
fn retries_that_outlast_the_time_limit() {
    assert_found(
        "wrapper",
        FindingKind::RetriesOutlastLimit,
        "Call the service",
        |machine| {
            let retry = &mut machine["States"]["Call the service"]["Retry"][1];
            retry["MaxAttempts"] = json!(12);
            retry.as_object_mut().unwrap().remove("MaxDelaySeconds");
        },
    );
}

#[test]
fn a_wait_for_a_token_without_an_end() {
    assert_found(
        "ml-training",
        FindingKind::MayNotEnd,
        "Train one set",
        |machine| {
            machine.as_object_mut().unwrap().remove("TimeoutSeconds");
            let task = &mut machine["States"]["Train all sets"]["ItemProcessor"]["States"]["Train one set"];
            task.as_object_mut()
                .unwrap()
                .retain(|field, _| !field.ends_with("Seconds"));
        },
    );
}

#[test]
fn a_state_that_is_never_reached() {
    assert_found(
        "load-test",
        FindingKind::Unreached,
        "Tell the result",
        |machine| {
            machine["States"]["Did it pass?"]["Choices"][0]["Condition"] =
                json!("{% $states.input.passed = 'yes' %}");
        },
    );
}

#[test]
fn a_choice_rule_behind_another_one_that_holds_whenever_it_does() {
    assert_found(
        "hybrid-hello",
        FindingKind::OneSided,
        "Is the input usable?",
        |machine| {
            let rules = machine["States"]["Is the input usable?"]["Choices"]
                .as_array_mut()
                .unwrap();
            let mut again = rules[0].clone();
            again["Assign"]["problem"] = json!("$.dataset: expected something");
            rules.insert(1, again);
        },
    );
}
