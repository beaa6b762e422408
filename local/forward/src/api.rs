//! `apigateway:invoke`: an HTTP request to an API of the account.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html>

use asl::{Pattern, Resource, TaskError};
use serde_json::{Map, Value, json};

use crate::document::as_text;
use crate::send::{Answer, Request, Sender};
use crate::target::Target;

/// How an API is named in the scope of a signature.
const SIGNING: &str = "execute-api";

/// Whether a Resource calls an API.
pub fn is_api(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { service, action, pattern }
        if &**service == "apigateway" && &**action == "invoke"
            && matches!(pattern, Pattern::RequestResponse | Pattern::WaitForTaskToken))
}

/// Calls the API.
///
/// # Errors
/// `ApiGateway.<status>` for what the API refuses.
pub async fn call(sender: &Sender, target: &Target, arguments: &Value) -> Result<Value, TaskError> {
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    let host = match target {
        Target::Url(url) => url.clone(),
        Target::Aws => format!("https://{}", text("ApiEndpoint")),
    };
    // Without it nothing is signed.
    let signing = (text("AuthType") == "IAM_ROLE").then_some(SIGNING);
    let answer = sender
        .exchange(target, &host, None, signing, request(arguments))
        .await;
    let answer = answer.map_err(|error| TaskError {
        error: "ApiGateway.SdkClientException".to_owned(),
        cause: Some(error.to_string()),
    })?;
    if answer.status >= 400 {
        return Err(TaskError {
            error: format!("ApiGateway.{}", answer.status),
            cause: Some(String::from_utf8_lossy(&answer.body).into_owned()),
        });
    }
    Ok(result(&answer))
}

fn request(arguments: &Value) -> Request {
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    let mut path = String::new();
    for part in [text("Stage"), text("Path")] {
        let part = part.trim_start_matches('/');
        if !part.is_empty() {
            path.push_str(&format!("/{part}"));
        }
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs(&arguments["QueryParameters"]) {
        query.append_pair(&name, &value);
    }
    let query = query.finish();
    if path.is_empty() {
        path.push('/');
    }
    if !query.is_empty() {
        path.push_str(&format!("?{query}"));
    }
    let mut headers: Vec<(String, String)> = pairs(&arguments["Headers"]).collect();
    let body = match &arguments["RequestBody"] {
        Value::Null => Vec::new(),
        body => as_text(body).into_bytes(),
    };
    let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if !body.is_empty() && !headers.iter().any(is_type) {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Request {
        method: arguments["Method"].as_str().unwrap_or("GET").to_owned(),
        path,
        headers,
        body,
    }
}

/// Each name with each of its values, which are a list.
fn pairs(lists: &Value) -> impl Iterator<Item = (String, String)> {
    lists
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(name, values)| {
            let values = match values {
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            values
                .iter()
                .map(move |value| (name.clone(), as_text(value)))
        })
}

fn result(answer: &Answer) -> Value {
    let mut headers = Map::new();
    for (name, value) in &answer.headers {
        let value = Value::from(String::from_utf8_lossy(value.as_bytes()));
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value);
        }
    }
    let text = || Value::from(String::from_utf8_lossy(&answer.body));
    let status = http::StatusCode::from_u16(answer.status).ok();
    json!({
        "Headers": headers,
        "ResponseBody": serde_json::from_slice(&answer.body).unwrap_or_else(|_| text()),
        "StatusCode": answer.status,
        "StatusText": status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_made_of_its_parts() {
        let made = request(&json!({
            "ApiEndpoint": "x", "Method": "POST", "Stage": "prod", "Path": "/pets",
            "QueryParameters": { "id": ["1", "2"] }, "Headers": { "a": ["b"] }, "RequestBody": { "n": 1 },
        }));
        assert_eq!(made.method, "POST");
        assert_eq!(made.path, "/prod/pets?id=1&id=2");
        assert_eq!(made.headers[0], ("a".to_owned(), "b".to_owned()));
        assert_eq!(made.body, br#"{"n":1}"#);
        assert_eq!(request(&json!({ "Method": "GET" })).path, "/");
    }
}
