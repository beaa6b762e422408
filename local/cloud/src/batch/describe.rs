//! What Batch tells of jobs.

use serde_json::{Value, json};

use super::names::texts;
use super::retry::begins_or_is;
use super::{Batch, JobHandle, Status, client_error};
use crate::error::ServiceError;
use crate::pages::{page, with_next};

/// Most jobs that one request describes, and most of a page.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html>
const MOST: usize = 100;

/// A filter of ListJobs.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html>
enum Filter<'a> {
    /// Names that can end with an asterisk.
    Name(Vec<&'a str>),
    /// Definitions by name, `name:revision` or ARN; a name can end with an asterisk.
    Definition(Vec<&'a str>),
    /// Created before this time, milliseconds since the epoch.
    Before(i64),
    /// Created after it.
    After(i64),
}

impl Batch {
    /// DescribeJobs; an unknown id is left out.
    pub(super) fn describe_jobs(&self, request: &Value) -> Result<Value, ServiceError> {
        let ids = texts(&request["jobs"]);
        if !(1..=MOST).contains(&ids.len()) {
            return Err(client_error(format!("jobs must have 1 to {MOST} members")));
        }
        let jobs = ids.iter().filter_map(|id| self.job(id));
        let jobs: Vec<Value> = jobs.map(|job| job.describe()).collect();
        Ok(json!({"jobs": jobs}))
    }

    /// ListJobs by queue or array, by status (RUNNING if none is given) or by a filter.
    pub(super) fn list_jobs(&self, request: &Value) -> Result<Value, ServiceError> {
        let all = self.jobs_of(request)?;
        let filter = filter(&request["filters"])?;
        let status = status(request)?;
        let wanted = |handle: &&JobHandle| match &filter {
            Some(filter) => filter.passes(handle),
            None => handle.status() == status,
        };
        let mut found: Vec<&JobHandle> = all.iter().filter(wanted).collect();
        // With a filter, the newest job comes first.
        if filter.is_some() {
            found.reverse();
        }
        let page = page(found, |job: &&JobHandle| &job.id, request, MOST)
            .map_err(|error| client_error(error.to_string()))?;
        let summaries: Vec<Value> = page.items.into_iter().map(JobHandle::summary).collect();
        Ok(with_next(json!({"jobSummaryList": summaries}), page.next))
    }

    fn jobs_of(&self, request: &Value) -> Result<Vec<JobHandle>, ServiceError> {
        let text = |member: &str| request[member].as_str();
        match (text("arrayJobId"), text("jobQueue")) {
            (Some(id), None) => {
                let parent = self.job(id);
                Ok(parent.map_or_else(Vec::new, |parent| parent.children.to_vec()))
            }
            (None, Some(queue)) => {
                let arn = self.queue(queue)?.arn;
                let jobs = self.jobs();
                let jobs = jobs.iter().filter(|job| job.job.borrow().queue.arn == arn);
                Ok(jobs.cloned().collect())
            }
            _ => Err(client_error(
                "exactly one of jobQueue, arrayJobId and multiNodeJobId is required",
            )),
        }
    }
}

fn status(request: &Value) -> Result<Status, ServiceError> {
    let Some(wanted) = request["jobStatus"].as_str() else {
        return Ok(Status::Running);
    };
    let found = Status::ALL
        .into_iter()
        .find(|status| status.name() == wanted);
    found.ok_or_else(|| {
        let names = Status::ALL.map(Status::name);
        client_error(format!(
            "jobStatus {wanted} must be one of {}",
            names.join(" | ")
        ))
    })
}

/// The one filter that a request can have.
fn filter(filters: &Value) -> Result<Option<Filter<'_>>, ServiceError> {
    let filters = filters.as_array().map_or(&[][..], Vec::as_slice);
    let filter = match filters {
        [] => return Ok(None),
        [filter] => filter,
        _ => {
            return Err(client_error(
                "filters: only one filter can be used at a time",
            ));
        }
    };
    let values = texts(&filter["values"]);
    let time = || {
        let only = <[&str; 1]>::try_from(values.as_slice()).ok();
        let at = only.and_then(|[at]| at.parse::<i64>().ok());
        at.ok_or_else(|| client_error("filters: a time is one value, milliseconds since the epoch"))
    };
    match filter["name"].as_str().unwrap_or_default() {
        "JOB_NAME" => Ok(Some(Filter::Name(values))),
        "JOB_DEFINITION" => Ok(Some(Filter::Definition(values))),
        "BEFORE_CREATED_AT" => Ok(Some(Filter::Before(time()?))),
        "AFTER_CREATED_AT" => Ok(Some(Filter::After(time()?))),
        "SHARE_IDENTIFIER" => Err(client_error(
            "filters: the local cloud does not do SHARE_IDENTIFIER; its queues have no shares",
        )),
        other => Err(client_error(format!(
            "filters: '{other}' is none of JOB_NAME, JOB_DEFINITION, BEFORE_CREATED_AT, AFTER_CREATED_AT, SHARE_IDENTIFIER"
        ))),
    }
}

impl Filter<'_> {
    fn passes(&self, handle: &JobHandle) -> bool {
        let job = handle.job.borrow();
        let created = job.created_at.0 / 1_000;
        match self {
            Filter::Name(names) => names.iter().any(|name| begins_or_is(name, &job.name)),
            Filter::Definition(wanted) => wanted.iter().any(|wanted| {
                let short = wanted.rsplit('/').next().unwrap_or(wanted);
                let definition = &job.definition;
                let full = format!("{}:{}", definition.name, definition.revision);
                begins_or_is(short, &definition.name) || short == full
            }),
            Filter::Before(at) => created < *at,
            Filter::After(at) => created > *at,
        }
    }
}
