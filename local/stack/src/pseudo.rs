//! Names of a `serverless.yml` that CloudFormation does not know: `#{...}` of a plugin, and keys of functions.

use serde_json::Value;

use super::StackError;
use super::intrinsics::Template;
use super::names::function_logical_id;

impl Template {
    /// `#{AWS::Region}`, `#{Resource}` and `#{Resource.Attribute}` of the plugin for pseudo parameters; what names
    /// nothing of the stack is left alone.
    /// <https://www.serverless.com/plugins/serverless-pseudo-parameters>
    pub(super) fn pseudo(&self, value: Value, at: &str) -> Result<Value, StackError> {
        let Value::String(text) = &value else {
            return Ok(value);
        };
        if self.variables.is_template() || !text.contains("#{") {
            return Ok(value);
        }
        let (mut out, mut rest) = (String::new(), text.as_str());
        while let Some((before, tail)) = rest.split_once("#{") {
            out.push_str(before);
            let known = tail.split_once('}').filter(|(name, _)| {
                let id = name.split_once('.').map_or(*name, |(id, _)| id);
                id.starts_with("AWS::") || self.names(id)
            });
            let Some((name, after)) = known else {
                out.push_str("#{");
                rest = tail;
                continue;
            };
            rest = after;
            out.push_str(&match name.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute, at)?,
                None => self.text(&self.reference(name, at)?, at)?,
            });
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    /// Name of a function of a `serverless.yml` by its logical id or, as definitions may say it, its key.
    pub(super) fn deployed(&self, id: &str) -> Option<&String> {
        let by_key = || self.functions.get(&function_logical_id(id));
        let none = || (!self.resources.contains_key(id)).then(by_key).flatten();
        self.functions.get(id).or_else(none)
    }

    /// Whether something of the stack has this name.
    fn names(&self, id: &str) -> bool {
        self.parameters.contains_key(id)
            || self.functions.contains_key(id)
            || self.resources.contains_key(id)
    }
}
