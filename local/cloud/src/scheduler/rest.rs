//! The REST protocol of the scheduler.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use super::Scheduler;
use crate::action::{SchedulerAction, ServiceId};
use crate::error::ServiceError;
use crate::members::located;
use crate::rest;
use crate::service::Service;

/// Paths of schedules and of groups.
const SCHEDULES: &str = "/schedules";
const GROUPS: &str = "/schedule-groups";
const TAGS: &str = "/tags/";

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
            if let Some(members) = body.as_object_mut() {
                members.extend(located(action, &parts));
            }
            let named = if path.starts_with(TAGS) {
                "ResourceArn"
            } else {
                "Name"
            };
            body[named] = json!(name);
            Ok(rest::json_response(&self.call(action, &body)?))
        }
        .boxed()
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
