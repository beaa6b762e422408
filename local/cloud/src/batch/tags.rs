//! Tags of jobs, definitions, queues and compute environments, by ARN.
//! <https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html>

use serde_json::{Value, json};

use super::names::texts;
use super::{Batch, client_error};
use crate::error::ServiceError;
use crate::tags::Tags;

impl Batch {
    pub(super) fn list_tags(&self, request: &Value) -> Result<Value, ServiceError> {
        let mut found = Tags::default();
        self.change_tags(request, |tags| {
            found = tags.clone();
            Ok(tags)
        })?;
        Ok(json!({"tags": found.to_map()}))
    }

    pub(super) fn tag(&self, request: &Value) -> Result<Value, ServiceError> {
        let bad = |error: crate::tags::TagError| client_error(error.to_string());
        let new = Tags::from_map(&request["tags"]).map_err(bad)?;
        self.change_tags(request, |tags| tags.with(&new).map_err(bad))?;
        Ok(json!({}))
    }

    pub(super) fn untag(&self, request: &Value) -> Result<Value, ServiceError> {
        // One key in the query is a text, several are a list.
        let keys = match &request["tagKeys"] {
            Value::String(key) => vec![key.as_str()],
            list => texts(list),
        };
        self.change_tags(request, |tags| Ok(tags.without(&keys)))?;
        Ok(json!({}))
    }

    /// What has not changed is not written again: a look at tags is a change of nothing.
    fn change_tags(
        &self,
        request: &Value,
        change: impl FnOnce(Tags) -> Result<Tags, ServiceError>,
    ) -> Result<(), ServiceError> {
        let arn = request["resourceArn"].as_str().unwrap_or_default();
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split('/').next().unwrap_or_default() {
            "job-queue" => self.change_queue(arn, |one| {
                one.tags = change(one.tags.clone())?;
                Ok(())
            }),
            "compute-environment" => self.change_environment(arn, |one| {
                one.tags = change(one.tags.clone())?;
                Ok(())
            }),
            "job-definition" => self.change_definition(arn, |one| {
                one.tags = change(one.tags.clone())?;
                Ok(())
            }),
            "job" => {
                let missing = || client_error(format!("Job {arn} does not exist"));
                let handle = self.job(arn).ok_or_else(missing)?;
                let bad = |error: crate::tags::TagError| client_error(error.to_string());
                let before = Tags::from_map(&handle.job.borrow().tags).map_err(bad)?;
                let tags = change(before.clone())?;
                if tags != before {
                    handle.job.send_modify(|job| job.tags = tags.to_map());
                    let jobs = &self.inner.records.jobs;
                    jobs.save(&handle.id, &*handle.job.borrow());
                }
                Ok(())
            }
            _ => Err(client_error(format!(
                "resourceArn '{arn}' is no ARN of a job, job definition, job queue or compute environment"
            ))),
        }
    }
}
