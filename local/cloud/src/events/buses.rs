//! Event buses, and the tags of buses and rules.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{List, check_name, invalid, missing};
use super::rule::{Bus, DEFAULT_BUS, Rule, bus_name};
use super::{Events, State, record_id};
use crate::action::EventBridgeAction;
use crate::error::ServiceError;
use crate::tags::{self, Tag};
use crate::time::epoch_seconds;

/// Longest name of a bus, characters.
const BUS_NAME_LIMIT: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateEventBus {
    name: String,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TagRequest {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    #[serde(rename = "Tags", default)]
    tags: Vec<Tag>,
    #[serde(rename = "TagKeys", default)]
    tag_keys: Vec<String>,
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

impl State {
    fn tags(&mut self, arn: &str) -> Result<Tagged<'_>, ServiceError> {
        if let Some(rule) = self.rules.values_mut().find(|rule| rule.arn == arn) {
            return Ok(Tagged::Rule(rule));
        }
        let bus = self.buses.values_mut().find(|bus| bus.arn == arn);
        let unknown = || missing(format!("{arn} is no rule and no event bus."));
        bus.map(Tagged::Bus).ok_or_else(unknown)
    }
}

impl Events {
    pub(super) fn create_bus(&self, request: CreateEventBus) -> Result<Value, ServiceError> {
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
            tags: tags::by_key(request.tags),
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

    pub(super) fn keep_bus(&self, bus: &Bus) -> Result<(), ServiceError> {
        let id = record_id(&(bus.name.clone(), String::new()));
        self.inner.buses.create(&id, bus)
    }

    pub(super) fn describe_bus(&self, body: &Value) -> Result<Value, ServiceError> {
        let state = self.state();
        Ok(state.bus(body["Name"].as_str())?.describe())
    }

    /// A bus that is not there is deleted already.
    pub(super) fn delete_bus(&self, body: &Value) -> Result<Value, ServiceError> {
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

    pub(super) fn list_buses(&self, request: &List) -> Result<Value, ServiceError> {
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

    pub(super) fn tag(
        &self,
        action: EventBridgeAction,
        request: TagRequest,
    ) -> Result<Value, ServiceError> {
        let mut state = self.state();
        let mut tagged = state.tags(&request.resource_arn)?;
        if action == EventBridgeAction::ListTagsForResource {
            return Ok(tags::told(tagged.tags()));
        }
        tagged.tags().extend(tags::by_key(request.tags));
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
