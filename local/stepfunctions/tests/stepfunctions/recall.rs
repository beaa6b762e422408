//! What states were given in the past is found again, while the local cloud runs and after it.

use serde_json::{Value, json};
use stepfunctions::{Given, Recalled, recall};

use crate::cloud::Test;

#[tokio::test]
async fn a_state_is_found_with_what_it_was_given() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Set", "States": {
        "Set": { "Type": "Pass", "Assign": { "factor": 3 }, "Output": [1, 2], "Next": "Each" },
        "Each": { "Type": "Map", "Items": "{% $states.input %}", "Next": "Ask", "ItemProcessor": {
            "StartAt": "One", "States": {
                "One": { "Type": "Pass", "Output": "{% $states.input * $factor %}", "End": true },
            },
        } },
        "Ask": { "Type": "Task", "Resource": activity, "End": true, "Output": "{% $undefined.x %}" },
    } });
    let machine = test.machine("recalled", &definition).await;
    let execution = test.start_execution(&machine, &json!({ "n": 1 })).await;
    test.succeed(&test.fetch(&activity).await, "7")
        .await
        .unwrap();
    test.cloud.wait(&execution).await.unwrap();

    let sfn = test.cloud.stepfunctions();
    let recalled = sfn.recall(&execution).await.unwrap();
    let visits = |state: &str| -> Vec<&Given> {
        let given = recalled.given.iter();
        given.filter(|given| &*given.state == state).collect()
    };
    let json = |value: &asl::Value| Value::from(value.clone());
    let one = visits("One");
    assert_eq!(one.len(), 2);
    assert_eq!(json(&one[1].input), json!(2));
    assert_eq!(
        one[1].variables.get("factor"),
        Some(&asl::Value::from(3u64))
    );
    let context = json(&one[1].context);
    assert_eq!(context["Map"]["Item"], json!({ "Index": 1, "Value": 2 }));
    assert_eq!(context["Execution"]["Input"], json!({ "n": 1 }));
    let outcome = |state: &str| {
        let outcome = visits(state)[0].outcome.clone()?;
        Some(json(&outcome.unwrap()))
    };
    assert_eq!(outcome("Set"), None);
    assert_eq!(outcome("Each"), Some(json!([3, 6])));
    // Its output failed after its task had answered.
    assert_eq!(outcome("Ask"), Some(json!(7)));

    let of = |name: &str| recall(&test.dir.path().join("data"), name);
    let same: Recalled = of(&execution).unwrap();
    assert_eq!(same, recalled);
    let name = execution.rsplit(':').next().unwrap();
    assert_eq!(of(name).unwrap(), recalled);
    let unknown = of("nobody").unwrap_err().to_string();
    assert!(unknown.contains("no execution \"nobody\""), "{unknown}");
    test.cloud.shutdown().await;
    assert_eq!(of(name).unwrap(), recalled);
}
