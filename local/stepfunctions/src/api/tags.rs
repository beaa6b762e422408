//! Tags of state machines and activities.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::errors::internal;
use cloud::error::ServiceError;

#[derive(Deserialize)]
pub struct Tag {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Set {
    resource_arn: String,
    tags: Vec<Tag>,
}

/// TagResource.
pub async fn tag(engine: &Arc<Engine>, request: Set) -> Result<Value, ServiceError> {
    set(engine, &request.resource_arn, request.tags).await?;
    Ok(json!({}))
}

/// Sets tags of a resource.
pub async fn set(engine: &Arc<Engine>, arn: &str, tags: Vec<Tag>) -> Result<(), ServiceError> {
    if tags.is_empty() {
        return Ok(());
    }
    let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    engine.store.tag(arn, tags).await.map_err(internal)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unset {
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// UntagResource.
pub async fn untag(engine: &Arc<Engine>, request: Unset) -> Result<Value, ServiceError> {
    engine
        .store
        .untag(&request.resource_arn, request.tag_keys)
        .await
        .map_err(internal)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ByArn {
    resource_arn: String,
}

/// ListTagsForResource.
pub fn list(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let tags = engine.store.tags(&request.resource_arn).map_err(internal)?;
    let tags: Vec<Value> = tags
        .into_iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    Ok(json!({ "tags": tags }))
}
