//! The query protocols: parameters in a form.
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>,
//! <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>

use serde_json::Value;

use crate::document::{as_text, to_base64};
use crate::shape::{Kind, Plain, Shape};
use crate::table::Service;

/// The form of a request.
///
/// # Errors
/// A parameter that the action does not have.
pub fn encode(
    service: &Service,
    action: &str,
    input: Kind,
    arguments: &Value,
) -> Result<String, String> {
    let mut form = Form {
        service,
        pairs: vec![
            ("Action".to_owned(), action.to_owned()),
            ("Version".to_owned(), service.api.clone()),
        ],
    };
    form.add("", input, arguments)?;
    Ok(form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form.pairs)
        .finish())
}

struct Form<'s> {
    service: &'s Service,
    pairs: Vec<(String, String)>,
}

impl Form<'_> {
    fn add(&mut self, at: &str, kind: Kind, value: &Value) -> Result<(), String> {
        match (self.service.shape(kind), value) {
            (_, Value::Null) => Ok(()),
            (Some(Shape::Structure(members)), Value::Object(entries)) => {
                for (name, value) in entries {
                    let member = members
                        .get(name)
                        .ok_or_else(|| format!("there is no parameter {}", below(at, name)))?;
                    self.add(&below(at, member.wire(name)), member.kind(), value)?;
                }
                Ok(())
            }
            (Some(Shape::List(_, item, element)), Value::Array(items)) => {
                let at = element
                    .as_ref()
                    .map_or(at.to_owned(), |name| below(at, name));
                for (index, value) in items.iter().enumerate() {
                    self.add(&format!("{at}.{}", index + 1), *item, value)?;
                }
                Ok(())
            }
            (Some(Shape::Map(_, kind, entry, key_name, value_name)), Value::Object(entries)) => {
                let at = entry.as_ref().map_or(at.to_owned(), |name| below(at, name));
                for (index, (key, value)) in entries.iter().enumerate() {
                    let at = format!("{at}.{}", index + 1);
                    self.pairs.push((below(&at, key_name), key.clone()));
                    self.add(&below(&at, value_name), *kind, value)?;
                }
                Ok(())
            }
            (Some(_), _) => Err(format!("the parameter {at} has another form")),
            // An action without parameters.
            (None, Value::Object(entries)) if at.is_empty() => match entries.keys().next() {
                Some(name) => Err(format!("there is no parameter {name}")),
                None => Ok(()),
            },
            (None, value) => {
                let text = match kind {
                    Kind::Plain(Plain::Blob) => to_base64(value),
                    _ => as_text(value),
                };
                self.pairs.push((at.to_owned(), text));
                Ok(())
            }
        }
    }
}

fn below(at: &str, name: &str) -> String {
    match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(service: &str, action: &str, arguments: &Value) -> Result<String, String> {
        let service = Service::load(service).unwrap();
        let input = service.operations[action].input;
        encode(&service, "X", input, arguments).map(|form| {
            let pairs = form_urlencoded::parse(form.as_bytes()).skip(2);
            let pairs: Vec<String> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join("&")
        })
    }

    #[test]
    fn lists_maps_and_structures_are_spelled_out() {
        for (service, action, arguments, expected) in [
            (
                "sns",
                "publish",
                json!({ "Message": { "a": 1 }, "MessageAttributes": { "k": { "DataType": "String", "StringValue": "v" } } }),
                "Message={\"a\":1}&MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.DataType=String\
                 &MessageAttributes.entry.1.Value.StringValue=v",
            ),
            (
                "cloudformation",
                "createStack",
                json!({ "StackName": "s", "Capabilities": ["A", "B"], "DisableRollback": true }),
                "StackName=s&Capabilities.member.1=A&Capabilities.member.2=B&DisableRollback=true",
            ),
            (
                "ec2",
                "describeInstances",
                json!({ "InstanceIds": ["i"], "Filters": [{ "Name": "n", "Values": ["a", "b"] }] }),
                "InstanceId.1=i&Filter.1.Name=n&Filter.1.Value.1=a&Filter.1.Value.2=b",
            ),
        ] {
            assert_eq!(form(service, action, &arguments).unwrap(), expected);
        }
        assert_eq!(
            form("sns", "publish", &json!({ "Massage": "m" })),
            Err("there is no parameter Massage".to_owned())
        );
    }
}
