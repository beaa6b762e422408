//! The lists of task definitions, families and tasks: filters, order, pages.

use serde_json::{Value, json};

use super::definition::{Definition, State};
use super::request::LAUNCH_TYPES;
use super::{Ecs, TaskHandle, invalid};
use crate::error::ServiceError;
use crate::pages::{page, with_next};

/// Most entries of a page.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html>
const PAGE: usize = 100;

impl Ecs {
    /// ListTaskDefinitions: `familyPrefix` is a whole family there.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTaskDefinitions.html>
    pub(super) fn list_definitions(&self, request: &Value) -> Result<Value, ServiceError> {
        let family = request["familyPrefix"].as_str();
        let states = ["ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"];
        let state = one_of(request, "status", &states)?.unwrap_or("ACTIVE");
        let descending = one_of(request, "sort", &["ASC", "DESC"])? == Some("DESC");
        let wanted = |one: &&Definition| {
            one.state.name() == state && family.is_none_or(|family| one.runs.family == family)
        };
        let definitions = self.inner.definitions.lock();
        let found = definitions.iter().filter(wanted);
        let mut found: Vec<_> = found
            .map(|one| {
                (
                    one.runs.family.clone(),
                    one.runs.revision,
                    one.runs.arn.clone(),
                )
            })
            .collect();
        found.sort();
        if descending {
            found.reverse();
        }
        let arns = found.into_iter().map(|(_, _, arn)| arn).collect();
        listed("taskDefinitionArns", arns, request)
    }

    /// ListTaskDefinitionFamilies: a family is active while one of its revisions is.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTaskDefinitionFamilies.html>
    pub(super) fn list_families(&self, request: &Value) -> Result<Value, ServiceError> {
        let prefix = request["familyPrefix"].as_str().unwrap_or_default();
        let state = one_of(request, "status", &["ACTIVE", "INACTIVE", "ALL"])?;
        let definitions = self.inner.definitions.lock();
        let active = |family: &str| {
            let mut family = definitions.iter().filter(|one| one.runs.family == family);
            family.any(|one| one.state == State::Active)
        };
        let there = definitions.iter().filter(|one| one.state != State::Deleted);
        let mut families: Vec<String> = there
            .map(|one| one.runs.family.clone())
            .filter(|family| family.starts_with(prefix))
            .filter(|family| match state {
                Some("ACTIVE") => active(family),
                Some("INACTIVE") => !active(family),
                _ => true,
            })
            .collect();
        families.sort();
        families.dedup();
        listed("families", families, request)
    }

    /// ListTasks: of one cluster, RUNNING if no desired status is given.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html>
    pub(super) fn list_tasks(&self, request: &Value) -> Result<Value, ServiceError> {
        let cluster = self.cluster(request)?;
        let states = ["RUNNING", "PENDING", "STOPPED"];
        let desired = one_of(request, "desiredStatus", &states)?.unwrap_or("RUNNING");
        let kind = one_of(request, "launchType", &LAUNCH_TYPES)?;
        let text = |member: &str| request[member].as_str();
        let (family, starter) = (text("family"), text("startedBy"));
        if text("serviceName").is_some() {
            return Err(service_not_found());
        }
        if starter.is_some() && family.is_some() {
            return Err(invalid(
                "startedBy must be the only filter: leave out family",
            ));
        }
        let wanted = |handle: &&TaskHandle| {
            let task = handle.task.borrow();
            task.cluster_arn == cluster.arn
                && task.desired.name() == desired
                && family.is_none_or(|family| task.definition.family == family)
                && starter.is_none_or(|starter| task.started_by.as_deref() == Some(starter))
                && kind.is_none_or(|kind| task.launch_type == kind)
        };
        let tasks = self.tasks();
        let arns = tasks.iter().filter(wanted).map(|task| task.arn.clone());
        listed("taskArns", arns.collect(), request)
    }
}

/// There are no services here.
pub(super) fn service_not_found() -> ServiceError {
    ServiceError::new("ServiceNotFoundException", "Service not found.")
}

fn listed(member: &str, items: Vec<String>, request: &Value) -> Result<Value, ServiceError> {
    let page =
        page(items, String::as_str, request, PAGE).map_err(|error| invalid(error.to_string()))?;
    Ok(with_next(json!({member: page.items}), page.next))
}

/// A member that is one of these words, if it is there.
fn one_of<'a>(
    request: &'a Value,
    member: &str,
    words: &[&str],
) -> Result<Option<&'a str>, ServiceError> {
    match request[member].as_str() {
        Some(word) if !words.contains(&word) => Err(invalid(format!(
            "{member}: {word} is none of {}",
            words.join(", ")
        ))),
        word => Ok(word),
    }
}
