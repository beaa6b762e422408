//! JSON over REST: members of a request go into its path, query string, headers and body.
//! <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::document::{as_text, from_wire, to_wire};
use crate::shape::{Kind, Member, Place, Plain, Shape};
use crate::table::{Operation, Service};
use crate::time;

/// What stays as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// The same for a member that may span several segments.
const PATHS: &AsciiSet = &PATH.remove(b'/');

/// The parts of a request.
#[derive(Debug, Default)]
pub struct Parts {
    /// Path and query string.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body; none where the request has no members for it.
    pub body: Option<Vec<u8>>,
}

/// Takes a request apart.
///
/// # Errors
/// A member of the path that is not given.
pub fn build(service: &Service, operation: &Operation, arguments: &Value) -> Result<Parts, String> {
    let mut parts = Parts::default();
    let mut path = operation.path.clone();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut document = Map::new();
    let members = match service.shape(operation.input) {
        Some(Shape::Structure(members)) => Some(members),
        _ => None,
    };
    for (name, value) in arguments.as_object().into_iter().flatten() {
        let member = members.and_then(|members| members.get(name));
        let kind = member.map_or(Kind::Plain(Plain::AsItIs), Member::kind);
        let wire = member.map_or(name.as_str(), |member| member.wire(name));
        match member.and_then(Member::place) {
            Some(Place::Uri) => {
                let text = text(kind, value);
                let one = utf8_percent_encode(&text, PATH).to_string();
                let several = utf8_percent_encode(&text, PATHS).to_string();
                path = path
                    .replace(&format!("{{{wire}}}"), &one)
                    .replace(&format!("{{{wire}+}}"), &several);
            }
            Some(Place::QueryString) => add_query(&mut query, wire, kind, value),
            Some(Place::Header) => parts.headers.push((wire.to_owned(), text(kind, value))),
            Some(Place::Headers) => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    parts
                        .headers
                        .push((format!("{wire}{name}"), as_text(value)));
                }
            }
            Some(Place::Payload) => {
                let body = match kind {
                    Kind::Plain(_) => as_text(value),
                    Kind::Shape(_) => to_wire(service, kind, value).to_string(),
                };
                parts.body = Some(body.into_bytes());
            }
            Some(Place::Status) => {}
            None => {
                document.insert(wire.to_owned(), to_wire(service, kind, value));
            }
        }
    }
    if let Some((_, missing)) = path.split_once('{') {
        let name = missing.split(['}', '+']).next().unwrap_or_default();
        return Err(format!("the parameter {name} is missing"));
    }
    let bodiless = matches!(operation.method.as_str(), "GET" | "HEAD" | "DELETE");
    if parts.body.is_none() && !(bodiless && document.is_empty()) {
        parts.body = Some(Value::Object(document).to_string().into_bytes());
    }
    let query = query.finish();
    parts.path = match (query.is_empty(), path.contains('?')) {
        (true, _) => path,
        (false, true) => format!("{path}&{query}"),
        (false, false) => format!("{path}?{query}"),
    };
    Ok(parts)
}

fn add_query(
    query: &mut form_urlencoded::Serializer<'_, String>,
    name: &str,
    kind: Kind,
    value: &Value,
) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| {
            query.append_pair(name, &text(kind, item));
        }),
        // A map's keys are names themselves.
        Value::Object(entries) => entries
            .iter()
            .for_each(|(name, value)| add_query(query, name, kind, value)),
        value => {
            query.append_pair(name, &text(kind, value));
        }
    }
}

fn text(kind: Kind, value: &Value) -> String {
    match kind {
        Kind::Plain(Plain::HttpDate) => time::to_http(&as_text(value)),
        Kind::Plain(Plain::Seconds) => as_text(&time::to_seconds(value)),
        _ => as_text(value),
    }
}

/// What a state gets for an answer.
pub fn read(
    service: &Service,
    operation: &Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Value {
    let document = || serde_json::from_slice(body).unwrap_or(Value::Object(Map::new()));
    let Some(Shape::Structure(members)) = service.shape(operation.output) else {
        return document();
    };
    let payload = members
        .iter()
        .find(|(_, member)| member.place() == Some(Place::Payload));
    let mut answer = match payload {
        None => from_wire(service, operation.output, &document()),
        Some((name, member)) => {
            let value = match member.kind() {
                Kind::Plain(_) => Value::from(String::from_utf8_lossy(body)),
                Kind::Shape(_) => from_wire(service, member.kind(), &document()),
            };
            Value::Object([(name.clone(), value)].into_iter().collect())
        }
    };
    for (name, member) in members {
        let wire = member.wire(name);
        let value = match member.place() {
            Some(Place::Status) => Some(Value::from(status)),
            Some(Place::Header) => headers
                .get(wire)
                .and_then(|value| value.to_str().ok())
                .map(|text| from_header(member.kind(), text)),
            _ => None,
        };
        if let (Some(value), Value::Object(answer)) = (value, &mut answer) {
            answer.insert(name.clone(), value);
        }
    }
    answer
}

fn from_header(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Plain(Plain::Integer | Plain::Float | Plain::Boolean) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        }
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_go_where_they_belong() {
        let lambda = Service::load("lambda").unwrap();
        let invoke = &lambda.operations["invoke"];
        let arguments = json!({
            "FunctionName": "a b", "Qualifier": "live", "InvocationType": "Event", "Payload": { "n": 1 },
        });
        let parts = build(&lambda, invoke, &arguments).unwrap();
        assert_eq!(
            parts.path,
            "/2015-03-31/functions/a%20b/invocations?Qualifier=live"
        );
        assert_eq!(
            parts.headers,
            [("X-Amz-Invocation-Type".to_owned(), "Event".to_owned())]
        );
        assert_eq!(parts.body.unwrap(), br#"{"n":1}"#);
        let missing = build(&lambda, invoke, &json!({})).unwrap_err();
        assert_eq!(missing, "the parameter FunctionName is missing");
        let batch = Service::load("batch").unwrap();
        let arguments = json!({ "JobName": "j", "Tags": { "myKey": "v" } });
        let parts = build(&batch, &batch.operations["submitJob"], &arguments).unwrap();
        assert_eq!(parts.path, "/v1/submitjob");
        assert_eq!(
            parts.body.unwrap(),
            br#"{"jobName":"j","tags":{"myKey":"v"}}"#
        );
    }

    #[test]
    fn an_answer_is_gathered_from_where_it_is() {
        let lambda = Service::load("lambda").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-executed-version", "3".parse().unwrap());
        assert_eq!(
            read(&lambda, &lambda.operations["invoke"], 200, &headers, b"[1]"),
            json!({ "Payload": "[1]", "StatusCode": 200, "ExecutedVersion": "3" })
        );
    }
}
