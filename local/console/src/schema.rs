//! Inputs and the schemas of inputs.

use serde_json::Value;

/// What is wrong with an input, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As people write it in Step Functions: `$.sets[0].depth`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Everything in which an input does not fit its schema.
///
/// # Errors
/// Why the schema is none.
pub fn problems(input: &Value, schema: &Value) -> Result<Vec<Problem>, String> {
    let validator = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    let problems = validator.iter_errors(input).map(|error| Problem {
        path: json_path(error.instance_path().as_str()),
        message: error.to_string(),
    });
    Ok(problems.collect())
}

/// `/sets/0/depth` as `$.sets[0].depth`.
fn json_path(pointer: &str) -> String {
    let mut path = String::from("$");
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            path.push('.');
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

/// One value that a form can ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Where it is in the input, as a JSON pointer.
    pub pointer: String,
    /// The same for people: `request.name`.
    pub label: String,
    /// What it means.
    pub description: String,
    /// What it can be.
    pub kind: Kind,
    /// Whether its object must have it.
    pub required: bool,
    /// What the sample has there.
    pub value: Option<Value>,
}

/// What a value can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A number; whether it is whole.
    Number(bool),
    /// One of these.
    Choice(Vec<Value>),
    /// More than one field can hold.
    Nested,
}

impl Field {
    /// Whether one field can hold it.
    pub fn is_scalar(&self) -> bool {
        self.kind != Kind::Nested
    }
}

/// How deep the fields of objects in objects are asked for.
const DEPTH: usize = 3;

/// The fields of an input, in the order of its schema.
pub fn fields(schema: &Value, sample: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    collect(schema, sample, "", DEPTH, &mut found);
    found
}

fn collect(schema: &Value, sample: &Value, place: &str, depth: usize, into: &mut Vec<Field>) {
    let required = schema["required"].as_array();
    let members = schema["properties"].as_object();
    for (name, member) in members.into_iter().flatten() {
        let pointer = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        let value = sample.get(name);
        if depth > 1 && member["properties"].is_object() {
            let inner = value.unwrap_or(&Value::Null);
            collect(member, inner, &pointer, depth - 1, into);
            continue;
        }
        into.push(Field {
            label: pointer[1..].replace('/', "."),
            description: member["description"].as_str().unwrap_or_default().into(),
            kind: kind(member),
            required: required.is_some_and(|names| names.iter().any(|one| one == name)),
            value: value.cloned(),
            pointer,
        });
    }
}

fn kind(member: &Value) -> Kind {
    if let Some(choices) = member["enum"].as_array() {
        return Kind::Choice(choices.clone());
    }
    match member["type"].as_str() {
        Some("string") => Kind::Text,
        Some("number") => Kind::Number(false),
        Some("integer") => Kind::Number(true),
        Some("boolean") => Kind::Choice(vec![Value::Bool(true), Value::Bool(false)]),
        _ => Kind::Nested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_is_named_by_its_json_path() {
        let schema = json!({
            "type": "object",
            "required": ["rounds", "sets"],
            "properties": {
                "rounds": {"type": "integer", "minimum": 1},
                "sets": {"type": "array", "items": {"type": "object", "properties": {"depth": {"type": "integer"}}}}
            }
        });
        let input = json!({"rounds": 0, "sets": [{"depth": 3}, {"depth": "deep"}]});
        let found = problems(&input, &schema).unwrap();
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["$.rounds", "$.sets[1].depth"]);
        let missing = problems(&json!({"rounds": 1}), &schema).unwrap();
        assert_eq!(missing[0].message, "\"sets\" is a required property");
        assert!(problems(&input, &json!({"type": 7})).is_err());
    }

    #[test]
    fn pointers_become_json_paths() {
        for (pointer, path) in [("", "$"), ("/a/0/b", "$.a[0].b"), ("/a~1b", "$.a/b")] {
            assert_eq!(json_path(pointer), path);
        }
    }

    #[test]
    fn a_form_asks_for_what_the_schema_names() {
        let schema = json!({"required": ["a"], "properties": {
            "a": {"type": "object", "required": ["n"], "properties": {
                "n": {"type": "integer", "description": "How many"}, "of/it": {"enum": ["x", "y"]}}},
            "list": {"type": "array"},
            "fast": {"type": "boolean"}}});
        let found = fields(&schema, &json!({"a": {"n": 3}}));
        let labels: Vec<&str> = found.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(labels, ["/a/n", "/a/of~1it", "/list", "/fast"]);
        assert_eq!(found[0].value, Some(json!(3)));
        assert_eq!(found[0].kind, Kind::Number(true));
        assert!(found[0].required && !found[1].required);
        assert_eq!(found[2].kind, Kind::Nested);
        assert_eq!(found[3].kind, Kind::Choice(vec![json!(true), json!(false)]));
    }
}
