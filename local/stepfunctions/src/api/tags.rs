//! Tags of state machines and activities.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_TagResource.html>

use std::sync::Arc;

use cloud::error::ServiceError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::arns::check_tagged;
use crate::engine::Engine;
use crate::errors::{internal, no_resource};

/// Tags of a resource.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#concepts-tagging>
const MOST: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Set {
    resource_arn: String,
    tags: Vec<Tag>,
}

/// TagResource.
pub async fn tag(engine: &Arc<Engine>, request: Set) -> Result<Value, ServiceError> {
    check_resource(engine, &request.resource_arn)?;
    let there = engine.store.tags(&request.resource_arn);
    let tags = checked(&there.map_err(internal)?, request.tags)?;
    set(engine, &request.resource_arn, tags).await?;
    Ok(json!({}))
}

/// The tags that are to be added to those that are there.
///
/// # Errors
/// `TooManyTags`.
pub fn checked(
    there: &[(String, String)],
    tags: Vec<Tag>,
) -> Result<Vec<(String, String)>, ServiceError> {
    let tags: Vec<_> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let keys = there.iter().chain(&tags).map(|(key, _)| key);
    if keys.collect::<std::collections::BTreeSet<_>>().len() > MOST {
        let message = format!("A resource has {MOST} tags at most");
        return Err(ServiceError::new("TooManyTags", message));
    }
    Ok(tags)
}

/// Sets tags of a resource.
pub async fn set(
    engine: &Arc<Engine>,
    arn: &str,
    tags: Vec<(String, String)>,
) -> Result<(), ServiceError> {
    if tags.is_empty() {
        return Ok(());
    }
    engine.store.tag(arn, tags).await.map_err(internal)
}

fn check_resource(engine: &Engine, arn: &str) -> Result<(), ServiceError> {
    check_tagged(arn)?;
    if engine.activities.get(arn).is_some() || engine.machine(arn).is_ok() {
        return Ok(());
    }
    Err(no_resource(arn))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unset {
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// UntagResource.
pub async fn untag(engine: &Arc<Engine>, request: Unset) -> Result<Value, ServiceError> {
    check_resource(engine, &request.resource_arn)?;
    engine
        .store
        .untag(&request.resource_arn, request.tag_keys)
        .await
        .map_err(internal)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByArn {
    resource_arn: String,
}

/// ListTagsForResource.
pub fn list(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    check_resource(engine, &request.resource_arn)?;
    let tags = engine.store.tags(&request.resource_arn).map_err(internal)?;
    let tags: Vec<Value> = tags
        .into_iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    Ok(json!({ "tags": tags }))
}
