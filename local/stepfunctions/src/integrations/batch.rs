//! Batch: `batch:submitJob`.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html>

use asl::{Pattern, TaskError};
use futures::FutureExt;
use serde_json::{Value, json};

use super::call::{Accepted, Call, Job, service_error, with_metadata};
use super::case::{camel, pascal};

/// SubmitJob. With `.sync` the job's description is the result, and a job that ends FAILED fails the state.
pub fn submit_job(call: &Call) -> Result<Accepted, TaskError> {
    let batch = &call.engine.compute.batch;
    let mut request = camel(call.arguments.clone());
    mark(&mut request);
    let job = batch
        .submit_job_for_call(&request, &call.token)
        .map_err(|error| service_error("Batch", "AWSBatch", &error))?;
    let answer = json!({ "JobArn": job.arn, "JobId": job.id, "JobName": job.name });
    let (batch, stopped) = (batch.clone(), job.id.clone());
    let job = (call.pattern == Pattern::Sync).then(|| Job {
        ended: (!job.is_lost()).then(|| {
            async move {
                let description = pascal(job.finished().await);
                if description["Status"] == "SUCCEEDED" {
                    return Ok(description.into());
                }
                Err(TaskError {
                    error: "States.TaskFailed".into(),
                    cause: Some(description.to_string()),
                })
            }
            .boxed()
        }),
        stop: Box::new(move || {
            batch.terminate_job(&stopped, "Aborted by Step Functions");
        }),
    });
    Ok(Accepted {
        output: with_metadata(answer, &uuid::Uuid::new_v4().to_string()).into(),
        job,
    })
}

/// Step Functions marks the jobs that it manages by an environment variable.
fn mark(request: &mut Value) {
    let overrides = &mut request["containerOverrides"];
    if !overrides.is_object() {
        *overrides = json!({});
    }
    let environment = &mut overrides["environment"];
    if !environment.is_array() {
        *environment = json!([]);
    }
    if let Some(environment) = environment.as_array_mut() {
        environment.push(json!({ "name": "MANAGED_BY_AWS", "value": "STARTED_BY_STEP_FUNCTIONS" }));
    }
}
