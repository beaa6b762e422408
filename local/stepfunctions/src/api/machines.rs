//! State machines.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use asl::ExecutionType;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Page, Paging};
use super::tags;
use crate::engine::Engine;
use crate::errors::internal;
use crate::machine::Machine;
use crate::names::check_name;
use crate::store::MachineRow;
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(rename = "type", default)]
    kind: ExecutionType,
    #[serde(default)]
    tags: Vec<tags::Tag>,
}

/// CreateStateMachine: idempotent for the same name, definition, type and role.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
pub async fn create(engine: &Arc<Engine>, request: Create) -> Result<Value, ServiceError> {
    check_name(&request.name)?;
    let kind = request.kind;
    let compiled = compile(&request.definition, kind)?;
    let arn = engine
        .local
        .arn("states", &format!("stateMachine:{}", request.name));
    if let Ok(existing) = engine.machine(&arn) {
        let row = &existing.row;
        if (&row.definition, &row.kind, &row.role_arn)
            == (&request.definition, &kind, &request.role_arn)
        {
            return Ok(created(&existing));
        }
        let message = format!("State Machine Already Exists: '{arn}'");
        return Err(ServiceError::new("StateMachineAlreadyExists", message));
    }
    let now = engine.clock.now();
    let row = MachineRow {
        arn: arn.clone(),
        name: request.name,
        kind,
        role_arn: request.role_arn,
        definition: request.definition,
        revision: "INITIAL".into(),
        created: now,
        updated: now,
    };
    engine
        .store
        .put_machine(row.clone())
        .await
        .map_err(internal)?;
    tags::set(engine, &arn, request.tags).await?;
    Ok(created(&engine.insert_machine(row, compiled)))
}

fn created(machine: &Machine) -> Value {
    json!({ "stateMachineArn": machine.row.arn, "creationDate": epoch_seconds(machine.row.created) })
}

fn compile(definition: &str, kind: ExecutionType) -> Result<asl::StateMachine, ServiceError> {
    crate::machine::compile(definition, kind).map_err(|invalid| {
        let findings: Vec<String> = invalid
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect();
        let message = format!(
            "Invalid State Machine Definition: '{}'",
            findings.join(", ")
        );
        ServiceError::new("InvalidDefinition", message)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
}

/// UpdateStateMachine: running executions keep the definition they started with.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html>
pub async fn update(engine: &Arc<Engine>, request: Update) -> Result<Value, ServiceError> {
    let machine = engine.machine(&request.state_machine_arn)?;
    if request.definition.is_none() && request.role_arn.is_none() {
        let message = "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration \
                       must be specified";
        return Err(ServiceError::new("MissingRequiredParameter", message));
    }
    let mut row = machine.row.clone();
    let compiled = match request.definition {
        Some(definition) => {
            let compiled = compile(&definition, row.kind)?;
            row.definition = definition;
            compiled
        }
        None => machine.compiled.clone(),
    };
    row.role_arn = request.role_arn.unwrap_or(row.role_arn);
    row.updated = engine.clock.now();
    row.revision = uuid::Uuid::new_v4().to_string();
    engine
        .store
        .put_machine(row.clone())
        .await
        .map_err(internal)?;
    let machine = engine.insert_machine(row, compiled);
    Ok(
        json!({ "updateDate": epoch_seconds(machine.row.updated), "revisionId": machine.row.revision }),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ByArn {
    state_machine_arn: String,
}

/// DeleteStateMachine: one that does not exist is no error.
pub async fn delete(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    engine
        .store
        .delete_machine(&request.state_machine_arn)
        .await
        .map_err(internal)?;
    let mut machines = engine.machines.write();
    machines.remove(&request.state_machine_arn);
    Ok(json!({}))
}

/// DescribeStateMachine.
pub fn describe(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let machine = engine.machine(&request.state_machine_arn)?;
    let row = &machine.row;
    let mut response = json!({
        "stateMachineArn": row.arn,
        "name": row.name,
        "status": "ACTIVE",
        "definition": row.definition,
        "roleArn": row.role_arn,
        "type": row.kind,
        "creationDate": epoch_seconds(row.created),
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    });
    if row.revision != "INITIAL" {
        response["revisionId"] = json!(row.revision);
    }
    Ok(response)
}

/// ListStateMachines, by name.
pub fn list(engine: &Arc<Engine>, request: Paging) -> Result<Value, ServiceError> {
    let page: Page<String> = request.page("ListStateMachines".into(), engine.clock.now())?;
    // The ARNs differ in the name alone.
    let after = page.after.as_deref().map_or(Unbounded, Excluded);
    let machines = engine.machines.read();
    let machines = machines.range::<str, _>((after, Unbounded));
    let machines: Vec<Arc<Machine>> = machines
        .take(page.fetch())
        .map(|(_, machine)| machine.clone())
        .collect();
    Ok(page.response(
        "stateMachines",
        machines,
        |machine| machine.row.arn.clone(),
        |machine| {
            let row = &machine.row;
            json!({
                "stateMachineArn": row.arn,
                "name": row.name,
                "type": row.kind,
                "creationDate": epoch_seconds(row.created),
            })
        },
    ))
}
