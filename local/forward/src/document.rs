//! JSON as states write it and as services speak it: names, moments and bytes differ.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::shape::{Kind, Member, Plain, Shape};
use crate::table::Service;
use crate::time;

/// Text of a member that may be given as text or as a structure.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Bytes that states see as text, as JSON carries them.
pub fn to_base64(value: &Value) -> String {
    STANDARD.encode(as_text(value))
}

/// Text for bytes that are some; what is no text stays as it came.
pub fn from_base64(text: &str) -> String {
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| text.to_owned())
}

/// What a service gets for what a state gives.
pub fn to_wire(service: &Service, kind: Kind, value: &Value) -> Value {
    match (kind, service.shape(kind)) {
        (Kind::Plain(Plain::Blob), _) => Value::from(to_base64(value)),
        (Kind::Plain(Plain::Seconds), _) => time::to_seconds(value),
        (Kind::Plain(Plain::HttpDate), _) => Value::from(time::to_http(&as_text(value))),
        (_, Some(shape)) => each(
            shape,
            value,
            &|kind, value| to_wire(service, kind, value),
            &|members, name| {
                let member = members.get(name)?;
                Some((member.wire(name).to_owned(), member.kind()))
            },
        ),
        (_, None) => value.clone(),
    }
}

/// What a state gets for what a service answers.
pub fn from_wire(service: &Service, kind: Kind, value: &Value) -> Value {
    match (kind, value, service.shape(kind)) {
        (Kind::Plain(Plain::Blob), Value::String(text), _) => Value::from(from_base64(text)),
        (Kind::Plain(Plain::Seconds), _, _) => time::from_seconds(value),
        (_, _, Some(shape)) => each(
            shape,
            value,
            &|kind, value| from_wire(service, kind, value),
            &|members, name| {
                let mut members = members.iter();
                let (state, member) = members.find(|(state, member)| member.wire(state) == name)?;
                Some((state.clone(), member.kind()))
            },
        ),
        (_, _, None) => value.clone(),
    }
}

type Members = std::collections::BTreeMap<String, Member>;
/// A member's other name, and its kind, if it is listed.
type Rename<'r> = &'r dyn Fn(&Members, &str) -> Option<(String, Kind)>;

/// Changes each part of a composite value.
fn each(
    shape: &Shape,
    value: &Value,
    change: &dyn Fn(Kind, &Value) -> Value,
    rename: Rename<'_>,
) -> Value {
    match (shape, value) {
        (Shape::List(_, item, _), Value::Array(items)) => {
            items.iter().map(|value| change(*item, value)).collect()
        }
        (Shape::Map(_, kind, ..), Value::Object(entries)) => entries
            .iter()
            .map(|(key, value)| (key.clone(), change(*kind, value)))
            .collect::<Map<_, _>>()
            .into(),
        (Shape::Structure(members), Value::Object(entries)) => entries
            .iter()
            .map(|(name, value)| match rename(members, name) {
                Some((other, kind)) => (other, change(kind, value)),
                None => (name.clone(), value.clone()),
            })
            .collect::<Map<_, _>>()
            .into(),
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_moments_and_bytes_are_changed_where_they_differ() {
        let codebuild = Service::load("codebuild").unwrap();
        let start = &codebuild.operations["startBuild"];
        let variables = |name: &str, value: &str| json!([{ name: "myKey", value: "myValue" }]);
        assert_eq!(
            to_wire(
                &codebuild,
                start.input,
                &json!({ "ProjectName": "p", "EnvironmentVariablesOverride": variables("Name", "Value") })
            ),
            json!({ "projectName": "p", "environmentVariablesOverride": variables("name", "value") }),
        );
        assert_eq!(
            from_wire(
                &codebuild,
                start.output,
                &json!({ "build": { "buildStatus": "SUCCEEDED", "startTime": 1.5 } })
            ),
            json!({ "Build": { "BuildStatus": "SUCCEEDED", "StartTime": "1970-01-01T00:00:01.500Z" } }),
        );
        let kinesis = Service::load("kinesis").unwrap();
        let put = &kinesis.operations["putRecord"];
        assert_eq!(
            to_wire(
                &kinesis,
                put.input,
                &json!({ "StreamName": "s", "Data": { "a": 1 } })
            ),
            json!({ "StreamName": "s", "Data": STANDARD.encode(r#"{"a":1}"#) }),
        );
    }

    #[test]
    fn a_shape_that_contains_itself_goes_all_the_way_down() {
        let dynamodb = Service::load("dynamodb").unwrap();
        let put = dynamodb.operations["putItem"].input;
        let item = |bytes: &str| json!({ "Item": { "a": { "M": { "b": { "L": [{ "B": bytes }, { "S": "s" }] } } } } });
        assert_eq!(to_wire(&dynamodb, put, &item("x")), item("eA=="));
    }
}
