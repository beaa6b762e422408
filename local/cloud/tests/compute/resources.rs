//! Clusters, definitions, queues and compute environments that are made through the API.

use cloud::action::{BatchAction, EcsAction};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Folder, stack};
use crate::events::{next, with_rule};

const NO_FAULTS: &str = r#"{"faults": []}"#;

fn ecs(cloud: &Cloud, action: EcsAction, request: Value) -> Result<Value, String> {
    let answer = cloud.compute.ecs.call(action, &request);
    answer.map_err(|error| error.to_string())
}

fn batch(cloud: &Cloud, action: BatchAction, request: Value) -> Result<Value, String> {
    let answer = cloud.compute.batch.call(action, &request);
    answer.map_err(|error| error.to_string())
}

fn task_definition(family: &str) -> Value {
    json!({
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": ".25 vCPU",
        "memory": "1 GB",
        "containerDefinitions": [{"name": "main", "image": "registry/worker:1", "portMappings": [{"containerPort": 80}]}],
        "tags": [{"key": "team", "value": "blue"}],
    })
}

fn job_definition(name: &str) -> Value {
    json!({
        "jobDefinitionName": name,
        "type": "container",
        "containerProperties": {
            "image": "worker",
            "command": ["Ref::word"],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
        },
        "parameters": {"word": "hello"},
        "retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1*", "action": "exit"}]},
        "tags": {"team": "blue"},
    })
}

fn environment(name: &str, kind: &str, max_vcpus: u32) -> Value {
    let mut resources = json!({"type": kind, "maxvCpus": max_vcpus, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]});
    if !kind.starts_with("FARGATE") {
        resources["minvCpus"] = json!(0);
        resources["instanceTypes"] = json!(["optimal"]);
        resources["instanceRole"] = json!("arn:aws:iam::123456789012:instance-profile/ecs");
    }
    json!({"computeEnvironmentName": name, "type": "MANAGED", "computeResources": resources})
}

fn queue(name: &str, environment: &str) -> Value {
    json!({
        "jobQueueName": name,
        "priority": 5,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": environment}],
    })
}

#[tokio::test]
async fn what_is_made_is_there_again_after_a_restart() {
    use BatchAction as B;
    use EcsAction as E;
    let first = Cloud::start_in(Folder::new(), &stack(), NO_FAULTS).await;
    let provider = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let made = json!({"clusterName": "made", "capacityProviders": ["FARGATE_SPOT"], "defaultCapacityProviderStrategy": provider});
    ecs(&first, E::CreateCluster, made).unwrap();
    for revision in 1..=2 {
        let answer = ecs(&first, E::RegisterTaskDefinition, task_definition("made")).unwrap();
        assert_eq!(answer["taskDefinition"]["revision"], revision);
    }
    ecs(
        &first,
        E::DeregisterTaskDefinition,
        json!({"taskDefinition": "made:1"}),
    )
    .unwrap();
    batch(
        &first,
        B::CreateComputeEnvironment,
        environment("made", "EC2", 4),
    )
    .unwrap();
    batch(&first, B::CreateJobQueue, queue("made", "made")).unwrap();
    batch(&first, B::RegisterJobDefinition, job_definition("made")).unwrap();
    // One of the stack's family is its second revision.
    let second = batch(&first, B::RegisterJobDefinition, job_definition("worker")).unwrap();
    assert_eq!(second["revision"], 2);
    first.compute.shutdown().await;

    let folder = Folder::at(first.dir.path());
    let again = Cloud::start_in(folder, &stack(), NO_FAULTS).await;
    let list = |request| ecs(&again, E::ListTaskDefinitions, request).unwrap();
    let active = list(json!({"familyPrefix": "made"}));
    assert_eq!(active["taskDefinitionArns"].as_array().unwrap().len(), 1);
    let inactive = list(json!({"familyPrefix": "made", "status": "INACTIVE"}));
    assert!(
        inactive["taskDefinitionArns"][0]
            .as_str()
            .unwrap()
            .ends_with("/made:1")
    );
    let described = ecs(
        &again,
        E::DescribeTaskDefinition,
        json!({"taskDefinition": "made", "include": ["TAGS"]}),
    );
    let described = described.unwrap();
    let definition = &described["taskDefinition"];
    assert_eq!(
        (&definition["cpu"], &definition["memory"]),
        (&json!("256"), &json!("1024"))
    );
    assert_eq!(
        definition["containerDefinitions"][0]["portMappings"][0]["hostPort"],
        80
    );
    assert_eq!(described["tags"], json!([{"key": "team", "value": "blue"}]));

    // The cluster's default strategy chooses, and the definition's tags go over.
    again.worker("exit 0");
    let request = json!({
        "cluster": "made", "taskDefinition": "made", "count": 2, "propagateTags": "TASK_DEFINITION",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
    });
    let output = again.compute.ecs.run_task(&request).unwrap();
    for task in &output.tasks {
        let task = task.stopped().await;
        assert_eq!(task["capacityProviderName"], "FARGATE_SPOT");
        assert_eq!(task["tags"], json!([{"key": "team", "value": "blue"}]));
        assert_eq!(task["containers"][0]["exitCode"], 0);
    }

    again.worker(r#"[ "$1" = hello ]"#);
    let request = json!({"jobName": "j", "jobQueue": "made", "jobDefinition": "made"});
    let job = again
        .compute
        .batch
        .submit_job(&request)
        .unwrap()
        .finished()
        .await;
    assert_eq!(job["status"], "SUCCEEDED");
    let described = batch(&again, B::DescribeJobQueues, json!({"jobQueues": ["made"]})).unwrap();
    assert_eq!(described["jobQueues"][0]["priority"], 5);
}

#[tokio::test]
async fn clusters_and_task_definitions_have_their_lives() {
    use EcsAction as E;
    let cloud = Cloud::start(&stack()).await;
    let answer = ecs(
        &cloud,
        E::CreateCluster,
        json!({"tags": [{"key": "a", "value": "1"}]}),
    )
    .unwrap();
    let arn = answer["cluster"]["clusterArn"].clone();
    assert_eq!(answer["cluster"]["clusterName"], "default");
    ecs(
        &cloud,
        E::TagResource,
        json!({"resourceArn": arn, "tags": [{"key": "b", "value": "2"}]}),
    )
    .unwrap();
    ecs(
        &cloud,
        E::UntagResource,
        json!({"resourceArn": arn, "tagKeys": ["a"]}),
    )
    .unwrap();
    let tags = ecs(&cloud, E::ListTagsForResource, json!({"resourceArn": arn})).unwrap();
    assert_eq!(tags, json!({"tags": [{"key": "b", "value": "2"}]}));
    let described = ecs(&cloud, E::DescribeClusters, json!({"clusters": ["no"]})).unwrap();
    let missing =
        json!({"arn": "arn:aws:ecs:us-east-1:123456789012:cluster/no", "reason": "MISSING"});
    assert_eq!(described["failures"], json!([missing]));
    let page = ecs(&cloud, E::ListClusters, json!({"maxResults": 1})).unwrap();
    let rest = ecs(
        &cloud,
        E::ListClusters,
        json!({"nextToken": page["nextToken"]}),
    )
    .unwrap();
    assert_eq!(rest["clusterArns"].as_array().unwrap().len(), 1);
    let deleted = ecs(&cloud, E::DeleteCluster, json!({"cluster": "default"})).unwrap();
    assert_eq!(deleted["cluster"]["status"], "INACTIVE");
    let refused = ecs(&cloud, E::ListTasks, json!({})).unwrap_err();
    assert_eq!(
        refused,
        "ClusterNotFoundException: The referenced cluster was inactive."
    );

    for family in ["b", "a", "a"] {
        ecs(&cloud, E::RegisterTaskDefinition, task_definition(family)).unwrap();
    }
    let list = ecs(
        &cloud,
        E::ListTaskDefinitions,
        json!({"sort": "DESC", "maxResults": 3}),
    )
    .unwrap();
    let arns = list["taskDefinitionArns"].as_array().unwrap();
    let names: Vec<_> = arns
        .iter()
        .map(|arn| arn.as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["worker:1", "b:1", "a:2"]);
    let families = ecs(
        &cloud,
        E::ListTaskDefinitionFamilies,
        json!({"familyPrefix": "a"}),
    )
    .unwrap();
    assert_eq!(families, json!({"families": ["a"]}));
    let refused = ecs(
        &cloud,
        E::DeregisterTaskDefinition,
        json!({"taskDefinition": "a"}),
    )
    .unwrap_err();
    assert_eq!(refused, "ClientException: Revision is missing.");
    let active = ecs(
        &cloud,
        E::DeleteTaskDefinitions,
        json!({"taskDefinitions": ["b:1"]}),
    )
    .unwrap();
    assert!(
        active["failures"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("still in ACTIVE status")
    );
    ecs(
        &cloud,
        E::DeregisterTaskDefinition,
        json!({"taskDefinition": "b:1"}),
    )
    .unwrap();
    ecs(
        &cloud,
        E::DeleteTaskDefinitions,
        json!({"taskDefinitions": ["b:1"]}),
    )
    .unwrap();
    assert!(
        ecs(
            &cloud,
            E::DescribeTaskDefinition,
            json!({"taskDefinition": "b:1"})
        )
        .is_err()
    );
}

#[tokio::test]
async fn what_aws_refuses_of_ecs_is_refused() {
    use EcsAction as E;
    let cloud = Cloud::start(&stack()).await;
    for (member, value, words) in [
        ("family", json!(""), "Family should not be null or empty."),
        ("family", json!("a b"), "letters, digits"),
        (
            "networkMode",
            json!("bridge"),
            "Fargate only supports network mode 'awsvpc'.",
        ),
        (
            "cpu",
            json!("300"),
            "No Fargate configuration exists for given values: 300 CPU, 1024 memory.",
        ),
        ("cpu", json!("many"), "Invalid 'cpu' setting for task."),
        ("memory", Value::Null, "'cpu' and 'memory' be defined"),
        ("containerDefinitions", json!([]), "at least one container"),
        (
            "containerDefinitions",
            json!([{"name": "main"}]),
            "Container.image should not be null or empty.",
        ),
        (
            "containerDefinitions",
            json!([{"name": "main", "image": "x", "memory": 2_048}]),
            "greater than for the task",
        ),
        (
            "containerDefinitions",
            json!([{"name": "main", "image": "x", "environment": [{"name": "LD_PRELOAD", "value": "x"}]}]),
            "LD_PRELOAD",
        ),
        (
            "containerDefinitions",
            json!([{"name": "main", "image": "x", "secrets": [{"name": "A", "valueFrom": "b"}]}]),
            "does not do containerDefinitions.secrets",
        ),
        ("volumes", json!([{"name": "v"}]), "does not do volumes"),
    ] {
        let mut request = task_definition("wrong");
        request[member] = value;
        let error = ecs(&cloud, E::RegisterTaskDefinition, request).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    for (action, request, words) in [
        (
            E::DescribeTasks,
            json!({"cluster": "main", "tasks": []}),
            "Tasks cannot be empty.",
        ),
        (
            E::DescribeServices,
            json!({"cluster": "main"}),
            "Services cannot be empty.",
        ),
        (
            E::ListTasks,
            json!({"cluster": "main", "desiredStatus": "DONE"}),
            "desiredStatus",
        ),
        (
            E::ListTasks,
            json!({"cluster": "main", "serviceName": "s"}),
            "ServiceNotFoundException",
        ),
        (
            E::ListTasks,
            json!({"cluster": "main", "startedBy": "a", "family": "b"}),
            "the only filter",
        ),
        (
            E::ListTasks,
            json!({"cluster": "main", "nextToken": "x"}),
            "nextToken",
        ),
        (
            E::StopTask,
            json!({"cluster": "main", "task": "x"}),
            "The referenced task was not found.",
        ),
        (
            E::CreateCluster,
            json!({"clusterName": "a b"}),
            "clusterName",
        ),
        (
            E::CreateCluster,
            json!({"capacityProviders": ["mine"]}),
            "capacity provider mine was not found",
        ),
        (
            E::DeleteCluster,
            json!({"cluster": "no"}),
            "ClusterNotFoundException",
        ),
        (
            E::TagResource,
            json!({"resourceArn": "x", "tags": []}),
            "no ARN of ECS",
        ),
    ] {
        let error = ecs(&cloud, action, request).unwrap_err();
        assert!(error.contains(words), "{action:?}: {error}");
    }
    let services = ecs(
        &cloud,
        E::DescribeServices,
        json!({"cluster": "main", "services": ["s"]}),
    )
    .unwrap();
    assert_eq!(services["failures"][0]["reason"], "MISSING");
    assert_eq!(
        ecs(&cloud, E::ListServices, json!({"cluster": "main"})).unwrap(),
        json!({"serviceArns": []})
    );
}

#[tokio::test]
async fn queues_and_environments_have_their_lives() {
    use BatchAction as B;
    let cloud = Cloud::start(&stack()).await;
    let ask = |action, request| batch(&cloud, action, request);
    for (action, request, words) in [
        (
            B::CreateComputeEnvironment,
            environment("f g", "FARGATE", 4),
            "computeEnvironmentName",
        ),
        (
            B::CreateComputeEnvironment,
            json!({"computeEnvironmentName": "x", "type": "MANAGED"}),
            "computeResources",
        ),
        (
            B::CreateJobQueue,
            queue("q", "nowhere"),
            "nowhere does not exist",
        ),
        (
            B::CreateJobQueue,
            json!({"jobQueueName": "q", "priority": 1}),
            "At least 1 compute environment",
        ),
        (
            B::CreateJobQueue,
            queue("spot", "spot"),
            "Job queue spot already exists",
        ),
        (
            B::UpdateJobQueue,
            json!({"jobQueue": "spot", "state": "JUNK"}),
            "state JUNK must be one of",
        ),
        (
            B::UpdateJobQueue,
            json!({"jobQueue": "spot", "schedulingPolicyArn": "arn:x"}),
            "does not do schedulingPolicyArn",
        ),
        (
            B::DeleteJobQueue,
            json!({"jobQueue": "spot"}),
            "must be DISABLED",
        ),
        (
            B::DeleteComputeEnvironment,
            json!({"computeEnvironment": "spot"}),
            "must be DISABLED",
        ),
        (
            B::TerminateJob,
            json!({"jobId": "", "reason": "x"}),
            "jobId must not be null or empty",
        ),
        (
            B::CancelJob,
            json!({"jobId": "x", "reason": ""}),
            "reason must not be null or empty",
        ),
        (
            B::ListJobs,
            json!({"jobQueue": "spot", "jobStatus": "DONE"}),
            "jobStatus",
        ),
        (
            B::ListJobs,
            json!({"jobQueue": "spot", "filters": [{"name": "COLOUR", "values": ["x"]}]}),
            "COLOUR",
        ),
        (B::ListJobs, json!({}), "exactly one of"),
        (B::DescribeJobs, json!({"jobs": []}), "1 to 100"),
    ] {
        let error = ask(action, request).unwrap_err();
        assert!(
            error.starts_with("ClientException: ") && error.contains(words),
            "{error}"
        );
    }
    ask(B::CreateComputeEnvironment, environment("f", "FARGATE", 4)).unwrap();
    ask(B::CreateJobQueue, queue("f", "f")).unwrap();
    let submit = json!({"jobName": "j", "jobQueue": "f", "jobDefinition": "worker"});
    let error = ask(B::SubmitJob, submit.clone()).unwrap_err();
    assert!(
        error.contains("Fargate resource requirements (1.00 vCPU, 512 MiB) not valid."),
        "{error}"
    );
    ask(
        B::UpdateJobQueue,
        json!({"jobQueue": "f", "state": "DISABLED"}),
    )
    .unwrap();
    assert!(
        ask(B::SubmitJob, submit)
            .unwrap_err()
            .contains("not ENABLED")
    );
    ask(
        B::UpdateComputeEnvironment,
        json!({"computeEnvironment": "f", "state": "DISABLED"}),
    )
    .unwrap();
    let delete = || {
        ask(
            B::DeleteComputeEnvironment,
            json!({"computeEnvironment": "f"}),
        )
    };
    assert!(delete().unwrap_err().contains("JobQueue relationship"));
    ask(B::DeleteJobQueue, json!({"jobQueue": "f"})).unwrap();
    delete().unwrap();
    let described = ask(
        B::DescribeComputeEnvironments,
        json!({"computeEnvironments": ["f"]}),
    )
    .unwrap();
    assert_eq!(described, json!({"computeEnvironments": []}));
}

#[tokio::test]
async fn job_definitions_have_revisions_and_tags() {
    use BatchAction as B;
    let cloud = Cloud::start(&stack()).await;
    let ask = |action, request| batch(&cloud, action, request);
    for (member, value, words) in [
        ("jobDefinitionName", json!("a.b"), "jobDefinitionName"),
        ("type", json!("multinode"), "not multinode"),
        ("type", json!("other"), "container | multinode"),
        (
            "containerProperties",
            json!({"image": "x"}),
            "vCPU is not provided.",
        ),
        (
            "containerProperties",
            json!({"image": "x", "vcpus": 1}),
            "Memory is not provided.",
        ),
        (
            "containerProperties",
            json!({"image": "x", "vcpus": 1, "memory": 64, "privileged": true}),
            "does not do containerProperties.privileged",
        ),
        (
            "timeout",
            json!({"attemptDurationSeconds": 59}),
            "at least 60",
        ),
        (
            "retryStrategy",
            json!({"attempts": 11}),
            "retryStrategy.attempts",
        ),
        (
            "nodeProperties",
            json!({"numNodes": 2}),
            "does not do nodeProperties",
        ),
    ] {
        let mut request = job_definition("wrong");
        request[member] = value;
        let error = ask(B::RegisterJobDefinition, request).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let first = ask(B::RegisterJobDefinition, job_definition("d")).unwrap();
    ask(B::RegisterJobDefinition, job_definition("d")).unwrap();
    ask(B::DeregisterJobDefinition, json!({"jobDefinition": "d:2"})).unwrap();
    let revisions = |status: &str| {
        let request = json!({"jobDefinitionName": "d", "status": status});
        let found = ask(B::DescribeJobDefinitions, request).unwrap();
        let found = found["jobDefinitions"].as_array().unwrap().clone();
        found
            .into_iter()
            .map(|one| one["revision"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (revisions("ACTIVE"), revisions("INACTIVE")),
        (vec![json!(1)], vec![json!(2)])
    );
    let submit = json!({"jobName": "j", "jobQueue": "spot", "jobDefinition": "d:2"});
    assert!(
        ask(B::SubmitJob, submit)
            .unwrap_err()
            .contains("d:2 is not ACTIVE")
    );
    let arn = &first["jobDefinitionArn"];
    ask(
        B::TagResource,
        json!({"resourceArn": arn, "tags": {"size": "small"}}),
    )
    .unwrap();
    ask(
        B::UntagResource,
        json!({"resourceArn": arn, "tagKeys": "team"}),
    )
    .unwrap();
    // What is refused changes nothing.
    let many: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), json!("x"))).collect();
    ask(B::TagResource, json!({"resourceArn": arn, "tags": many})).unwrap_err();
    let one_too_many: serde_json::Map<_, _> =
        (0..50).map(|n| (n.to_string(), json!("x"))).collect();
    ask(
        B::TagResource,
        json!({"resourceArn": arn, "tags": one_too_many}),
    )
    .unwrap_err();
    let tags = ask(B::ListTagsForResource, json!({"resourceArn": arn})).unwrap();
    assert_eq!(tags, json!({"tags": {"size": "small"}}));
}

#[tokio::test]
async fn a_job_that_blocks_its_queue_says_why() {
    use BatchAction as B;
    let faults = r#"{"faults": [{"at": "queue:on-demand", "do": "block"}]}"#;
    let pattern = json!({"detail-type": ["Batch Job Queue Blocked"]});
    let cloud = Cloud::with_faults(&with_rule(pattern), faults).await;
    let mut executions = cloud.executions();
    cloud.worker("exit 0");
    let ask = |action, request| batch(&cloud, action, request);
    ask(B::CreateComputeEnvironment, environment("small", "EC2", 1)).unwrap();
    ask(B::CreateJobQueue, queue("small", "small")).unwrap();
    let large = json!({"resourceRequirements": [{"type": "VCPU", "value": "2"}]});
    for (queue, overrides, reason) in [
        (
            "on-demand",
            json!({}),
            "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - ",
        ),
        (
            "small",
            large,
            "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - ",
        ),
    ] {
        let request = json!({"jobName": "j", "jobQueue": queue, "jobDefinition": "worker", "containerOverrides": overrides});
        let job = cloud.compute.batch.submit_job(&request).unwrap();
        assert_eq!(next(&mut executions).await["detail"]["jobId"], job.id);
        let described = job.describe();
        assert_eq!(described["status"], "RUNNABLE");
        assert!(
            described["statusReason"]
                .as_str()
                .unwrap()
                .starts_with(reason)
        );
        cloud.compute.batch.terminate_job(&job.id, "enough");
        assert_eq!(job.finished().await["statusReason"], "enough");
    }
    // The next job of the queue finds capacity.
    let request = json!({"jobName": "j", "jobQueue": "on-demand", "jobDefinition": "worker"});
    let job = cloud
        .compute
        .batch
        .submit_job(&request)
        .unwrap()
        .finished()
        .await;
    assert_eq!(job["status"], "SUCCEEDED");
}
