//! What published definitions write, and AWS accepts or refuses.

use super::*;

/// The errors of a definition that still has its placeholders.
fn errors_in_file(definition: &str) -> Vec<String> {
    validate(definition)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.to_string())
        .collect()
}

/// A Distributed Map with the given fields more.
fn distributed(fields: &str) -> String {
    format!(
        r#"{{"Type":"Map",{fields},"ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
            "StartAt":"Y","States":{{"Y":{{"Type":"Succeed"}}}}}},"End":true}}"#
    )
}

#[test]
fn a_template_names_each_field_once() {
    const TASK: &str = r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true"#;
    const TWICE: &str =
        r#"{"FunctionName":"f","RoleArn":"r","Bucket":"b","Key":"k","size":1,"size.$":"$.size"}"#;
    const SENTENCE: &str =
        "SCHEMA_VALIDATION_FAILED: The fields 'size' and 'size.$' have the same name at /States/X";
    for (state, place) in [
        (
            format!(r#"{{"Type":"Pass","Parameters":{TWICE},"End":true}}"#),
            "Parameters",
        ),
        (
            format!(r#"{{"Type":"Pass","Parameters":{{"deep":[0,{TWICE}]}},"End":true}}"#),
            "Parameters/deep/1",
        ),
        (
            format!(r#"{{"Type":"Pass","Assign":{TWICE},"End":true}}"#),
            "Assign",
        ),
        (
            format!(r#"{{{TASK},"Parameters":{{"FunctionName":"f"}},"ResultSelector":{TWICE}}}"#),
            "ResultSelector",
        ),
        (
            format!(r#"{{{TASK},"Parameters":{{"FunctionName":"f"}},"Credentials":{TWICE}}}"#),
            "Credentials",
        ),
        (
            format!(
                r#"{{{TASK},"Parameters":{{"FunctionName":"f"}},"Catch":[{{"ErrorEquals":["States.ALL"],"Next":"X","Assign":{TWICE}}}]}}"#
            ),
            "Catch[0]/Assign",
        ),
        (
            format!(
                r#"{{"Type":"Choice","Choices":[{{"Variable":"$.a","IsNull":true,"Next":"X","Assign":{TWICE}}}],"Default":"X"}}"#
            ),
            "Choices[0]/Assign",
        ),
        (
            distributed(&format!(r#""ItemSelector":{TWICE}"#)),
            "ItemSelector",
        ),
        (
            distributed(&format!(r#""Parameters":{TWICE}"#)),
            "Parameters",
        ),
        (
            distributed(&format!(
                r#""ItemBatcher":{{"MaxItemsPerBatch":1,"BatchInput":{TWICE}}}"#
            )),
            "ItemBatcher/BatchInput",
        ),
        (
            distributed(&format!(
                r#""ItemReader":{{"Resource":"arn:aws:states:::s3:getObject","Parameters":{TWICE}}}"#
            )),
            "ItemReader/Parameters",
        ),
        (
            distributed(&format!(
                r#""ResultWriter":{{"Resource":"arn:aws:states:::s3:putObject","Parameters":{TWICE}}}"#
            )),
            "ResultWriter/Parameters",
        ),
    ] {
        let found = errors(&only(&state));
        let expected = format!("{SENTENCE}/{place}/size.$");
        assert!(
            found.contains(&expected),
            "{expected}\nis not among {found:#?}"
        );
    }
    // JSONata knows no such names.
    assert_eq!(
        errors(&only_jsonata(
            r#"{"Type":"Pass","Output":{"a":1,"a.$":2},"End":true}"#
        )),
        Vec::<String>::new()
    );
}

#[test]
fn an_expression_is_opened_and_closed() {
    const TASK: &str = r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true"#;
    for text in ["10 %}", " {% 10 %}", "{% 10", "{% 10 %} ", "{%}"] {
        for (state, place) in [
            (
                format!(r#"{{"Type":"Pass","Output":"{text}","End":true}}"#),
                "Output",
            ),
            (
                format!(r#"{{"Type":"Pass","Output":{{"a":["{text}"]}},"End":true}}"#),
                "Output/a[0]",
            ),
            (
                format!(r#"{{"Type":"Pass","Assign":{{"v":"{text}"}},"End":true}}"#),
                "Assign/v",
            ),
            (
                format!(r#"{{{TASK},"Arguments":{{"FunctionName":"{text}"}}}}"#),
                "Arguments/FunctionName",
            ),
            (
                format!(
                    r#"{{{TASK},"Arguments":{{"FunctionName":"f"}},"Credentials":{{"RoleArn":"{text}"}}}}"#
                ),
                "Credentials/RoleArn",
            ),
            (
                format!(
                    r#"{{{TASK},"Arguments":{{"FunctionName":"f"}},"Catch":[{{"ErrorEquals":["States.ALL"],"Next":"X","Output":"{text}"}}]}}"#
                ),
                "Catch[0]/Output",
            ),
            (
                format!(
                    r#"{{"Type":"Choice","Choices":[{{"Condition":"{text}","Next":"X"}}],"Default":"X"}}"#
                ),
                "Choices[0]/Condition",
            ),
            (
                format!(
                    r#"{{"Type":"Choice","Choices":[{{"Condition":true,"Next":"X","Output":"{text}"}}],"Default":"X"}}"#
                ),
                "Choices[0]/Output",
            ),
            (format!(r#"{{"Type":"Fail","Error":"{text}"}}"#), "Error"),
            (format!(r#"{{"Type":"Fail","Cause":"{text}"}}"#), "Cause"),
            (
                format!(r#"{{"Type":"Wait","Seconds":"{text}","End":true}}"#),
                "Seconds",
            ),
            (
                distributed(&format!(r#""MaxConcurrency":"{text}""#)),
                "MaxConcurrency",
            ),
            (
                distributed(&format!(r#""ToleratedFailurePercentage":"{text}""#)),
                "ToleratedFailurePercentage",
            ),
            (distributed(&format!(r#""Items":"{text}""#)), "Items"),
            (
                distributed(&format!(r#""ItemSelector":{{"a":"{text}"}}"#)),
                "ItemSelector/a",
            ),
            (
                distributed(&format!(
                    r#""ItemBatcher":{{"MaxItemsPerBatch":"{text}","BatchInput":{{"a":1}}}}"#
                )),
                "ItemBatcher/MaxItemsPerBatch",
            ),
            (
                distributed(&format!(
                    r#""ItemReader":{{"Resource":"arn:aws:states:::s3:getObject","Arguments":{{"Bucket":"{text}","Key":"k"}}}}"#
                )),
                "ItemReader/Arguments/Bucket",
            ),
        ] {
            let found = errors(&only_jsonata(&state));
            let expected = format!(
                "SCHEMA_VALIDATION_FAILED: JSONata string must start with {{% and end with %}} at /States/X/{place}"
            );
            assert!(
                found.contains(&expected),
                "{state}: {expected}\nis not among {found:#?}"
            );
        }
    }
}

#[test]
fn an_integrations_arn_may_name_region_and_account() {
    for place in ["us-east-1:123456789012", "eu-central-1:", ":123456789012"] {
        for call in [
            "aws-sdk:s3:getObject",
            "sqs:sendMessage.waitForTaskToken",
            "states:startExecution.sync:2",
        ] {
            let state = format!(
                r#"{{"Type":"Task","Resource":"arn:aws:states:{place}:{call}","End":true,"Parameters":{{"QueueUrl":"q",
                    "MessageBody.$":"$$.Task.Token","StateMachineArn":"m"}}}}"#
            );
            assert_eq!(errors(&only(&state)), Vec::<String>::new(), "{state}");
        }
        let reader = format!(
            r#""ItemReader":{{"Resource":"arn:aws:states:{place}:s3:listObjectsV2","Parameters":{{"Bucket":"b"}}}},
               "ResultWriter":{{"Resource":"arn:aws-cn:states:{place}:s3:putObject","Parameters":{{"Bucket":"b"}}}}"#
        );
        assert_eq!(errors(&only(&distributed(&reader))), Vec::<String>::new());
    }
    for resource in [
        "arn:aws:states:us-east-1:123456789012:stateMachine:m",
        "arn:aws:states:us-east-1:123456789012:lambda:invoke.sync",
        "arn:aws:states:us-east-1:123456789012:nothing",
    ] {
        let state =
            format!(r#"{{"Type":"Task","Resource":"{resource}","Parameters":{{}},"End":true}}"#);
        assert!(!errors(&only(&state)).is_empty(), "{resource}");
    }
    let reader =
        r#""ItemReader":{"Resource":"arn:aws:s3:us-east-1:1:s3:getObject","Parameters":{}}"#;
    assert!(!errors(&only(&distributed(reader))).is_empty());
}

#[test]
fn paths_may_end_in_spaces() {
    for state in [
        r#"{"Type":"Pass","InputPath":"$.a ","OutputPath":"$ ","ResultPath":"$.b ","Parameters":{"x.$":"$$.Execution.Name "},"End":true}"#,
        r#"{"Type":"Wait","SecondsPath":"$.n ","End":true}"#,
        r#"{"Type":"Wait","TimestampPath":"$.n ","End":true}"#,
        r#"{"Type":"Fail","ErrorPath":"$.e ","CausePath":"States.Format('{}', $.c ) "}"#,
        r#"{"Type":"Choice","Choices":[{"Variable":"$.a ","NumericEqualsPath":"$.b ","Next":"X"},
            {"Variable":"$.a","IsNull":true,"Next":"Y"}]},"Y":{"Type":"Succeed"}"#,
    ] {
        assert_eq!(errors(&only(state)), Vec::<String>::new(), "{state}");
    }
    let map = distributed(
        r#""ItemsPath":"$.a ","MaxConcurrencyPath":"$.n ","ToleratedFailureCountPath":"$.n ",
           "ItemBatcher":{"MaxItemsPerBatchPath":"$.n "},"ItemSelector":{"v.$":"$$.Map.Item.Value "}"#,
    );
    assert_eq!(errors(&only(&map)), Vec::<String>::new());
}

#[test]
fn filters_may_hold_words() {
    let state = r#"{"Type":"Pass","InputPath":"$.l[?(@.kind==Receipt)]","Parameters":{"r.$":"$.l[?(@.kind != Receipt && @.n > 1)]"},"End":true}"#;
    assert_eq!(errors(&only(state)), Vec::<String>::new());
}

#[test]
fn placeholders_stand_for_what_a_deployment_fills_in() {
    const TASK: &str = r#""Type":"Task","Resource":"arn:aws:lambda:#{AWS::Region}:#{AWS::AccountId}:function:f","End":true"#;
    for (state, place) in [
        (r#"{"Type":"Wait","Seconds":"${N}","End":true}"#.to_string(), "Seconds"),
        (r#"{"Type":"Wait","Timestamp":"${T}","End":true}"#.to_string(), "Timestamp"),
        (format!(r#"{{{TASK},"TimeoutSeconds":"${{N}}"}}"#), "TimeoutSeconds"),
        (format!(r#"{{{TASK},"HeartbeatSeconds":"${{N}}"}}"#), "HeartbeatSeconds"),
        (
            format!(r#"{{{TASK},"Retry":[{{"ErrorEquals":["a"],"MaxAttempts":"${{N}}"}}]}}"#),
            "Retry[0]/MaxAttempts",
        ),
        (
            format!(r#"{{{TASK},"Retry":[{{"ErrorEquals":["a"],"BackoffRate":"${{N}}"}}]}}"#),
            "Retry[0]/BackoffRate",
        ),
        (
            r#"{"Type":"Choice","Choices":[{"Variable":"$.a","NumericLessThan":"${N}","Next":"X"}],"Default":"Y"},"Y":{"Type":"Succeed"}"#
                .to_string(),
            "Choices[0]/NumericLessThan",
        ),
        (distributed(r#""MaxConcurrency":"${N}""#), "MaxConcurrency"),
        (
            distributed(r#""ToleratedFailurePercentage":"${N}""#),
            "ToleratedFailurePercentage",
        ),
        (
            distributed(r#""ItemBatcher":{"MaxInputBytesPerBatch":"${N}"}"#),
            "ItemBatcher/MaxInputBytesPerBatch",
        ),
        (
            distributed(
                r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON","MaxItems":"${N}"}}"#,
            ),
            "ItemReader/ReaderConfig/MaxItems",
        ),
        (r#"{"Type":"Pass","InputPath":"${P}","End":true}"#.to_string(), "InputPath"),
        (
            r#"{"Type":"Pass","Parameters":{"a.$":"$.x[${N}]"},"End":true}"#.to_string(),
            "Parameters",
        ),
    ] {
        let definition = only(&state);
        assert_eq!(errors_in_file(&definition), Vec::<String>::new(), "{state}");
        // The service gets the definition filled in.
        let refused = errors(&definition);
        assert!(
            refused.iter().any(|error| error.ends_with(&format!("/States/X/{place}"))),
            "{state}: {refused:#?}"
        );
    }
    for state in [
        r#"{"Type":"Wait","Seconds":"{% ${N} + 1 %}","End":true}"#,
        r#"{"Type":"Wait","Seconds":"${N}","End":true}"#,
    ] {
        assert_eq!(
            errors_in_file(&only_jsonata(state)),
            Vec::<String>::new(),
            "{state}"
        );
    }
    let timeout = r#"{"TimeoutSeconds":"${N}","StartAt":"X","States":{"X":{"Type":"Succeed"}}}"#;
    assert_eq!(errors_in_file(timeout), Vec::<String>::new());
    for state in [
        r#"{"Type":"Wait","Seconds":"N","End":true}"#,
        r#"{"Type":"Wait","Seconds":"${N","End":true}"#,
        r#"{"Type":"Wait","Seconds":"$N","End":true}"#,
    ] {
        assert!(!errors_in_file(&only(state)).is_empty(), "{state}");
    }
}
