//! How failures at run time are named and worded: one state, its input, and what ExecutionFailed tells.
#![allow(clippy::unwrap_used)]

use asl::simulate::{self, NoServices};
use asl::{Start, StateMachine, Status, Timestamp, Value};

/// Runs a machine whose only state is `S`, after which `Done` may come.
fn run(language: &str, state: &str, input: &str) -> Status {
    let definition = format!(
        r#"{{"QueryLanguage":"{language}","StartAt":"S","States":{{"S":{state},"Done":{{"Type":"Succeed"}}}}}}"#
    );
    let machine = StateMachine::parse(&definition)
        .unwrap_or_else(|invalid| panic!("{invalid}\n{definition}"));
    let start = Start {
        input: Value::parse(input).unwrap(),
        ..Start::default()
    };
    simulate::run(&machine, start, Timestamp(0), &mut NoServices)
        .status()
        .clone()
}

/// Checks rows of state, input, error and cause; `…` stands for the naming of the state.
fn check(language: &str, rows: &[(&str, &str, &str, &str)]) {
    for (state, input, error, cause) in rows {
        let expected = cause.replace(
            '…',
            "An error occurred while executing the state 'S' (entered at the event id #2).",
        );
        match run(language, state, input) {
            Status::Failed {
                error: Some(found),
                cause: Some(cause),
            } => assert_eq!((&*found, &*cause), (*error, &*expected), "{state}"),
            other => panic!("{state}: {other:?}"),
        }
    }
}

#[test]
fn reference_paths_that_do_not_apply_conflict() {
    check(
        "JSONPath",
        &[
            (
                r#"{"Type":"Map","ItemsPath":"$.chunks","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"Next":"Done"}"#,
                r#"{"b":1}"#,
                "States.ReferencePathConflict",
                r#"Unable to apply step "chunks" to input {"b":1}"#,
            ),
            (
                r#"{"Type":"Map","ItemsPath":"$.found.objects","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"Next":"Done"}"#,
                r#"{"found":{"code":500}}"#,
                "States.ReferencePathConflict",
                r#"Unable to apply step "objects" to input {"found":{"code":500}}"#,
            ),
            (
                r#"{"Type":"Pass","Result":1,"ResultPath":"$.x","Next":"Done"}"#,
                "\"input1\"",
                "States.ReferencePathConflict",
                r#"Unable to apply ReferencePath $.x to input "input1""#,
            ),
            (
                r#"{"Type":"Pass","Result":1,"ResultPath":"$.x","Next":"Done"}"#,
                "[1]",
                "States.ReferencePathConflict",
                r#"Unable to apply step "x" to input [1]"#,
            ),
        ],
    );
}

#[test]
fn several_names_stand_only_at_the_end_of_a_path() {
    check(
        "JSONPath",
        &[(
            r#"{"Type":"Pass","Parameters":{"x.$":"$['a', 'b'].v"},"Next":"Done"}"#,
            "{}",
            "States.Runtime",
            "… Invalid path '$['a', 'b'].v' : Multi properties can only be used as path leafs: $['a', 'b']",
        )],
    );
}

#[test]
fn nothing_is_selected_of_null() {
    check(
        "JSONPath",
        &[(
            r#"{"Type":"Pass","Parameters":{"x.$":"$"},"Next":"Done"}"#,
            "null",
            "States.Runtime",
            "… Unable to apply Path transformation to null or empty input.",
        )],
    );
}

#[test]
fn an_inline_map_has_no_reader_of_items() {
    check(
        "JSONPath",
        &[(
            r#"{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"ItemBatcher":{"MaxItemsPerBatch":2},"Next":"Done"}"#,
            "[1]",
            "States.Runtime",
            "… The ItemReader, ItemBatcher and ResultWriter fields are not supported for INLINE maps",
        )],
    );
}

#[test]
fn a_wait_names_the_path_that_finds_nothing() {
    check(
        "JSONPath",
        &[
            (
                r#"{"Type":"Wait","SecondsPath":"$.w","Next":"Done"}"#,
                "{}",
                "States.Runtime",
                "… The SecondsPath parameter does not reference an input value: $.w",
            ),
            (
                r#"{"Type":"Wait","TimestampPath":"$.w","Next":"Done"}"#,
                "{}",
                "States.Runtime",
                "… The TimestampPath parameter does not reference an input value: $.w",
            ),
        ],
    );
}

#[test]
fn timeouts_are_whole_and_not_negative() {
    let state = r#"{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:a","TimeoutSeconds":"{% $states.input.t %}","Next":"Done"}"#;
    check(
        "JSONata",
        &[
            (
                state,
                r#"{"t":-1}"#,
                "States.QueryEvaluationError",
                "… TimeoutSeconds must be between 0 and 99999999 but was: -1",
            ),
            (
                state,
                r#"{"t":1.6}"#,
                "States.QueryEvaluationError",
                "… The TimeoutSeconds field cannot be parsed as an integer: 1.6",
            ),
        ],
    );
}
