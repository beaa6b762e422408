//! Names and ARNs of resources, as a deployment would make them.

use sha2::{Digest, Sha256};

use super::intrinsics::Template;
use super::node::Node;
use super::{ACCOUNT, StackError};

impl Template {
    /// Physical name of the resource `id`: the one it sets, else one made of stack name and logical id.
    pub fn physical_name(&self, id: &str) -> Result<String, StackError> {
        let resource = self.resource(id, id)?;
        let at = &resource.at;
        let generated = format!("{}-{id}", self.stack_name);
        let key = match resource.kind.as_str() {
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Lambda::Function" => "FunctionName",
            "AWS::StepFunctions::StateMachine" => "StateMachineName",
            "AWS::ECS::Cluster" => "ClusterName",
            "AWS::ECS::TaskDefinition" => "Family",
            "AWS::Batch::JobDefinition" => "JobDefinitionName",
            "AWS::Batch::JobQueue" => "JobQueueName",
            "AWS::Batch::ComputeEnvironment" => "ComputeEnvironmentName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::ECR::Repository" => "RepositoryName",
            "AWS::StepFunctions::StateMachineAlias"
            | "AWS::StepFunctions::Activity"
            | "AWS::Events::Rule"
            | "AWS::Scheduler::Schedule" => "Name",
            kind => return Ok(opaque_id(kind, id)),
        };
        let properties = self.resolve(&resource.body["Properties"], at)?;
        match properties.get(key) {
            Some(name) if !name.is_null() => self.text(name, &format!("{at}.{key}")),
            // Bucket names must be lower case.
            _ if resource.kind == "AWS::S3::Bucket" => Ok(generated.to_lowercase()),
            _ => Ok(generated),
        }
    }

    /// ARN of a function by what SAM calls its alias and its version. Here every version is the function as the file
    /// has it, so the ARN has no qualifier.
    /// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources-function.html>
    pub(super) fn of_function(&self, name: &str) -> Option<Result<String, StackError>> {
        let (id, _) = name
            .split_once('.')
            .filter(|(_, made)| matches!(*made, "Alias" | "Version"))?;
        let resource = self.resources.get(id)?;
        (resource.kind == "AWS::Lambda::Function").then(|| self.function_arn(id))
    }

    fn function_arn(&self, id: &str) -> Result<String, StackError> {
        let name = self.physical_name(id)?;
        Ok(self.arn("lambda", &format!("function:{name}")))
    }

    pub(super) fn attribute(
        &self,
        id: &str,
        attribute: &str,
        at: &str,
    ) -> Result<String, StackError> {
        if let Some(function) = self.deployed(id) {
            return Ok(self.arn("lambda", &format!("function:{function}")));
        }
        // SAM names what it makes for an alias `Function.Alias` and `Function.Version`.
        if matches!(attribute, "Alias" | "Version")
            && let Some(arn) = self.of_function(&format!("{id}.{attribute}"))
        {
            return arn;
        }
        if id == "IamRoleLambdaExecution" {
            let role = format!("{}-{}-lambdaRole", self.stack_name, self.region);
            return Ok(format!("arn:aws:iam::{ACCOUNT}:role/{role}"));
        }
        let kind = self.resource(id, at)?.kind.clone();
        let name = self.physical_name(id)?;
        if attribute == "Name" {
            return Ok(name);
        }
        if attribute == "RepositoryUri" {
            let registry = format!("{ACCOUNT}.dkr.ecr.{}.amazonaws.com", self.region);
            return Ok(format!("{registry}/{name}"));
        }
        if !attribute.ends_with("Arn") && attribute != "Id" {
            return Ok(format!("{name}.{attribute}"));
        }
        Ok(match kind.as_str() {
            "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
            "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AWS::StepFunctions::StateMachine" => {
                self.arn("states", &format!("stateMachine:{name}"))
            }
            "AWS::Lambda::Function" => self.function_arn(id)?,
            // Every version is the function as the file has it.
            "AWS::Lambda::Version" | "AWS::Lambda::Alias" => {
                let function = &self.resource(id, at)?.body["Properties"]["FunctionName"];
                let function = self.text(function, at)?;
                match function.starts_with("arn:") {
                    true => function,
                    false => self.arn("lambda", &format!("function:{function}")),
                }
            }
            // The stack's state machine as it is: its first version.
            "AWS::StepFunctions::StateMachineVersion" => {
                let machine = &self.resource(id, at)?.body["Properties"]["StateMachineArn"];
                format!("{}:1", self.text(machine, at)?)
            }
            "AWS::StepFunctions::StateMachineAlias" => {
                let properties = &self.resource(id, at)?.body["Properties"];
                let properties = Node::new(self, properties, at.to_owned())?;
                format!("{}:{name}", aliased_machine(&properties)?)
            }
            "AWS::StepFunctions::Activity" => self.arn("states", &format!("activity:{name}")),
            "AWS::ECS::Cluster" => self.arn("ecs", &format!("cluster/{name}")),
            "AWS::ECS::TaskDefinition" => self.arn("ecs", &format!("task-definition/{name}:1")),
            "AWS::Batch::JobDefinition" => self.arn("batch", &format!("job-definition/{name}:1")),
            "AWS::Batch::JobQueue" => self.arn("batch", &format!("job-queue/{name}")),
            "AWS::Batch::ComputeEnvironment" => {
                self.arn("batch", &format!("compute-environment/{name}"))
            }
            "AWS::Events::Rule" => self.arn("events", &format!("rule/{name}")),
            "AWS::Scheduler::Schedule" => {
                self.arn("scheduler", &format!("schedule/default/{name}"))
            }
            "AWS::SNS::Topic" => self.arn("sns", &name),
            "AWS::SQS::Queue" => self.arn("sqs", &name),
            "AWS::Logs::LogGroup" => self.arn("logs", &format!("log-group:{name}:*")),
            kind => self.arn(
                &kind.split("::").nth(1).unwrap_or_default().to_lowercase(),
                &name,
            ),
        })
    }
}

/// ARN of the state machine of an alias: whichever versions it leads to, all of them are of one.
pub fn aliased_machine(alias: &Node<'_>) -> Result<String, StackError> {
    let leads = match alias.get("DeploymentPreference")? {
        Some(preference) => Some(preference),
        None => alias.list("RoutingConfiguration")?.into_iter().next(),
    };
    let version = leads.map(|leads| leads.require("StateMachineVersionArn")?.string());
    let version = version.transpose()?.ok_or_else(|| {
        alias.error("an alias leads to a version: DeploymentPreference or RoutingConfiguration")
    })?;
    let machine = version.rsplit_once(':').map(|(machine, _)| machine);
    Ok(machine.unwrap_or(&version).to_owned())
}

/// Id in the form AWS gives to what has no name: `subnet-0` and 16 hexadecimal digits.
fn opaque_id(kind: &str, id: &str) -> String {
    let prefix = match kind {
        "AWS::EC2::Subnet" => "subnet",
        "AWS::EC2::SecurityGroup" => "sg",
        "AWS::EC2::VPC" => "vpc",
        _ => return id.to_owned(),
    };
    let digest = Sha256::digest(id.as_bytes());
    format!("{prefix}-0{}", hex::encode(&digest[..8]))
}

/// Logical id that the Serverless Framework gives to a function: `job-watcher` is
/// `JobDashwatcherLambdaFunction`.
/// <https://www.serverless.com/framework/docs/providers/aws/guide/resources#aws-cloudformation-resource-reference>
pub fn function_logical_id(key: &str) -> String {
    format!("{}LambdaFunction", normalized(key))
}

/// A key as the Serverless Framework makes part of a logical id of it.
pub fn normalized(key: &str) -> String {
    let escaped = key.replace('-', "Dash").replace('_', "Underscore");
    let mut characters = escaped.chars();
    let first = characters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}", characters.as_str())
}

/// The file name of the binary that stands for a container image: the last segment of the image's
/// path without tag and digest (`123.dkr.ecr.us-east-1.amazonaws.com/team/trainer:1.2` is `trainer`).
pub fn binary_of_image(image: &str) -> &str {
    let without_digest = image.split('@').next().unwrap_or(image);
    let last = without_digest.rsplit('/').next().unwrap_or(without_digest);
    last.split(':').next().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_names_its_binary() {
        for (image, binary) in [
            ("trainer", "trainer"),
            ("trainer:latest", "trainer"),
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/trainer:1.0",
                "trainer",
            ),
            ("localhost:5000/a/b/trainer", "trainer"),
            ("repo/trainer@sha256:0123", "trainer"),
            ("repo/trainer:1@sha256:0123", "trainer"),
        ] {
            assert_eq!(binary_of_image(image), binary, "{image}");
        }
    }
}
