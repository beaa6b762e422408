//! What a Resource calls: an action as it is, or an optimized integration with names and forms of its own.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html>

use asl::{Resource, TaskError};
use serde_json::{Value, json};

use crate::document::as_text;

/// The action that a Resource calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// The service's name in the table.
    pub service: String,
    /// The action's name there.
    pub action: String,
    /// How the names of its errors begin.
    pub prefix: String,
    optimized: bool,
    /// The function that is the Resource itself.
    function: Option<String>,
}

/// Optimized integrations: the service in the Resource, its name in the table, and how its errors begin.
const OPTIMIZED: &[(&str, &str, &str)] = &[
    ("athena", "athena", "Athena"),
    ("batch", "batch", "Batch"),
    ("bedrock", "bedrock", "Bedrock"),
    ("codebuild", "codebuild", "CodeBuild"),
    ("databrew", "databrew", "DataBrew"),
    ("dynamodb", "dynamodb", "DynamoDB"),
    ("ecs", "ecs", "ECS"),
    ("eks", "eks", "EKS"),
    ("elasticmapreduce", "emr", "ElasticMapReduce"),
    ("emr-containers", "emrcontainers", "EMRContainers"),
    ("emr-serverless", "emrserverless", "EMRServerless"),
    ("events", "eventbridge", "EventBridge"),
    ("glue", "glue", "Glue"),
    ("lambda", "lambda", "Lambda"),
    ("mediaconvert", "mediaconvert", "MediaConvert"),
    ("sagemaker", "sagemaker", "SageMaker"),
    ("sns", "sns", "SNS"),
    ("sqs", "sqs", "SQS"),
];

/// A service's name in the table, for the name that a Resource has.
pub fn table_name(service: &str) -> &str {
    let row = OPTIMIZED.iter().find(|(name, ..)| *name == service);
    row.map_or(service, |(_, table, _)| table)
}

impl Integration {
    /// None for what is not one action of one service: HTTP calls, calls of Kubernetes, nested executions.
    pub fn of(resource: &Resource) -> Option<Integration> {
        let (service, action) = match resource {
            Resource::Service {
                service, action, ..
            } => (service, action),
            Resource::Lambda { arn } => {
                return Some(Integration {
                    service: "lambda".to_owned(),
                    action: "invoke".to_owned(),
                    prefix: "Lambda".to_owned(),
                    optimized: true,
                    function: Some(arn.to_string()),
                });
            }
            Resource::Activity { .. } => return None,
        };
        if let Some(service) = service.strip_prefix("aws-sdk:") {
            return Some(Integration {
                service: service.to_owned(),
                action: action.to_string(),
                prefix: crate::table::Service::load(service)?.prefix.clone(),
                optimized: false,
                function: None,
            });
        }
        let (_, table, prefix) = OPTIMIZED.iter().find(|(name, ..)| **name == **service)?;
        let (service, action) = match (&**service, &**action) {
            ("bedrock", "invokeModel") => ("bedrockruntime", "invokeModel"),
            ("elasticmapreduce", "createCluster") => ("emr", "runJobFlow"),
            ("elasticmapreduce", "terminateCluster") => ("emr", "terminateJobFlows"),
            ("elasticmapreduce", "addStep") => ("emr", "addJobFlowSteps"),
            ("elasticmapreduce", "cancelStep") => ("emr", "cancelSteps"),
            (_, action) => (*table, action),
        };
        Some(Integration {
            service: service.to_owned(),
            action: action.to_owned(),
            prefix: (*prefix).to_owned(),
            optimized: true,
            function: None,
        })
    }

    /// The action's parameters for the state's. What a service wants as text may be written as a structure.
    pub fn arguments(&self, mut given: Value) -> Value {
        if let Some(function) = &self.function {
            return json!({ "FunctionName": function, "Payload": given });
        }
        if !self.optimized {
            return given;
        }
        let member = |name: &str| given[name].clone();
        match self.action.as_str() {
            "terminateJobFlows" => json!({ "JobFlowIds": [member("ClusterId")] }),
            "addJobFlowSteps" => {
                json!({ "JobFlowId": member("ClusterId"), "Steps": [member("Step")] })
            }
            "cancelSteps" => {
                json!({ "ClusterId": member("ClusterId"), "StepIds": [member("StepId")] })
            }
            "publish" => with_text(given, "Message"),
            "sendMessage" => with_text(given, "MessageBody"),
            "putEvents" => {
                for entry in given["Entries"].as_array_mut().into_iter().flatten() {
                    *entry = with_text(entry.take(), "Detail");
                }
                given
            }
            _ => given,
        }
    }

    /// The error that an answer with success tells: that of a function, or of an event that was not taken.
    pub fn failure(&self, answer: &Value) -> Option<TaskError> {
        if !self.optimized {
            return None;
        }
        let cause = |value: &Value| Some(as_text(value));
        if self.action == "invoke" && answer["FunctionError"].is_string() {
            let document = parsed(answer.clone(), "Payload");
            let name = document["Payload"]["errorType"].as_str();
            return Some(TaskError {
                error: name.unwrap_or("Lambda.Unknown").to_owned(),
                cause: cause(&answer["Payload"]),
            });
        }
        let refused = answer["FailedEntryCount"].as_u64().unwrap_or(0) > 0;
        (self.action == "putEvents" && refused).then(|| TaskError {
            error: "EventBridge.FailedEntry".to_owned(),
            cause: cause(answer),
        })
    }

    /// The state's result for the action's answer.
    pub fn result(&self, mut answer: Value) -> Value {
        if !self.optimized {
            return answer;
        }
        match self.action.as_str() {
            "addJobFlowSteps" => json!({ "StepId": answer["StepIds"][0] }),
            "runJobFlow" => {
                json!({ "ClusterArn": answer["ClusterArn"], "ClusterId": answer["JobFlowId"] })
            }
            "invokeModel" => parsed(answer, "Body"),
            "invoke" if self.function.is_some() => parsed(answer, "Payload")["Payload"].take(),
            "invoke" => parsed(answer, "Payload"),
            _ => {
                if let Value::Object(answer) = &mut answer {
                    let metadata = json!({ "HttpStatusCode": 200 });
                    answer.insert("SdkHttpMetadata".to_owned(), metadata);
                }
                answer
            }
        }
    }
}

fn with_text(mut given: Value, name: &str) -> Value {
    if given[name].is_object() || given[name].is_array() {
        given[name] = Value::from(as_text(&given[name]));
    }
    given
}

/// With a member that is JSON text as that JSON.
fn parsed(mut answer: Value, name: &str) -> Value {
    let document = answer[name]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(document) = document {
        answer[name] = document;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Service;

    fn of(resource: &str) -> Option<Integration> {
        Integration::of(&Resource::parse(&format!("arn:aws:states:::{resource}")).unwrap())
    }

    #[test]
    fn errors_of_the_two_kinds_of_integration_begin_differently() {
        for (resource, prefix) in [
            ("dynamodb:putItem", "DynamoDB"),
            ("aws-sdk:dynamodb:putItem", "DynamoDb"),
            ("aws-sdk:sns:publish", "Sns"),
        ] {
            assert_eq!(of(resource).unwrap().prefix, prefix);
        }
        assert_eq!(of("http:invoke"), None);
        assert_eq!(of("states:startExecution.sync"), None);
    }

    #[test]
    fn every_optimized_service_is_in_the_table() {
        for (name, table, _) in OPTIMIZED {
            assert!(Service::load(table).is_some(), "{name}");
        }
    }

    #[test]
    fn structures_become_text_where_the_service_wants_text() {
        let publish = of("sns:publish").unwrap();
        let given = json!({ "TopicArn": "t", "Message": { "a": 1 } });
        assert_eq!(publish.arguments(given)["Message"], r#"{"a":1}"#);
        let step = of("elasticmapreduce:addStep").unwrap();
        assert_eq!(
            step.arguments(json!({ "ClusterId": "c", "Step": { "Name": "s" } })),
            json!({ "JobFlowId": "c", "Steps": [{ "Name": "s" }] })
        );
        assert_eq!(
            step.result(json!({ "StepIds": ["s-1"] })),
            json!({ "StepId": "s-1" })
        );
    }
}
