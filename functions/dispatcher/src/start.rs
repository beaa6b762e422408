//! Starting a worker on AWS.

use std::time::Duration;

use aws_sdk_batch::config::retry::RetryConfig;
use aws_sdk_batch::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_batch::types::{
    ContainerOverrides, KeyValuePair as BatchVariable, KeyValuesPair, ResourceRequirement,
};
use aws_sdk_batch::types::{ResourceType, builders::ResourceRequirementBuilder};
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride,
    KeyValuePair, NetworkConfiguration, TaskOverride,
};
use aws_sdk_lambda::types::InvocationType;
use jobs::aws::is_capacity;
use jobs::env::{self, Missing};
use placement::Placement;
use placement::pricing::fargate_shape;
use tracing::warn;

use crate::launch::{Launch, StartError, StartJob};

/// How often a Batch job is submitted before it counts as not answered.
const SUBMITS: u32 = 3;

/// Starts workers by the AWS APIs. Task definition, job definition and function of a worker have one name,
/// `<prefix>-<worker>`.
#[derive(Debug)]
pub struct AwsStarter {
    lambda: aws_sdk_lambda::Client,
    ecs: aws_sdk_ecs::Client,
    batch: aws_sdk_batch::Client,
    prefix: String,
    cluster: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    job_queue: String,
    spot_job_queue: String,
}

impl AwsStarter {
    /// Reads the environment; see `serverless.yml`.
    ///
    /// # Errors
    /// The first variable that is missing.
    pub fn from_env(
        lambda: aws_sdk_lambda::Client,
        ecs: aws_sdk_ecs::Client,
        batch: aws_sdk_batch::Client,
    ) -> Result<Self, Missing> {
        Ok(Self {
            lambda,
            ecs,
            batch,
            prefix: env::required("PREFIX")?,
            cluster: env::required("CLUSTER")?,
            subnets: env::list("SUBNETS")?,
            security_groups: env::list("SECURITY_GROUPS")?,
            job_queue: env::required("JOB_QUEUE")?,
            spot_job_queue: env::required("SPOT_JOB_QUEUE")?,
        })
    }

    fn definition(&self, launch: &Launch<'_>) -> String {
        format!("{}-{}", self.prefix, launch.job.worker)
    }

    /// Invokes the worker's function asynchronously. Lambda may run an event twice; the worker's commit makes that
    /// harmless.
    async fn invoke(&self, launch: &Launch<'_>) -> Result<String, StartError> {
        let event =
            serde_json::json!({ "jobUri": launch.uri.to_string(), "taskToken": launch.token });
        let name = self.definition(launch);
        let call = self
            .lambda
            .invoke()
            .function_name(&name)
            .invocation_type(InvocationType::Event);
        let call = call.payload(event.to_string().into_bytes().into());
        call.send()
            .await
            .map_err(|error| start_error(launch.placement, error))?;
        Ok(name)
    }

    /// Runs an ECS task; `clientToken` makes a repeated call the same task
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>).
    async fn run_task(&self, launch: &Launch<'_>, provider: &str) -> Result<String, StartError> {
        let strategy = CapacityProviderStrategyItem::builder()
            .capacity_provider(provider)
            .weight(1)
            .build();
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(self.subnets.clone()))
            .set_security_groups(Some(self.security_groups.clone()))
            .assign_public_ip(AssignPublicIp::Enabled)
            .build();
        let refused = |reason: String| StartError::Refused {
            placement: launch.placement,
            reason,
        };
        let network = network.map_err(|error| refused(error.to_string()))?;
        let strategy = strategy.map_err(|error| refused(error.to_string()))?;
        let answer = self
            .ecs
            .run_task()
            .cluster(&self.cluster)
            .task_definition(self.definition(launch))
            .capacity_provider_strategy(strategy)
            .network_configuration(
                NetworkConfiguration::builder()
                    .awsvpc_configuration(network)
                    .build(),
            )
            .overrides(
                task_override(launch)
                    .ok_or_else(|| refused("larger than any Fargate task".into()))?,
            )
            .client_token(launch.key())
            .propagate_tags(aws_sdk_ecs::types::PropagateTags::TaskDefinition)
            .send()
            .await
            .map_err(|error| start_error(launch.placement, error))?;
        match (
            answer.tasks().first().and_then(|task| task.task_arn()),
            answer.failures().first(),
        ) {
            (Some(arn), _) => Ok(arn.to_owned()),
            // RunTask answers 200 with a failure when the resources are not there
            // (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html).
            (None, failure) => Err(StartError::Capacity {
                placement: launch.placement,
                reason: failure
                    .and_then(|failure| failure.reason())
                    .unwrap_or("no task was started")
                    .to_owned(),
            }),
        }
    }

    /// Submits a Batch job unless one of this name is there: SubmitJob has no idempotency token, names are not
    /// unique, and ListJobs finds a name in any status. So a submission that was not answered is not repeated
    /// before a look at the list.
    async fn submit(&self, launch: &Launch<'_>, queue: &str) -> Result<String, StartError> {
        let mut attempt = 1;
        loop {
            match self.submit_once(launch, queue).await {
                Err(StartError::Unanswered { reason, .. }) if attempt < SUBMITS => {
                    warn!("{reason}; looks whether the job is there");
                    tokio::time::sleep(Duration::from_millis(500 << attempt)).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn submit_once(&self, launch: &Launch<'_>, queue: &str) -> Result<String, StartError> {
        let name: String = format!("{}-{}", launch.job.id, &launch.key()[..8]);
        let by_name = KeyValuesPair::builder()
            .name("JOB_NAME")
            .values(&name)
            .build();
        let found = self
            .batch
            .list_jobs()
            .job_queue(queue)
            .filters(by_name)
            .send()
            .await;
        let found = found.map_err(|error| start_error(launch.placement, error))?;
        if let Some(id) = found
            .job_summary_list()
            .first()
            .and_then(|job| job.job_id())
        {
            return Ok(id.to_owned());
        }
        let submit = self.batch.submit_job().job_name(name).job_queue(queue);
        let submit = submit
            .job_definition(self.definition(launch))
            .container_overrides(container_overrides(launch));
        let once = aws_sdk_batch::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = submit.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| start_error(launch.placement, error))?;
        Ok(answer.job_id().unwrap_or_default().to_owned())
    }
}

impl StartJob for AwsStarter {
    async fn start(&self, launch: &Launch<'_>) -> Result<String, StartError> {
        match launch.placement {
            Placement::Lambda => self.invoke(launch).await,
            Placement::Fargate => self.run_task(launch, "FARGATE").await,
            Placement::FargateSpot => self.run_task(launch, "FARGATE_SPOT").await,
            Placement::Batch => self.submit(launch, &self.job_queue).await,
            Placement::BatchSpot => self.submit(launch, &self.spot_job_queue).await,
        }
    }
}

/// The overrides of an ECS task; `None` when no Fargate task is that large.
fn task_override(launch: &Launch<'_>) -> Option<TaskOverride> {
    let variable =
        |(name, value): (&str, String)| KeyValuePair::builder().name(name).value(value).build();
    let container = ContainerOverride::builder()
        .name(&launch.job.worker)
        .set_environment(Some(launch.environment().map(variable).into()))
        .build();
    let mut overrides = TaskOverride::builder().container_overrides(container);
    if let Some(resources) = &launch.job.resources {
        let (vcpu, memory_mib) = fargate_shape(resources)?;
        overrides = overrides
            .cpu(format!("{:.0}", vcpu * 1024.0))
            .memory(memory_mib.to_string());
    }
    Some(overrides.build())
}

fn container_overrides(launch: &Launch<'_>) -> ContainerOverrides {
    let variable =
        |(name, value): (&str, String)| BatchVariable::builder().name(name).value(value).build();
    let environment = launch.environment().map(variable).into();
    let mut overrides = ContainerOverrides::builder().set_environment(Some(environment));
    if let Some(resources) = &launch.job.resources {
        // On EC2 a job takes whole vCPUs.
        let needs = [
            (ResourceType::Vcpu, format!("{:.0}", resources.vcpu.ceil())),
            (ResourceType::Memory, resources.memory_mib.to_string()),
        ];
        let requirement = |(kind, value)| {
            ResourceRequirementBuilder::default()
                .r#type(kind)
                .value(value)
                .build()
        };
        let requirements: Vec<ResourceRequirement> = needs.into_iter().map(requirement).collect();
        overrides = overrides.set_resource_requirements(Some(requirements));
    }
    overrides.build()
}

fn start_error(
    placement: Placement,
    error: impl ProvideErrorMetadata + std::error::Error,
) -> StartError {
    let answered = error.code().is_some();
    let capacity = is_capacity(error.code(), error.message());
    let reason = DisplayErrorContext(error).to_string();
    if !answered {
        StartError::Unanswered { placement, reason }
    } else if capacity {
        StartError::Capacity { placement, reason }
    } else {
        StartError::Refused { placement, reason }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jobs::artifacts::job_uri;
    use jobs::job::{Job, Origin};
    use jobs::task::TaskToken;
    use placement::Resources;

    fn job(resources: Option<Resources>) -> Job {
        Job {
            id: "j".into(),
            origin: Origin {
                execution: "e".into(),
                state: "s".into(),
                index: None,
            },
            execution_arn: None,
            worker: "trainer".into(),
            placement: Placement::Fargate,
            resources,
            input: serde_json::json!({}),
        }
    }

    #[test]
    fn overrides_carry_the_assignment_and_the_size() {
        let job = job(Some(Resources {
            vcpu: 0.5,
            memory_mib: 1000,
        }));
        let (uri, token) = (job_uri("b", "j"), TaskToken::new("t"));
        let launch = Launch {
            job: &job,
            uri: &uri,
            token: &token,
            placement: Placement::Fargate,
        };
        let task = task_override(&launch).unwrap();
        assert_eq!((task.cpu(), task.memory()), (Some("512"), Some("1024")));
        let names: Vec<_> = task.container_overrides()[0]
            .environment()
            .iter()
            .map(|pair| pair.name().unwrap())
            .collect();
        assert_eq!(names, ["JOB_URI", "TASK_TOKEN", "PLACEMENT"]);
        let sizes: Vec<_> = container_overrides(&launch)
            .resource_requirements()
            .iter()
            .map(|requirement| requirement.value().unwrap().to_owned())
            .collect();
        assert_eq!(sizes, ["1", "1000"]);
    }

    #[test]
    fn a_task_larger_than_fargate_is_not_asked_for() {
        let job = job(Some(Resources {
            vcpu: 64.0,
            memory_mib: 1000,
        }));
        let (uri, token) = (job_uri("b", "j"), TaskToken::new("t"));
        let launch = Launch {
            job: &job,
            uri: &uri,
            token: &token,
            placement: Placement::Fargate,
        };
        assert!(task_override(&launch).is_none());
    }
}
