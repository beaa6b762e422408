//! Calls of states that are sent on: signed, as an AWS SDK would send them, to AWS or to what stands in for it.
//!
//! How a service is spoken to is read from one table, `data/services.jsonl.gz`, that `data/generate.py` makes of
//! botocore's models.

mod api;
mod document;
mod error;
mod form;
mod integration;
mod job;
mod outcome;
mod rest;
mod send;
mod shape;
mod table;
mod target;
mod time;
mod xml;

use std::time::Duration;

use asl::{Pattern, Resource, TaskError};
use serde_json::Value;

pub use error::ForwardError;

use integration::Integration;
use job::Job;
use send::{Request, Sender};
use table::Service;
use target::{Target, Targets};

/// Where calls are sent on to.
#[derive(Debug)]
pub struct Forward {
    targets: Targets,
    sender: Sender,
}

/// The longest time between two looks at a job.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl Forward {
    /// Reads `SERVICE=URL` arguments: a service as a Resource names it, or `*`; a URL, or `aws` for AWS itself.
    ///
    /// # Errors
    /// What of the arguments is not of this form, or not known.
    pub fn parse(arguments: &[String], region: &str) -> Result<Forward, ForwardError> {
        Ok(Forward {
            targets: Targets::parse(arguments)?,
            sender: Sender::new(region),
        })
    }

    /// Whether calls of a resource are sent on: those of a service that was named, else by `*` those that the local
    /// cloud does not have.
    pub fn answers(&self, resource: &Resource, local: bool) -> bool {
        self.api(resource, local).is_some() || self.find(resource, local).is_some()
    }

    /// Where APIs are, for a Resource that calls one.
    fn api(&self, resource: &Resource, local: bool) -> Option<&Target> {
        let target = self.targets.of("apigateway", "apigateway", local)?;
        api::is_api(resource).then_some(target)
    }

    fn find(&self, resource: &Resource, local: bool) -> Option<(Integration, &Target)> {
        let integration = Integration::of(resource)?;
        let (service, pattern) = match resource {
            Resource::Service {
                service, pattern, ..
            } => (&**service, *pattern),
            Resource::Lambda { .. } => ("lambda", Pattern::RequestResponse),
            Resource::Activity { .. } => return None,
        };
        let target = self.targets.of(service, &integration.service, local)?;
        let waits = matches!(pattern, Pattern::Sync | Pattern::SyncV2);
        let known = Service::load(&integration.service)?
            .operations
            .contains_key(&integration.action);
        (known && (!waits || pattern == Pattern::Sync && Job::of(resource).is_some()))
            .then_some((integration, target))
    }

    /// Sends a call on; one with `.sync` until the job that it began has ended.
    ///
    /// # Errors
    /// That of the service, named as Step Functions names it.
    pub async fn call(&self, resource: &Resource, arguments: Value) -> Result<Value, TaskError> {
        let unknown = || TaskError {
            error: "States.Runtime".to_owned(),
            cause: Some(format!("'{resource}' is not sent on")),
        };
        if let Some(target) = self.api(resource, false) {
            return api::call(&self.sender, target, &arguments).await;
        }
        let (integration, target) = self.find(resource, false).ok_or_else(unknown)?;
        let arguments = integration.arguments(arguments);
        let answer = self
            .request(&integration, target, &integration.action, &arguments)
            .await?;
        if let Some(failure) = integration.failure(&answer) {
            return Err(failure);
        }
        match Job::of(resource).filter(|_| is_sync(resource)) {
            None => Ok(integration.result(answer)),
            Some(job) => {
                self.wait(&integration, target, job, &arguments, &answer)
                    .await
            }
        }
    }

    /// Looks at a job until it has ended, less and less often.
    async fn wait(
        &self,
        integration: &Integration,
        target: &Target,
        job: &Job,
        arguments: &Value,
        answer: &Value,
    ) -> Result<Value, TaskError> {
        let look = job.look(arguments, answer);
        let mut pause = Duration::from_secs(1);
        loop {
            let seen = self
                .request(integration, target, job.describe, &look)
                .await?;
            match job.ended(&seen) {
                Some(true) => return Ok(job.result(seen)),
                Some(false) => {
                    return Err(TaskError {
                        error: "States.TaskFailed".to_owned(),
                        cause: Some(job.result(seen).to_string()),
                    });
                }
                None => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn request(
        &self,
        integration: &Integration,
        target: &Target,
        action: &str,
        arguments: &Value,
    ) -> Result<Value, TaskError> {
        let refuse = |message: String| TaskError {
            error: format!("{}.SdkClientException", integration.prefix),
            cause: Some(message),
        };
        let service = Service::load(&integration.service)
            .ok_or_else(|| refuse(format!("no service {}", integration.service)))?;
        let operation = service
            .operations
            .get(action)
            .ok_or_else(|| refuse(format!("{} has no {action}", integration.service)))?;
        let request = Request::new(&service, action, operation, arguments).map_err(refuse)?;
        let answer = self.sender.send(&service, target, request).await;
        let answer = answer.map_err(|error| refuse(error.to_string()))?;
        outcome::read(&service, operation, &integration.prefix, &answer)
    }
}

fn is_sync(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::Service {
            pattern: Pattern::Sync | Pattern::SyncV2,
            ..
        }
    )
}
