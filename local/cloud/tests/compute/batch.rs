use std::time::Duration;

use aws_sdk_batch::error::ProvideErrorMetadata;
use aws_sdk_batch::operation::submit_job::builders::SubmitJobFluentBuilder;
use aws_sdk_batch::types::{
    ArrayJobDependency, ArrayProperties, ContainerOverrides, EvaluateOnExit, JobDependency,
    JobDetail, JobStatus, JobTimeout, KeyValuePair, KeyValuesPair, ResourceRequirement,
    ResourceType, RetryAction, RetryStrategy,
};

use crate::cloud::{Cloud, stack, wait_for_lines};

fn submit(cloud: &Cloud, name: &str) -> SubmitJobFluentBuilder {
    cloud
        .batch()
        .submit_job()
        .job_name(name)
        .job_queue("on-demand")
        .job_definition("worker")
}

async fn id(builder: SubmitJobFluentBuilder) -> String {
    builder.send().await.unwrap().job_id().unwrap().to_owned()
}

async fn describe(cloud: &Cloud, id: &str) -> JobDetail {
    cloud
        .batch()
        .describe_jobs()
        .jobs(id)
        .send()
        .await
        .unwrap()
        .jobs()[0]
        .clone()
}

/// Looks until a job has this status.
async fn until(cloud: &Cloud, id: &str, status: &JobStatus) {
    for _ in 0..10_000 {
        if describe(cloud, id).await.status() == Some(status) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{id} does not become {status}");
}

/// Waits for the end of the job with this tag.
async fn finished(cloud: &Cloud, name: &str) {
    let job = cloud.compute.batch.find_tag("name", name).unwrap();
    job.finished().await;
}

/// Runs a job to its end.
async fn run(cloud: &Cloud, name: &str, builder: SubmitJobFluentBuilder) -> JobDetail {
    let id = id(builder.tags("name", name)).await;
    finished(cloud, name).await;
    describe(cloud, &id).await
}

fn retry(attempts: i32) -> RetryStrategy {
    RetryStrategy::builder().attempts(attempts).build()
}

#[tokio::test]
async fn a_job_runs_with_its_environment_and_reports_the_exit_code() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker(r#"echo "$1 $OWN $AWS_BATCH_JQ_NAME $AWS_BATCH_CE_NAME $AWS_BATCH_JOB_ATTEMPT"; exit $CODE"#);
    let overrides = |code: &str| {
        let set = |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
        let memory = ResourceRequirement::builder()
            .r#type(ResourceType::Memory)
            .value("256")
            .build();
        ContainerOverrides::builder()
            .command("Ref::word")
            .environment(set("OWN", "mine"))
            .environment(set("CODE", code))
            .resource_requirements(memory)
            .build()
    };
    let builder = submit(&cloud, "ok")
        .container_overrides(overrides("0"))
        .parameters("word", "hello");
    let job = run(&cloud, "ok", builder).await;
    assert_eq!(job.status(), Some(&JobStatus::Succeeded));
    assert_eq!(job.container().unwrap().exit_code(), Some(0));
    assert_eq!(
        cloud.logs("aws/batch/job"),
        "hello mine on-demand on-demand 1\n"
    );
    let builder = submit(&cloud, "bad").container_overrides(overrides("3"));
    let job = run(&cloud, "bad", builder).await;
    assert_eq!(job.status(), Some(&JobStatus::Failed));
    assert_eq!(
        job.status_reason(),
        Some("Essential container in task exited")
    );
    assert_eq!(job.container().unwrap().exit_code(), Some(3));
    assert!(job.stopped_at() >= job.started_at() && job.started_at().is_some());
    assert_eq!(cloud.compute.meter.rows()[1].memory_mib, 256);
}

#[tokio::test]
async fn failed_attempts_are_retried_as_the_strategy_says() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker(r#"[ "$AWS_BATCH_JOB_ATTEMPT" = 3 ] || exit 1"#);
    let job = run(
        &cloud,
        "third",
        submit(&cloud, "third").retry_strategy(retry(5)),
    )
    .await;
    assert_eq!(job.status(), Some(&JobStatus::Succeeded));
    let codes: Vec<_> = job
        .attempts()
        .iter()
        .map(|a| a.container().unwrap().exit_code().unwrap())
        .collect();
    assert_eq!(codes, [1, 1, 0]);

    cloud.worker("exit 3");
    let never = EvaluateOnExit::builder()
        .on_exit_code("3")
        .action(RetryAction::Exit)
        .build();
    let strategy = RetryStrategy::builder()
        .attempts(5)
        .evaluate_on_exit(never)
        .build();
    let job = run(
        &cloud,
        "never",
        submit(&cloud, "never").retry_strategy(strategy),
    )
    .await;
    assert_eq!(job.attempts().len(), 1);
}

#[tokio::test]
async fn a_lost_job_is_answered_and_starts_nothing() {
    let faults = r#"{"faults": [
        {"at": "batch:SubmitJob", "do": "lose"},
        {"at": "batch:DescribeJobs", "do": "throttle", "skip": 1}
    ]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    cloud.worker("exit 0");
    let lost = id(submit(&cloud, "lost")).await;
    let describe = || cloud.batch().describe_jobs().jobs(&lost).send();
    assert!(describe().await.unwrap().jobs().is_empty());
    assert_eq!(
        describe().await.unwrap_err().code(),
        Some("TooManyRequestsException"),
        "every action can be struck"
    );
    let job = run(&cloud, "again", submit(&cloud, "again")).await;
    assert_eq!(job.status(), Some(&JobStatus::Succeeded));
}

#[tokio::test]
async fn a_spot_interruption_is_retried_by_its_reason() {
    let faults = r#"{"faults": [{"at": "worker:worker", "do": "interrupt", "after_ms": 20, "notice_ms": 50}]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    cloud.worker(r#"[ "$AWS_BATCH_JOB_ATTEMPT" = 2 ] || exec sleep 1000"#);
    let spot = EvaluateOnExit::builder()
        .on_status_reason("Host EC2*")
        .action(RetryAction::Retry)
        .build();
    let other = EvaluateOnExit::builder()
        .on_reason("*")
        .action(RetryAction::Exit)
        .build();
    let strategy = RetryStrategy::builder()
        .attempts(3)
        .evaluate_on_exit(spot)
        .evaluate_on_exit(other)
        .build();
    let job = run(
        &cloud,
        "spot",
        submit(&cloud, "spot")
            .job_queue("spot")
            .retry_strategy(strategy),
    )
    .await;
    assert_eq!(job.status(), Some(&JobStatus::Succeeded));
    assert_eq!(job.attempts().len(), 2);
    assert!(
        job.attempts()[0]
            .status_reason()
            .unwrap()
            .starts_with("Host EC2")
    );
    assert_eq!(
        cloud.compute.meter.rows()[0].placement,
        placement::Placement::BatchSpot
    );
}

#[tokio::test]
async fn arrays_know_their_index_and_count_their_children() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker(
        r#"echo "index $AWS_BATCH_JOB_ARRAY_INDEX"; [ "$AWS_BATCH_JOB_ARRAY_INDEX" != 2 ]"#,
    );
    let array = |size| ArrayProperties::builder().size(size).build();
    let job = run(
        &cloud,
        "array",
        submit(&cloud, "array").array_properties(array(4)),
    )
    .await;
    assert_eq!(job.status(), Some(&JobStatus::Failed));
    let summary = job.array_properties().unwrap().status_summary().unwrap();
    assert_eq!((summary["SUCCEEDED"], summary["FAILED"]), (3, 1));
    let logs = cloud.logs("aws/batch/job");
    for index in 0..4 {
        assert!(logs.contains(&format!("index {index}\n")), "{logs}");
    }
    let child = describe(&cloud, &format!("{}:2", job.job_id().unwrap())).await;
    assert_eq!(child.array_properties().unwrap().index(), Some(2));
    assert_eq!(child.status(), Some(&JobStatus::Failed));
    let children = cloud
        .batch()
        .list_jobs()
        .array_job_id(job.job_id().unwrap());
    let children = children
        .job_status(JobStatus::Succeeded)
        .send()
        .await
        .unwrap();
    assert_eq!(children.job_summary_list().len(), 3);
}

#[tokio::test]
async fn ending_an_array_ends_its_children() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker("exec sleep 1000");
    let array = || ArrayProperties::builder().size(4).build();
    let submitted = submit(&cloud, "array").array_properties(array());
    let parent = id(submitted).await;
    let child = |index: u32| format!("{parent}:{index}");
    until(&cloud, &child(1), &JobStatus::Running).await;
    let of_parent = describe(&cloud, &parent).await;
    assert_eq!(of_parent.status(), Some(&JobStatus::Pending));

    // Only children that wait are cancelled, and the parent ends when the others have.
    let cancel = cloud.batch().cancel_job().job_id(&parent).reason("enough");
    cancel.send().await.unwrap();
    until(&cloud, &child(3), &JobStatus::Failed).await;
    let cancelled = describe(&cloud, &child(3)).await;
    assert_eq!(cancelled.status_reason(), Some("enough"));
    assert_eq!(cancelled.is_cancelled(), Some(true));
    let of_parent = describe(&cloud, &parent).await;
    let summary = of_parent.array_properties().unwrap().status_summary();
    assert_eq!(summary.unwrap()["RUNNING"], 2);

    let terminate = cloud.batch().terminate_job().job_id(&parent);
    terminate.reason("no more").send().await.unwrap();
    until(&cloud, &parent, &JobStatus::Failed).await;
    let ended = describe(&cloud, &parent).await;
    assert_eq!(ended.status_reason(), Some("no more"));
    let summary = ended.array_properties().unwrap().status_summary();
    assert_eq!(summary.unwrap()["FAILED"], 4);
    let terminated = describe(&cloud, &child(0)).await;
    assert_eq!(terminated.status_reason(), Some("no more"));
    assert_eq!(terminated.is_terminated(), Some(true));
}

#[tokio::test]
async fn each_child_of_an_array_has_the_attempts_of_its_definition() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker(r#"[ "$AWS_BATCH_JOB_ARRAY_INDEX$AWS_BATCH_JOB_ATTEMPT" != 11 ]"#);
    let array = ArrayProperties::builder().size(3).build();
    let submitted = submit(&cloud, "array").array_properties(array);
    let job = run(&cloud, "array", submitted.retry_strategy(retry(2))).await;
    assert_eq!(job.status(), Some(&JobStatus::Succeeded));
    for (index, attempts) in [(0, 1), (1, 2), (2, 1)] {
        let child = describe(&cloud, &format!("{}:{index}", job.job_id().unwrap())).await;
        assert_eq!(child.attempts().len(), attempts, "{index}");
    }
}

#[tokio::test]
async fn jobs_wait_for_those_they_depend_on() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker(r#"sleep 0.1; echo "done $AWS_BATCH_JOB_ARRAY_INDEX"; exit ${CODE:-0}"#);
    let first = id(submit(&cloud, "first")).await;
    let on = |id: &str| JobDependency::builder().job_id(id).build();
    let second = run(
        &cloud,
        "second",
        submit(&cloud, "second").depends_on(on(&first)),
    )
    .await;
    assert_eq!(second.status(), Some(&JobStatus::Succeeded));
    let first = describe(&cloud, &first).await;
    assert!(second.started_at().unwrap() >= first.stopped_at().unwrap());

    let code = KeyValuePair::builder().name("CODE").value("1").build();
    let bad = ContainerOverrides::builder().environment(code).build();
    let bad = id(submit(&cloud, "bad").container_overrides(bad)).await;
    let dependent = run(
        &cloud,
        "dependent",
        submit(&cloud, "dependent").depends_on(on(&bad)),
    )
    .await;
    assert_eq!(dependent.status(), Some(&JobStatus::Failed));
    assert!(
        dependent
            .status_reason()
            .unwrap()
            .contains("Dependent Job failed")
    );
    assert_eq!(dependent.attempts().len(), 0);

    let sequential = JobDependency::builder()
        .r#type(ArrayJobDependency::Sequential)
        .build();
    let array = ArrayProperties::builder().size(3).build();
    let before = cloud.logs("aws/batch/job").len();
    let builder = submit(&cloud, "sequence")
        .depends_on(sequential)
        .array_properties(array);
    let job = run(&cloud, "sequence", builder).await;
    assert_eq!(job.status(), Some(&JobStatus::Succeeded));
    assert!(cloud.logs("aws/batch/job").len() > before);
    let mut last = 0;
    for index in 0..3 {
        let child = describe(&cloud, &format!("{}:{index}", job.job_id().unwrap())).await;
        assert!(child.started_at().unwrap() >= last);
        last = child.stopped_at().unwrap();
    }
}

#[tokio::test]
async fn the_machine_runs_as_many_jobs_as_it_has_vcpus_for() {
    let cloud = Cloud::start(&stack()).await;
    let runs = cloud.dir.path().join("runs");
    cloud.worker(&format!("echo run >> {}\nexec sleep 1000", runs.display()));
    let mut ids = Vec::new();
    for name in ["j0", "j1", "j2"] {
        ids.push(id(submit(&cloud, name).tags("name", name)).await);
    }
    wait_for_lines(&runs, 2).await;
    let status = async |id: &str| describe(&cloud, id).await.status().unwrap().clone();
    assert_eq!(status(&ids[0]).await, JobStatus::Running);
    assert_eq!(status(&ids[1]).await, JobStatus::Running);
    assert_eq!(status(&ids[2]).await, JobStatus::Runnable);
    let cancel = cloud
        .batch()
        .cancel_job()
        .job_id(&ids[2])
        .reason("changed my mind");
    cancel.send().await.unwrap();
    let terminate = cloud
        .batch()
        .terminate_job()
        .job_id(&ids[0])
        .reason("enough");
    terminate.send().await.unwrap();
    for (at, reason) in [(2, "changed my mind"), (0, "enough")] {
        finished(&cloud, &format!("j{at}")).await;
        let job = describe(&cloud, &ids[at]).await;
        assert_eq!(job.status(), Some(&JobStatus::Failed));
        assert_eq!(job.status_reason(), Some(reason));
    }
    assert_eq!(describe(&cloud, &ids[0]).await.is_terminated(), Some(true));
    assert_eq!(describe(&cloud, &ids[2]).await.is_cancelled(), Some(true));
}

#[tokio::test]
async fn time_limits_and_memory_limits_end_an_attempt_and_only_memory_is_retried() {
    let mut stack = stack();
    stack.job_definitions[0].timeout = Some(Duration::from_millis(100));
    stack.job_definitions[0].attempts = 2;
    let cloud = Cloud::start(&stack).await;
    cloud.worker("exec sleep 1000");
    let job = run(&cloud, "slow", submit(&cloud, "slow")).await;
    assert_eq!(
        job.status_reason(),
        Some("Job attempt duration exceeded timeout")
    );
    assert_eq!(job.attempts().len(), 1);

    cloud.worker("x=0123456789abcdef; while :; do x=$x$x; done");
    let memory = ResourceRequirement::builder()
        .r#type(ResourceType::Memory)
        .value("64")
        .build();
    let overrides = ContainerOverrides::builder()
        .resource_requirements(memory)
        .build();
    let timeout = JobTimeout::builder().attempt_duration_seconds(60).build();
    let builder = submit(&cloud, "greedy")
        .container_overrides(overrides)
        .timeout(timeout);
    let job = run(&cloud, "greedy", builder).await;
    let container = job.container().unwrap();
    assert_eq!(container.exit_code(), Some(137));
    assert_eq!(
        container.reason(),
        Some("OutOfMemoryError: Container killed due to memory usage")
    );
    assert_eq!(job.attempts().len(), 2);
}

#[tokio::test]
async fn jobs_are_found_by_name_and_wrong_requests_are_refused() {
    let cloud = Cloud::start(&stack()).await;
    cloud.worker("exit 0");
    run(&cloud, "training-1", submit(&cloud, "training-1")).await;
    run(&cloud, "other", submit(&cloud, "other")).await;
    let by_name = |name: &str| {
        let filter = KeyValuesPair::builder()
            .name("JOB_NAME")
            .values(name)
            .build();
        cloud
            .batch()
            .list_jobs()
            .job_queue("on-demand")
            .filters(filter)
            .send()
    };
    for (name, found) in [("training-1", 1), ("train*", 1), ("*", 2), ("training", 0)] {
        assert_eq!(
            by_name(name).await.unwrap().job_summary_list().len(),
            found,
            "{name}"
        );
    }
    for builder in [
        submit(&cloud, "x").job_queue("none"),
        submit(&cloud, "x").job_definition("none"),
        submit(&cloud, "a b"),
        submit(&cloud, "x").retry_strategy(retry(11)),
    ] {
        assert_eq!(
            builder.send().await.unwrap_err().code(),
            Some("ClientException")
        );
    }
    let queues = cloud.batch().describe_job_queues().send().await.unwrap();
    assert_eq!(queues.job_queues().len(), 2);
    let definitions = cloud
        .batch()
        .describe_job_definitions()
        .job_definition_name("worker")
        .send()
        .await
        .unwrap();
    assert_eq!(definitions.job_definitions()[0].revision(), Some(1));
    let environments = cloud
        .batch()
        .describe_compute_environments()
        .compute_environments("spot")
        .send()
        .await
        .unwrap();
    assert_eq!(environments.compute_environments().len(), 1);
}

#[tokio::test]
async fn a_job_without_a_binary_fails_to_start() {
    let cloud = Cloud::start(&stack()).await;
    let job = run(&cloud, "none", submit(&cloud, "none")).await;
    assert_eq!(job.status_reason(), Some("Task failed to start"));
    assert!(
        job.container()
            .unwrap()
            .reason()
            .unwrap()
            .starts_with("CannotPullContainerError")
    );
}
