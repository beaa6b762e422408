//! The actions of EventBridge Scheduler.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html>

use chrono::Utc;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::group::Group;
use super::schedule::{DEFAULT_GROUP, Definition, Schedule, State, check_name, invalid};
use super::{Book, Scheduler, record_id};
use crate::action::SchedulerAction;
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::members::OneOrMany;
use crate::pages::ordered;
use crate::tags::{self, Tag};
use crate::time::now;

/// Largest and default page of a list.
const PAGE_LIMIT: usize = 100;

/// What the lists ask for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    group_name: Option<String>,
    name_prefix: Option<String>,
    state: Option<State>,
    next_token: Option<String>,
    max_results: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateGroup {
    name: String,
    client_token: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagRequest {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: OneOrMany,
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, ServiceError> {
    T::deserialize(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

fn not_found(kind: &str, name: &str) -> ServiceError {
    let message = format!("{kind} {name} does not exist.");
    ServiceError::with_status(404, "ResourceNotFoundException", message)
}

fn conflict(kind: &str, name: &str) -> ServiceError {
    let message = format!("{kind} {name} already exists.");
    ServiceError::with_status(409, "ConflictException", message)
}

impl Book {
    fn group(&mut self, name: &str) -> Result<&mut Group, ServiceError> {
        let group = self.groups.get_mut(name);
        group.ok_or_else(|| not_found("Schedule group", name))
    }

    fn schedule(&self, body: &Value) -> Result<&Schedule, ServiceError> {
        let name = body["Name"].as_str().unwrap_or_default();
        let group = body["GroupName"].as_str().unwrap_or(DEFAULT_GROUP);
        let schedule = self.schedules.get(&(group.to_owned(), name.to_owned()));
        schedule.ok_or_else(|| not_found("Schedule", name))
    }
}

impl List {
    fn page(
        &self,
        name: &str,
        all: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Value, ServiceError> {
        // From a query it is text, from a state a number.
        let limit = match &self.max_results {
            None | Some(Value::Null) => Some(PAGE_LIMIT),
            Some(Value::String(text)) => text.parse().ok(),
            Some(given) => given.as_u64().and_then(|given| usize::try_from(given).ok()),
        };
        let limit = limit.filter(|limit| (1..=PAGE_LIMIT).contains(limit));
        let limit = limit.ok_or_else(|| {
            invalid(format!(
                "1 validation error detected: 'maxResults' failed to satisfy constraint: Member must be from 1 to {PAGE_LIMIT}"
            ))
        })?;
        let page = ordered(all, self.next_token.as_deref(), limit)
            .map_err(|error| invalid(format!("NextToken is not valid: {error}")))?;
        Ok(page.answer(name, "NextToken"))
    }

    fn has_prefix(&self, name: &str) -> bool {
        let prefix = self.name_prefix.as_deref();
        prefix.is_none_or(|prefix| name.starts_with(prefix))
    }
}

impl Scheduler {
    /// Carries out an action; the request is the API's, with the members that travel in path and query.
    pub fn call(&self, action: SchedulerAction, body: &Value) -> Result<Value, ServiceError> {
        match self.inner.faults.admit(action, body)? {
            Verdict::Proceed => {}
            Verdict::Lose => return Ok(json!({})),
        }
        match action {
            SchedulerAction::CreateSchedule => self.create(read(body)?),
            SchedulerAction::UpdateSchedule => self.update(read(body)?),
            SchedulerAction::GetSchedule => Ok(self.book().schedule(body)?.describe()),
            SchedulerAction::DeleteSchedule => self.delete(body),
            SchedulerAction::ListSchedules => self.list(&read(body)?),
            SchedulerAction::CreateScheduleGroup => self.create_group(read(body)?),
            SchedulerAction::GetScheduleGroup => {
                let name = body["Name"].as_str().unwrap_or_default();
                Ok(self.book().group(name)?.describe())
            }
            SchedulerAction::DeleteScheduleGroup => self.delete_group(body),
            SchedulerAction::ListScheduleGroups => self.list_groups(&read(body)?),
            SchedulerAction::TagResource
            | SchedulerAction::UntagResource
            | SchedulerAction::ListTagsForResource => self.tag(action, read(body)?),
        }
    }

    fn create(&self, definition: Definition) -> Result<Value, ServiceError> {
        definition.check(Utc::now())?;
        let mut book = self.book();
        book.group(&definition.group_name)?;
        let schedule = Schedule::new(definition, &self.inner.local, false);
        if let Some(known) = book.schedules.get(&schedule.key()) {
            let token = &schedule.definition.client_token;
            let repeated = token.is_some() && known.definition == schedule.definition;
            return if repeated {
                Ok(json!({"ScheduleArn": known.arn}))
            } else {
                Err(conflict("Schedule", &schedule.definition.name))
            };
        }
        self.put(book, schedule)
    }

    /// What the request does not say goes back to its default, as on AWS.
    fn update(&self, definition: Definition) -> Result<Value, ServiceError> {
        definition.check(Utc::now())?;
        let book = self.book();
        let known = book.schedule(&json!({
            "Name": definition.name,
            "GroupName": definition.group_name,
        }))?;
        let schedule = Schedule {
            created: known.created,
            declared: known.declared,
            ..Schedule::new(definition, &self.inner.local, false)
        };
        self.put(book, schedule)
    }

    fn put(
        &self,
        mut book: parking_lot::MutexGuard<'_, Book>,
        schedule: Schedule,
    ) -> Result<Value, ServiceError> {
        let (key, arn) = (schedule.key(), schedule.arn.clone());
        self.inner.schedules.create(&record_id(&key), &schedule)?;
        book.schedules.insert(key.clone(), schedule);
        drop(book);
        self.wind(&key);
        Ok(json!({"ScheduleArn": arn}))
    }

    fn delete(&self, body: &Value) -> Result<Value, ServiceError> {
        let mut book = self.book();
        let key = book.schedule(body)?.key();
        self.forget(&mut book, &key);
        Ok(json!({}))
    }

    fn forget(&self, book: &mut Book, key: &(String, String)) {
        book.schedules.remove(key);
        if let Some(clock) = book.clocks.remove(key) {
            clock.abort();
        }
        self.inner.schedules.remove(&record_id(key));
    }

    fn list(&self, request: &List) -> Result<Value, ServiceError> {
        let mut book = self.book();
        if let Some(group) = &request.group_name {
            book.group(group)?;
        }
        let wanted = book.schedules.values().filter(|schedule| {
            let Definition {
                name,
                group_name,
                state,
                ..
            } = &schedule.definition;
            request.has_prefix(name)
                && request
                    .group_name
                    .as_ref()
                    .is_none_or(|group| group == group_name)
                && request.state.is_none_or(|wanted| wanted == *state)
        });
        request.page(
            "Schedules",
            wanted.map(|schedule| (record_id(&schedule.key()), schedule.summary())),
        )
    }

    fn create_group(&self, request: CreateGroup) -> Result<Value, ServiceError> {
        check_name("name", &request.name)?;
        let mut book = self.book();
        if let Ok(known) = book.group(&request.name) {
            let repeated =
                known.client_token.is_some() && known.client_token == request.client_token;
            return if repeated {
                Ok(json!({"ScheduleGroupArn": known.arn}))
            } else {
                Err(conflict("Schedule group", &request.name))
            };
        }
        let group = Group {
            client_token: request.client_token,
            tags: tags::by_key(request.tags),
            ..Group::new(&request.name, &self.inner.local)
        };
        self.inner.groups.create(&group.name, &group)?;
        let arn = group.arn.clone();
        book.groups.insert(group.name.clone(), group);
        Ok(json!({"ScheduleGroupArn": arn}))
    }

    /// Deletes a group and the schedules in it.
    fn delete_group(&self, body: &Value) -> Result<Value, ServiceError> {
        let name = body["Name"].as_str().unwrap_or_default();
        if name == DEFAULT_GROUP {
            return Err(invalid("The default schedule group cannot be deleted."));
        }
        let mut book = self.book();
        book.group(name)?;
        let of_group = book.schedules.keys().filter(|(group, _)| group == name);
        for key in of_group.cloned().collect::<Vec<_>>() {
            self.forget(&mut book, &key);
        }
        book.groups.remove(name);
        self.inner.groups.remove(name);
        Ok(json!({}))
    }

    fn list_groups(&self, request: &List) -> Result<Value, ServiceError> {
        let book = self.book();
        let wanted = book
            .groups
            .values()
            .filter(|group| request.has_prefix(&group.name));
        request.page(
            "ScheduleGroups",
            wanted.map(|group| (group.name.clone(), group.describe())),
        )
    }

    /// Only groups have tags.
    fn tag(&self, action: SchedulerAction, request: TagRequest) -> Result<Value, ServiceError> {
        let arn = request.resource_arn.as_str();
        let mut book = self.book();
        let group = book.groups.values_mut().find(|group| group.arn == arn);
        let group = group.ok_or_else(|| not_found("Schedule group", arn))?;
        if action == SchedulerAction::ListTagsForResource {
            return Ok(tags::told(&group.tags));
        }
        let mut changed = group.clone();
        changed.tags.extend(tags::by_key(request.tags));
        changed
            .tags
            .retain(|key, _| !request.tag_keys.contains(key));
        changed.modified = now();
        self.inner.groups.create(&changed.name, &changed)?;
        *group = changed;
        Ok(json!({}))
    }
}
