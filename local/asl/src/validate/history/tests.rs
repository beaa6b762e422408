use super::*;

const SCHEMA: &str = r##"{
    "type": "object",
    "properties": {
        "orders": {"type": "array", "maxItems": 300},
        "rounds": {"type": "integer", "maximum": 50},
        "perRound": {"$ref": "#/$defs/count"},
        "nested": {"oneOf": [{"type": "object", "properties": {"list": {"type": "array", "maxItems": 9000}}}]},
        "endless": {"type": "array"},
        "number": {"type": "integer"}
    },
    "$defs": {"count": {"type": "integer", "exclusiveMaximum": 201}}
}"##;

/// The places that can be passed, and what is said.
fn found(definition: &str) -> Vec<(String, String)> {
    warnings(definition, SCHEMA)
}

fn warnings(definition: &str, schema: &str) -> Vec<(String, String)> {
    assert_eq!(crate::validate(definition), []);
    let found = history_warnings(definition, &Value::parse(schema).unwrap()).into_iter();
    found.map(|found| (found.location, found.message)).collect()
}

/// A Map whose items each take two Pass states, so six events.
fn map(items: &str, next: &str) -> String {
    format!(
        r#"{{"Type":"Map",{items},"ItemProcessor":{{"StartAt":"A","States":{{"A":{{"Type":"Pass","Next":"B"}},
            "B":{{"Type":"Pass","End":true}}}}}},{next}}}"#
    )
}

fn alone(items: &str) -> String {
    let map = map(items, r#""End":true"#);
    format!(r#"{{"StartAt":"M","States":{{"M":{map}}}}}"#)
}

/// A loop of a Map and a Choice that goes on by the condition.
fn looped(items: &str, condition: &str) -> String {
    let map = map(items, r#""Next":"Again""#);
    format!(
        r#"{{"QueryLanguage":"JSONata","StartAt":"Begin","States":{{
            "Begin":{{"Type":"Pass","Assign":{{"round":0,"last":"{{% $states.input.rounds %}}",
                "many":"{{% $exists($states.input.perRound) ? $states.input.perRound : 7 %}}"}},"Next":"M"}},
            "M":{map},
            "Again":{{"Type":"Choice","Choices":[{{"Condition":"{condition}","Next":"M"}}],"Default":"Done"}},
            "Done":{{"Type":"Succeed"}}}}}}"#
    )
}

#[test]
fn a_loop_over_a_map_multiplies() {
    // Rounds of 200 items, six events each, and eight for the Map and the Choice.
    assert_eq!(
        found(&looped(r#""Items":"{% [1..$many] %}""#, "{% $round < $last %}")),
        [(
            "/States/M".to_string(),
            "The largest input that its schema allows leads to about 60406 events; an execution ends at 25000, and nothing \
             catches that."
                .to_string()
        )]
    );
    assert_eq!(
        found(&looped(
            r#""Items":"{% [1..$many] %}""#,
            "{% $round < 10 %}"
        )),
        []
    );
    // How often one polls cannot be told.
    assert_eq!(
        found(&looped(
            r#""Items":"{% [1..$many] %}""#,
            "{% $states.input.busy %}"
        )),
        []
    );
}

#[test]
fn the_schema_bounds_a_map() {
    for (items, events) in [
        (r#""ItemsPath":"$.orders""#, None),
        (r#""ItemsPath":"$.nested.list""#, Some("about 54008 events")),
        (
            r#""ItemsPath":"$$.Execution.Input.nested.list""#,
            Some("about 54008 events"),
        ),
        (r#""ItemsPath":"$.endless""#, Some("does not bound")),
        (r#""ItemsPath":"$.unknown""#, None),
    ] {
        let found = found(&alone(items));
        assert_eq!(found.len(), usize::from(events.is_some()), "{items}");
        for (_, message) in found {
            assert!(message.contains(events.unwrap_or_default()), "{message}");
        }
    }
    let whole = warnings(
        &alone(r#""Comment":"all""#),
        r#"{"type":"array","maxItems":5000}"#,
    );
    assert_eq!(whole.len(), 1);
}

#[test]
fn a_plain_loop_counts_too() {
    let count = |to: &str| {
        format!(
            r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","Next":"B"}},
                "B":{{"Type":"Choice","Choices":[{{"And":[{{"Variable":"$.n",{to}}},{{"Variable":"$.x","IsNull":false}}],"Next":"A"}}],"Default":"C"}},
                "C":{{"Type":"Succeed"}}}}}}"#
        )
    };
    assert_eq!(found(&count(r#""NumericLessThan":7000"#)).len(), 1);
    assert_eq!(found(&count(r#""NumericLessThan":6000"#)), []);
    assert_eq!(
        found(&count(r#""NumericLessThanPath":"$.number""#)).len(),
        1
    );
    assert_eq!(found(&count(r#""NumericLessThanPath":"$.rounds""#)), []);
}

#[test]
fn only_the_longest_way_counts() {
    let (left, right) = (
        map(r#""ItemsPath":"$.orders""#, r#""Next":"Done""#),
        map(r#""ItemsPath":"$.orders""#, r#""Next":"Done""#),
    );
    let schema = r#"{"properties":{"orders":{"type":"array","maxItems":4000}}}"#;
    let definition = format!(
        r#"{{"StartAt":"P","States":{{"P":{{"Type":"Choice","Choices":[{{"Variable":"$.a","IsPresent":true,"Next":"L"}}],"Default":"R"}},
            "L":{left},"R":{},"Done":{{"Type":"Succeed"}}}}}}"#,
        right.replace("\"A\"", "\"C\"").replace("\"B\"", "\"D\"")
    );
    assert_eq!(warnings(&definition, schema), []);
}

#[test]
fn children_have_histories_of_their_own() {
    let distributed = |kind: &str| {
        let inner = map(r#""ItemsPath":"$.nested.list""#, r#""End":true"#);
        format!(
            r#"{{"StartAt":"D","States":{{"D":{{"Type":"Map","ItemsPath":"$.endless","ItemProcessor":{{
                "ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"{kind}"}},
                "StartAt":"M","States":{{"M":{inner}}}}},"End":true}}}}}}"#
        )
    };
    assert_eq!(found(&distributed("EXPRESS")), []);
    let inner = found(&distributed("STANDARD"));
    assert_eq!(inner.len(), 1);
    assert_eq!(inner[0].0, "/States/D/ItemProcessor/States/M");
}

#[test]
fn a_name_leads_from_a_task_to_its_answer() {
    let definition = |passed: &str| {
        let map = map(r#""Items":"{% $states.input.sets %}""#, r#""End":true"#);
        format!(
            r#"{{"QueryLanguage":"JSONata","StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
                "Arguments":{{"FunctionName":"f","Payload":{{"sets":"{passed}"}}}},"Next":"M"}},"M":{map}}}}}"#
        )
    };
    assert_eq!(found(&definition("{% $states.input.number %}")).len(), 1);
    assert_eq!(found(&definition("{% $states.input.rounds %}")), []);
    assert_eq!(found(&definition("{% $states.input.sets %}")), []);
}

#[test]
fn a_reason_in_the_schema_silences() {
    let definition = alone(r#""ItemsPath":"$.endless""#);
    let accepted = SCHEMA.replacen('{', r#"{"x-history":"The list comes from us.","#, 1);
    assert_eq!(warnings(&definition, &accepted), []);
    let empty = SCHEMA.replacen('{', r#"{"x-history":"","#, 1);
    assert_eq!(warnings(&definition, &empty).len(), 1);
}
