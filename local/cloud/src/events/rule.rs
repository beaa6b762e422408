//! Event buses, rules and targets, as they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pattern::Pattern;
use super::transform;
use crate::schedule::Expression;
use crate::targets::{DeadLetterConfig, RetryPolicy};
use crate::time::{Timestamp, now};

/// The bus of AWS services, which is always there.
pub(super) const DEFAULT_BUS: &str = "default";

/// An event bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bus {
    pub name: String,
    pub arn: String,
    pub description: Option<String>,
    pub created: Timestamp,
    pub tags: BTreeMap<String, String>,
}

/// A rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rule {
    pub name: String,
    pub arn: String,
    pub bus: String,
    pub description: Option<String>,
    /// As it was given.
    pub pattern: Option<String>,
    /// As it was given.
    pub schedule: Option<String>,
    pub role_arn: Option<String>,
    pub state: State,
    pub targets: BTreeMap<String, Target>,
    pub tags: BTreeMap<String, String>,
    pub created: Timestamp,
    /// Whether the stack has it, which then says how it is at every start.
    #[serde(skip)]
    pub declared: bool,
    #[serde(skip)]
    pub compiled: Compiled,
}

/// Pattern and schedule, read.
#[derive(Debug, Clone, Default)]
pub(super) struct Compiled {
    pub pattern: Option<Pattern>,
    pub expression: Option<Expression>,
}

/// Whether a rule works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum State {
    #[default]
    #[serde(rename = "ENABLED")]
    Enabled,
    #[serde(rename = "DISABLED")]
    Disabled,
    #[serde(rename = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")]
    EnabledForCloudTrail,
}

/// A target of a rule, in the API's own form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    pub id: String,
    pub arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
}

impl Bus {
    pub(super) fn new(name: &str, arn: String) -> Self {
        Bus {
            name: name.to_owned(),
            arn,
            description: None,
            created: now(),
            tags: BTreeMap::new(),
        }
    }
}

impl Rule {
    /// A rule of the stack.
    pub(super) fn declared(rule: &stack::Rule) -> Self {
        Rule {
            name: rule.name.clone(),
            arn: rule.arn.clone(),
            bus: bus_name(&rule.event_bus).to_owned(),
            description: None,
            pattern: (!rule.pattern.is_null()).then(|| rule.pattern.to_string()),
            schedule: rule.schedule_expression.clone(),
            role_arn: None,
            state: if rule.enabled {
                State::Enabled
            } else {
                State::Disabled
            },
            targets: rule
                .targets
                .iter()
                .map(|target| (target.id.clone(), Target::declared(target)))
                .collect(),
            tags: BTreeMap::new(),
            created: now(),
            declared: true,
            compiled: Compiled::default(),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.state != State::Disabled
    }

    pub(super) fn matches(&self, event: &Value) -> bool {
        let pattern = self.compiled.pattern.as_ref();
        self.is_enabled() && pattern.is_some_and(|pattern| pattern.matches(event))
    }

    /// `Rule` of the API; what is not set is not there.
    pub(super) fn describe(&self) -> Value {
        let mut rule = json!({
            "Name": self.name,
            "Arn": self.arn,
            "EventBusName": self.bus,
            "State": self.state,
        });
        for (name, value) in [
            ("EventPattern", &self.pattern),
            ("ScheduleExpression", &self.schedule),
            ("Description", &self.description),
            ("RoleArn", &self.role_arn),
        ] {
            if let Some(value) = value {
                rule[name] = json!(value);
            }
        }
        rule
    }
}

impl Target {
    fn declared(target: &stack::RuleTarget) -> Self {
        Target {
            id: target.id.clone(),
            arn: target.arn.clone(),
            role_arn: None,
            input: target.input.as_ref().map(Value::to_string),
            input_path: target.input_path.clone(),
            input_transformer: target.input_transformer.clone(),
            retry_policy: None,
            dead_letter_config: None,
        }
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        let id = &self.id;
        let inputs = [
            self.input.is_some(),
            self.input_path.is_some(),
            self.input_transformer.is_some(),
        ];
        if inputs.into_iter().filter(|given| *given).count() > 1 {
            return Some(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
            ));
        }
        if !self.arn.starts_with("arn:") {
            return Some(format!(
                "Parameter {} is not valid. Reason: Provided Arn is not in correct format.",
                self.arn
            ));
        }
        if let Some(input) = &self.input
            && let Err(error) = serde_json::from_str::<Value>(input)
        {
            return Some(format!(
                "JSON syntax error in input for target {id}: {error}"
            ));
        }
        if let Some(path) = &self.input_path
            && !path.starts_with('$')
        {
            return Some(format!(
                "Invalid InputPath for target {id}: {path} does not begin with $."
            ));
        }
        let policy = self.retry_policy.and_then(RetryPolicy::problem);
        policy.map(|problem| format!("RetryPolicy of target {id} is not valid: {problem}"))
    }

    /// What it gets: the event, a constant, a part of the event, or a template filled from it.
    pub(super) fn input_for(&self, event: &Value) -> Value {
        if let Some(input) = &self.input {
            return serde_json::from_str(input).unwrap_or_else(|_| json!(input));
        }
        if let Some(path) = &self.input_path {
            return transform::at_path(event, path)
                .cloned()
                .unwrap_or(Value::Null);
        }
        match &self.input_transformer {
            Some(transformer) => transform::fill(transformer, event),
            None => event.clone(),
        }
    }
}

/// The name of a bus that is given by name or by ARN.
pub(super) fn bus_name(name_or_arn: &str) -> &str {
    name_or_arn
        .split_once(":event-bus/")
        .map_or(name_or_arn, |(_, name)| name)
}
