use std::time::Duration;

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::operation::run_task::builders::RunTaskFluentBuilder;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, KeyValuePair, LaunchType,
    NetworkConfiguration, Task, TaskOverride, TaskStopCode,
};
use serde_json::json;

use crate::cloud::{Cloud, stack, wait_for_lines};

fn run_task(cloud: &Cloud) -> RunTaskFluentBuilder {
    let network = AwsVpcConfiguration::builder()
        .subnets("subnet-1")
        .build()
        .unwrap();
    cloud
        .ecs()
        .run_task()
        .cluster("main")
        .task_definition("worker")
        .launch_type(LaunchType::Fargate)
        .network_configuration(
            NetworkConfiguration::builder()
                .awsvpc_configuration(network)
                .build(),
        )
}

fn overrides(variables: &[(&str, &str)], command: &[&str]) -> TaskOverride {
    let mut container = ContainerOverride::builder().name("worker");
    for (name, value) in variables {
        container =
            container.environment(KeyValuePair::builder().name(*name).value(*value).build());
    }
    for argument in command {
        container = container.command(*argument);
    }
    TaskOverride::builder()
        .container_overrides(container.build())
        .build()
}

/// Waits by notification, then asks the API.
async fn stopped(cloud: &Cloud, task: &Task) -> Task {
    let token = task.started_by().unwrap();
    cloud.compute.ecs.find(token).unwrap().stopped().await;
    let described = cloud
        .ecs()
        .describe_tasks()
        .cluster("main")
        .tasks(task.task_arn().unwrap())
        .send()
        .await
        .unwrap();
    described.tasks()[0].clone()
}

async fn started(token: &str, builder: RunTaskFluentBuilder) -> Task {
    let output = builder
        .client_token(token)
        .started_by(token)
        .send()
        .await
        .unwrap();
    assert!(output.failures().is_empty());
    output.tasks()[0].clone()
}

#[tokio::test]
async fn a_task_runs_its_container_with_overrides_and_reports_the_exit_code() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker(r#"echo "$FROM_DEFINITION $OWN $1 $AWS_ENDPOINT_URL"; exit 3"#);
    let builder = run_task(&cloud).overrides(overrides(&[("OWN", "mine")], &["argument"]));
    let task = started("one", builder).await;
    assert_eq!(task.last_status(), Some("PROVISIONING"));
    let task = stopped(&cloud, &task).await;
    assert_eq!(task.last_status(), Some("STOPPED"));
    assert_eq!(
        task.stop_code(),
        Some(&TaskStopCode::EssentialContainerExited)
    );
    assert_eq!(
        task.stopped_reason(),
        Some("Essential container in task exited")
    );
    assert_eq!(task.containers()[0].exit_code(), Some(3));
    assert!(task.started_at().is_some() && task.stopped_at() >= task.started_at());
    assert_eq!(
        cloud.logs("ecs/worker"),
        format!("yes mine argument {}\n", cloud.endpoint)
    );
    let usage = &cloud.compute.meter.rows()[0];
    assert_eq!(
        (usage.name.as_str(), usage.vcpus, usage.memory_mib),
        ("worker", 0.25, 512)
    );
}

#[tokio::test]
async fn a_client_token_starts_its_task_once() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker("exit 0");
    let first = started("token", run_task(&cloud)).await;
    let again = started("token", run_task(&cloud)).await;
    assert_eq!(first.task_arn(), again.task_arn());
    let other = started("other", run_task(&cloud)).await;
    assert_ne!(first.task_arn(), other.task_arn());
}

#[tokio::test]
async fn out_of_memory_is_named() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker("x=0123456789abcdef; while :; do x=$x$x; done");
    let container = ContainerOverride::builder().name("worker").memory(64);
    let memory = TaskOverride::builder()
        .container_overrides(container.build())
        .build();
    let task = started("oom", run_task(&cloud).overrides(memory)).await;
    let task = stopped(&cloud, &task).await;
    let container = &task.containers()[0];
    assert_eq!(container.exit_code(), Some(137));
    assert_eq!(
        container.reason(),
        Some("OutOfMemoryError: Container killed due to memory usage")
    );
}

#[tokio::test]
async fn an_image_without_a_binary_fails_to_start() {
    let cloud = Cloud::start(&stack()).await;
    let task = started("none", run_task(&cloud)).await;
    let task = stopped(&cloud, &task).await;
    assert_eq!(task.stop_code(), Some(&TaskStopCode::TaskFailedToStart));
    assert!(
        task.stopped_reason()
            .unwrap()
            .starts_with("CannotPullContainerError")
    );
    assert_eq!(task.containers()[0].exit_code(), None);
}

#[tokio::test]
async fn a_stopped_task_gets_sigterm_and_then_sigkill() {
    let cloud = Cloud::start(&stack()).await;
    for (script, code) in [
        ("trap 'exit 5' TERM; echo up >> $UP; sleep 1000 & wait", 5),
        ("trap '' TERM; echo up >> $UP; exec sleep 1000", 137),
    ] {
        let up = cloud.dir.path().join(code.to_string());
        cloud.worker(&format!("UP={}\n{script}", up.display()));
        let task = started(&code.to_string(), run_task(&cloud)).await;
        wait_for_lines(&up, 1).await;
        let stop = cloud
            .ecs()
            .stop_task()
            .cluster("main")
            .task(task.task_arn().unwrap())
            .reason("no longer wanted");
        stop.send().await.unwrap();
        let task = stopped(&cloud, &task).await;
        assert_eq!(task.stop_code(), Some(&TaskStopCode::UserInitiated));
        assert_eq!(task.stopped_reason(), Some("no longer wanted"));
        assert_eq!(task.containers()[0].exit_code(), Some(code));
    }
}

#[tokio::test]
async fn a_spot_task_is_interrupted() {
    let faults = r#"{"faults": [{"at": "worker:worker", "do": "interrupt", "after_ms": 50, "notice_ms": 100}]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    cloud.worker("trap '' TERM; exec sleep 1000");
    let spot = CapacityProviderStrategyItem::builder()
        .capacity_provider("FARGATE_SPOT")
        .weight(1)
        .build()
        .unwrap();
    let builder = run_task(&cloud)
        .set_launch_type(None)
        .capacity_provider_strategy(spot);
    let task = started("spot", builder).await;
    let task = stopped(&cloud, &task).await;
    assert_eq!(task.stop_code(), Some(&TaskStopCode::SpotInterruption));
    assert_eq!(task.capacity_provider_name(), Some("FARGATE_SPOT"));
    assert_eq!(task.containers()[0].exit_code(), Some(137));
    assert_eq!(
        cloud.compute.meter.rows()[0].placement,
        placement::Placement::FargateSpot
    );
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name() {
    let faults = r#"{"faults": [{"at": "ecs:RunTask", "do": "throttle"}]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    let code = |error: aws_sdk_ecs::error::SdkError<_>| -> String {
        let error: aws_sdk_ecs::operation::run_task::RunTaskError = error.into_service_error();
        error.code().unwrap().to_owned()
    };
    assert_eq!(
        code(run_task(&cloud).send().await.unwrap_err()),
        "ThrottlingException"
    );
    assert_eq!(
        code(run_task(&cloud).cluster("other").send().await.unwrap_err()),
        "ClusterNotFoundException"
    );
    assert_eq!(
        code(
            run_task(&cloud)
                .task_definition("other")
                .send()
                .await
                .unwrap_err()
        ),
        "ClientException"
    );
    let long = "x".repeat(8_200);
    let refused = run_task(&cloud)
        .overrides(overrides(&[("A", &long)], &[]))
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(refused), "InvalidParameterException");
    let described = cloud
        .ecs()
        .describe_tasks()
        .cluster("main")
        .tasks("nobody")
        .send()
        .await
        .unwrap();
    assert_eq!(described.failures()[0].reason(), Some("MISSING"));
}

#[tokio::test]
async fn tasks_beyond_the_pace_wait_for_their_turn() {
    let cloud = Cloud::with_limits(&stack(), |limits| {
        limits.task_starts = cloud::config::Rate {
            burst: 1.0,
            per_second: 0.001,
        };
    })
    .await;
    cloud.worker("exit 0");
    let first = started("first", run_task(&cloud)).await;
    let second = started("second", run_task(&cloud)).await;
    assert_eq!(
        stopped(&cloud, &first).await.containers()[0].exit_code(),
        Some(0)
    );
    let waiting = cloud.compute.ecs.find("second").unwrap();
    assert_eq!(waiting.describe()["lastStatus"], "PROVISIONING");
    waiting.stop("never mind");
    assert_eq!(
        stopped(&cloud, &second).await.containers()[0].exit_code(),
        None
    );
}

#[tokio::test]
async fn a_lost_request_is_answered_and_starts_nothing() {
    let faults = r#"{"faults": [{"at": "ecs:RunTask", "do": "lose"}]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    cloud.worker("exit 0");
    let lost = started("once", run_task(&cloud)).await;
    assert_eq!(lost.last_status(), Some("PROVISIONING"));
    assert!(cloud.compute.ecs.find("once").is_none());
    let describe = cloud.ecs().describe_tasks().cluster("main");
    let described = describe.tasks(lost.task_arn().unwrap()).send().await;
    assert_eq!(described.unwrap().failures()[0].reason(), Some("MISSING"));
    // Whoever asks again with the same token gets a task that runs.
    let task = started("once", run_task(&cloud)).await;
    assert_ne!(task.task_arn(), lost.task_arn());
    let task = stopped(&cloud, &task).await;
    assert_eq!(task.containers()[0].exit_code(), Some(0));
}

#[tokio::test]
async fn rates_and_start_up_times_are_data() {
    let cloud = Cloud::with_limits(&stack(), |limits| {
        let rate = cloud::config::Rate {
            burst: 1.0,
            per_second: 0.001,
        };
        limits.rates = [(cloud::action::EcsAction::RunTask.into(), rate)].into();
        limits.task_start_up = Duration::from_secs(600);
    })
    .await;
    cloud.worker("exit 0");
    let task = started("slow", run_task(&cloud)).await;
    let refused = run_task(&cloud).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ThrottlingException"));
    let describe = cloud
        .ecs()
        .describe_tasks()
        .cluster("main")
        .tasks(task.task_arn().unwrap());
    let described = describe.send().await.unwrap();
    assert_eq!(described.tasks()[0].last_status(), Some("PENDING"));
    cloud.compute.ecs.find("slow").unwrap().stop("never mind");
    let task = stopped(&cloud, &task).await;
    assert_eq!(task.stopped_reason(), Some("never mind"));
    assert_eq!(task.containers()[0].exit_code(), None);
}

#[tokio::test]
async fn lists_and_definitions() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker("exec sleep 1000");
    let task = started("lists", run_task(&cloud)).await;
    let ecs = cloud.ecs();
    let list = ecs
        .list_tasks()
        .cluster("main")
        .family("worker")
        .send()
        .await
        .unwrap();
    assert_eq!(list.task_arns(), [task.task_arn().unwrap()]);
    let definition = ecs
        .describe_task_definition()
        .task_definition("worker:1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        definition.task_definition().unwrap().family(),
        Some("worker")
    );
    let clusters = ecs
        .describe_clusters()
        .clusters("main")
        .send()
        .await
        .unwrap();
    assert_eq!(clusters.clusters()[0].status(), Some("ACTIVE"));
    cloud.compute.shutdown().await;
}

#[tokio::test]
async fn a_container_reads_its_metadata() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker("echo $ECS_CONTAINER_METADATA_URI_V4");
    let request = json!({
        "cluster": "main", "taskDefinition": "worker", "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
    });
    let output = cloud.compute.ecs.run_task(&request).unwrap();
    output.tasks[0].stopped().await;
    let id = output.tasks[0].arn.rsplit('/').next().unwrap();
    assert_eq!(
        cloud.logs("ecs/worker").trim(),
        format!("{}/_ecs/v4/{id}", cloud.endpoint)
    );
}
