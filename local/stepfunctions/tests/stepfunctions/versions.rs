//! Versions and aliases of state machines.

use aws_sdk_sfn::error::ProvideErrorMetadata as _;
use aws_sdk_sfn::types::RoutingConfigurationListItem;
use serde_json::{Value, json};
use stack::StateMachineAlias;

use crate::cloud::{ROLE, STATES, Test, code, pass};

fn route(version: &str, weight: i32) -> RoutingConfigurationListItem {
    let route = RoutingConfigurationListItem::builder();
    let route = route.state_machine_version_arn(version).weight(weight);
    route.build().unwrap()
}

async fn update(test: &Test, machine: &str, result: u32) -> String {
    let update = test.sfn.update_state_machine().state_machine_arn(machine);
    let update = update.definition(pass(result).to_string()).publish(true);
    let updated = update.send().await.unwrap();
    updated.state_machine_version_arn.unwrap()
}

#[tokio::test]
async fn a_version_stays_what_it_was_published_as() {
    let test = Test::start().await;
    let create = test.sfn.create_state_machine().name("m").role_arn(ROLE);
    let create = create.definition(pass(1).to_string()).publish(true);
    let created = create.clone().version_description("first").send().await;
    let created = created.unwrap();
    let (machine, first) = (created.state_machine_arn, created.state_machine_version_arn);
    assert_eq!(first.as_deref(), Some(format!("{machine}:1").as_str()));
    // The same again publishes nothing new.
    let again = create.version_description("first").send().await.unwrap();
    assert_eq!(again.state_machine_version_arn, first);
    let second = update(&test, &machine, 2).await;
    assert_eq!(second, format!("{machine}:2"));
    let publish = test.sfn.publish_state_machine_version();
    let publish = publish.state_machine_arn(&machine);
    let published = publish.clone().send().await.unwrap();
    assert_eq!(published.state_machine_version_arn, second);
    let other = publish.revision_id("other").send().await;
    assert_eq!(code(other), "ConflictException");

    let first = first.unwrap();
    let described = test.sfn.describe_state_machine().state_machine_arn(&first);
    let described = described.send().await.unwrap();
    assert_eq!(described.state_machine_arn, first);
    assert_eq!(described.definition, pass(1).to_string());
    assert_eq!(described.description.as_deref(), Some("first"));
    for (arn, result) in [(&machine, 2), (&first, 1), (&second, 2)] {
        assert_eq!(
            test.run(arn, &json!({})).await.output(),
            Some(json!(result))
        );
    }
    let list = test.sfn.list_executions().state_machine_arn(&first);
    let list = list.send().await.unwrap().executions;
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].state_machine_arn, machine);
    assert_eq!(list[0].state_machine_version_arn.as_ref(), Some(&first));

    let list = test.sfn.list_state_machine_versions();
    let list = list.state_machine_arn(&machine).max_results(1);
    let page = list.clone().send().await.unwrap();
    assert_eq!(
        page.state_machine_versions[0].state_machine_version_arn,
        second
    );
    let page = list
        .next_token(page.next_token.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(
        page.state_machine_versions[0].state_machine_version_arn,
        first
    );
    let delete = test.sfn.delete_state_machine_version();
    delete
        .state_machine_version_arn(&second)
        .send()
        .await
        .unwrap();
    let gone = test.sfn.start_execution().state_machine_arn(&second);
    assert_eq!(code(gone.send().await), "StateMachineDoesNotExist");
    // A number is never given twice.
    assert_eq!(update(&test, &machine, 3).await, format!("{machine}:3"));
}

#[tokio::test]
async fn an_alias_leads_to_versions_and_moves() {
    let test = Test::start().await;
    let machine = test.machine("m", &pass(0)).await;
    let (first, second) = (
        update(&test, &machine, 1).await,
        update(&test, &machine, 2).await,
    );
    let create = test.sfn.create_state_machine_alias().name("live");
    let create = create.description("in use");
    for (routes, wanted) in [
        (vec![route(&first, 99)], "ValidationException"),
        (
            vec![route(&first, 50), route(&first, 50)],
            "ValidationException",
        ),
        (
            vec![route(&format!("{machine}:9"), 100)],
            "ResourceNotFound",
        ),
        (vec![route(&machine, 100)], "InvalidArn"),
    ] {
        let refused = create.clone().set_routing_configuration(Some(routes));
        assert_eq!(code(refused.send().await), wanted);
    }
    let numeric = create
        .clone()
        .name("12")
        .routing_configuration(route(&first, 100));
    assert_eq!(code(numeric.send().await), "ValidationException");
    let made = create.clone().routing_configuration(route(&first, 100));
    let alias = made.clone().send().await.unwrap().state_machine_alias_arn;
    assert_eq!(alias, format!("{machine}:live"));
    assert_eq!(made.send().await.unwrap().state_machine_alias_arn, alias);
    let other = create
        .routing_configuration(route(&second, 100))
        .send()
        .await;
    assert_eq!(code(other), "ConflictException");

    let ended = test.run(&alias, &json!({})).await;
    assert_eq!(ended.output(), Some(json!(1)));
    let described = test.sfn.describe_execution().execution_arn(&ended.arn);
    let described = described.send().await.unwrap();
    assert_eq!(described.state_machine_arn, machine);
    assert_eq!(described.state_machine_alias_arn.as_ref(), Some(&alias));
    assert_eq!(described.state_machine_version_arn.as_ref(), Some(&first));
    let delete = test.sfn.delete_state_machine_version();
    let delete = delete.state_machine_version_arn(&first).send().await;
    assert_eq!(code(delete), "ConflictException");

    let change = test.sfn.update_state_machine_alias();
    let change = change.state_machine_alias_arn(&alias);
    assert_eq!(code(change.clone().send().await), "ValidationException");
    let routes = vec![route(&first, 0), route(&second, 100)];
    let change = change.set_routing_configuration(Some(routes));
    change.send().await.unwrap();
    assert_eq!(test.run(&alias, &json!({})).await.output(), Some(json!(2)));
    let describe = test.sfn.describe_state_machine_alias();
    let describe = describe.state_machine_alias_arn(&alias);
    let described = describe.clone().send().await.unwrap();
    assert_eq!(described.description.as_deref(), Some("in use"));
    assert_eq!(described.routing_configuration().len(), 2);
    let list = test.sfn.list_state_machine_aliases();
    for (of, count) in [(&machine, 1), (&first, 1), (&second, 1)] {
        let list = list.clone().state_machine_arn(of).send().await.unwrap();
        assert_eq!(list.state_machine_aliases.len(), count, "{of}");
    }
    let delete = test.sfn.delete_state_machine_alias();
    let delete = delete.state_machine_alias_arn(&alias);
    delete.clone().send().await.unwrap();
    assert_eq!(code(delete.send().await), "ResourceNotFound");
    assert_eq!(code(describe.send().await), "ResourceNotFound");
}

#[tokio::test]
async fn the_stacks_own_alias_leads_to_its_machine_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let bin = crate::cloud::make_binaries(folder.path(), "probe-function");
    let arn = format!("{STATES}:stateMachine:m");
    let start = async |definition: Value| {
        let mut stack = crate::cloud::stack();
        stack.state_machines = vec![stack::StateMachine {
            name: "m".into(),
            arn: arn.clone(),
            definition: definition.to_string(),
            role_arn: ROLE.into(),
            ..stack::StateMachine::default()
        }];
        stack.state_machine_aliases = vec![StateMachineAlias {
            name: "live".into(),
            state_machine_arn: arn.clone(),
            ..StateMachineAlias::default()
        }];
        let config = stepfunctions::Config::new(stack, folder.path().join("data"), bin.clone());
        stepfunctions::Cloud::start(config).await.unwrap()
    };
    // The second start finds nothing changed, the third another definition.
    for (result, version) in [(1, 1), (1, 1), (2, 2)] {
        let cloud = start(pass(result)).await;
        let sfn = aws_sdk_sfn::Client::new(&crate::cloud::config(cloud.endpoint()));
        let started = sfn
            .start_execution()
            .state_machine_arn(format!("{arn}:live"));
        let started = started.send().await.unwrap().execution_arn;
        let ended = cloud.wait(&started).await.unwrap();
        assert_eq!(ended.output(), Some(json!(result)));
        let described = sfn.describe_execution().execution_arn(started).send().await;
        let ran = described.unwrap().state_machine_version_arn;
        assert_eq!(ran, Some(format!("{arn}:{version}")));
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn a_deleted_machine_takes_all_of_it_along_once_its_executions_have_ended() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let definition = json!({ "StartAt": "Task", "States": {
        "Task": { "Type": "Task", "Resource": activity, "Next": "Then" },
        "Then": { "Type": "Wait", "Seconds": 600, "End": true },
    } });
    let machine = test.machine("m", &definition).await;
    let publish = test.sfn.publish_state_machine_version();
    let version = publish.state_machine_arn(&machine).send().await.unwrap();
    let execution = test.start_execution(&machine, &json!({})).await;
    let token = test.fetch(&activity).await;
    let delete = async |arn: &str| {
        let delete = test.sfn.delete_state_machine().state_machine_arn(arn);
        delete.send().await
    };
    assert_eq!(
        code(delete(&version.state_machine_version_arn).await),
        "ValidationException"
    );
    delete(&machine).await.unwrap();
    let describe = || {
        test.sfn
            .describe_state_machine()
            .state_machine_arn(&machine)
    };
    let described = describe().send().await.unwrap();
    assert_eq!(described.status.unwrap().as_str(), "DELETING");
    let start = test.sfn.start_execution().state_machine_arn(&machine);
    assert_eq!(code(start.send().await), "StateMachineDeleting");
    let mut events = test.cloud.subscribe();
    test.succeed(&token, "{}").await.unwrap();
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(ended.status.name(), "ABORTED");
    while events.recv().await.unwrap().event["type"] != "ExecutionAborted" {}
    // It goes just after its last execution. As on AWS no event tells of that: a client asks.
    let gone = loop {
        match describe().send().await {
            Ok(_) => tokio::task::yield_now().await,
            Err(gone) => break gone.into_service_error(),
        }
    };
    assert_eq!(gone.code(), Some("StateMachineDoesNotExist"));
    let again = test.machine("m", &pass(1)).await;
    let list = test
        .sfn
        .list_state_machine_versions()
        .state_machine_arn(again);
    let list = list.send().await.unwrap();
    assert!(list.state_machine_versions.is_empty());
}
