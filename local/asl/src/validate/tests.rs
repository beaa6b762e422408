use super::*;

mod wild;

/// The errors of a definition as `CODE: message at location`.
fn errors(definition: &str) -> Vec<String> {
    errors_as(definition, ExecutionType::Standard)
}

fn errors_as(definition: &str, kind: ExecutionType) -> Vec<String> {
    validate_as(definition, kind)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| {
            format!(
                "{}: {} at {}",
                finding.code, finding.message, finding.location
            )
        })
        .collect()
}

/// A machine whose only state is the given one.
fn only(state: &str) -> String {
    format!(r#"{{"StartAt":"X","States":{{"X":{state}}}}}"#)
}

fn only_jsonata(state: &str) -> String {
    format!(r#"{{"QueryLanguage":"JSONata","StartAt":"X","States":{{"X":{state}}}}}"#)
}

#[test]
fn good_definitions_have_no_findings() {
    for definition in [
        only(r#"{"Type":"Pass","End":true}"#),
        only(r#"{"Type":"Succeed"}"#),
        only(r#"{"Type":"Fail","ErrorPath":"$.e","CausePath":"States.Format('{}', $.c)"}"#),
        only(r#"{"Type":"Wait","SecondsPath":"$.n","End":true}"#),
        only(
            r#"{"Type":"Task","Resource":"arn:aws:states:::ecs:runTask.sync","Parameters":{"TaskDefinition":"t","Overrides":{"x.$":"$.y"}},
                "Retry":[{"ErrorEquals":["States.TaskFailed"],"BackoffRate":1.5,"JitterStrategy":"FULL","MaxDelaySeconds":5},
                         {"ErrorEquals":["States.ALL"]}],
                "Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.e","Next":"X"}],"ResultPath":null,"End":true}"#,
        ),
        only(
            r#"{"Type":"Map","ItemsPath":"$.a","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
                "StartAt":"Y","States":{"Y":{"Type":"Pass","End":true}}},
                "ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"},
                "Parameters":{"Bucket":"b","Key.$":"$.k"}},"ItemBatcher":{"MaxItemsPerBatch":3},"End":true}"#,
        ),
        only_jsonata(
            r#"{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments":{"FunctionName":"f","Payload":{"token":"{% $states.context.Task.Token %}"}},
                "TimeoutSeconds":"{% $states.input.t %}","Output":"{% $states.result.x %}","Assign":{"v":"{% $states.result %}"},
                "Catch":[{"ErrorEquals":["States.ALL"],"Output":"{% $states.errorOutput %}","Next":"X"}],"End":true}"#,
        ),
    ] {
        assert_eq!(validate(&definition), [], "{definition}");
    }
}

#[test]
fn a_text_that_is_not_json_is_placed() {
    assert_eq!(
        errors("not a definition"),
        [
            "INVALID_JSON_DESCRIPTION: Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or \
             token 'null', 'true' or 'false')\n at [Source: (String)\"not a definition\"; line: 1, column: 4] at \
             [Source: (String)\"not a definition\"; line: 1, column: 4]"
        ]
    );
    assert_eq!(
        errors("{\"a\" 1}"),
        [
            "INVALID_JSON_DESCRIPTION: Unexpected character ('1' (code 49)): was expecting a colon to separate field name \
             and value\n at [Source: (String)\"{\"a\" 1}\"; line: 1, column: 7] at [Source: (String)\"{\"a\" 1}\"; line: 1, column: 7]"
        ]
    );
    for text in [
        "",
        " ",
        "{",
        "[",
        "{\"a\":}",
        "{} {}",
        "{'a':1}",
        "\u{e9}",
        "nul",
        "{\"a\": tru}",
    ] {
        assert_eq!(validate(text).len(), 1, "{text}");
    }
    assert_eq!(validate(&"[".repeat(100_000)).len(), 1);
}

#[test]
fn errors_are_awss() {
    for (definition, expected) in [
        (
            r#"{"States":{"X":{"Type":"Pass","End":true}}}"#.to_string(),
            "SCHEMA_VALIDATION_FAILED: These fields are required: [StartAt] at /",
        ),
        (
            r#"{"QueryLanguage":"JSONata","StartAt":"X","States":{"X":{"Type":"Pass","QueryLanguage":"JSONPath","End":true}}}"#
                .to_string(),
            "SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/X",
        ),
        (
            only(r#"{"Type":"Wait","Timestamp":"2016-12-05 21:29:29Z","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp at /States/X/Timestamp",
        ),
        (
            only(r#"{"Type":"Task","Resource":"arn:aws:states:::dynamodb:query","Parameters":{},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:states:::dynamodb:query is not recognized. The value is \
             not a valid resource ARN, or the resource is not available in this region. at /States/X/Resource",
        ),
        (
            only(r#"{"Type":"Task","Resource":"worker","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Value is not a valid resource ARN at /States/X/Resource",
        ),
        (
            only(r#"{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.sync","Parameters":{"FunctionName":"f"},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:states:::lambda:invoke.sync is not recognized. The value is \
             not a valid resource ARN, or the resource is not available in this region. at /States/X/Resource",
        ),
        (
            only(r#"{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"Payload":1},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The field 'FunctionName' is required but was missing at /States/X/Parameters",
        ),
        (
            only(r#"{"Type":"Map","TimeoutSeconds":1,"ItemProcessor":{"StartAt":"Y","States":{"Y":{"Type":"Succeed"}}},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported at /States/X",
        ),
        (
            only(r#"{"Type":"Pass","Nexxt":"Y","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Field 'Nexxt' is not supported at /States/X",
        ),
        (
            only(r#"{"Type":"Passs","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, \
             Choice, Parallel, Map] at /States/X/Type",
        ),
        (
            only(r#"{"Type":"Pass","Output":1,"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the \
             'JSONata' QueryLanguage at /States/X",
        ),
        (
            only_jsonata(r#"{"Type":"Pass","Parameters":{},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'Parameters' is only supported for the \
             'JSONPath' QueryLanguage at /States/X",
        ),
        (
            only(r#"{"Type":"Pass","InputPath":"a.b","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Value must be a valid JSONPath. at /States/X/InputPath",
        ),
        (
            only(r#"{"Type":"Pass","ResultPath":"$.a[*]","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Value is not a Reference Path at /States/X/ResultPath",
        ),
        (
            only(r#"{"Type":"Pass","Parameters":{"a":{"b.$":"x"}},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: The value for the field 'b.$' must be a valid JSONPath or a valid intrinsic function \
             call at /States/X/Parameters",
        ),
        (
            only(r#"{"Type":"Choice","Choices":[{"Variable":"a","IsNull":true,"Next":"X"}],"Default":"Y"}"#),
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: Y at /States/X/Default",
        ),
        (
            only_jsonata(r#"{"Type":"Pass","Output":{"v":"{% phone %}"},"End":true}"#),
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at /States/X/Output/v",
        ),
        (
            only_jsonata(r#"{"Type":"Pass","Output":["{% a[1,2) %}"],"End":true}"#),
            "INVALID_JSONATA_EXPRESSION: Expected \"]\", got \",\" at /States/X/Output[0]",
        ),
        (
            only_jsonata(r#"{"Type":"Pass","Output":"{% $$ %}","End":true}"#),
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$$' is not supported. at /States/X/Output",
        ),
        (
            only_jsonata(r#"{"Type":"Pass","Output":"{% $states.errorOutput %}","End":true}"#),
            "UNSUPPORTED_JSONATA_EXPRESSION: Field '$states.errorOutput' does not exist. at /States/X/Output",
        ),
        (
            only_jsonata(r#"{"Type":"Pass","Output":"{% $x","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: JSONata string must start with {% and end with %} at /States/X/Output",
        ),
        (
            only(r#"{"Type":"Pass","Assign":{"states":1},"End":true}"#),
            "RESERVED_VARIABLE_NAME: Cannot assign to reserved variable '$states'. at /States/X/Assign/states",
        ),
        (
            only(r#"{"Type":"Pass","Assign":{"a-b.$":"$.x"},"End":true}"#),
            "INVALID_VARIABLE_NAME: Invalid variable name 'a-b': the variable name contains invalid characters. at \
             /States/X/Assign/a-b.$",
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}"#.to_string(),
            "MISSING_END_STATE: Workflow has no terminal state at ",
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Succeed"}}}"#
                .to_string(),
            "MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C",
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"},"A":{"Type":"Succeed"}}}"#.to_string(),
            "DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A",
        ),
        (
            only(r#"{"Type":"Pass"}"#),
            "SCHEMA_VALIDATION_FAILED: This object should have only one of the following fields: [Next, End] at /States/X",
        ),
        (
            only(r#"{"Type":"Pass","Next":"X","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: There should only be one of the following fields: [Next, End] at /States/X",
        ),
        (
            only(r#"{"Type":"Wait","Seconds":1,"Timestamp":"2030-01-01T00:00:00Z","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: There should only be one of the following fields: [SecondsPath, Seconds, TimestampPath, \
             Timestamp] at /States/X",
        ),
        (
            only(r#"{"Type":"Parallel","Branches":[],"Retry":[{"ErrorEquals":["States.ALL","a"]}],"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: States.ALL must appear alone and at end of list at /States/X/Retry[0]/ErrorEquals",
        ),
        (
            only(r#"{"Type":"Map","ItemProcessor":{"QueryLanguage":"JSONata","StartAt":"Y","States":{"Y":{"Type":"Succeed"}}},"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Field 'QueryLanguage' is not supported at /States/X/ItemProcessor",
        ),
        (
            only(r#"{"Type":"Pass","QueryLanguage":"jsonpath","End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Value should be one of the following: [JSONPath, JSONata] at /States/X/QueryLanguage",
        ),
        (
            only(r#"{"Type":"Pass","QueryLanguage":1,"End":true}"#),
            "SCHEMA_VALIDATION_FAILED: Expected value of type [STRING] at /States/X/QueryLanguage",
        ),
    ] {
        let found = errors(&definition);
        assert!(found.iter().any(|found| found == expected), "{expected}\nis not among {found:#?}");
    }
}

#[test]
fn values_out_of_bounds_are_told_their_bounds() {
    const MAP: &str = r#""Type":"Map","ItemProcessor":{"StartAt":"Y","States":{"Y":{"Type":"Succeed"}}},"End":true"#;
    for (definition, expected) in [
        (
            only(r#"{"Type":"Wait","Seconds":-1,"End":true}"#),
            "Minimum value is 0 at /States/X/Seconds",
        ),
        (
            only(r#"{"Type":"Wait","Seconds":1.5,"End":true}"#),
            "Expected value of type Integer at /States/X/Seconds",
        ),
        (
            only(r#"{"Type":"Wait","Seconds":"60","End":true}"#),
            "Expected value of type Integer at /States/X/Seconds",
        ),
        (
            only(r#"{"Type":"Wait","Seconds":100000000,"End":true}"#),
            "Maximum value is 99999999 at /States/X/Seconds",
        ),
        (
            only(&format!("{{{MAP},\"ToleratedFailurePercentage\":-1}}")),
            "Minimum value is 0.0 at /States/X/ToleratedFailurePercentage",
        ),
        (
            only(&format!("{{{MAP},\"ToleratedFailurePercentage\":101}}")),
            "Maximum value is 100.0 at /States/X/ToleratedFailurePercentage",
        ),
        (
            only(&format!("{{{MAP},\"MaxConcurrencyPath\":\"$$.x\"}}")),
            "Value is not a Reference Path at /States/X/MaxConcurrencyPath",
        ),
    ] {
        assert_eq!(
            errors(&definition),
            [format!("SCHEMA_VALIDATION_FAILED: {expected}")]
        );
    }
}

#[test]
fn a_rule_has_one_comparison() {
    // In the order of the service's set.
    const ALL: &str = "StringEquals, IsBoolean, StringLessThan, IsNumeric, BooleanEquals, StringLessThanEqualsPath, \
        NumericLessThan, NumericGreaterThan, NumericLessThanPath, StringMatches, TimestampLessThanEqualsPath, NumericEquals, \
        TimestampGreaterThan, StringGreaterThanEqualsPath, TimestampGreaterThanEqualsPath, TimestampLessThanEquals, \
        NumericLessThanEqualsPath, TimestampEquals, BooleanEqualsPath, IsTimestamp, StringLessThanEquals, \
        NumericLessThanEquals, StringLessThanPath, TimestampGreaterThanPath, StringGreaterThan, StringGreaterThanPath, \
        IsString, StringEqualsPath, TimestampEqualsPath, TimestampLessThan, StringGreaterThanEquals, NumericGreaterThanPath, \
        NumericGreaterThanEquals, NumericEqualsPath, TimestampLessThanPath, IsNull, IsPresent, TimestampGreaterThanEquals, \
        NumericGreaterThanEqualsPath";
    for (comparison, sentence) in [
        ("", "This object should have only one of"),
        (
            r#""IsNull":true,"IsString":true,"#,
            "There should only be one of",
        ),
    ] {
        let definition = format!(
            r#"{{"StartAt":"X","States":{{"X":{{"Type":"Choice","Choices":[{{"Variable":"$.a",{comparison}"Next":"Y"}}]}},"Y":{{"Type":"Succeed"}}}}}}"#
        );
        assert_eq!(
            errors(&definition),
            [format!(
                "SCHEMA_VALIDATION_FAILED: {sentence} the following fields: [{ALL}] at /States/X/Choices[0]"
            )]
        );
    }
}

#[test]
fn what_leads_nowhere_is_told_once() {
    for (definition, expected) in [
        (
            r#"{"StartAt":"X","States":{"X":{"End":true}}}"#,
            &[
                "SCHEMA_VALIDATION_FAILED: The field 'Type' is required at /States/X",
                "MISSING_END_STATE: Workflow has no terminal state at ",
            ][..],
        ),
        (
            r#"{"StartAt":"First","States":{}}"#,
            &[
                "SCHEMA_VALIDATION_FAILED: Value cannot be empty at /States",
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: First at /StartAt",
                "MISSING_END_STATE: Workflow has no terminal state at ",
            ],
        ),
        (
            r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","Next":"A"}}}"#,
            &["MISSING_END_STATE: Workflow has no terminal state at "],
        ),
    ] {
        assert_eq!(errors(definition), expected, "{definition}");
    }
}

/// `A`, then a Map with a Pass that assigns `shared`, then `B`; each with more fields.
fn scopes(a: &str, map: &str, processor: &str, b: &str) -> Vec<String> {
    errors(&format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass",{a}"Next":"M"}},
            "M":{{"Type":"Map",{map}"ItemProcessor":{{{processor}"StartAt":"P","States":{{
                "P":{{"Type":"Pass","Assign":{{"shared.$":"$.x"}},"End":true}}}}}},"Next":"B"}},
            "B":{{"Type":"Choice",{b}"Choices":[{{"Variable":"$.a","IsNull":true,"Next":"C"}}],"Default":"D"}},
            "C":{{"Type":"Pass","Next":"M"}},"D":{{"Type":"Succeed"}}}}}}"#
    ))
}

#[test]
fn inner_variables_do_not_hide_those_that_lead_to_them() {
    const ASSIGN: &str = r#""Assign":{"shared":1},"#;
    const DISTRIBUTED: &str =
        r#""ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"#;
    let hidden = [
        "DUPLICATE_VARIABLE_NAME: The variable name 'shared' was already defined in a parent scope. at \
         /States/M/ItemProcessor/States/P/Assign/shared.$",
    ];
    assert_eq!(scopes(ASSIGN, "", "", ""), hidden);
    assert_eq!(scopes("", ASSIGN, "", ""), Vec::<String>::new());
    assert_eq!(scopes(ASSIGN, "", DISTRIBUTED, ""), Vec::<String>::new());
    // The Default's Assign leads away, and not back.
    assert_eq!(scopes("", "", "", ASSIGN), Vec::<String>::new());
}

#[test]
fn labels_are_unique() {
    let map = |name: &str, next: &str| {
        format!(
            r#""{name}":{{"Type":"Map","Label":"L","ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
                "StartAt":"{name}1","States":{{"{name}1":{{"Type":"Succeed"}}}}}},{next}}}"#
        )
    };
    let (first, second) = (map("A", r#""Next":"B""#), map("B", r#""End":true"#));
    assert_eq!(
        errors(&format!(
            r#"{{"StartAt":"A","States":{{{first},{second}}}}}"#
        )),
        ["DUPLICATE_LABEL_NAME: Duplicate Label name: L at /States/B/Label"]
    );
}

#[test]
fn a_pass_has_no_result_in_jsonata() {
    for expression in [
        "$states.result",
        "$states.`result`",
        "$states.result[0]",
        "[$states.result.x]",
    ] {
        assert_eq!(
            errors(&only_jsonata(&format!(
                r#"{{"Type":"Pass","Output":"{{% {expression} %}}","End":true}}"#
            ))),
            [
                "UNSUPPORTED_JSONATA_EXPRESSION: Field '$states.result' does not exist. at /States/X/Output"
            ]
        );
    }
}

#[test]
fn readers_and_batchers_are_checked() {
    let distributed = |fields: &str| {
        format!(
            r#"{{"Type":"Map","ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
                "StartAt":"Y","States":{{"Y":{{"Type":"Succeed"}}}}}},{fields},"End":true}}"#
        )
    };
    for (config, expected) in [
        (
            r#"{"Transformation":"LOAD_AND_FLATTEN"}"#,
            &["The field 'InputType' is required at /States/X/ItemReader/ReaderConfig"][..],
        ),
        (
            r#"{"ManifestType":"ATHENA_DATA"}"#,
            &["The field 'InputType' is required at /States/X/ItemReader/ReaderConfig"],
        ),
        (
            r#"{"InputType":"PARQUET","ManifestType":"ATHENA_DATA"}"#,
            &[],
        ),
        (
            r#"{"InputType":"JSON","ItemsPointer":"data/items"}"#,
            &[
                "Invalid input: JSON Pointer expression must start with '/': \"data/items\" at /States/X/ItemReader/ReaderConfig/ItemsPointer",
            ],
        ),
        (
            r#"{"InputType":"JSON","ManifestType":"ATHENA_DATA"}"#,
            &["Field 'ManifestType' is not supported at /States/X/ItemReader/ReaderConfig"],
        ),
        (
            r#"{"InputType":"JSON","MaxItems":100000001}"#,
            &["Maximum value is 100000000 at /States/X/ItemReader/ReaderConfig/MaxItems"],
        ),
        (
            r#"{"InputType":"JSONL","CSVHeaderLocation":"GIVEN","CSVHeaders":["a"]}"#,
            &[
                "Field 'CSVHeaderLocation' is not supported at /States/X/ItemReader/ReaderConfig",
                "Field 'CSVHeaders' is not supported at /States/X/ItemReader/ReaderConfig",
            ],
        ),
    ] {
        let reader = format!(
            r#""ItemReader":{{"Resource":"arn:aws:states:::s3:getObject","Parameters":{{"Bucket":"b","Key":"k"}},"ReaderConfig":{config}}}"#
        );
        let expected: Vec<String> = expected
            .iter()
            .map(|text| format!("SCHEMA_VALIDATION_FAILED: {text}"))
            .collect();
        assert_eq!(errors(&only(&distributed(&reader))), expected);
    }
    assert_eq!(
        errors(&only_jsonata(&distributed(
            r#""ItemBatcher":{"MaxItemsPerBatchPath":"$.n"}"#
        ))),
        [
            "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'MaxItemsPerBatchPath' is only \
             supported for the 'JSONPath' QueryLanguage at /States/X/ItemBatcher"
        ]
    );
}

#[test]
fn express_machines_cannot_wait_for_jobs_and_tokens() {
    let sync = only(
        r#"{"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync","Parameters":{"JobName":"j","JobQueue":"q","JobDefinition":"d"},"End":true}"#,
    );
    assert_eq!(errors(&sync), Vec::<String>::new());
    assert_eq!(
        errors_as(&sync, ExecutionType::Express),
        [
            "SCHEMA_VALIDATION_FAILED: Express state machine does not support '.sync' service integration at /States/X/Resource"
        ]
    );
}

#[test]
fn all_errors_come_at_once_and_with_suggestions() {
    let findings = validate(
        r#"{"StartAt":"Frist","Comment":1,"States":{
            "First":{"Type":"Task","Resource":"arn:aws:states:::lamda:invoke","Parameters":{},"Next":"Secnd"},
            "Second":{"Type":"Map","Iterater":{},"End":true}}}"#,
    );
    let suggestions: Vec<(&str, &str)> = findings
        .iter()
        .filter_map(|f| Some((f.location.as_str(), f.suggestion.as_deref()?)))
        .collect();
    for expected in [
        ("/StartAt", "did you mean 'First'?"),
        ("/States/First/Next", "did you mean 'Second'?"),
        ("/States/First/Resource", "did you mean 'lambda'?"),
        ("/States/Second", "did you mean 'Iterator'?"),
    ] {
        assert!(
            suggestions.contains(&expected),
            "{expected:?} is not among {suggestions:#?}"
        );
    }
    assert!(findings.iter().any(|f| f.location == "/Comment"));
    assert!(findings.len() >= 6);
}

#[test]
fn probable_mistakes_are_warnings() {
    for (definition, code, location) in [
        (
            only(r#"{"Type":"Pass","Parameters":{"a":["x",{"b":"$.c"}]},"End":true}"#),
            "NO_DOLLAR",
            "/States/X/Parameters/a/1/b",
        ),
        (
            only(r#"{"Type":"Pass","Result":{"a.$":"$.b"},"End":true}"#),
            "PASS_RESULT_IS_STATIC",
            "/States/X/Result",
        ),
        (
            only(
                r#"{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage.waitForTaskToken","Parameters":{"QueueUrl":"q","MessageBody":"b"},"End":true}"#,
            ),
            "NO_TASK_TOKEN",
            "/States/X",
        ),
    ] {
        let findings = validate(&definition);
        let [finding] = &*findings else {
            panic!("{findings:#?}");
        };
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            (finding.code.as_str(), finding.location.as_str()),
            (code, location)
        );
    }
}

#[test]
fn hostile_definitions_are_answered() {
    let mut nested = r#"{"Type":"Pass","End":true}"#.to_string();
    for level in 0..25 {
        nested = format!(
            r#"{{"Type":"Map","ItemProcessor":{{"StartAt":"S{level}","States":{{"S{level}":{nested}}}}},"End":true}}"#
        );
    }
    assert!(!validate(&only(&nested)).is_empty());
    let mut rule = r#"{"Variable":"$.a","IsNull":true}"#.to_string();
    for _ in 0..100 {
        rule = format!(r#"{{"Not":{rule}}}"#);
    }
    assert!(!validate(&only(&format!(r#"{{"Type":"Choice","Choices":[{rule}]}}"#))).is_empty());
    for value in ["null", "1", "[]", "\"x\"", "true", "{\"a\":[{}]}"] {
        for field in [
            "Type",
            "Next",
            "End",
            "Choices",
            "Branches",
            "ItemProcessor",
            "Retry",
            "Catch",
            "Parameters",
            "ResultPath",
            "Resource",
            "ItemReader",
            "Seconds",
            "Assign",
            "Label",
            "Timestamp",
            "Credentials",
        ] {
            for kind in ["Task", "Map", "Choice", "Parallel", "Wait", "Pass"] {
                let state = format!(r#"{{"Type":"{kind}","{field}":{value}}}"#);
                validate(&only(&state));
                validate(&only_jsonata(&state));
            }
        }
    }
}
