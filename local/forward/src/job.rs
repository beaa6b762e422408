//! `.sync`: how the job that an action begins is looked at until it has ended. When the state ends before, by a time
//! limit or because it is stopped, the job goes on.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-sync>

use asl::Resource;
use serde_json::{Map, Value};

/// A job that an action begins.
#[derive(Debug)]
pub struct Job {
    service: &'static str,
    action: &'static str,
    /// The action that describes it.
    pub describe: &'static str,
    /// What that takes: its parameter, and where its value is, in the parameters of the first action (`given`) or in
    /// its answer.
    parameters: &'static [(&'static str, Source, &'static str)],
    status: &'static str,
    succeeded: &'static [&'static str],
    failed: &'static [&'static str],
    /// Where in the description the state's result is.
    result: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Given,
    Answer,
    /// The answer, as the one item of a list.
    List,
}

use Source::{Answer, Given, List};

const JOBS: &[Job] = &[
    Job {
        service: "athena",
        action: "startQueryExecution",
        describe: "getQueryExecution",
        parameters: &[("QueryExecutionId", Answer, "/QueryExecutionId")],
        status: "/QueryExecution/Status/State",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "CANCELLED"],
        result: "",
    },
    Job {
        service: "bedrock",
        action: "createModelCustomizationJob",
        describe: "getModelCustomizationJob",
        parameters: &[("JobIdentifier", Answer, "/JobArn")],
        status: "/Status",
        succeeded: &["Completed"],
        failed: &["Failed", "Stopped"],
        result: "",
    },
    Job {
        service: "codebuild",
        action: "startBuild",
        describe: "batchGetBuilds",
        parameters: &[("Ids", List, "/Build/Id")],
        status: "/Builds/0/BuildStatus",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "FAULT", "TIMED_OUT", "STOPPED"],
        result: "/Builds/0",
    },
    Job {
        service: "databrew",
        action: "startJobRun",
        describe: "describeJobRun",
        parameters: &[("Name", Given, "/Name"), ("RunId", Answer, "/RunId")],
        status: "/State",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "STOPPED", "TIMEOUT"],
        result: "",
    },
    Job {
        service: "elasticmapreduce",
        action: "addStep",
        describe: "describeStep",
        parameters: &[
            ("ClusterId", Given, "/JobFlowId"),
            ("StepId", Answer, "/StepIds/0"),
        ],
        status: "/Step/Status/State",
        succeeded: &["COMPLETED"],
        failed: &["FAILED", "CANCELLED", "INTERRUPTED"],
        result: "",
    },
    Job {
        service: "elasticmapreduce",
        action: "createCluster",
        describe: "describeCluster",
        parameters: &[("ClusterId", Answer, "/JobFlowId")],
        status: "/Cluster/Status/State",
        succeeded: &["WAITING"],
        failed: &["TERMINATED", "TERMINATED_WITH_ERRORS"],
        result: "",
    },
    Job {
        service: "elasticmapreduce",
        action: "terminateCluster",
        describe: "describeCluster",
        parameters: &[("ClusterId", Given, "/JobFlowIds/0")],
        status: "/Cluster/Status/State",
        succeeded: &["TERMINATED", "TERMINATED_WITH_ERRORS"],
        failed: &[],
        result: "",
    },
    Job {
        service: "emr-containers",
        action: "startJobRun",
        describe: "describeJobRun",
        parameters: &[
            ("Id", Answer, "/Id"),
            ("VirtualClusterId", Given, "/VirtualClusterId"),
        ],
        status: "/JobRun/State",
        succeeded: &["COMPLETED"],
        failed: &["FAILED", "CANCELLED"],
        result: "/JobRun",
    },
    Job {
        service: "emr-serverless",
        action: "startJobRun",
        describe: "getJobRun",
        parameters: &[
            ("ApplicationId", Given, "/ApplicationId"),
            ("JobRunId", Answer, "/JobRunId"),
        ],
        status: "/JobRun/State",
        succeeded: &["SUCCESS"],
        failed: &["FAILED", "CANCELLED"],
        result: "",
    },
    Job {
        service: "glue",
        action: "startJobRun",
        describe: "getJobRun",
        parameters: &[
            ("JobName", Given, "/JobName"),
            ("RunId", Answer, "/JobRunId"),
        ],
        status: "/JobRun/JobRunState",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"],
        result: "/JobRun",
    },
    Job {
        service: "mediaconvert",
        action: "createJob",
        describe: "getJob",
        parameters: &[("Id", Answer, "/Job/Id")],
        status: "/Job/Status",
        succeeded: &["COMPLETE"],
        failed: &["ERROR", "CANCELED"],
        result: "",
    },
    Job {
        service: "sagemaker",
        action: "createTrainingJob",
        describe: "describeTrainingJob",
        parameters: &[("TrainingJobName", Given, "/TrainingJobName")],
        status: "/TrainingJobStatus",
        succeeded: &["Completed"],
        failed: &["Failed", "Stopped"],
        result: "",
    },
    Job {
        service: "sagemaker",
        action: "createTransformJob",
        describe: "describeTransformJob",
        parameters: &[("TransformJobName", Given, "/TransformJobName")],
        status: "/TransformJobStatus",
        succeeded: &["Completed"],
        failed: &["Failed", "Stopped"],
        result: "",
    },
    Job {
        service: "sagemaker",
        action: "createProcessingJob",
        describe: "describeProcessingJob",
        parameters: &[("ProcessingJobName", Given, "/ProcessingJobName")],
        status: "/ProcessingJobStatus",
        succeeded: &["Completed"],
        failed: &["Failed", "Stopped"],
        result: "",
    },
    Job {
        service: "sagemaker",
        action: "createHyperParameterTuningJob",
        describe: "describeHyperParameterTuningJob",
        parameters: &[(
            "HyperParameterTuningJobName",
            Given,
            "/HyperParameterTuningJobName",
        )],
        status: "/HyperParameterTuningJobStatus",
        succeeded: &["Completed"],
        failed: &["Failed", "Stopped"],
        result: "",
    },
];

impl Job {
    /// The job that a Resource begins, if it is one that can be looked at.
    pub fn of(resource: &Resource) -> Option<&'static Job> {
        let Resource::Service {
            service, action, ..
        } = resource
        else {
            return None;
        };
        JOBS.iter()
            .find(|job| *job.service == **service && *job.action == **action)
    }

    /// The parameters of the description.
    pub fn look(&self, given: &Value, answer: &Value) -> Value {
        let parameters = self.parameters.iter().map(|(name, source, place)| {
            let value = |whole: &Value| whole.pointer(place).cloned().unwrap_or_default();
            let value = match source {
                Given => value(given),
                Answer => value(answer),
                List => Value::from(vec![value(answer)]),
            };
            ((*name).to_owned(), value)
        });
        Value::Object(parameters.collect())
    }

    /// Whether a described job has succeeded; none while it goes on.
    pub fn ended(&self, seen: &Value) -> Option<bool> {
        let status = seen.pointer(self.status)?.as_str()?;
        let is_one = |list: &[&str]| list.contains(&status);
        match (is_one(self.succeeded), is_one(self.failed)) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// The state's result for a description.
    pub fn result(&self, mut seen: Value) -> Value {
        let part = seen.pointer_mut(self.result).map(Value::take);
        let part = part.unwrap_or_default();
        match self.service {
            // Its result has the build where one was asked for.
            "codebuild" => Value::Object(Map::from_iter([("Build".to_owned(), part)])),
            _ => part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::Integration;
    use crate::table::Service;
    use serde_json::json;

    fn job(resource: &str) -> &'static Job {
        Job::of(&Resource::parse(&format!("arn:aws:states:::{resource}")).unwrap()).unwrap()
    }

    #[test]
    fn a_job_is_looked_at_until_it_ends() {
        let glue = job("glue:startJobRun.sync");
        let look = glue.look(&json!({ "JobName": "j" }), &json!({ "JobRunId": "r" }));
        assert_eq!(look, json!({ "JobName": "j", "RunId": "r" }));
        let seen = |state: &str| json!({ "JobRun": { "JobRunState": state } });
        assert_eq!(glue.ended(&seen("RUNNING")), None);
        assert_eq!(glue.ended(&seen("SUCCEEDED")), Some(true));
        assert_eq!(glue.ended(&seen("TIMEOUT")), Some(false));
        assert_eq!(
            glue.result(seen("SUCCEEDED")),
            json!({ "JobRunState": "SUCCEEDED" })
        );
        let build = job("codebuild:startBuild.sync");
        let look = build.look(&json!({}), &json!({ "Build": { "Id": "b" } }));
        assert_eq!(look, json!({ "Ids": ["b"] }));
    }

    #[test]
    fn every_job_begins_and_is_described_by_known_actions() {
        for job in JOBS {
            let resource = format!("arn:aws:states:::{}:{}", job.service, job.action);
            let integration = Integration::of(&Resource::parse(&resource).unwrap()).unwrap();
            let service = Service::load(&integration.service).unwrap();
            for action in [integration.action.as_str(), job.describe] {
                assert!(
                    service.operations.contains_key(action),
                    "{resource} {action}"
                );
            }
        }
    }
}
