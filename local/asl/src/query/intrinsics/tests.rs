use super::super::testing::{Fixture, parse};
use super::*;

fn evaluate(text: &str, input: &str) -> Result<Value, String> {
    let mut fixture = Fixture::new(input).variable("n", "5");
    fixture.context =
        parse(r#"{"Execution": {"Name": "run-1"}, "StateMachine": {"Id": "i", "Name": "n"}}"#);
    let expression = Expression::compile(text).map_err(|error| error.message)?;
    fixture.with(|scope| {
        expression.evaluate(scope, "x.$").map_err(|error| {
            assert_eq!(error.error, "States.Runtime");
            error.cause
        })
    })
}

#[test]
fn functions_give_what_aws_gives() {
    for (text, input, value) in [
        ("States.Array()", "{}", "[]"),
        (
            "States.Array( 'a' , 1.5,true,null, $ )",
            "{}",
            r#"["a",1.5,true,null,{}]"#,
        ),
        (
            "States.ArrayPartition($, 4)",
            "[1,2,3,4,5,6,7,8,9]",
            "[[1,2,3,4],[5,6,7,8],[9]]",
        ),
        ("States.ArrayPartition($, 2.9)", "[1,2,3]", "[[1,2],[3]]"),
        ("States.ArrayPartition($, 1)", "[]", "[]"),
        ("States.ArrayContains($, 2)", "[1,2]", "true"),
        ("States.ArrayContains($, $[0])", "[[1,2,3],2]", "true"),
        ("States.ArrayContains($, null)", "[[1,2,3],2]", "false"),
        ("States.ArrayContains($, false)", "[0,1,-1]", "false"),
        ("States.ArrayContains($, 1)", "[\"1\"]", "true"),
        (
            "States.ArrayContains($[0], $[1])",
            r#"[[{"a":1,"b":2}],{"a":1,"b":2}]"#,
            "true",
        ),
        (
            "States.ArrayContains($[0], $[1])",
            r#"[[{"a":1,"b":2}],{"b":2,"a":1}]"#,
            "false",
        ),
        ("States.ArrayRange(1, 9, 2)", "{}", "[1,3,5,7,9]"),
        ("States.ArrayRange(5, 1, -2)", "{}", "[5,3,1]"),
        ("States.ArrayRange(5, 1, 1)", "{}", "[]"),
        ("States.ArrayRange(3, 3, -1)", "{}", "[3]"),
        ("States.ArrayRange(1.6, 1.4, 1)", "{}", "[1]"),
        ("States.ArrayRange(5.4, -0.6, -2.4)", "{}", "[5,3,1]"),
        ("States.ArrayGetItem($, 5)", "[1,2,3,4,5,6]", "6"),
        ("States.ArrayGetItem($, 1.2)", "[1,2]", "2"),
        ("States.ArrayGetItem($, 999)", "[]", "null"),
        ("States.ArrayLength($)", "[1,[2],3]", "3"),
        ("States.ArrayUnique($)", "[1,2,3,3,3,4]", "[1,2,3,4]"),
        (
            "States.Base64Encode('Data to encode')",
            "{}",
            "\"RGF0YSB0byBlbmNvZGU=\"",
        ),
        (
            "States.Base64Decode('RGF0YSB0byBlbmNvZGU=')",
            "{}",
            "\"Data to encode\"",
        ),
        ("States.Base64Decode(' YWJjZA== ')", "{}", "\"abcd\""),
        ("States.Base64Decode('YWJj-!')", "{}", "\"abc\""),
        ("States.Base64Decode('abc')", "{}", "\"i\u{fffd}\""),
        ("States.Base64Decode('')", "{}", "\"\""),
        (
            "States.Hash('input data', 'MD5')",
            "{}",
            "\"812f45842bc6d66ee14572ce20db8e86\"",
        ),
        (
            "States.Hash('input', 'SHA-1')",
            "{}",
            "\"140f86aae51ab9e1cda9b4254fe98a74eb54c1a1\"",
        ),
        (
            "States.JsonMerge($.a, $.b, false)",
            r#"{"a":{"x":{"p":1},"y":2},"b":{"x":{"q":3}}}"#,
            r#"{"x":{"q":3},"y":2}"#,
        ),
        (
            "States.JsonMerge(States.StringToJson('{\"c\": \"false\"}'), $, false)",
            r#"{"d":1}"#,
            r#"{"c":"false","d":1}"#,
        ),
        ("States.MathAdd(1.49, 1.5)", "{}", "3"),
        ("States.MathAdd(-0.5, 0.5)", "{}", "1"),
        ("States.MathAdd(-1.5, 0)", "{}", "-1"),
        ("States.MathAdd(-1.51, 0)", "{}", "-2"),
        ("States.MathAdd(-2.5, 0)", "{}", "-2"),
        ("States.MathAdd($n, 2147483642)", "{}", "2147483647"),
        ("States.MathRandom(1, 2)", "{}", "1"),
        ("States.MathRandom(0, 10, 42)", "{}", "0"),
        (
            "States.StringSplit('This.is+a,test=string', '.+,=')",
            "{}",
            r#"["This","is","a","test","string"]"#,
        ),
        ("States.StringSplit(',,,,', ',')", "{}", "[]"),
        ("States.StringSplit(' , ', ',')", "{}", r#"[" "," "]"#),
        ("States.StringSplit('abc', '')", "{}", r#"["abc"]"#),
        (
            "States.StringSplit('Hello\nWorld', '\n')",
            "{}",
            r#"["Hello","World"]"#,
        ),
        ("States.StringToJson('')", "{}", "null"),
        ("States.StringToJson('-0')", "{}", "0"),
        ("States.StringToJson(' {\"a\":1} ')", "{}", r#"{"a":1}"#),
        (
            "States.JsonToString($)",
            r#"{"a": [1, "x"]}"#,
            r#""{\"a\":[1,\"x\"]}""#,
        ),
        (
            "States.Format('fst={} and snd={}.', $, $.a)",
            r#"{"a": 1}"#,
            "\"fst={a=1} and snd=1.\"",
        ),
        ("States.Format('{}', null)", "{}", "\"null\""),
        (
            "States.Format('\\{{}\\} it\\'s \\\\', 'x')",
            "{}",
            r#""{x} it's \\""#,
        ),
        ("States.Format($.t, 1, 2)", r#"{"t": "{}-{}"}"#, "\"1-2\""),
        (
            "States.Format('{}', States.StringToJson('\"x\"'))",
            "{}",
            r#""\"x\"""#,
        ),
        (
            "States.Format('{} {}', $$.Execution.Name, $$.StateMachine)",
            "{}",
            "\"run-1 {Id=i, Name=n}\"",
        ),
        (
            "States.ArrayGetItem(States.StringSplit($$.Execution.Name, '-'), States.MathAdd(States.ArrayLength(States.StringSplit($$.Execution.Name, '-')), -1))",
            "{}",
            "\"1\"",
        ),
        (
            "States.ArrayLength($.a[?(@.b == ',)')])",
            r#"{"a": [{"b": ",)"}]}"#,
            "1",
        ),
    ] {
        assert_eq!(evaluate(text, input), Ok(parse(value)), "{text} on {input}");
    }
}

#[test]
fn bad_arguments_are_named() {
    let long = "a".repeat(10_001);
    for (text, input) in [
        ("States.ArrayPartition($, 0)", "[1]"),
        ("States.ArrayPartition($, 0.6)", "[1]"),
        ("States.ArrayPartition($, -1)", "[1]"),
        ("States.ArrayPartition($, '2')", "[1]"),
        ("States.ArrayPartition('x', 2)", "[1]"),
        ("States.ArrayPartition($, null)", "[1]"),
        ("States.ArrayPartition($)", "[1]"),
        ("States.ArrayContains('x', 1)", "[1]"),
        ("States.ArrayContains($)", "[1]"),
        ("States.ArrayRange(1, 10, 0)", "{}"),
        ("States.ArrayRange(1, 10, 0.49)", "{}"),
        ("States.ArrayRange(1, 1001, 1)", "{}"),
        ("States.ArrayRange('a', 5, 1)", "{}"),
        ("States.ArrayRange(1, 5)", "{}"),
        ("States.ArrayRange(1, 5, 1, 9)", "{}"),
        ("States.ArrayGetItem($, 3)", "[1,2,3]"),
        ("States.ArrayGetItem($, -1)", "[1,2,3]"),
        ("States.ArrayGetItem($, '1')", "[1,2,3]"),
        ("States.ArrayLength('x')", "{}"),
        ("States.ArrayUnique($)", "{}"),
        ("States.Base64Encode(1)", "{}"),
        ("States.Base64Decode($)", "{}"),
        ("States.Hash('x', 'sha-256')", "{}"),
        ("States.Hash('x', 1)", "{}"),
        ("States.Hash('x')", "{}"),
        ("States.Hash($, 'MD5')", &format!("{long:?}")),
        ("States.JsonMerge($, null, false)", "{}"),
        ("States.JsonMerge($, $, true)", "{}"),
        ("States.JsonMerge($, $)", "{}"),
        ("States.MathAdd(2147483647, 1)", "{}"),
        ("States.MathAdd(3000000000, 1)", "{}"),
        ("States.MathAdd('1', 1)", "{}"),
        ("States.MathAdd(true, 1)", "{}"),
        ("States.MathAdd(1)", "{}"),
        ("States.MathRandom(1, 1)", "{}"),
        ("States.MathRandom(10, 5)", "{}"),
        ("States.MathRandom(1.4, 1.6)", "{}"),
        ("States.MathRandom(1, 10, null)", "{}"),
        ("States.StringSplit(1, ',')", "{}"),
        ("States.StringSplit('a', null)", "{}"),
        ("States.MathAdd(1e309, 1)", "{}"),
        ("States.StringToJson($)", "{}"),
        ("States.StringToJson()", "{}"),
        ("States.JsonToString()", "{}"),
        ("States.UUID(1)", "{}"),
        ("States.Format($)", "{}"),
    ] {
        let name = text.split_once('(').unwrap().0;
        let expected = format!(
            "There was an error while evaluating the intrinsic function: {text}. Invalid arguments in {name}"
        );
        assert_eq!(evaluate(text, input), Err(expected), "{text}");
    }
}

#[test]
fn text_that_is_no_json_is_told_in_jacksons_words() {
    const SOURCE: &str = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: ";
    for (text, reason) in [
        (
            "{bad json}",
            format!(
                "Unexpected character ('b' (code 98)): was expecting double-quote to start field name\n at {SOURCE}2]"
            ),
        ),
        (
            "{\"a\":1",
            format!(
                "Unexpected end-of-input: expected close marker for Object (start marker at {SOURCE}1])\n at {SOURCE}7]"
            ),
        ),
        (
            "undefined",
            format!(
                "Unrecognized token 'undefined': was expecting (JSON String, Number, Array, Object or token 'null', \
                 'true' or 'false')\n at {SOURCE}10]"
            ),
        ),
    ] {
        let cause = evaluate("States.StringToJson($)", &Value::from(text).to_string()).unwrap_err();
        assert_eq!(
            cause,
            format!(
                "There was an error while evaluating the intrinsic function: States.StringToJson($). \
                 Cannot convert String to Json in States.StringToJson, caused by: {reason}"
            )
        );
    }
}

#[test]
fn templates_must_fit_their_arguments() {
    for (text, reason) in [
        (
            "States.Format('{} {}', 1)",
            "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.",
        ),
        (
            "States.Format('{}', 1, 2)",
            "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.",
        ),
        (
            "States.Format('Hello {', 1)",
            "Invalid template in States.Format: matching '}' not found for '{'.",
        ),
    ] {
        let cause = evaluate(text, "{}").unwrap_err();
        assert!(cause.ends_with(reason), "{cause}");
    }
}

#[test]
fn a_missing_argument_names_the_whole_expression() {
    assert_eq!(
        evaluate("States.Format('{}', States.Format('{}', $.nope))", r#"{"other":1}"#),
        Err("The function 'States.Format('{}', States.Format('{}', $.nope))' had the following error: \
             The JsonPath argument for the field '$.nope' could not be found in the input '{\"other\":1}'"
            .to_string())
    );
    assert!(
        evaluate("States.Format('{}', $[5])", "[1]")
            .unwrap_err()
            .ends_with(
                "The JsonPath argument for the field '$[5]' could not be found in the input '[1]'"
            )
    );
    assert!(
        evaluate("States.Format('{}', $.a[0])", r#"{"a":1}"#)
            .unwrap_err()
            .ends_with("Filter: [0] can only be applied to arrays. Current context is: 1")
    );
}

#[test]
fn what_is_not_a_call_is_refused() {
    let deep = format!("{}1{}", "States.Array(".repeat(2000), ")".repeat(2000));
    let eleven = format!("States.Array({})", ["States.UUID()"; 10].join(","));
    for text in [
        "States.No()",
        "States.Array",
        "States.Array(",
        "States.Array(1",
        "States.Array(1,)",
        "States.Array(a)",
        "States.Array('a)",
        "States.Array('\\n')",
        "States.Array(1) 2",
        "States.Array(\"a\")",
        "States.UUID()[0]",
        "Array()",
        "States.Array($.)",
        &deep,
        &eleven,
    ] {
        assert!(Expression::compile(text).is_err(), "{text}");
    }
    let ten = format!("States.Array({})", ["States.UUID()"; 9].join(","));
    assert!(Expression::compile(&ten).is_ok());
}

#[test]
fn uuids_differ_within_and_repeat_between_runs() {
    let run = || {
        let fixture = Fixture::new("{}");
        let expression = Expression::compile("States.Array(States.UUID(), States.UUID())").unwrap();
        fixture.with(|scope| expression.evaluate(scope, "x.$").unwrap())
    };
    let value = run();
    let pair = value.as_array().unwrap();
    assert_ne!(pair[0], pair[1]);
    assert_eq!(value, run());
}
