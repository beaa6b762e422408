//! Starting a worker on AWS.

use std::collections::BTreeMap;
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
use placement::{Placement, Resources, Starter};
use tracing::warn;

use crate::launch::{Launch, StartError, StartJob};

/// How often a Batch job is submitted before it counts as not answered.
const SUBMITS: u32 = 3;

/// Starts workers by the AWS APIs; [`Placement::definition`] names what is started.
#[derive(Debug)]
pub struct AwsStarter {
    lambda: aws_sdk_lambda::Client,
    ecs: aws_sdk_ecs::Client,
    batch: aws_sdk_batch::Client,
    prefix: String,
    cluster: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    /// The queue in each variable that a placement names.
    queues: BTreeMap<&'static str, String>,
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
        let mut queues = BTreeMap::new();
        for placement in Placement::ALL {
            if let Starter::Job { queue, .. } = placement.starter() {
                queues.insert(queue, env::required(queue)?);
            }
        }
        Ok(Self {
            lambda,
            ecs,
            batch,
            prefix: env::required("PREFIX")?,
            cluster: env::required("CLUSTER")?,
            subnets: env::list("SUBNETS")?,
            security_groups: env::list("SECURITY_GROUPS")?,
            queues,
        })
    }

    fn definition(&self, launch: &Launch<'_>) -> String {
        let placement = launch.placement;
        placement.definition(&self.prefix, &launch.job.worker)
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
    async fn run_task(
        &self,
        launch: &Launch<'_>,
        size: Option<Resources>,
        provider: &str,
    ) -> Result<String, StartError> {
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
            .overrides(task_override(launch, size))
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
    async fn submit(
        &self,
        launch: &Launch<'_>,
        size: Option<Resources>,
        queue: &str,
    ) -> Result<String, StartError> {
        let mut attempt = 1;
        loop {
            match self.submit_once(launch, size, queue).await {
                Err(StartError::Unanswered { reason, .. }) if attempt < SUBMITS => {
                    warn!("{reason}; looks whether the job is there");
                    tokio::time::sleep(Duration::from_millis(500 << attempt)).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn submit_once(
        &self,
        launch: &Launch<'_>,
        size: Option<Resources>,
        queue: &str,
    ) -> Result<String, StartError> {
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
            .container_overrides(container_overrides(launch, size));
        let once = aws_sdk_batch::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = submit.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| start_error(launch.placement, error))?;
        Ok(answer.job_id().unwrap_or_default().to_owned())
    }
}

impl StartJob for AwsStarter {
    async fn start(&self, launch: &Launch<'_>) -> Result<String, StartError> {
        let size = launch.size()?;
        match launch.placement.starter() {
            Starter::Function => self.invoke(launch).await,
            Starter::Task { provider } => self.run_task(launch, size, provider).await,
            Starter::Job { queue, .. } => self.submit(launch, size, &self.queues[queue]).await,
        }
    }
}

fn task_override(launch: &Launch<'_>, size: Option<Resources>) -> TaskOverride {
    let variable =
        |(name, value): (&str, String)| KeyValuePair::builder().name(name).value(value).build();
    let environment = launch.environment(size).into_iter().map(variable);
    let container = ContainerOverride::builder()
        .name(&launch.job.worker)
        .set_environment(Some(environment.collect()))
        .build();
    let mut overrides = TaskOverride::builder().container_overrides(container);
    if let Some(size) = size {
        overrides = overrides
            .cpu(format!("{:.0}", size.vcpu * 1024.0))
            .memory(size.memory_mib.to_string());
    }
    overrides.build()
}

fn container_overrides(launch: &Launch<'_>, size: Option<Resources>) -> ContainerOverrides {
    let variable =
        |(name, value): (&str, String)| BatchVariable::builder().name(name).value(value).build();
    let environment = launch.environment(size).into_iter().map(variable);
    let mut overrides = ContainerOverrides::builder().set_environment(Some(environment.collect()));
    if let Some(size) = size {
        let needs = [
            (ResourceType::Vcpu, size.vcpu.to_string()),
            (ResourceType::Memory, size.memory_mib.to_string()),
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
    use super::*;
    use jobs::artifacts::job_uri;
    use jobs::job::{Job, Origin};
    use jobs::task::TaskToken;

    /// What is told of a job that asks for `resources` at `placement`.
    fn launched<T>(
        placement: Placement,
        resources: Option<Resources>,
        tell: impl FnOnce(&Launch<'_>) -> T,
    ) -> T {
        let origin = Origin::new("e", "s");
        let job = Job::new(origin, "trainer", placement, serde_json::json!({}));
        tell(&Launch {
            job: &job,
            uri: &job_uri("b", &job.id),
            token: &TaskToken::new("t"),
            placement,
            resources,
        })
    }

    fn variables(task: &TaskOverride) -> Vec<(&str, &str)> {
        let pairs = task.container_overrides()[0].environment().iter();
        pairs
            .map(|pair| (pair.name().unwrap(), pair.value().unwrap()))
            .collect()
    }

    #[test]
    fn overrides_carry_the_assignment_and_the_size() {
        let small = Some(Resources {
            vcpu: 0.5,
            memory_mib: 1000,
        });
        let task = |launch: &Launch<'_>| task_override(launch, launch.size().unwrap());
        let sized = launched(Placement::Fargate, small, task);
        assert_eq!((sized.cpu(), sized.memory()), (Some("512"), Some("1024")));
        let read = variables(&sized);
        let names: Vec<_> = read.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["JOB_URI", "TASK_TOKEN", "PLACEMENT", "VCPU", "MEMORY_MIB"]
        );
        assert_eq!(read[3..], [("VCPU", "0.5"), ("MEMORY_MIB", "1024")]);

        let plain = launched(Placement::Fargate, None, task);
        assert_eq!((plain.cpu(), variables(&plain).len()), (None, 3));

        let job = |launch: &Launch<'_>| container_overrides(launch, launch.size().unwrap());
        let job = launched(Placement::Batch, small, job);
        let sizes = job.resource_requirements().iter();
        let sizes: Vec<_> = sizes
            .map(|requirement| requirement.value().unwrap())
            .collect();
        assert_eq!(sizes, ["1", "1000"]);
    }

    #[test]
    fn a_size_that_a_placement_has_not_is_not_asked_for() {
        let giant = Some(Resources {
            vcpu: 64.0,
            memory_mib: 1000,
        });
        for (placement, refused) in [
            (Placement::Lambda, true),
            (Placement::Fargate, true),
            (Placement::Batch, false),
        ] {
            let size = launched(placement, giant, |launch| launch.size());
            assert_eq!(size.is_err(), refused, "{placement}: {size:?}");
        }
    }
}
