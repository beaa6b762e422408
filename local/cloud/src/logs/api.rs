//! The reads of CloudWatch Logs, over the log files.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html>

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Logs;
use super::filter::Filter;
use super::read::{Line, Stored};
use crate::action::{LogsAction, ServiceId};
use crate::config::Local;
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::pages::ordered;
use crate::rest;
use crate::service::Service;

/// Largest and default page of groups and streams.
const LIST_LIMIT: usize = 50;
/// Largest and default page of events.
const EVENTS_LIMIT: usize = 10_000;

/// The CloudWatch Logs service.
#[derive(Clone)]
pub struct LogsApi {
    /// The log files.
    pub logs: Logs,
    /// Names in ARNs.
    pub local: Local,
    /// Faults to come.
    pub faults: Faults,
}

/// What names a group: by its name, or by its name or ARN.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Group {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    log_group_class: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeStreams {
    #[serde(flatten)]
    group: Group,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    limit: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetEvents {
    #[serde(flatten)]
    group: Group,
    log_stream_name: String,
    #[serde(flatten)]
    span: Span,
    limit: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterEvents {
    #[serde(flatten)]
    group: Group,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    filter_pattern: Option<String>,
    #[serde(flatten)]
    span: Span,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// Milliseconds since the Unix epoch: from the one, inclusive, to the other, exclusive.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    start_time: Option<i64>,
    end_time: Option<i64>,
}

impl Span {
    fn has(self, line: &Line) -> bool {
        self.start_time.is_none_or(|start| line.timestamp >= start)
            && self.end_time.is_none_or(|end| line.timestamp < end)
    }
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterException", message)
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, ServiceError> {
    T::deserialize(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

fn checked(limit: Option<usize>, most: usize) -> Result<usize, ServiceError> {
    let limit = limit.unwrap_or(most);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: \
         Member must be from 1 to {most}"
    )))
}

fn paged(
    name: &str,
    all: impl IntoIterator<Item = (String, Value)>,
    token: Option<&str>,
    limit: usize,
) -> Result<Value, ServiceError> {
    let page =
        ordered(all, token, limit).map_err(|_| invalid("The specified nextToken is invalid."))?;
    Ok(page.answer(name, "nextToken"))
}

/// The name in a group's name or ARN.
fn group_name(identifier: &str) -> &str {
    let name = identifier
        .split_once(":log-group:")
        .map_or(identifier, |(_, name)| name);
    name.trim_end_matches(":*")
}

impl Group {
    /// The streams of the group.
    fn streams(&self, logs: &Logs) -> Result<Vec<Stored>, ServiceError> {
        let name = match (&self.log_group_name, &self.log_group_identifier) {
            (Some(name), None) => name,
            (None, Some(identifier)) => group_name(identifier),
            _ => {
                return Err(invalid(
                    "Exactly one of logGroupName and logGroupIdentifier must be given.",
                ));
            }
        };
        let mut streams = logs.stored();
        streams.retain(|stream| stream.group == name);
        if streams.is_empty() {
            return Err(ServiceError::new(
                "ResourceNotFoundException",
                "The specified log group does not exist.",
            ));
        }
        Ok(streams)
    }
}

impl LogsApi {
    /// Carries out an action; the request is the API's.
    pub fn call(&self, action: LogsAction, body: &Value) -> Result<Value, ServiceError> {
        match self.faults.admit(action, body)? {
            Verdict::Proceed => {}
            Verdict::Lose => return Ok(json!({})),
        }
        match action {
            LogsAction::DescribeLogGroups => self.describe_groups(&read(body)?),
            LogsAction::DescribeLogStreams => self.describe_streams(&read(body)?),
            LogsAction::GetLogEvents => self.get_events(&read(body)?),
            LogsAction::FilterLogEvents => self.filter_events(&read(body)?),
        }
    }

    fn describe_groups(&self, request: &DescribeGroups) -> Result<Value, ServiceError> {
        let DescribeGroups {
            log_group_name_prefix: prefix,
            log_group_name_pattern: pattern,
            log_group_identifiers: identifiers,
            log_group_class: class,
            ..
        } = request;
        if prefix.is_some() && pattern.is_some() {
            return Err(invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let limit = checked(request.limit, LIST_LIMIT)?;
        // Creation and size of each.
        let mut groups: BTreeMap<String, (i64, u64)> = BTreeMap::new();
        for stream in self.logs.stored() {
            let (created, bytes) = groups
                .entry(stream.group.clone())
                .or_insert((stream.created, 0));
            *created = stream.created.min(*created);
            *bytes += stream.bytes();
        }
        let wanted = groups.into_iter().filter(|(name, _)| {
            prefix
                .as_ref()
                .is_none_or(|prefix| name.starts_with(prefix))
                && pattern
                    .as_ref()
                    .is_none_or(|pattern| name.contains(pattern))
                && class.as_ref().is_none_or(|class| class == "STANDARD")
                && identifiers
                    .as_ref()
                    .is_none_or(|all| all.iter().any(|one| group_name(one) == name))
        });
        let described = wanted.map(|(name, (created, bytes))| {
            let arn = self.local.arn("logs", &format!("log-group:{name}"));
            let group = json!({
                "logGroupName": name,
                "arn": format!("{arn}:*"),
                "logGroupArn": arn,
                "creationTime": created,
                "storedBytes": bytes,
                "metricFilterCount": 0,
                "logGroupClass": "STANDARD",
            });
            (name, group)
        });
        paged("logGroups", described, request.next_token.as_deref(), limit)
    }

    fn describe_streams(&self, request: &DescribeStreams) -> Result<Value, ServiceError> {
        let limit = checked(request.limit, LIST_LIMIT)?;
        let prefix = request.log_stream_name_prefix.as_ref();
        let by_time = match request.order_by.as_deref() {
            None | Some("LogStreamName") => false,
            Some("LastEventTime") if prefix.is_some() => {
                return Err(invalid(
                    "Cannot order by LastEventTime with a logStreamNamePrefix.",
                ));
            }
            Some("LastEventTime") => true,
            Some(other) => {
                return Err(invalid(format!(
                    "orderBy is LogStreamName or LastEventTime, not {other}"
                )));
            }
        };
        let mut streams = request.group.streams(&self.logs)?;
        streams.retain(|stream| prefix.is_none_or(|prefix| stream.name.starts_with(prefix)));
        let key = |stream: &Stored| {
            if by_time {
                let last = stream.last_written().unwrap_or(0);
                format!("{last:020}{}", stream.name)
            } else {
                stream.name.clone()
            }
        };
        let mut keyed: Vec<(String, Value)> = streams
            .iter()
            .map(|stream| (key(stream), self.describe(stream)))
            .collect();
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        if request.descending {
            keyed.reverse();
            // Pages go up by their keys.
            for (place, (key, _)) in keyed.iter_mut().enumerate() {
                *key = format!("{place:010}");
            }
        }
        paged("logStreams", keyed, request.next_token.as_deref(), limit)
    }

    fn describe(&self, stream: &Stored) -> Value {
        let Stored { group, name, .. } = stream;
        let mut described = json!({
            "logStreamName": name,
            "creationTime": stream.created,
            "arn": self.local.arn("logs", &format!("log-group:{group}:log-stream:{name}")),
            "storedBytes": 0,
        });
        if let Some(last) = stream.last_written() {
            described["firstEventTimestamp"] = json!(stream.created);
            described["lastEventTimestamp"] = json!(last);
            described["lastIngestionTime"] = json!(last);
        }
        described
    }

    /// A page of one stream. A token is a direction and a place in the file, so that it stays good while the file grows.
    fn get_events(&self, request: &GetEvents) -> Result<Value, ServiceError> {
        let limit = checked(request.limit, EVENTS_LIMIT)?;
        let streams = request.group.streams(&self.logs)?;
        let stream = streams
            .iter()
            .find(|stream| stream.name == request.log_stream_name);
        let lines = stream
            .ok_or_else(|| {
                ServiceError::new(
                    "ResourceNotFoundException",
                    "The specified log stream does not exist.",
                )
            })?
            .lines();
        let (forward, place) = match request.next_token.as_deref() {
            None => (request.start_from_head, None),
            Some(token) => {
                let (forward, place) = parse_token(token)
                    .ok_or_else(|| invalid("The specified nextToken is invalid."))?;
                (forward, Some(place))
            }
        };
        let end = lines.last().map_or(0, |line| line.to);
        let start = place.unwrap_or(if forward { 0 } else { end });
        let wanted = lines.iter().filter(|line| {
            request.span.has(line)
                && if forward {
                    line.from >= start
                } else {
                    line.to <= start
                }
        });
        let wanted: Vec<&Line> = if forward {
            wanted.take(limit).collect()
        } else {
            let mut last: Vec<&Line> = wanted.rev().take(limit).collect();
            last.reverse();
            last
        };
        let (first, next) = match (wanted.first(), wanted.last()) {
            (Some(first), Some(last)) => (first.from, last.to),
            _ => (start, start),
        };
        let events: Vec<Value> = wanted
            .into_iter()
            .map(|line| {
                json!({
                    "timestamp": line.timestamp,
                    "message": line.message,
                    "ingestionTime": line.timestamp,
                })
            })
            .collect();
        Ok(json!({
            "events": events,
            "nextForwardToken": format!("f/{next:056}"),
            "nextBackwardToken": format!("b/{first:056}"),
        }))
    }

    fn filter_events(&self, request: &FilterEvents) -> Result<Value, ServiceError> {
        let limit = checked(request.limit, EVENTS_LIMIT)?;
        let pattern = request.filter_pattern.as_deref().unwrap_or_default();
        let filter = Filter::parse(pattern).map_err(|error| invalid(error.to_string()))?;
        let (names, prefix) = (&request.log_stream_names, &request.log_stream_name_prefix);
        if names.is_some() && prefix.is_some() {
            return Err(invalid(
                "logStreamNames and logStreamNamePrefix are mutually exclusive.",
            ));
        }
        let mut streams = request.group.streams(&self.logs)?;
        streams.retain(|stream| {
            names
                .as_ref()
                .is_none_or(|names| names.contains(&stream.name))
                && prefix
                    .as_ref()
                    .is_none_or(|prefix| stream.name.starts_with(prefix))
        });
        let mut events: Vec<(String, Value)> = Vec::new();
        for stream in &streams {
            let lines = stream.lines().into_iter();
            let wanted =
                lines.filter(|line| request.span.has(line) && filter.matches(&line.message));
            events.extend(wanted.map(|line| {
                let id = event_id(stream, &line);
                let event = json!({
                    "logStreamName": stream.name,
                    "timestamp": line.timestamp,
                    "message": line.message,
                    "ingestionTime": line.timestamp,
                    "eventId": id,
                });
                (format!("{:020}{id}", line.timestamp), event)
            }));
        }
        events.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut answer = paged("events", events, request.next_token.as_deref(), limit)?;
        answer["searchedLogStreams"] = json!([]);
        Ok(answer)
    }
}

/// `f/<place>` or `b/<place>`: whether it goes forward, and from where.
fn parse_token(token: &str) -> Option<(bool, u64)> {
    let (direction, place) = token.split_once('/')?;
    let place = place.parse().ok()?;
    match direction {
        "f" => Some((true, place)),
        "b" => Some((false, place)),
        _ => None,
    }
}

/// The same for the same line, and in the order of a stream's lines.
fn event_id(stream: &Stored, line: &Line) -> String {
    let mut hasher = DefaultHasher::new();
    (&stream.group, &stream.name).hash(&mut hasher);
    format!("{:020}{:020}", hasher.finish(), line.from)
}

impl Service for LogsApi {
    fn id(&self) -> ServiceId {
        ServiceId::Logs
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (action, body) = rest::read_aws_json(request).await?;
            let action = LogsAction::required(&action)?;
            let api = self.clone();
            // Log files may be large.
            let answer = tokio::task::spawn_blocking(move || api.call(action, &body)).await;
            let answer = answer.map_err(|error| {
                ServiceError::with_status(500, "ServiceUnavailableException", error.to_string())
            })?;
            Ok(rest::aws_json(&answer?))
        }
        .boxed()
    }
}
