//! The REST protocol of the scheduler.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::Scheduler;
use crate::action::{SchedulerAction, ServiceId};
use crate::error::ServiceError;
use crate::rest;
use crate::service::Service;

/// Paths of schedules and of groups.
const SCHEDULES: &str = "/schedules";
const GROUPS: &str = "/schedule-groups";
const TAGS: &str = "/tags/";

/// The query parameters and the members that they are.
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html>
const PARAMETERS: [(&str, &str); 9] = [
    ("groupName", "GroupName"),
    ("ScheduleGroup", "GroupName"),
    ("clientToken", "ClientToken"),
    ("MaxResults", "MaxResults"),
    ("NamePrefix", "NamePrefix"),
    ("NextToken", "NextToken"),
    ("State", "State"),
    ("TagKeys", "TagKeys"),
    ("tagKeys", "TagKeys"),
];

/// Whether a path is the scheduler's alone.
pub(crate) fn is_path(path: &str) -> bool {
    [SCHEDULES, GROUPS]
        .iter()
        .filter_map(|root| path.strip_prefix(root))
        .any(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Service for Scheduler {
    fn id(&self) -> ServiceId {
        ServiceId::Scheduler
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (parts, body) = request.into_parts();
            let (method, path) = (&parts.method, parts.uri.path());
            let (action, name) = asked(method, path).ok_or_else(|| {
                ServiceError::unknown_action(self.id().prefix(), &format!("{method} {path}"))
            })?;
            let mut body = rest::read_json(body).await?;
            let query = parts.uri.query().unwrap_or_default();
            for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
                if let Some((_, member)) = PARAMETERS.iter().find(|(name, _)| *name == parameter) {
                    add(&mut body, member, &value);
                }
            }
            let named = if path.starts_with(TAGS) { "ResourceArn" } else { "Name" };
            body[named] = json!(name);
            Ok(rest::json_response(&self.call(action, &body)?))
        }
        .boxed()
    }
}

/// Adds a query parameter; one that stands several times is a list.
fn add(body: &mut Value, member: &str, value: &str) {
    match &mut body[member] {
        Value::Array(values) => values.push(json!(value)),
        Value::Null => body[member] = json!(value),
        one => *one = json!([one.take(), value]),
    }
}

/// The action that a request of the REST protocol asks for, and the name or ARN in its path.
fn asked(method: &Method, path: &str) -> Option<(SchedulerAction, String)> {
    use SchedulerAction as Asked;
    if let Some(arn) = path.strip_prefix(TAGS) {
        let action = match *method {
            Method::GET => Asked::ListTagsForResource,
            Method::POST => Asked::TagResource,
            Method::DELETE => Asked::UntagResource,
            _ => return None,
        };
        return Some((action, rest::decode(arn)));
    }
    let (is_group, rest) = match path.strip_prefix(GROUPS) {
        Some(rest) => (true, rest),
        None => (false, path.strip_prefix(SCHEDULES)?),
    };
    let name = match rest.strip_prefix('/') {
        Some(name) => name.trim_end_matches('/'),
        None if rest.is_empty() => "",
        None => return None,
    };
    let action = match (method, is_group, name) {
        (&Method::GET, false, "") => Asked::ListSchedules,
        (&Method::GET, true, "") => Asked::ListScheduleGroups,
        (_, _, "") => return None,
        (&Method::GET, false, _) => Asked::GetSchedule,
        (&Method::POST, false, _) => Asked::CreateSchedule,
        (&Method::PUT, false, _) => Asked::UpdateSchedule,
        (&Method::DELETE, false, _) => Asked::DeleteSchedule,
        (&Method::GET, true, _) => Asked::GetScheduleGroup,
        (&Method::POST, true, _) => Asked::CreateScheduleGroup,
        (&Method::DELETE, true, _) => Asked::DeleteScheduleGroup,
        _ => return None,
    };
    Some((action, rest::decode(name)))
}
