//! A definition to be tested.

use std::collections::BTreeMap;

use asl::placeholders::{Unset, Values};
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
    /// Reads a definition. A placeholder without a substitution stays as it is, except where a Resource or an ARN of a
    /// state machine has one, and where the language wants a number: something of its kind stands for it.
    pub fn parse(
        name: &str,
        text: &str,
        substitutions: &Substitutions,
    ) -> Result<Definition, Invalid> {
        let filled = Values::from(substitutions.clone()).fill(text, Unset::GetsName);
        let machine = StateMachine::parse(&filled.text)?;
        // The compiler has read it as JSON.
        let value: Value = serde_json::from_str(&filled.text).unwrap_or_default();
        Ok(Definition {
            name: name.to_owned(),
            outline: Outline::of(&value),
            machine,
            value,
        })
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
