use super::super::testing::{Fixture, parse};
use super::*;

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(
        r#"{"n":5,"objs":[{"o":{"z":1}},{"o":{"z":2}}],"mixed":[1,"a"],"obj":{"a":1},"arr":[1,2,3],"s":"abc",
            "one":[7],"none":[],"nil":null,"text":"{\"a\":1}"}"#,
    )
    .variable("v", r#"{"x":[10,20],"t":true}"#)
    .variable("merge", "3")
    .variable("big", "9007199254740993");
    fixture.context = parse(r#"{"Execution":{"Id":"arn","Input":{"k":1}},"State":{"Name":"S"}}"#);
    fixture.result = Some(parse(r#"{"Payload":[1,0,1]}"#));
    fixture
}

fn evaluate(text: &str) -> Result<Value, String> {
    let expression = Expr::compile(text).map_err(|error| error.message)?;
    fixture().with(|scope| {
        expression.evaluate(scope, "Output/r").map_err(|error| {
            assert_eq!(error.error, "States.QueryEvaluationError");
            assert_eq!(error.location.as_deref(), Some("Output/r"));
            let start = format!(
                "The JSONata expression '{}' specified for the field 'Output/r' ",
                expression.text()
            );
            error.cause.strip_prefix(&start).unwrap().to_string()
        })
    })
}

#[test]
fn expressions_give_what_aws_gives() {
    for (text, value) in [
        ("{% $states.input.n %}", "5"),
        ("{%$states.input.n + 1%}", "6"),
        ("$big", "9007199254740993"),
        ("$states.input.nil", "null"),
        ("$states.input.one", "[7]"),
        ("$states.input.none", "[]"),
        ("$states.input.objs.o.z", "[1,2]"),
        ("$states.input.objs[1].o.z", "2"),
        ("$states.input.objs[o.z = 2].o.z", "2"),
        ("$states.result.Payload[0]", "1"),
        ("$count($states.result.Payload[$ = 1])", "2"),
        ("$states.context.Execution.Input.k", "1"),
        ("$keys($states)", r#"["input","result","context"]"#),
        ("$v.x[1] + $count($v.x)", "22"),
        ("$merge", "3"),
        (
            "'a' & $states.input.n & true & $states.input.arr",
            r#""a5true[1,2,3]""#,
        ),
        ("{'a': $v.x, 'b': $states.input.absent}", r#"{"a":[10,20]}"#),
        (
            "$map([1,2], function($x) { $x * $states.input.n })",
            "[5,10]",
        ),
        ("$variable := 1", "1"),
        ("1/0", "\"Infinity\""),
        ("-1/0", "\"-Infinity\""),
        ("1e308 * 10", "\"Infinity\""),
        ("[1/0]", "[\"Infinity\"]"),
        ("{'k': 0/0}", "{\"k\":\"NaN\"}"),
        ("$contains('hello$world', /^hello\\$/)", "true"),
        ("$parse($states.input.text).a", "1"),
        ("$parse('-0')", "0"),
        ("$partition($states.input.arr, 2)", "[[1,2],[3]]"),
        ("$partition([0], 1)", "[[0]]"),
        ("$partition([1,2,3], 2.9)", "[[1,2],[3]]"),
        ("$partition([1,2,3])", "[[1,2,3]]"),
        ("$partition([1,2,3], $states.input.absent)", "[[1,2,3]]"),
        ("$parse(\"{'a':1}\")", "{\"a\":1}"),
        ("$decodeUrlComponent('a+b%20c')", "\"a b c\""),
        ("'%E6' ~> $decodeUrlComponent()", "\"\u{fffd}\""),
        ("$base64decode('YWJ')", "\"ab\""),
        ("$fromMillis(1.6)", "\"1970-01-01T00:00:00.001Z\""),
        ("1.6 ~> $fromMillis()", "\"1970-01-01T00:00:00.001Z\""),
        ("[1,2] ~> $count()", "2"),
        (
            "($count := function($x, $y) { $x + $y }; $count(1, 2))",
            "3",
        ),
        ("$range(0, 10, 3)", "[0,3,6,9]"),
        ("$range(1, 9, 9)", "1"),
        ("$range(-1.7, 2, 1)", "[-1,0,1,2]"),
        ("$range(5, 1, -2)", "[5,3,1]"),
        ("$count($range(1, 360145, 1))", "360145"),
        (
            "$hash('input', 'SHA-1')",
            "\"140f86aae51ab9e1cda9b4254fe98a74eb54c1a1\"",
        ),
        (
            "'input' ~> $hash('MD5')",
            "\"a43c1b0aa53a0c908810c06ab1ff3967\"",
        ),
        ("$random(42)", "0.7275636800328681"),
        ("$length($uuid())", "36"),
        ("$random() < 1", "true"),
        ("$now()", "\"2017-07-14T02:40:00.123Z\""),
        ("$millis()", "1500000000123"),
        ("$now('[Y0001]')", "\"2017\""),
        ("$join(['a','b'], '-')", "\"a-b\""),
        ("['a','b'] ~> $join", "\"ab\""),
        ("['a','b'] ~> $join('+')", "\"a+b\""),
        ("$map(['a','b'], $string)", r#"["a","b"]"#),
        ("$pad('x', -3)", "\"  x\""),
        ("$replace('aXbX', 'X', '-')", "\"a-b-\""),
        ("$string([1..3])", "\"[1,2,3]\""),
        ("($f := $join(?, '-'); $f(['a','b']))", "\"a-b\""),
        (
            "$states.input.objs.$string(o)",
            r#"["{\"z\":1}","{\"z\":2}"]"#,
        ),
    ] {
        assert_eq!(evaluate(text), Ok(parse(value)), "{text}");
    }
}

#[test]
fn operators_of_later_versions_are_refused() {
    for (text, symbol) in [("$a ?? 1", "?"), ("[($a ?: 1)]", ":")] {
        let message = format!("The symbol \"{symbol}\" cannot be used as a unary operator");
        assert_eq!(evaluate(text), Err(message), "{text}");
    }
    assert_eq!(evaluate("true ? 1 : 2"), Ok(parse("1")));
}

#[test]
fn failures_carry_awss_words() {
    for (text, tail) in [
        ("$states.input.absent", "returned nothing (undefined)."),
        ("$doesNotExist", "returned nothing (undefined)."),
        ("$states.errorOutput", "returned nothing (undefined)."),
        ("$partition([], 1)", "returned nothing (undefined)."),
        ("$partition([1], 0)", "returned nothing (undefined)."),
        ("$range(0, 9)", "returned nothing (undefined)."),
        ("$range(0, 9, -1)", "returned nothing (undefined)."),
        ("$hash('x')", "returned nothing (undefined)."),
        (
            "$fn := function($x){$x}",
            "returned an unsupported result type.",
        ),
        ("[/a/]", "returned an unsupported result type."),
        (
            "$eval('1+1')",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            // There is a variable of the name.
            "$merge([{}])",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "$nosuch(1)",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "'a' + 1",
            "threw an error during evaluation. T2001: The left side of the \"+\" operator must evaluate to a number",
        ),
        (
            "1 * $states.input.s",
            "threw an error during evaluation. T2002: The right side of the \"*\" operator must evaluate to a number",
        ),
        (
            "1 < 'a'",
            "threw an error during evaluation. T2009: The values 1 and \"a\" either side of operator \"<\" must be of the same data type",
        ),
        (
            "true < 1",
            "threw an error during evaluation. T2010: The expressions either side of operator \"<\" must evaluate to numeric or string values",
        ),
        (
            "$not(1 < 'a')",
            "threw an error during evaluation. T2009: The values 1 and \"a\" either side of operator \"<\" must be of the same data type",
        ),
        (
            "$formatBase(1, 100)",
            "threw an error during evaluation. D3100: The radix of the formatBase function must be between 2 and 36.  It was given 100",
        ),
        (
            "-$states.input.s",
            "threw an error during evaluation. D1002: Cannot negate a non-numeric value: \"abc\"",
        ),
        (
            "$abs($states.input.s)",
            "threw an error during evaluation. T0410: Argument 1 of function \"abs\" does not match function signature",
        ),
        (
            "$sum(['a'])",
            "threw an error during evaluation. T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"",
        ),
        (
            "$formatNumber(1, 'x')",
            "threw an error during evaluation. D3086: The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
        ),
        (
            "$partition([1], -1)",
            "threw an error during evaluation. D3137: Second argument must be zero or greater",
        ),
        (
            "$partition('not-array', 2)",
            "threw an error during evaluation. T0412: Argument 1 of function \"partition\" must be an array of undefined",
        ),
        (
            "$hash('data', 'UNSUPPORTED')",
            "threw an error during evaluation. D3137: Hash algorithm 'UNSUPPORTED' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5",
        ),
        (
            "$hash('data', $states.input.absent)",
            "threw an error during evaluation. D3137: Hash algorithm 'null' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5",
        ),
        (
            "$parse('{bad json}')",
            "threw an error during evaluation. D3137: Invalid JSON",
        ),
        (
            "$parse('')",
            "threw an error during evaluation. D3137: Invalid JSON",
        ),
        (
            "$parse('1 x')",
            "threw an error during evaluation. D3137: Invalid JSON",
        ),
        (
            "$parse('1e400')",
            "threw an error during evaluation. D3137: Invalid JSON",
        ),
        (
            "$parse('{\"a\":1,\"a\":2}')",
            "threw an error during evaluation. D3137: Invalid JSON",
        ),
        (
            "$decodeUrlComponent('%zz')",
            "threw an error during evaluation. D3140: Malformed URL passed to $decodeUrlComponent(): \"%zz\"",
        ),
        (
            "$hash()",
            "threw an error during evaluation. T0410: Argument 1 of function \"hash\" does not match function signature",
        ),
        (
            "$partition([1], 2, 99)",
            "threw an error during evaluation. T0410: Argument 3 of function \"partition\" does not match function signature",
        ),
        (
            "$range(1, 5, 1, 99)",
            "threw an error during evaluation. T0410: Argument 4 of function \"range\" does not match function signature",
        ),
        (
            "$uuid(1, 2)",
            "threw an error during evaluation. T0410: Argument 1 of function \"uuid\" does not match function signature",
        ),
        (
            "$random(77, 88)",
            "threw an error during evaluation. T0410: Argument 2 of function \"random\" does not match function signature",
        ),
        (
            "$hash('d', 'MD5', 'x')",
            "threw an error during evaluation. T0410: Argument 3 of function \"hash\" does not match function signature",
        ),
        (
            "$parse('1', 1)",
            "threw an error during evaluation. T0410: Argument 2 of function \"parse\" does not match function signature",
        ),
        (
            "$count()",
            "threw an error during evaluation. T0410: Argument 1 of function \"count\" does not match function signature",
        ),
        (
            "$map(1)",
            "threw an error during evaluation. T0410: Argument 2 of function \"map\" does not match function signature",
        ),
        (
            "$type()",
            "threw an error during evaluation. T0410: Argument 1 of function \"type\" does not match function signature",
        ),
        (
            "$substringBefore()",
            "threw an error during evaluation. T0410: Argument 1 of function \"substringBefore\" does not match function signature",
        ),
        (
            "$pad('a', 2, '', 'x')",
            "threw an error during evaluation. T0410: Argument 4 of function \"pad\" does not match function signature",
        ),
        (
            "$now(1)",
            "threw an error during evaluation. T0410: Argument 1 of function \"now\" does not match function signature",
        ),
        (
            "[1] ~> $count(2)",
            "threw an error during evaluation. T0410: Argument 2 of function \"count\" does not match function signature",
        ),
        (
            "$string($abs($states.input.s))",
            "threw an error during evaluation. T0410: Argument 1 of function \"abs\" does not match function signature",
        ),
        (
            "$base64decode('!!')",
            "threw an error during evaluation: Illegal base64 character 21",
        ),
        (
            "$error('boom')",
            "threw an error during evaluation. D3137: boom",
        ),
        (
            "[1..900000] ~> $count()",
            "threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage",
        ),
        (
            "$range(1, 360146, 1)",
            "threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage",
        ),
        (
            "($f := function($n) { 1 + $f($n) }; $f(1))",
            "threw an error during evaluation: Stack overflow error: Check for non-terminating recursive function.  Consider rewriting as tail-recursive. Depth=101 max=100",
        ),
    ] {
        assert_eq!(evaluate(text), Err(tail.to_string()), "{text}");
    }
}

#[test]
fn nesting_is_bounded_as_on_aws() {
    let recursion =
        |n: usize| format!("($f := function($n){{ $n = 0 ? 0 : 1 + $f($n - 1) }}; $f({n}))");
    for (good, bad) in [
        (vec!["1"; 100].join("+"), vec!["1"; 101].join("+")),
        (
            format!("{}1{}", "(".repeat(99), ")".repeat(99)),
            format!("{}1{}", "(".repeat(100), ")".repeat(100)),
        ),
        (recursion(31), recursion(33)),
    ] {
        assert!(evaluate(&good).is_ok(), "{good}");
        assert!(
            evaluate(&bad).unwrap_err().contains("Stack overflow"),
            "{bad}"
        );
    }
}

#[test]
fn hostile_expressions_end_with_an_error() {
    for text in [
        "($p := function($s) { $p($s & $s) }; $p('xxxxxxxxxxxxxxxx'))",
        "$pad('x', 1e15)",
        "$pad('x', -1e300)",
        "$join($map([1..100000], function($x) { $pad('x', 100000) }))",
        "($b := $pad('x', 4000000); $replace($b, 'x', $b))",
        "($b := $pad('x', 4000000); $replace($b, /x/, $b))",
        "($a := [1..1000]; $b := $map($a, function($x) { [$a] }); $map($a, function($x) { [$b] }))",
        "($a := [1..1000]; $b := $map($a, function($x) { [$a] }); $c := $map($a, function($x) { [$b] }); $string($c))",
        "($a := [1..1000]; $b := $map($a, function($x) { [$a] }); $c := $map($a, function($x) { [$b] }); 'x' & $c)",
        "$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /(?=a)/)",
    ] {
        let tail = evaluate(text).unwrap_err();
        assert!(
            tail.starts_with("threw an error during evaluation"),
            "{text}: {tail}"
        );
    }
    let explosive = "$contains($pad('a', 100000), /^(a+)+$/)";
    assert!(evaluate(explosive).is_ok());
}

#[test]
fn what_does_not_parse_is_a_syntax_error() {
    let deep = "(".repeat(100_000);
    let long = "a".repeat(300_000);
    for text in [
        "",
        "{%%}",
        "1 +",
        "a[1,2)",
        "\"open",
        "{\"a\":}",
        "$x :=",
        "$match('a', /abc",
        &deep,
        &long,
    ] {
        assert!(Expr::compile(text).is_err(), "{text:.40}");
    }
    for (text, message) in [
        ("a[1,2)", "Expected \"]\", got \",\""),
        (
            "\"unterminated",
            "String literal must be terminated by a matching quote",
        ),
        ("1 +", "Unexpected end of expression"),
        (
            "{\"a\":}",
            "The symbol \"}\" cannot be used as a unary operator",
        ),
        ("$x :=", "Unexpected end of expression"),
    ] {
        assert_eq!(Expr::compile(text).unwrap_err().message, message, "{text}");
    }
}

#[test]
fn a_field_may_demand_a_type() {
    let expression = Expr::compile("{% $states.input.obj %}").unwrap();
    let error = fixture().with(|scope| {
        expression
            .evaluate_as(scope, "Items", Kind::Array)
            .unwrap_err()
    });
    assert_eq!(
        error.cause,
        "The JSONata expression '$states.input.obj' specified for the field 'Items' returned an unexpected result type. \
         Expected 'array', but was 'object' for value: {\"a\":1}"
    );
    assert!(fixture().with(|scope| expression.evaluate_as(scope, "Items", Kind::Object).is_ok()));
}

#[test]
fn templates_evaluate_their_strings() {
    let template = parse(
        r#"{"a": "{% $states.input.n %}", "b": [1, "{% $merge %}", {"c": "{% $v.t %}"}], "d": " {% $x %} ", "e": "$states.input", "f": {"g": []}}"#,
    );
    let template = Template::compile(&template).unwrap();
    let rendered = fixture().with(|scope| template.render(scope, "Output").unwrap());
    assert_eq!(
        rendered,
        parse(
            r#"{"a": 5, "b": [1, 3, {"c": true}], "d": " {% $x %} ", "e": "$states.input", "f": {"g": []}}"#
        )
    );
}

#[test]
fn a_failing_template_names_the_place() {
    for (template, location) in [
        (r#""{% $no %}""#, "Output"),
        (r#"{"a": {"b": ["x", "{% $no %}"]}}"#, "Output/a/b[1]"),
        (r#"[["{% $no %}"]]"#, "Output[0][0]"),
    ] {
        let template = Template::compile(&parse(template)).unwrap();
        let error = fixture().with(|scope| template.render(scope, "Output").unwrap_err());
        assert_eq!(error.location.as_deref(), Some(location));
        assert_eq!(
            error.cause,
            format!(
                "The JSONata expression '$no' specified for the field '{location}' returned nothing (undefined)."
            )
        );
    }
}

#[test]
fn random_values_repeat_with_the_seed() {
    let expression = Expr::compile("[$uuid(), $uuid(), $random()]").unwrap();
    let run = || fixture().with(|scope| expression.evaluate(scope, "Output").unwrap());
    let value = run();
    assert_eq!(value, run());
    let items = value.as_array().unwrap();
    assert_ne!(items[0], items[1]);
}

#[test]
fn references_that_aws_refuses_are_found() {
    let messages = |text: &str, place: Place| -> Vec<String> {
        Expr::compile(text)
            .unwrap()
            .unsupported(place)
            .into_iter()
            .map(|found| found.message)
            .collect()
    };
    let none = Place::default();
    for (text, message) in [
        (
            "phone",
            "Reference to 'phone' at the top level is not supported.",
        ),
        (
            "phone.number + 1",
            "Reference to 'phone' at the top level is not supported.",
        ),
        (
            "states.input",
            "Reference to 'states' at the top level is not supported.",
        ),
        (
            "$map($states.input.a, function($x){ b })",
            "Reference to 'b' at the top level is not supported.",
        ),
        ("$$", "Reference to '$$' is not supported."),
        (
            "$states.input.a[x = $$.y]",
            "Reference to '$$' is not supported.",
        ),
        (
            "$states.errorOutput",
            "Field '$states.errorOutput' does not exist.",
        ),
        ("$states.result.x", "Field '$states.result' does not exist."),
        ("$states.nope", "Field '$states.nope' does not exist."),
    ] {
        assert_eq!(messages(text, none), [message], "{text}");
    }
    for text in [
        "$states.input.items[value > 3].name",
        "$states.input.a{b: c}",
        "$states.input.a^(b)",
        "$states.input.a.(b + c)",
        "$x.y",
        "$states",
        "$sum($states.context.Execution.Input.n)",
        "1 + 2",
    ] {
        assert_eq!(messages(text, none), Vec::<String>::new(), "{text}");
    }
    let catching = Place {
        result: true,
        error_output: true,
    };
    assert!(messages("$states.errorOutput.Error & $states.result", catching).is_empty());
}

mod lane_is_jsonata {
    //! The lane gives the same answers as `jsonata-core`, wherever it gives any.
    use proptest::prelude::*;

    use super::super::evaluate::{self, Program};
    use super::super::lane::{Lane, Outcome};
    use super::*;

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("$states.input.n".to_string()),
            Just("$states.input.s".to_string()),
            Just("$states.input.obj.a".to_string()),
            Just("$states.input.absent".to_string()),
            Just("$states.input.arr".to_string()),
            Just("$states.input.objs.o".to_string()),
            Just("$states.input.one".to_string()),
            Just("$states.input.nil".to_string()),
            Just("$states.input".to_string()),
            Just("$states.result.Payload".to_string()),
            Just("$states.errorOutput.x".to_string()),
            Just("$states.context.State.Name".to_string()),
            Just("$v.t".to_string()),
            Just("$count".to_string()),
            Just("$absent".to_string()),
            (-1000i32..1000).prop_map(|n| n.to_string()),
            (-1000i32..1000).prop_map(|n| format!("{}", f64::from(n) / 8.0)),
            "[a-zA-Z é]{0,5}".prop_map(|text| format!("'{text}'")),
            Just("true".to_string()),
            Just("false".to_string()),
            Just("null".to_string()),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let operator = prop_oneof![
                Just("+"),
                Just("-"),
                Just("*"),
                Just("/"),
                Just("%"),
                Just("="),
                Just("!="),
                Just("<"),
                Just("<="),
                Just(">"),
                Just(">="),
                Just("and"),
                Just("or"),
                Just("&"),
            ];
            prop_oneof![
                4 => (inner.clone(), operator, inner.clone())
                    .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                1 => inner.clone().prop_map(|a| format!("$not({a})")),
                1 => inner.clone().prop_map(|a| format!("-({a})")),
                1 => (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ? {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
                1 => (inner.clone(), inner).prop_map(|(a, b)| format!("{{'x': {a}, 'y': {b}}}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn lane_gives_the_same(text in expression()) {
            let ast = evaluate::parse(&text).unwrap();
            let Some(lane) = Lane::compile(&ast) else {
                panic!("{text} is not for the lane");
            };
            let program = Program::new(ast);
            fixture().with(|scope| match lane.evaluate(scope) {
                Outcome::Value(value) => {
                    assert_eq!(program.evaluate(scope), Ok(Some(value.into_owned())), "{text}");
                }
                Outcome::Undefined => assert_eq!(program.evaluate(scope), Ok(None), "{text}"),
                Outcome::Unclear => {}
            });
        }
    }
}
