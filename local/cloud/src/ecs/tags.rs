//! Tags of clusters, task definitions and tasks, by ARN.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html>

use serde_json::{Value, json};

use super::{Ecs, client_error, invalid, texts};
use crate::error::ServiceError;
use crate::tags::Tags;

impl Ecs {
    pub(super) fn list_tags(&self, request: &Value) -> Result<Value, ServiceError> {
        let mut found = Tags::default();
        self.change_tags(request, |tags| {
            found = tags.clone();
            Ok(tags)
        })?;
        Ok(json!({"tags": found.to_list()}))
    }

    pub(super) fn tag(&self, request: &Value) -> Result<Value, ServiceError> {
        let bad = |error: crate::tags::TagError| invalid(error.to_string());
        let new = Tags::from_list(&request["tags"]).map_err(bad)?;
        self.change_tags(request, |tags| tags.with(&new).map_err(bad))?;
        Ok(json!({}))
    }

    pub(super) fn untag(&self, request: &Value) -> Result<Value, ServiceError> {
        let keys = texts(&request["tagKeys"]);
        self.change_tags(request, |tags| Ok(tags.without(&keys)))?;
        Ok(json!({}))
    }

    /// What has not changed is not written again: a look at tags is a change of nothing.
    fn change_tags(
        &self,
        request: &Value,
        change: impl FnOnce(Tags) -> Result<Tags, ServiceError>,
    ) -> Result<(), ServiceError> {
        let arn = request["resourceArn"].as_str().unwrap_or_default();
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split('/').next().unwrap_or_default() {
            "cluster" => {
                let mut cluster = self.cluster_named(arn)?;
                let tags = change(cluster.tags.clone())?;
                if tags != cluster.tags {
                    cluster.tags = tags;
                    self.put_cluster(cluster);
                }
            }
            "task-definition" => {
                let mut definition = self.definition(arn)?;
                let tags = change(definition.tags.clone())?;
                if tags != definition.tags {
                    definition.tags = tags;
                    self.put_definition(&definition);
                }
            }
            "task" => {
                let missing = || {
                    ServiceError::new("ResourceNotFoundException", format!("{arn} is not known"))
                };
                let handle = self.task(arn).ok_or_else(missing)?;
                let bad = |error: crate::tags::TagError| invalid(error.to_string());
                let before = Tags::from_list(&handle.task.borrow().tags).map_err(bad)?;
                let tags = change(before.clone())?;
                if tags != before {
                    handle.task.send_modify(|task| task.tags = tags.to_list());
                    self.save(&handle.task.borrow());
                }
            }
            "service" => return Err(super::list::service_not_found()),
            "container-instance" | "capacity-provider" => {
                return Err(client_error(format!("{arn} is not in the local cloud")));
            }
            _ => {
                return Err(invalid(format!(
                    "Invalid resourceArn '{arn}': it is no ARN of ECS"
                )));
            }
        }
        Ok(())
    }
}
