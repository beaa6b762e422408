use super::condition::glob;
use super::*;
use serde_json::json;

fn event() -> Value {
    json!({
        "source": "aws.ecs",
        "detail": {
            "lastStatus": "STOPPED",
            "group": "family:Trainer",
            "containers": [
                {"name": "a", "exitCode": 0},
                {"name": "b", "exitCode": 137, "reason": "OutOfMemoryError"},
            ],
            "cpu": 256,
            "account": 9_007_199_254_740_993_u64,
            "ip": "10.0.0.7",
            "six": "2001:db8:0:0::1",
            "tags": ["a", "b"],
            "none": [],
            "nothing": null,
            "empty": "",
            "ok": true,
            "dotted.name": {"x": 1},
            "path": r"C:\bin\*",
        }
    })
}

#[test]
fn conditions_hold_as_documented() {
    let event = event();
    let holds = |field: &str, conditions: Value| {
        let pattern = json!({"detail": {field: conditions}});
        Pattern::new(&pattern).unwrap().matches(&event)
    };
    for (field, conditions, expected) in [
        ("lastStatus", json!(["RUNNING"]), false),
        ("lastStatus", json!(["RUNNING", {"prefix": "STO"}]), true),
        ("lastStatus", json!([{"prefix": ""}]), true),
        ("cpu", json!([{"prefix": "2"}]), false),
        ("group", json!([{"suffix": "Trainer"}]), true),
        (
            "group",
            json!([{"prefix": {"equals-ignore-case": "FAMILY:"}}]),
            true,
        ),
        (
            "group",
            json!([{"suffix": {"equals-ignore-case": "trainer"}}]),
            true,
        ),
        (
            "group",
            json!([{"equals-ignore-case": "FAMILY:TRAINER"}]),
            true,
        ),
        ("group", json!([{"exactly": "family:Trainer"}]), true),
        ("group", json!([{"wildcard": "family:*r"}]), true),
        ("group", json!([{"wildcard": "family:*x"}]), false),
        ("path", json!([{"wildcard": r"C:\\*\\\*"}]), true),
        (
            "lastStatus",
            json!([{"anything-but": ["STOPPED", "RUNNING"]}]),
            false,
        ),
        (
            "lastStatus",
            json!([{"anything-but": {"prefix": "RUN"}}]),
            true,
        ),
        (
            "lastStatus",
            json!([{"anything-but": {"prefix": ["RUN", "ST"]}}]),
            false,
        ),
        (
            "lastStatus",
            json!([{"anything-but": {"suffix": "PED"}}]),
            false,
        ),
        (
            "lastStatus",
            json!([{"anything-but": {"equals-ignore-case": ["stopped"]}}]),
            false,
        ),
        (
            "lastStatus",
            json!([{"anything-but": {"wildcard": "*O*"}}]),
            false,
        ),
        ("cpu", json!([{"anything-but": {"wildcard": "*"}}]), true),
        ("cpu", json!([{"anything-but": [128, 512]}]), true),
        ("cpu", json!([{"anything-but": 256.0}]), false),
        ("cpu", json!([{"anything-but": "256"}]), true),
        ("nothing", json!([{"anything-but": "x"}]), true),
        ("missing", json!([{"anything-but": "x"}]), false),
        ("missing", json!([{"exists": false}]), true),
        ("missing", json!(["x", {"exists": false}]), true),
        ("missing", json!([{"exists": true}]), false),
        ("lastStatus", json!([{"exists": false}]), false),
        ("nothing", json!([{"exists": true}]), true),
        ("none", json!([{"exists": false}]), true),
        // Only leaves exist.
        ("containers", json!([{"exists": true}]), false),
        ("cpu", json!([256.0]), true),
        ("cpu", json!(["256"]), false),
        ("cpu", json!([{"numeric": [">=", 256]}]), true),
        ("cpu", json!([{"numeric": [">", 0, "<", 256]}]), false),
        ("cpu", json!([{"numeric": ["=", 2.56e2]}]), true),
        ("account", json!([9_007_199_254_740_993_u64]), true),
        ("account", json!([9_007_199_254_740_992_u64]), false),
        ("tags", json!(["b"]), true),
        ("tags", json!(["c"]), false),
        ("nothing", json!([null]), true),
        ("ok", json!([true]), true),
        ("empty", json!([""]), true),
        ("ip", json!([{"cidr": "10.0.0.0/24"}]), true),
        ("ip", json!([{"cidr": "10.0.1.0/24"}]), false),
        ("six", json!([{"cidr": "2001:db8::/32"}]), true),
        ("six", json!(["2001:db8::1"]), true),
        ("dotted.name.x", json!([1]), true),
    ] {
        assert_eq!(
            holds(field, conditions.clone()),
            expected,
            "{field} {conditions}"
        );
    }
}

#[test]
fn values_of_different_elements_do_not_count_together() {
    let event = json!({
        "detail": {
            "orders": [
                {"id": 1, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]},
                {"id": 2, "lines": [{"sku": "c", "n": 3}], "gift": true},
            ],
            "nested": [[{"k": 1, "v": 1}], [{"k": 2, "v": 2}]],
            "tags": ["x", "y"],
        }
    });
    for (detail, expected) in [
        (json!({"orders": {"lines": {"sku": ["a"], "n": [1]}}}), true),
        (
            json!({"orders": {"lines": {"sku": ["a"], "n": [2]}}}),
            false,
        ),
        (
            json!({"orders": {"id": [1], "lines": {"sku": ["b"]}}}),
            true,
        ),
        (
            json!({"orders": {"id": [2], "lines": {"sku": ["b"]}}}),
            false,
        ),
        (json!({"orders": {"id": [2], "gift": [true]}}), true),
        (
            json!({"orders": {"id": [1], "gift": [{"exists": false}]}}),
            false,
        ),
        (json!({"nested": {"k": [1], "v": [1]}}), true),
        (json!({"nested": {"k": [1], "v": [2]}}), false),
        (json!({"tags": ["x"], "orders": {"id": [2]}}), true),
    ] {
        let pattern = Pattern::new(&json!({"detail": detail})).unwrap();
        assert_eq!(pattern.matches(&event), expected, "{detail}");
    }
}

#[test]
fn absence_is_judged_within_the_elements_that_are_chosen_by_then() {
    // Paths are taken in their order: `kind` is chosen before `note` is missed, `a` is missed before `kind` is chosen.
    let event = json!({"rows": [{"kind": "x"}, {"kind": "y", "note": 1, "a": 1}]});
    let matches = |rows: Value| {
        Pattern::new(&json!({"rows": rows}))
            .unwrap()
            .matches(&event)
    };
    assert!(matches(json!({"kind": ["x"], "note": [{"exists": false}]})));
    assert!(!matches(
        json!({"kind": ["y"], "note": [{"exists": false}]})
    ));
    assert!(!matches(json!({"kind": ["x"], "a": [{"exists": false}]})));
}

#[test]
fn or_multiplies_alternatives() {
    let matches = |pattern: Value| Pattern::new(&pattern).unwrap().matches(&event());
    let two = |a: Value, b: Value| json!({"$or": [a, b]});
    assert!(matches(two(
        json!({"source": ["x"]}),
        json!({"detail": {"cpu": [256]}})
    )));
    assert!(!matches(two(
        json!({"source": ["x"]}),
        json!({"detail": {"cpu": [1]}})
    )));
    let inner = two(json!({"cpu": [1]}), json!({"lastStatus": ["STOPPED"]}));
    assert!(matches(json!({"source": ["aws.ecs"], "detail": inner})));
    assert!(!matches(json!({"source": ["aws.s3"], "detail": inner})));
    // Of one path that is asked for twice, the later counts.
    assert!(matches(
        json!({"source": ["no"], "$or": [{"source": ["aws.ecs"]}, {"a": ["b"]}]})
    ));
}

#[test]
fn many_values_of_arrays_beside_each_other_are_searched_in_little_time() {
    let rows = |field: &str| (0..20_000).map(|n| json!({field: n})).collect::<Vec<_>>();
    let event = json!({"a": rows("x"), "b": rows("y"), "c": [{"z": 1}]});
    let any = json!([{"exists": true}]);
    let pattern = json!({"a": {"x": any}, "b": {"y": any}, "c": {"z": [2]}});
    assert!(!Pattern::new(&pattern).unwrap().matches(&event));
}

#[test]
fn bad_patterns_are_refused_where_they_are_bad() {
    let condition = |condition: Value| json!({"detail": {"x": [condition]}});
    for (pattern, path, reason) in [
        (json!([]), "$", "Filter is not an object"),
        (json!({}), "$", "Empty objects"),
        (json!({"detail": {}}), "$.detail", "Empty objects"),
        (
            json!({"source": "aws.ecs"}),
            "$.source",
            "must be an object or an array",
        ),
        (
            json!({"source": null}),
            "$.source",
            "must be an object or an array",
        ),
        (json!({"detail": {"x": []}}), "$.detail.x", "Empty arrays"),
        (
            json!({"detail": {"x": [["a"]]}}),
            "$.detail.x",
            "Match value",
        ),
        (json!({"$or": []}), "$.$or", "at least 2"),
        (json!({"$or": [{"a": [1]}]}), "$.$or", "at least 2"),
        (json!({"$or": {"a": [1]}}), "$.$or", "followed by an array"),
        (
            json!({"$or": [{"a": [1]}, 2]}),
            "$.$or",
            "Only JSON objects",
        ),
        (json!({"$or": [{"a": [1]}, {}]}), "$", "Empty objects"),
        (
            json!({"d": {"$or": [{"a": [1]}, {"prefix": ["x"]}]}}),
            "$.d.prefix",
            "reserved",
        ),
    ] {
        let error = Pattern::new(&pattern).unwrap_err();
        assert_eq!(error.path, path, "{pattern}");
        assert!(error.reason.contains(reason), "{pattern}: {error}");
    }
    for bad in [
        json!({}),
        json!({"regex": "."}),
        json!({"prefix": "a", "suffix": "b"}),
        json!({"prefix": 1}),
        json!({"prefix": {"suffix": "a"}}),
        json!({"suffix": {"equals-ignore-case": ["a"]}}),
        json!({"equals-ignore-case": ["a"]}),
        json!({"exists": "true"}),
        json!({"exactly": 1}),
        json!({"anything-but": null}),
        json!({"anything-but": true}),
        json!({"anything-but": []}),
        json!({"anything-but": ["a", 1]}),
        json!({"anything-but": [null]}),
        json!({"anything-but": [{"wildcard": "*x*"}]}),
        json!({"anything-but": {"prefx": "a"}}),
        json!({"anything-but": {"numeric": [">", 3]}}),
        json!({"anything-but": {"exists": true}}),
        json!({"anything-but": {"prefix": ""}}),
        json!({"anything-but": {"suffix": ["a", ""]}}),
        json!({"anything-but": {"prefix": []}}),
        json!({"anything-but": {"wildcard": "a**b"}}),
        json!({"anything-but": {"prefix": "a", "suffix": "b"}}),
        json!({"wildcard": "a**c"}),
        json!({"wildcard": r"a\x"}),
        json!({"wildcard": "a\\"}),
        json!({"wildcard": ["a"]}),
        json!({"numeric": []}),
        json!({"numeric": [">"]}),
        json!({"numeric": ">"}),
        json!({"numeric": [">", "1"]}),
        json!({"numeric": ["!=", 1]}),
        json!({"numeric": ["<", 5, ">", 1]}),
        json!({"numeric": ["=", 1, "=", 2]}),
        json!({"numeric": [">", 5, "<", 5]}),
        json!({"numeric": [">", 0, ">", 5]}),
        json!({"numeric": [">", 0, "<", 5, "<", 6]}),
        json!({"numeric": ["=", 9_007_199_254_740_993_u64]}),
        json!({"cidr": "10.0.0.0"}),
        json!({"cidr": "10.0.0.0/33"}),
        json!({"cidr": "10.0.0.0/32"}),
        json!({"cidr": "ten/8"}),
        json!({"cidr": 10}),
    ] {
        let error = Pattern::new(&condition(bad.clone())).unwrap_err();
        assert_eq!(error.path, "$.detail.x", "{bad}");
    }
    assert!(Pattern::parse("{oops").is_err());
}

#[test]
fn globs() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("137", "137", true),
        ("1*", "137", true),
        ("Host EC2*", "Host EC2 (instance i-1) terminated.", true),
        ("a*b*c", "aXbYbZc", true),
        ("a*b", "ac", false),
        (r"a\*", "a*", true),
        (r"a\*", "ab", false),
    ] {
        assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
    }
}
