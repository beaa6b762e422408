//! A definition to be tested.

use std::collections::BTreeMap;

use asl::{Invalid, StateMachine};
use serde_json::Value;

use crate::outline::Outline;

/// Values for the placeholders of a definition: `${Name}` stands for the value of `Name`, as DefinitionSubstitutions
/// of CloudFormation
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-stepfunctions-statemachine.html>).
pub type Substitutions = BTreeMap<String, String>;

/// A definition to be tested.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The state machine's name.
    pub name: String,
    /// The compiled definition.
    pub machine: StateMachine,
    /// Its states.
    pub outline: Outline,
    /// The definition with its placeholders replaced.
    pub value: Value,
}

impl Definition {
    /// Reads a definition. A placeholder without a substitution stays as it is, except where a Resource is nothing
    /// else: that becomes the ARN of an activity if its name speaks of one, else of a function.
    pub fn parse(
        name: &str,
        text: &str,
        substitutions: &Substitutions,
    ) -> Result<Definition, Invalid> {
        let substituted = serde_json::from_str(text).map(|mut value| {
            substitute(&mut value, substitutions);
            value
        });
        let Ok(value) = substituted else {
            // Not JSON: the compiler says where.
            return StateMachine::parse(text).map(|machine| Definition {
                name: name.to_owned(),
                machine,
                outline: Outline::default(),
                value: Value::Null,
            });
        };
        let machine = StateMachine::parse(&value.to_string())?;
        Ok(Definition {
            name: name.to_owned(),
            outline: Outline::of(&value),
            machine,
            value,
        })
    }
}

fn substitute(value: &mut Value, substitutions: &Substitutions) {
    match value {
        Value::String(text) if text.contains("${") => {
            for (name, with) in substitutions {
                *text = text.replace(&format!("${{{name}}}"), with);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| substitute(item, substitutions)),
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                substitute(member, substitutions);
                if key == "Resource"
                    && let Some(name) = member.as_str().and_then(placeholder)
                {
                    *member = stand_in(name).into();
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The name in a text that is one placeholder and nothing else.
fn placeholder(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    (!name.contains(['$', '{', '}'])).then_some(name)
}

fn stand_in(name: &str) -> String {
    if name.to_lowercase().contains("activity") {
        format!("arn:aws:states:us-east-1:123456789012:activity:{name}")
    } else {
        format!("arn:aws:lambda:us-east-1:123456789012:function:{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_and_a_resource_always() {
        let text = r#"{"StartAt":"A","States":{
            "A":{"Type":"Task","Resource":"${WorkActivityArn}","Next":"B"},
            "B":{"Type":"Task","Resource":"${Work}","Next":"C"},
            "C":{"Type":"Pass","Result":"${Bucket}/${Other}","End":true}}}"#;
        let substitutions = [("Bucket".to_owned(), "b".to_owned())].into();
        let definition = Definition::parse("m", text, &substitutions).unwrap();
        let state = |name: &str| &definition.value["States"][name];
        assert_eq!(
            state("A")["Resource"],
            "arn:aws:states:us-east-1:123456789012:activity:WorkActivityArn"
        );
        assert_eq!(
            state("B")["Resource"],
            "arn:aws:lambda:us-east-1:123456789012:function:Work"
        );
        assert_eq!(state("C")["Result"], "b/${Other}");
    }

    #[test]
    fn what_is_no_definition_is_told_with_its_place() {
        let error = Definition::parse("m", "{", &Substitutions::new()).unwrap_err();
        assert_eq!(error.diagnostics[0].code, "INVALID_JSON_DESCRIPTION");
    }
}
