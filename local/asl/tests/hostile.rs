//! The fuzz targets' entry points on a bounded number of random texts, with the stable compiler.
//!
//! The texts are pieces of the languages put together at random and good examples with random damage, so that most
//! of them come further than the parser.

#[path = "../fuzz/entry.rs"]
mod entry;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Definitions to be damaged.
const DEFINITIONS: &[&str] = &[
    include_str!("../../../bench/workloads/loop.asl.json"),
    include_str!("../../../bench/workloads/loop_jsonata.asl.json"),
    include_str!("../../../bench/workloads/map.asl.json"),
    r#"{"StartAt":"A","States":{"A":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Task","Resource":
        "arn:aws:lambda:us-east-1:123456789012:function:f","TimeoutSeconds":9,"HeartbeatSeconds":3,"End":true}}}],"Retry":
        [{"ErrorEquals":["States.TaskFailed"],"MaxAttempts":2,"BackoffRate":2}],"Catch":[{"ErrorEquals":["States.ALL"],
        "ResultPath":"$.e","Next":"C"}],"ResultSelector":{"x.$":"$[0]"},"Next":"C"},"C":{"Type":"Choice","Choices":[{"And":
        [{"Variable":"$.a","IsPresent":true},{"Not":{"Variable":"$.a","StringMatches":"x*"}}],"Next":"D"}],"Default":"E"},
        "D":{"Type":"Wait","SecondsPath":"$.s","Next":"E"},"E":{"Type":"Fail","ErrorPath":"$.e","CausePath":
        "States.Format('{}', $.c)"}}}"#,
    r#"{"QueryLanguage":"JSONata","StartAt":"M","States":{"M":{"Type":"Map","Items":"{% $states.input.items %}",
        "ItemSelector":{"v":"{% $states.context.Map.Item.Value %}"},"MaxConcurrency":2,"ItemProcessor":{"ProcessorConfig":
        {"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","Output":
        "{% $states.input.v * 2 %}","End":true}}},"ItemBatcher":{"MaxItemsPerBatch":2},"ToleratedFailurePercentage":50,
        "Assign":{"all":"{% $states.result %}"},"Output":"{% $sum($states.result) %}","End":true}}}"#,
];

const INPUTS: &[&str] = &[
    "{}",
    r#"{"n":0,"items":[1,"a",null,[2],{"v":3}],"a":"xyz","s":1.5,"c":{"d":[]},"e":"E"}"#,
    "[]",
    "null",
    "1e308",
    "\"text\"",
    r#"{"items":[[[[]]]],"s":-1,"n":9007199254740993}"#,
];

const PIECES: &[&str] = &[
    "$",
    "$$",
    "$.",
    "$states",
    ".input",
    ".items",
    ".n",
    ".a",
    "[0]",
    "[*]",
    "[-1:]",
    "..",
    "['a']",
    "[?(@.a",
    " == ",
    "'x'",
    ")]",
    "=~ /a.*/",
    "States.Format('{}', ",
    "States.MathAdd(",
    "States.Array(",
    "States.StringToJson(",
    "$.n",
    ", ",
    "1",
    "-1.5",
    "1e308",
    ")",
    "(",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    "$x := ",
    "; ",
    "function($x){",
    "$x",
    "$map(",
    "$sum(",
    "$string(",
    "$pad('x', ",
    "$join(",
    "$range(0, 9, 3)",
    "$partition(",
    "$random(",
    "& ",
    "+ ",
    "* ",
    "/ ",
    "% ",
    "< ",
    "= ",
    "and ",
    "in ",
    "? ",
    ": ",
    "~> ",
    "^(",
    "**",
    "@$v",
    "#$i",
    "|a|{}|",
    "null",
    "true",
    "é",
    "\u{0}",
    "{% ",
    " %}",
    "[1..",
    "]",
    "/(a+)+$/",
    "$eval('1')",
    "$now()",
    "`",
    "//",
    "/*",
];

fn damaged(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), 0usize..20, select(PIECES));
    (select(texts), prop::collection::vec(edit, 0..6)).prop_map(|(text, edits)| {
        let mut text = text.to_string();
        for (at, length, piece) in edits {
            let boundary = |mut at: usize| {
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let from = boundary(at.index(text.len() + 1));
            let to = boundary((from + length).min(text.len())).max(from);
            text.replace_range(from..to, piece);
        }
        text
    })
}

fn assembled() -> impl Strategy<Value = String> {
    prop::collection::vec(select(PIECES), 0..16).prop_map(|pieces| pieces.concat())
}

/// Cases of each kind; more with the environment variable PROPTEST_CASES.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases *= 4;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_definition_does_harm(definition in damaged(DEFINITIONS), input in damaged(INPUTS)) {
        entry::definition(&definition, &input);
    }

    #[test]
    fn no_query_does_harm(query in assembled(), input in select(INPUTS)) {
        entry::queries(&query, input);
    }

    #[test]
    fn no_query_within_a_definition_does_harm(query in assembled(), input in select(INPUTS)) {
        let text = serde_json::Value::from(query.as_str());
        let expression = serde_json::Value::from(format!("{{% {query} %}}"));
        let jsonpath = format!(
            r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","Parameters":{{"x.$":{text}}},"ResultPath":"$.r","End":true}}}}}}"#
        );
        let jsonata = format!(
            r#"{{"QueryLanguage":"JSONata","StartAt":"A","States":{{"A":{{"Type":"Pass","Assign":{{"x":{expression}}},"Output":{expression},"End":true}}}}}}"#
        );
        entry::definition(&jsonpath, input);
        entry::definition(&jsonata, input);
    }
}
