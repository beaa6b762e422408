//! Versions of state machines.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html>

use std::sync::Arc;

use cloud::error::ServiceError;
use cloud::time::epoch_seconds;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Page, Paging};
use crate::arns::MachineArn;
use crate::engine::Engine;
use crate::errors::{conflict, internal};
use crate::published::Version;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publish {
    state_machine_arn: String,
    revision_id: Option<String>,
    description: Option<String>,
}

/// PublishStateMachineVersion: a revision that is published already gives its version again.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_PublishStateMachineVersion.html>
pub async fn publish(engine: &Arc<Engine>, request: Publish) -> Result<Value, ServiceError> {
    let _changing = engine.changing.lock().await;
    let machine = engine.changeable(MachineArn::unqualified(&request.state_machine_arn)?)?;
    let revision = &machine.row.revision;
    if let Some(wanted) = &request.revision_id
        && wanted != revision
    {
        return Err(conflict(format!(
            "Failed to publish the State Machine version for revision: {wanted}. \
             The current State Machine revision is: {revision}"
        )));
    }
    let published = engine.publish(&machine, request.description);
    let version = published.await.map_err(internal)?;
    Ok(json!({
        "stateMachineVersionArn": version.row.arn,
        "creationDate": epoch_seconds(version.row.created),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByArn {
    state_machine_version_arn: String,
}

/// DeleteStateMachineVersion: one that does not exist is no error, one to which an alias leads is.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachineVersion.html>
pub async fn delete(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let arn = request.state_machine_version_arn;
    let (machine, number) = MachineArn::version(&arn)?;
    let _changing = engine.changing.lock().await;
    let leading: Vec<String> = {
        let published = engine.published.read();
        let aliases = published.aliases(machine);
        let leading = aliases.filter(|alias| alias.routes.iter().any(|(to, _)| *to == number));
        leading.map(|alias| alias.name.clone()).collect()
    };
    if !leading.is_empty() {
        return Err(conflict(format!(
            "Version to be deleted must not be referenced by an alias. \
             Current list of aliases referencing this version: [{}]",
            leading.join(", ")
        )));
    }
    engine.store.delete_version(&arn).await.map_err(internal)?;
    engine.published.write().remove_version(machine, number);
    Ok(json!({}))
}

/// What the lists of versions and of aliases are asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    pub state_machine_arn: String,
    pub max_results: Option<usize>,
    pub next_token: Option<String>,
}

/// ListStateMachineVersions, the newest first.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListStateMachineVersions.html>
pub fn list(engine: &Arc<Engine>, request: List) -> Result<Value, ServiceError> {
    let machine = MachineArn::unqualified(&request.state_machine_arn)?;
    let paging = Paging::new(request.max_results, request.next_token);
    let list = format!("ListStateMachineVersions {machine}");
    let page: Page<u64> = paging.page(list, engine.clock.now())?;
    let published = engine.published.read();
    let versions = published.versions(machine);
    let versions =
        versions.filter(|version| page.after.is_none_or(|last| version.row.number < last));
    let versions: Vec<Arc<Version>> = versions.take(page.fetch()).cloned().collect();
    Ok(page.response(
        "stateMachineVersions",
        versions,
        |version| version.row.number,
        |version| {
            json!({
                "stateMachineVersionArn": version.row.arn,
                "creationDate": epoch_seconds(version.row.created),
            })
        },
    ))
}
