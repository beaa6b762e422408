//! From a service's answer to the result of a state, or its error.

use asl::TaskError;
use serde_json::{Map, Value};

use crate::send::Answer;
use crate::table::{Operation, Protocol, Service};
use crate::xml::Element;
use crate::{document, rest, xml};

/// Reads an answer.
///
/// # Errors
/// That of the service, as `<prefix>.<Exception>`.
pub fn read(
    service: &Service,
    operation: &Operation,
    prefix: &str,
    answer: &Answer,
) -> Result<Value, TaskError> {
    let unreadable = |reason: String| TaskError {
        error: format!("{prefix}.SdkClientException"),
        cause: Some(format!(
            "the answer of {} cannot be read: {reason}",
            service.endpoint
        )),
    };
    if !(200..300).contains(&answer.status) {
        return Err(failure(service, prefix, answer));
    }
    let Answer {
        status,
        headers,
        body,
    } = answer;
    match service.protocol {
        Protocol::Json if body.is_empty() => Ok(Value::Object(Map::new())),
        Protocol::Json => {
            let value = serde_json::from_slice(body);
            let value = value.map_err(|error| unreadable(error.to_string()))?;
            Ok(document::from_wire(service, operation.output, &value))
        }
        Protocol::RestJson => Ok(rest::read(service, operation, *status, headers, body)),
        Protocol::Query | Protocol::Ec2 => {
            if service.shape(operation.output).is_none() {
                return Ok(Value::Object(Map::new()));
            }
            let root = Element::parse(&String::from_utf8_lossy(body)).map_err(unreadable)?;
            let wrapper = operation.wrapper.as_deref();
            let element = wrapper.and_then(|name| root.child(name)).unwrap_or(&root);
            Ok(xml::decode(service, operation.output, element))
        }
    }
}

/// The error as Step Functions names it: with the suffix `Exception`, whether the service has that or not.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>
fn failure(service: &Service, prefix: &str, answer: &Answer) -> TaskError {
    let (code, message) = match service.protocol {
        Protocol::Json | Protocol::RestJson => from_json(answer),
        Protocol::Query | Protocol::Ec2 => from_xml(answer),
    };
    let header = |name: &str| Some(answer.headers.get(name)?.to_str().ok()?.to_owned());
    let id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
    let known = code.as_deref().map(exception);
    let name = match service.protocol {
        // Its errors have no types of their own.
        Protocol::Ec2 => "Ec2Exception".to_owned(),
        _ => known.unwrap_or_else(|| format!("{}Exception", service.prefix)),
    };
    TaskError {
        error: format!("{prefix}.{name}"),
        cause: Some(format!(
            "{} (Service: {}, Status Code: {}, Error Code: {}, Request ID: {})",
            message.unwrap_or_default(),
            service.prefix,
            answer.status,
            code.unwrap_or_else(|| "null".to_owned()),
            id.unwrap_or_else(|| "null".to_owned()),
        )),
    }
}

/// The name of an exception's class in the SDK for Java.
fn exception(code: &str) -> String {
    match code
        .strip_suffix("Exception")
        .or_else(|| code.strip_suffix("Fault"))
    {
        Some(name) => format!("{name}Exception"),
        None => format!("{code}Exception"),
    }
}

/// `x-amzn-errortype`, `__type` or `code`, which may have a name space before and a URL behind it.
/// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization>
fn from_json(answer: &Answer) -> (Option<String>, Option<String>) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let member = |names: &[&str]| {
        let mut names = names.iter();
        names.find_map(|name| body.get(*name)?.as_str().map(str::to_owned))
    };
    let header = answer.headers.get("x-amzn-errortype");
    let code = header
        .and_then(|value| Some(value.to_str().ok()?.to_owned()))
        .or_else(|| member(&["__type", "code"]));
    let code = code.map(|code| {
        let code = code.split(':').next().unwrap_or_default();
        code.rsplit('#').next().unwrap_or_default().to_owned()
    });
    (code, member(&["message", "Message", "errorMessage"]))
}

fn from_xml(answer: &Answer) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(&answer.body);
    let Ok(root) = Element::parse(&text) else {
        return (None, Some(text.into_owned()));
    };
    let text_of = |name: &str| root.text_of(name).map(str::to_owned);
    (text_of("Code"), text_of("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn error(name: &str, body: &str) -> TaskError {
        let service = Service::load(name).unwrap();
        let answer = Answer {
            status: 400,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        failure(&service, &service.prefix, &answer)
    }

    #[test]
    fn errors_are_named_as_step_functions_names_them() {
        for (service, body, name) in [
            (
                "dynamodb",
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no"}"#,
                "DynamoDb.ConditionalCheckFailedException",
            ),
            (
                "sqs",
                r#"{"__type":"QueueDoesNotExist"}"#,
                "Sqs.QueueDoesNotExistException",
            ),
            (
                "sns",
                "<ErrorResponse><Error><Code>NotFound</Code><Message>m</Message></Error></ErrorResponse>",
                "Sns.NotFoundException",
            ),
            (
                "rds",
                "<ErrorResponse><Error><Code>DBInstanceNotFoundFault</Code></Error></ErrorResponse>",
                "Rds.DBInstanceNotFoundException",
            ),
            (
                "ec2",
                "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code></Error></Errors></Response>",
                "Ec2.Ec2Exception",
            ),
            ("lambda", "", "Lambda.LambdaException"),
        ] {
            assert_eq!(error(service, body).error, name);
        }
        let cause = error(
            "sns",
            "<E><Error><Code>NotFound</Code><Message>m</Message></Error></E>",
        )
        .cause;
        assert_eq!(
            cause.unwrap(),
            "m (Service: Sns, Status Code: 400, Error Code: NotFound, Request ID: null)"
        );
    }
}
