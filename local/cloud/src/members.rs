//! What is done with each member of a request. A member that AWS knows is honoured, does no harm here (with the
//! reason), or is refused by its name: none is dropped in silence. A member that AWS does not know either is ignored,
//! as its services ignore it: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.
//!
//! Every service has a table, and an action that lacks its row does not compile. No action is carried out without the
//! verdict of [`crate::faults::Faults::admit`], which refuses what the row refuses. A test walks every member of AWS's
//! own model of every action and wants it in the row. S3 alone reads its headers and queries in its own file.

mod batch;
mod ecs;
mod events;
mod lambda;
mod logs;
mod scheduler;
mod stepfunctions;
mod sts;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::action::{Action, ServiceId};
use crate::error::ServiceError;

/// The members of one action's request, each by its path: `overrides.containerOverrides.name`. Lists do not show in a
/// path; `*` stands for any key of a map.
#[derive(Debug, Clone, Copy)]
pub struct Members {
    /// What the action does as AWS does it. Each is a leaf of AWS's model: a structure is honoured member by member.
    pub honoured: &'static [&'static str],
    /// What may be left undone here, and why nobody is misled by that. A path stands for all below it too.
    pub harmless: &'static [(&'static str, &'static str)],
    /// What is refused by its name. A path stands for all below it too.
    pub refused: &'static [&'static str],
    /// Members that travel in the query or in a header of a REST request: the name there, and the member's.
    pub wire: &'static [(&'static str, &'static str)],
}

impl Members {
    /// No members: what a row does not say.
    pub const NONE: Members = Members {
        honoured: &[],
        harmless: &[],
        refused: &[],
        wire: &[],
    };

    /// The refused members that a request has.
    fn undone(&self, request: &Value) -> Vec<&'static str> {
        let asked = |path: &&&str| asks(request, path);
        self.refused.iter().filter(asked).copied().collect()
    }
}

impl Action {
    /// What is done with the members of the action's requests; none for S3, which has no such requests.
    pub fn members(self) -> Option<Members> {
        match self {
            Action::StepFunctions(action) => Some(stepfunctions::members(action)),
            Action::Lambda(action) => Some(lambda::members(action)),
            Action::Ecs(action) => Some(ecs::members(action)),
            Action::Batch(action) => Some(batch::members(action)),
            Action::EventBridge(action) => Some(events::members(action)),
            Action::Scheduler(action) => Some(scheduler::members(action)),
            Action::Logs(action) => Some(logs::members(action)),
            Action::Sts(action) => Some(sts::members(action)),
            Action::S3(_) => None,
        }
    }

    /// Checks that a request asks for nothing that is not done here. What says nothing (`null`, `false`, an empty text,
    /// list or structure) asks for nothing.
    ///
    /// # Errors
    /// The service's error for a bad request; it names every such member.
    pub fn check_members(self, request: &Value) -> Result<(), ServiceError> {
        let undone = self.members().map_or(vec![], |row| row.undone(request));
        if undone.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{self}: the local cloud does not do {}; leave it out",
            undone.join(", ")
        );
        Err(ServiceError::new(
            self.service().bad_request_code(),
            message,
        ))
    }
}

impl ServiceId {
    /// The exception by which the service refuses a request that it cannot do.
    fn bad_request_code(self) -> &'static str {
        match self {
            ServiceId::StepFunctions | ServiceId::EventBridge | ServiceId::Scheduler => {
                "ValidationException"
            }
            ServiceId::Lambda => "InvalidParameterValueException",
            ServiceId::Ecs | ServiceId::Logs => "InvalidParameterException",
            ServiceId::Batch => "ClientException",
            ServiceId::S3 => "InvalidRequest",
            ServiceId::Sts => "ValidationError",
        }
    }
}

/// The row of an action all of whose members are honoured.
fn only(honoured: &'static [&'static str]) -> Members {
    Members {
        honoured,
        ..Members::NONE
    }
}

/// Whether a request has something at a path.
fn asks(value: &Value, path: &str) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| asks(item, path));
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let below = |child: &Value| match rest {
        "" => says_something(child),
        rest => asks(child, rest),
    };
    match value {
        Value::Object(members) if first == "*" => members.values().any(below),
        Value::Object(members) => members.get(first).is_some_and(below),
        _ => false,
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(members) => members.values().any(says_something),
    }
}

/// The members that travel in the query and the headers of a REST request, by their names. They are texts; the same
/// query parameter twice is a list.
pub(crate) fn located(
    action: impl Into<Action>,
    parts: &http::request::Parts,
) -> Map<String, Value> {
    let row = action.into().members().unwrap_or(Members::NONE);
    let mut found = Map::new();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    for (name, value) in form_urlencoded::parse(query) {
        if let Some((_, member)) = row.wire.iter().find(|(wire, _)| *wire == name) {
            add(&mut found, member, &value);
        }
    }
    for (wire, member) in row.wire {
        let header = parts
            .headers
            .get(*wire)
            .and_then(|value| value.to_str().ok());
        if let Some(value) = header {
            add(&mut found, member, value);
        }
    }
    found
}

/// A query parameter that may stand several times, as [`located`] finds it or as a list of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn contains(&self, text: &str) -> bool {
        match self {
            OneOrMany::None => false,
            OneOrMany::One(one) => one == text,
            OneOrMany::Many(many) => many.iter().any(|one| one == text),
        }
    }
}

fn add(found: &mut Map<String, Value>, member: &str, value: &str) {
    match found.get_mut(member) {
        None => {
            found.insert(member.to_owned(), Value::from(value));
        }
        Some(Value::Array(values)) => values.push(Value::from(value)),
        Some(one) => *one = Value::from(vec![one.take(), Value::from(value)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{EcsAction, SchedulerAction};
    use serde_json::json;

    #[test]
    fn a_path_finds_what_is_asked_for_and_nothing_else() {
        for (request, path, expected) in [
            (json!({"a": 1}), "a", true),
            (json!({"a": {"b": 0}}), "a", true),
            (json!({"a": [{"c": 1}, {"b": "x"}]}), "a.b", true),
            (json!({"a": [[{"b": "x"}]]}), "a.b", true),
            (json!({"a": {"key": {"b": "x"}}}), "a.*.b", true),
            (json!({"a": {"key": {"c": "x"}}}), "a.*.b", false),
            (json!({"b": 1}), "a", false),
            (json!({"a": "b"}), "a.b", false),
            (json!({"a": null}), "a", false),
            (json!({"a": false}), "a", false),
            (json!({"a": ""}), "a", false),
            (json!({"a": [{"b": []}]}), "a", false),
        ] {
            assert_eq!(asks(&request, path), expected, "{request} {path}");
        }
    }

    #[test]
    fn what_is_not_done_is_refused_by_name_and_what_aws_does_not_know_is_ignored() {
        let run_task = Action::Ecs(EcsAction::RunTask);
        let request = json!({"enableExecuteCommand": true, "referenceId": "r", "count": 1});
        let error = run_task.check_members(&request).unwrap_err();
        assert_eq!(error.code, "InvalidParameterException");
        assert!(
            error.message.contains("enableExecuteCommand, referenceId"),
            "{error}"
        );
        let request = json!({"enableExecuteCommand": false, "nobodyKnowsThis": 1});
        assert_eq!(run_task.check_members(&request), Ok(()));
    }

    #[test]
    fn members_in_the_query_are_known_by_their_own_names() {
        let request = http::Request::get("/schedules?ScheduleGroup=g&State=ENABLED&x=1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = located(SchedulerAction::ListSchedules, &parts);
        assert_eq!(
            Value::from(found),
            json!({"GroupName": "g", "State": "ENABLED"})
        );
    }
}
