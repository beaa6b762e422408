//! The actions of EventBridge.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::pattern::Pattern;
use super::rule::{Bus, Compiled, DEFAULT_BUS, Rule, State as RuleState, Target, bus_name};
use super::{Events, State, record_id};
use crate::action::EventBridgeAction;
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::pages::{Page, ordered};
use crate::targets::Kind;
use crate::time::{Timestamp, epoch_seconds, now};

/// Largest event, bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>
const ENTRY_LIMIT: usize = 1_024 * 1_024;
/// Entries in one PutEvents request.
const ENTRIES_LIMIT: usize = 10;
/// Targets of one rule.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
const TARGETS_LIMIT: usize = 5;
/// Longest pattern, characters.
const PATTERN_LIMIT: usize = 4_096;
/// Longest name of a rule, characters.
const RULE_NAME_LIMIT: usize = 64;
/// Longest name of a bus, characters.
const BUS_NAME_LIMIT: usize = 256;
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
struct Tag {
    key: String,
    value: String,
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
struct List {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    rule: Option<String>,
    target_arn: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateEventBus {
    name: String,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TestEventPattern {
    event_pattern: String,
    event: String,
}

#[derive(Debug, Deserialize)]
struct TagRequest {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    #[serde(rename = "Tags", default)]
    tags: Vec<Tag>,
    #[serde(rename = "TagKeys", default)]
    tag_keys: Vec<String>,
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, ServiceError> {
    T::deserialize(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

fn check_name(member: &str, name: &str, limit: usize, slashes: bool) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c) || slashes && c == '/';
    if !name.is_empty() && name.len() <= limit && name.chars().all(allowed) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: \
         Member must have 1 to {limit} of the characters A-Z, a-z, 0-9, '.', '-', '_'"
    )))
}

fn missing(message: String) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", message)
}

fn tag_map(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

impl State {
    fn bus(&self, name_or_arn: Option<&str>) -> Result<&Bus, ServiceError> {
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

    fn tags(&mut self, arn: &str) -> Result<Tagged<'_>, ServiceError> {
        if let Some(rule) = self.rules.values_mut().find(|rule| rule.arn == arn) {
            return Ok(Tagged::Rule(rule));
        }
        let bus = self.buses.values_mut().find(|bus| bus.arn == arn);
        let unknown = || missing(format!("{arn} is no rule and no event bus."));
        bus.map(Tagged::Bus).ok_or_else(unknown)
    }
}

/// What has tags.
enum Tagged<'s> {
    Rule(&'s mut Rule),
    Bus(&'s mut Bus),
}

impl Tagged<'_> {
    fn tags(&mut self) -> &mut BTreeMap<String, String> {
        match self {
            Tagged::Rule(rule) => &mut rule.tags,
            Tagged::Bus(bus) => &mut bus.tags,
        }
    }
}

impl List {
    /// A page of a list, as the answer that carries it under `name`.
    fn page(
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
        let Page { items, next } = ordered(all, self.next_token.as_deref(), limit)
            .map_err(|error| invalid(format!("NextToken is not valid: {error}")))?;
        let mut answer = json!({ name: items });
        if let Some(next) = next {
            answer["NextToken"] = json!(next);
        }
        Ok(answer)
    }

    fn has_prefix(&self, name: &str) -> bool {
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

    pub(super) fn put_events(&self, body: &Value, verdict: Verdict) -> Result<Value, ServiceError> {
        let entries = body["Entries"].as_array().map_or(&[][..], Vec::as_slice);
        if entries.is_empty() || entries.len() > ENTRIES_LIMIT {
            return Err(invalid(format!(
                "1 validation error detected: Entries must have 1 to {ENTRIES_LIMIT} members"
            )));
        }
        let results: Vec<Value> = entries
            .iter()
            .map(|entry| self.put_entry(entry, verdict))
            .collect();
        let failed = results
            .iter()
            .filter(|result| result["ErrorCode"].is_string())
            .count();
        Ok(json!({"FailedEntryCount": failed, "Entries": results}))
    }

    fn put_entry(&self, entry: &Value, verdict: Verdict) -> Value {
        let refuse =
            |code: &str, message: &str| json!({"ErrorCode": code, "ErrorMessage": message});
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        for name in ["Source", "DetailType", "Detail"] {
            if text(name).is_none() {
                let message = format!(
                    "Parameter {name} is not valid. Reason: {name} is a required argument."
                );
                return refuse("InvalidArgument", &message);
            }
        }
        let [source, detail_type, detail] =
            ["Source", "DetailType", "Detail"].map(|name| text(name).unwrap_or_default());
        if source.len() + detail_type.len() + detail.len() > ENTRY_LIMIT {
            return refuse("InvalidArgument", "the entry is larger than 1 MB");
        }
        if source.starts_with("aws.") {
            return refuse(
                "NotAuthorizedForSourceException",
                "Not authorized for the source: those that begin with aws. belong to AWS services.",
            );
        }
        let detail = match serde_json::from_str::<Value>(detail) {
            Ok(detail @ Value::Object(_)) => detail,
            Ok(_) | Err(_) => {
                return refuse(
                    "MalformedDetail",
                    "Detail is malformed: it must be a JSON object.",
                );
            }
        };
        let seconds = entry["Time"].as_f64();
        let time = seconds.map_or_else(now, |seconds| Timestamp((seconds * 1e6) as i64));
        let resources = entry.get("Resources").cloned().unwrap_or_else(|| json!([]));
        let event = self.envelope(source, detail_type, resources, detail, time);
        let bus = bus_name(text("EventBusName").unwrap_or(DEFAULT_BUS));
        let delivered = match verdict {
            Verdict::Proceed => self.deliver(bus, &event, 0),
            Verdict::Lose => Ok(()),
        };
        match delivered {
            Ok(()) => json!({"EventId": event["id"]}),
            Err(error) => refuse("InternalFailure", &error.to_string()),
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
            tags: old.map_or_else(|| tag_map(request.tags), |old| old.tags.clone()),
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

    fn create_bus(&self, request: CreateEventBus) -> Result<Value, ServiceError> {
        check_name("name", &request.name, BUS_NAME_LIMIT, true)?;
        let mut state = self.state();
        if state.buses.contains_key(&request.name) {
            return Err(ServiceError::new(
                "ResourceAlreadyExistsException",
                format!("Event bus {} already exists.", request.name),
            ));
        }
        let arn = self
            .inner
            .local
            .arn("events", &format!("event-bus/{}", request.name));
        let bus = Bus {
            description: request.description,
            tags: tag_map(request.tags),
            ..Bus::new(&request.name, arn)
        };
        self.keep_bus(&bus)?;
        let mut answer = json!({"EventBusArn": bus.arn});
        if let Some(description) = &bus.description {
            answer["Description"] = json!(description);
        }
        state.buses.insert(bus.name.clone(), bus);
        Ok(answer)
    }

    fn keep_bus(&self, bus: &Bus) -> Result<(), ServiceError> {
        let id = record_id(&(bus.name.clone(), String::new()));
        self.inner.buses.create(&id, bus)
    }

    fn describe_bus(&self, body: &Value) -> Result<Value, ServiceError> {
        let state = self.state();
        Ok(state.bus(body["Name"].as_str())?.describe())
    }

    /// A bus that is not there is deleted already.
    fn delete_bus(&self, body: &Value) -> Result<Value, ServiceError> {
        let name = bus_name(body["Name"].as_str().unwrap_or_default());
        if name == DEFAULT_BUS {
            return Err(invalid("Cannot delete event bus default."));
        }
        let mut state = self.state();
        if state.rules.values().any(|rule| rule.bus == name) {
            return Err(invalid("Event bus can't be deleted since it has rules."));
        }
        if state.buses.remove(name).is_some() {
            let id = record_id(&(name.to_owned(), String::new()));
            self.inner.buses.remove(&id);
        }
        Ok(json!({}))
    }

    fn list_buses(&self, request: &List) -> Result<Value, ServiceError> {
        let state = self.state();
        let wanted = state
            .buses
            .values()
            .filter(|bus| request.has_prefix(&bus.name));
        request.page(
            "EventBuses",
            wanted.map(|bus| (bus.name.clone(), bus.describe())),
        )
    }

    fn tag(&self, action: EventBridgeAction, request: TagRequest) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let mut tagged = state.tags(&request.resource_arn)?;
        if action == EventBridgeAction::ListTagsForResource {
            let tags = tagged.tags().iter();
            let list: Vec<Value> = tags
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect();
            return Ok(json!({"Tags": list}));
        }
        tagged.tags().extend(tag_map(request.tags));
        tagged
            .tags()
            .retain(|key, _| !request.tag_keys.contains(key));
        match tagged {
            Tagged::Rule(rule) => self.keep(rule)?,
            Tagged::Bus(bus) => self.keep_bus(bus)?,
        }
        Ok(json!({}))
    }
}

impl Bus {
    fn describe(&self) -> Value {
        let mut bus = json!({
            "Name": self.name,
            "Arn": self.arn,
            "CreationTime": epoch_seconds(self.created),
            "LastModifiedTime": epoch_seconds(self.created),
        });
        if let Some(description) = &self.description {
            bus["Description"] = json!(description);
        }
        bus
    }
}

/// Whether a pattern matches an event, which must have what every event has.
fn test_event_pattern(request: &TestEventPattern) -> Result<Value, ServiceError> {
    let pattern = Pattern::parse(&request.event_pattern)?;
    let not_valid =
        |reason: &str| invalid(format!("Parameter Event is not valid. Reason: {reason}"));
    let event: Value = serde_json::from_str(&request.event)
        .map_err(|error| not_valid(&format!("it is not JSON: {error}")))?;
    for name in [
        "id",
        "account",
        "source",
        "time",
        "region",
        "resources",
        "detail-type",
    ] {
        if event.get(name).is_none() {
            return Err(not_valid(&format!("{name} is missing")));
        }
    }
    Ok(json!({"Result": pattern.matches(&event)}))
}
