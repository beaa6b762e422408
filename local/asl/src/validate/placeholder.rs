//! What a deployment fills in before the definition reaches the service.

use crate::value::Value;

/// Whether the text holds a placeholder: `${Name}`, as CloudFormation's substitutions write it
/// (<https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-statemachine.html>), or
/// `#{AWS::Region}`, as the Serverless Framework's plugin for pseudo parameters does.
pub(super) fn within(text: &str) -> bool {
    ["${", "#{"].iter().any(|open| {
        text.match_indices(open)
            .any(|(at, _)| text[at..].contains('}'))
    })
}

/// Whether the value is a string with a placeholder.
pub(super) fn holds(value: &Value) -> bool {
    value.as_str().is_some_and(within)
}
