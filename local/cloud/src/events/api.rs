//! The actions of EventBridge.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::put::test_event_pattern;
use super::rule::{Bus, Compiled, DEFAULT_BUS, Rule, State as RuleState, Target, bus_name};
use super::{Events, State, record_id};
use crate::action::EventBridgeAction;
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::pages::ordered;
use crate::tags::{self, Tag};
use crate::targets::Kind;
use crate::time::now;

/// Targets of one rule.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
const TARGETS_LIMIT: usize = 5;
/// Longest pattern, characters.
const PATTERN_LIMIT: usize = 4_096;
/// Longest name of a rule, characters.
const RULE_NAME_LIMIT: usize = 64;
/// Largest and default page of a list.
const PAGE_LIMIT: usize = 100;

/// What names a rule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleRequest {
    #[serde(alias = "Rule")]
    name: String,
    event_bus_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRule {
    name: String,
    event_bus_name: Option<String>,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<RuleState>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutTargets {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RemoveTargets {
    rule: String,
    event_bus_name: Option<String>,
    ids: Vec<String>,
}

/// What the lists ask for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    rule: Option<String>,
    target_arn: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, ServiceError> {
    T::deserialize(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

pub(super) fn check_name(
    member: &str,
    name: &str,
    limit: usize,
    slashes: bool,
) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c) || slashes && c == '/';
    if !name.is_empty() && name.len() <= limit && name.chars().all(allowed) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: \
         Member must have 1 to {limit} of the characters A-Z, a-z, 0-9, '.', '-', '_'"
    )))
}

pub(super) fn missing(message: String) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", message)
}

impl State {
    pub(super) fn bus(&self, name_or_arn: Option<&str>) -> Result<&Bus, ServiceError> {
        let name = bus_name(name_or_arn.unwrap_or(DEFAULT_BUS));
        let unknown = || missing(format!("Event bus {name} does not exist."));
        self.buses.get(name).ok_or_else(unknown)
    }

    fn rule(&mut self, bus: Option<&str>, name: &str) -> Result<&mut Rule, ServiceError> {
        let bus = self.bus(bus)?.name.clone();
        let unknown = format!("Rule {name} does not exist on EventBus {bus}.");
        let rule = self.rules.get_mut(&(bus, name.to_owned()));
        rule.ok_or_else(|| missing(unknown))
    }
}

impl List {
    /// A page of a list, as the answer that carries it under `name`.
    pub(super) fn page(
        &self,
        name: &str,
        all: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Value, ServiceError> {
        let limit = self.limit.unwrap_or(PAGE_LIMIT);
        if !(1..=PAGE_LIMIT).contains(&limit) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: \
                 Member must be from 1 to {PAGE_LIMIT}"
            )));
        }
        let page = ordered(all, self.next_token.as_deref(), limit)
            .map_err(|error| invalid(format!("NextToken is not valid: {error}")))?;
        Ok(page.answer(name, "NextToken"))
    }

    pub(super) fn has_prefix(&self, name: &str) -> bool {
        let prefix = self.name_prefix.as_deref();
        prefix.is_none_or(|prefix| name.starts_with(prefix))
    }
}

impl Events {
    /// Carries out any action but PutEvents.
    pub(super) fn carry_out(
        &self,
        action: EventBridgeAction,
        body: &Value,
    ) -> Result<Value, ServiceError> {
        match action {
            // Its verdict is not lost on whoever calls it.
            EventBridgeAction::PutEvents => self.put_events(body, Verdict::Proceed),
            EventBridgeAction::TestEventPattern => test_event_pattern(&read(body)?),
            EventBridgeAction::PutRule => self.put_rule(read(body)?),
            EventBridgeAction::DescribeRule => self.describe_rule(&read(body)?),
            EventBridgeAction::DeleteRule => self.delete_rule(&read(body)?),
            EventBridgeAction::EnableRule => self.set_state(&read(body)?, RuleState::Enabled),
            EventBridgeAction::DisableRule => self.set_state(&read(body)?, RuleState::Disabled),
            EventBridgeAction::PutTargets => self.put_targets(read(body)?),
            EventBridgeAction::RemoveTargets => self.remove_targets(&read(body)?),
            EventBridgeAction::ListRules => self.list_rules(&read(body)?),
            EventBridgeAction::ListTargetsByRule => self.list_targets(&read(body)?),
            EventBridgeAction::ListRuleNamesByTarget => self.list_names_by_target(&read(body)?),
            EventBridgeAction::CreateEventBus => self.create_bus(read(body)?),
            EventBridgeAction::DescribeEventBus => self.describe_bus(body),
            EventBridgeAction::DeleteEventBus => self.delete_bus(body),
            EventBridgeAction::ListEventBuses => self.list_buses(&read(body)?),
            EventBridgeAction::TagResource
            | EventBridgeAction::UntagResource
            | EventBridgeAction::ListTagsForResource => self.tag(action, read(body)?),
        }
    }

    fn put_rule(&self, request: PutRule) -> Result<Value, ServiceError> {
        check_name("name", &request.name, RULE_NAME_LIMIT, false)?;
        let pattern = request.event_pattern.filter(|text| !text.is_empty());
        let schedule = request.schedule_expression.filter(|text| !text.is_empty());
        if pattern.is_none() && schedule.is_none() {
            return Err(invalid(
                "Parameter(s) EventPattern or ScheduleExpression must be specified.",
            ));
        }
        if pattern
            .as_ref()
            .is_some_and(|text| text.len() > PATTERN_LIMIT)
        {
            return Err(invalid(format!(
                "1 validation error detected: EventPattern has more than {PATTERN_LIMIT} characters"
            )));
        }
        let mut state = self.state();
        let bus = state.bus(request.event_bus_name.as_deref())?.name.clone();
        if schedule.is_some() && bus != DEFAULT_BUS {
            return Err(invalid(
                "ScheduleExpression is supported only on the default event bus.",
            ));
        }
        let old = state.rules.get(&(bus.clone(), request.name.clone()));
        let resource = match bus.as_str() {
            DEFAULT_BUS => format!("rule/{}", request.name),
            other => format!("rule/{other}/{}", request.name),
        };
        let mut rule = Rule {
            arn: self.inner.local.arn("events", &resource),
            name: request.name,
            bus,
            description: request.description,
            pattern,
            schedule,
            role_arn: request.role_arn,
            state: request.state.unwrap_or_default(),
            targets: old.map_or_else(BTreeMap::new, |old| old.targets.clone()),
            // Those of a rule that is there are changed by TagResource alone.
            tags: old.map_or_else(|| tags::by_key(request.tags), |old| old.tags.clone()),
            created: old.map_or_else(now, |old| old.created),
            declared: old.is_some_and(|old| old.declared),
            compiled: Compiled::default(),
        };
        rule.compile()?;
        self.keep(&rule)?;
        state.rules.insert(rule.key(), rule.clone());
        drop(state);
        self.wind(&rule);
        Ok(json!({"RuleArn": rule.arn}))
    }

    fn describe_rule(&self, request: &RuleRequest) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let rule = state.rule(request.event_bus_name.as_deref(), &request.name)?;
        let mut answer = rule.describe();
        answer["CreatedBy"] = json!(self.inner.local.account);
        Ok(answer)
    }

    /// A rule that is not there is deleted already.
    fn delete_rule(&self, request: &RuleRequest) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let bus = state.bus(request.event_bus_name.as_deref())?.name.clone();
        let key = (bus, request.name.clone());
        let Some(rule) = state.rules.get(&key) else {
            return Ok(json!({}));
        };
        if !rule.targets.is_empty() {
            return Err(invalid("Rule can't be deleted since it has targets."));
        }
        state.rules.remove(&key);
        if let Some(clock) = state.clocks.remove(&key) {
            clock.abort();
        }
        self.inner.rules.remove(&record_id(&key));
        Ok(json!({}))
    }

    fn set_state(&self, request: &RuleRequest, to: RuleState) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let rule = state.rule(request.event_bus_name.as_deref(), &request.name)?;
        let changed = Rule {
            state: to,
            ..rule.clone()
        };
        self.keep(&changed)?;
        *rule = changed.clone();
        drop(state);
        self.wind(&changed);
        Ok(json!({}))
    }

    fn put_targets(&self, request: PutTargets) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let rule = state.rule(request.event_bus_name.as_deref(), &request.rule)?;
        let mut changed = rule.clone();
        for target in request.targets {
            if let Some(problem) = target.problem() {
                return Err(invalid(problem));
            }
            if Kind::of(&target.arn) == Kind::Other && !target.arn.contains(":event-bus/") {
                return Err(invalid(format!(
                    "Target {}: the local cloud delivers to functions, state machines and event buses, not to {}.",
                    target.id, target.arn
                )));
            }
            changed.targets.insert(target.id.clone(), target);
        }
        if changed.targets.len() > TARGETS_LIMIT {
            return Err(ServiceError::new(
                "LimitExceededException",
                format!(
                    "The requested resource exceeds the maximum number allowed: a rule has {TARGETS_LIMIT} targets."
                ),
            ));
        }
        self.keep(&changed)?;
        *rule = changed;
        Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
    }

    fn remove_targets(&self, request: &RemoveTargets) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let rule = state.rule(request.event_bus_name.as_deref(), &request.rule)?;
        let mut changed = rule.clone();
        changed.targets.retain(|id, _| !request.ids.contains(id));
        self.keep(&changed)?;
        *rule = changed;
        Ok(json!({"FailedEntryCount": 0, "FailedEntries": []}))
    }

    fn list_rules(&self, request: &List) -> Result<Value, ServiceError> {
        let state = self.state();
        let bus = state.bus(request.event_bus_name.as_deref())?;
        let of_bus = state.rules.values().filter(|rule| rule.bus == bus.name);
        let wanted = of_bus.filter(|rule| request.has_prefix(&rule.name));
        request.page(
            "Rules",
            wanted.map(|rule| (rule.name.clone(), rule.describe())),
        )
    }

    fn list_targets(&self, request: &List) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let name = request.rule.as_deref();
        let name = name.ok_or_else(|| invalid("1 validation error detected: Rule is required"))?;
        let rule = state.rule(request.event_bus_name.as_deref(), name)?;
        let targets = rule.targets.iter();
        request.page(
            "Targets",
            targets.map(|(id, target)| (id.clone(), json!(target))),
        )
    }

    fn list_names_by_target(&self, request: &List) -> Result<Value, ServiceError> {
        let arn = request.target_arn.as_deref();
        let arn =
            arn.ok_or_else(|| invalid("1 validation error detected: TargetArn is required"))?;
        let state = self.state();
        let bus = state.bus(request.event_bus_name.as_deref())?;
        let of_bus = state.rules.values().filter(|rule| rule.bus == bus.name);
        let calls = |rule: &&Rule| rule.targets.values().any(|target| target.arn == arn);
        let names = of_bus.filter(calls);
        request.page(
            "RuleNames",
            names.map(|rule| (rule.name.clone(), json!(rule.name))),
        )
    }
}
