use super::super::testing::{Fixture, parse};
use super::*;
use crate::value::Value;

const STORE: &str = r#"{
    "store": {
        "book": [
            {"category": "reference", "author": "Rees", "title": "Sayings", "price": 8.95},
            {"category": "fiction", "author": "Waugh", "title": "Sword", "price": 12.99, "tags": ["war", "old"]},
            {"category": "fiction", "author": "Melville", "title": "Moby Dick", "isbn": "0-553", "price": 8.99}
        ],
        "bicycle": {"color": "red", "price": 19.95, "gears": null}
    },
    "limit": 10,
    "odd key": {"a.b": 1, "it's": 2},
    "empty": [],
    "numbers": [1, "1", 2.0, 3]
}"#;

fn select(path: &str) -> Result<Value, String> {
    let fixture = Fixture::new(STORE).variable("v", r#"{"x": [10, 20]}"#);
    let path = Path::compile(path).map_err(|error| error.message)?;
    fixture.with(|scope| path.select(scope).map_err(|miss| miss.reason()))
}

#[test]
fn definite_paths_give_the_value() {
    for (path, value) in [
        ("$.limit", "10"),
        ("$['limit']", "10"),
        ("$[\"limit\"]", "10"),
        ("$.store.book[0].title", "\"Sayings\""),
        ("$.store.book[-1].title", "\"Moby Dick\""),
        ("$.['store'].bicycle['color']", "\"red\""),
        ("$.store.bicycle.gears", "null"),
        ("$['odd key']['a.b']", "1"),
        ("$['odd key']['it\\'s']", "2"),
        (
            "$.store.bicycle['color','price']",
            r#"{"color":"red","price":19.95}"#,
        ),
        ("$v.x[1]", "20"),
        ("$v", r#"{"x":[10,20]}"#),
    ] {
        assert!(Path::compile(path).unwrap().is_definite(), "{path}");
        assert_eq!(select(path), Ok(parse(value)), "{path}");
    }
}

#[test]
fn indefinite_paths_give_the_list_of_matches() {
    for (path, value) in [
        ("$.store.book[*].author", r#"["Rees","Waugh","Melville"]"#),
        ("$..author", r#"["Rees","Waugh","Melville"]"#),
        ("$.store..price", "[8.95,12.99,8.99,19.95]"),
        ("$..book[2].title", r#"["Moby Dick"]"#),
        ("$..book[0,1].title", r#"["Sayings","Sword"]"#),
        ("$.store.book[:2].title", r#"["Sayings","Sword"]"#),
        ("$.store.book[1:].title", r#"["Sword","Moby Dick"]"#),
        ("$.store.book[-2:].title", r#"["Sword","Moby Dick"]"#),
        ("$.store.book[1:2].title", r#"["Sword"]"#),
        ("$.store.book[1:-1].title", "[]"),
        ("$.store.book[-2:-1].title", r#"["Sword"]"#),
        ("$.store.book[:-2].title", r#"["Sayings"]"#),
        ("$.store.book[0,2].price", "[8.95,8.99]"),
        ("$.store.bicycle.*", r#"["red",19.95,null]"#),
        ("$.nothing.items[*]", "[]"),
        ("$.items[:1].itemValue", "[]"),
        ("$.limit[*]", "[]"),
        ("$.empty[*]", "[]"),
        ("$.store.book[?(@.isbn)].title", r#"["Moby Dick"]"#),
        ("$.store.book[?(!@.isbn)].title", r#"["Sayings","Sword"]"#),
        ("$.store.book[?(@.price < 10)].price", "[8.95,8.99]"),
        ("$.store.book[?(@.price < $.limit)].price", "[8.95,8.99]"),
        (
            "$.store.book[?(@.category == 'fiction' && @.price > 10)].title",
            r#"["Sword"]"#,
        ),
        (
            "$.store.book[?(@.author=='Rees' || (@.author == \"Waugh\"))].title",
            r#"["Sayings","Sword"]"#,
        ),
        (
            "$.store.book[?(@.author =~ /r.*S/i)].title",
            r#"["Sayings"]"#,
        ),
        ("$.store.book[?(@.author =~ /ees/)].title", "[]"),
        (
            "$.store.book[?(@.author in ['Rees','Nobody'])].title",
            r#"["Sayings"]"#,
        ),
        (
            "$.store.book[?(@.author nin ['Rees','Waugh'])].title",
            r#"["Moby Dick"]"#,
        ),
        (
            "$.store.book[?(@.tags contains 'war')].title",
            r#"["Sword"]"#,
        ),
        ("$.store.book[?(@.tags size 2)].title", r#"["Sword"]"#),
        ("$.store.book[?(@.tags empty false)].title", r#"["Sword"]"#),
        (
            "$.store.book[?(@['tags'] subsetof ['war','old','x'])].title",
            r#"["Sword"]"#,
        ),
        ("$.store.book[?(@.author==Rees)].title", r#"["Sayings"]"#),
        (
            "$.store.book[?(Rees == @.author && @.price < 10)].title",
            r#"["Sayings"]"#,
        ),
        (
            "$.store.book[?(@.author in [Rees, 'No one', no_one-else])].title",
            r#"["Sayings"]"#,
        ),
        ("$.numbers[?(@ == 1)]", r#"[1,"1"]"#),
        ("$.numbers[?(@ >= 2)]", "[2.0,3]"),
        ("$.store.bicycle[?(@.color == 'red')].price", "[19.95]"),
        ("$..[?(@.isbn)].title", r#"["Moby Dick"]"#),
        (
            "$.store.book[?(@.isbn != null)].title",
            r#"["Sayings","Sword","Moby Dick"]"#,
        ),
    ] {
        assert!(!Path::compile(path).unwrap().is_definite(), "{path}");
        assert_eq!(select(path), Ok(parse(value)), "{path}");
    }
}

#[test]
fn a_miss_says_why_in_jayways_words() {
    for (path, reason) in [
        ("$.no.such.path", "Missing property in path $['no']"),
        ("$.store.no", "No results for path: $['store']['no']"),
        (
            "$.store.book[7]",
            "No results for path: $['store']['book'][7]",
        ),
        (
            "$.limit[0]",
            "Filter: [0] can only be applied to arrays. Current context is: 10",
        ),
        (
            "$.store.bicycle.gears[0]",
            "The path $['store']['bicycle']['gears'] is null",
        ),
        (
            "$.limit.x",
            "Expected to find an object with property ['x'] in path $['limit'] but found 'java.lang.Integer'. \
             This is not a json object according to the JsonProvider: \
             'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
        ),
        ("$.array.length()", "Missing property in path $['array']"),
        (
            "$.store['book','bicycle'].price",
            "Multi properties can only be used as path leafs: $['store']['book', 'bicycle']",
        ),
    ] {
        assert_eq!(select(path), Err(reason.to_string()), "{path}");
    }
}

#[test]
fn a_path_may_end_in_spaces() {
    assert_eq!(select("$.limit "), Ok(parse("10")));
    assert_eq!(select("$.store.bicycle.color  "), Ok(parse(r#""red""#)));
    assert_eq!(
        ReferencePath::compile("$.a ")
            .unwrap()
            .insert(parse("{}"), parse("9")),
        Ok(parse(r#"{"a":9}"#))
    );
    assert!(Path::compile("$ ").unwrap().is_whole_input());
}

#[test]
fn errors_carry_awss_sentences() {
    let fixture = Fixture::new(r#"{"a":1}"#);
    let path = Path::compile("$.b").unwrap();
    let miss = fixture.with(|scope| path.select(scope).unwrap_err());
    assert_eq!(
        miss.in_field("ErrorPath").cause,
        r#"The JSONPath '$.b' specified for the field 'ErrorPath' could not be found in the input '{"a":1}'"#
    );
    assert_eq!(
        miss.invalid_path().cause,
        "Invalid path '$.b' : No results for path: $['b']"
    );
}

#[test]
fn a_backslash_before_another_character_stays() {
    let fixture = Fixture::new(r#"{"Test\\\"\"Name\"": "found"}"#);
    let path = Path::compile(r#"$['Test\""Name"']"#).unwrap();
    assert_eq!(
        fixture.with(|scope| path.select(scope).unwrap()),
        Value::from("found")
    );
}

#[test]
fn what_is_not_a_path_is_refused() {
    let nested = format!("$[?({}@.a{})]", "(".repeat(500), ")".repeat(500));
    let long = format!("$.{}", "a".repeat(20_000));
    for path in [
        "",
        "a",
        "$.",
        "$..",
        "$[",
        "$[]",
        "$['a",
        "$.a b",
        "$[?(@.a",
        "$[?(@.a =~ /(/)]",
        "$.a]",
        "$[a]",
        "$[1,]",
        "$[99999999999999999999]",
        "$['a' 'b']",
        "$[?()]",
        "$[?(word)]",
        "$[?(@.a == one two)]",
        " $.a",
        "$.a\n",
        "$.a..",
        "@.a",
        &nested,
        &long,
    ] {
        assert!(Path::compile(path).is_err(), "{path}");
    }
}

#[test]
fn results_are_put_at_reference_paths() {
    for (into, path, result) in [
        ("{}", "$.a", r#"{"a":9}"#),
        (r#"{"a":1,"b":2}"#, "$.a", r#"{"a":9,"b":2}"#),
        (r#"{"x":1}"#, "$.a.b.c", r#"{"x":1,"a":{"b":{"c":9}}}"#),
        (r#"{"a":[1,2]}"#, "$.a[1]", r#"{"a":[1,9]}"#),
        (r#"{"a":[{"b":1}]}"#, "$['a'][0].b", r#"{"a":[{"b":9}]}"#),
        (r#"{"a":null}"#, "$.a.b", r#"{"a":{"b":9}}"#),
        ("[1]", "$", "9"),
    ] {
        let path = ReferencePath::compile(path).unwrap();
        assert_eq!(
            path.insert(parse(into), Value::from(9i64)),
            Ok(parse(result)),
            "{path:?}"
        );
    }
    for (into, path, cause) in [
        ("[1]", "$.a", r#"Unable to apply step "a" to input [1]"#),
        ("1", "$.a", "Unable to apply ReferencePath $.a to input 1"),
        (
            r#"{"a":"text"}"#,
            "$.a.b",
            r#"Unable to apply step "b" to input {"a":"text"}"#,
        ),
        (
            r#"{"a":[1]}"#,
            "$.a[1]",
            r#"Unable to apply step "1" to input {"a":[1]}"#,
        ),
        ("{}", "$.a[0]", r#"Unable to apply step "0" to input {}"#),
        (
            r#"{"a":{}}"#,
            "$.a.b[0].c",
            r#"Unable to apply step "0" to input {"a":{}}"#,
        ),
    ] {
        let path = ReferencePath::compile(path).unwrap();
        let error = path.insert(parse(into), Value::Null).unwrap_err();
        assert_eq!(error.error, "States.ReferencePathConflict");
        assert_eq!(error.cause, cause);
    }
}

#[test]
fn insertion_shares_what_is_not_on_the_way() {
    let input = parse(r#"{"big":[1,2,3],"n":1}"#);
    let path = ReferencePath::compile("$.n").unwrap();
    let output = path.insert(input.clone(), Value::from(2i64)).unwrap();
    assert!(output.get("big").unwrap().same(input.get("big").unwrap()));
    assert_eq!(input.get("n"), Some(&Value::from(1i64)));
}

#[test]
fn reference_paths_name_one_place() {
    for path in [
        "$.a[*]",
        "$..a",
        "$$.a",
        "$v",
        "$.a[0:1]",
        "$['a','b']",
        "$[?(@.a)]",
        "a",
    ] {
        assert!(ReferencePath::compile(path).is_err(), "{path}");
    }
}
