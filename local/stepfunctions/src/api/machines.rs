//! State machines.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use asl::ExecutionType;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::store::MachineRow;
use super::super::{Inner, Machine, internal};
use super::pages::{Page, Paging};
use super::{check_name, tags};
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
}

/// CreateStateMachine: idempotent for the same name, definition, type and role.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
pub async fn create(sfn: &Arc<Inner>, request: Create) -> Result<Value, ServiceError> {
    check_name(&request.name)?;
    let kind = request.kind.unwrap_or_else(|| "STANDARD".into());
    if kind != "STANDARD" && kind != "EXPRESS" {
        let message = format!(
            "1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint: \
             Member must satisfy enum value set: [STANDARD, EXPRESS]"
        );
        return Err(super::invalid(message));
    }
    let compiled = compile(&request.definition, &kind)?;
    let arn = sfn
        .local
        .arn("states", &format!("stateMachine:{}", request.name));
    if let Ok(existing) = sfn.machine(&arn) {
        let row = &existing.row;
        if (&row.definition, &row.kind, &row.role_arn)
            == (&request.definition, &kind, &request.role_arn)
        {
            return Ok(created(&existing));
        }
        let message = format!("State Machine Already Exists: '{arn}'");
        return Err(ServiceError::new("StateMachineAlreadyExists", message));
    }
    let now = sfn.clock.now();
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
    sfn.store.put_machine(row.clone()).await.map_err(internal)?;
    tags::set(sfn, &arn, request.tags).await?;
    Ok(created(&sfn.insert_machine(row, compiled)))
}

fn created(machine: &Machine) -> Value {
    json!({ "stateMachineArn": machine.row.arn, "creationDate": epoch_seconds(machine.row.created) })
}

fn compile(definition: &str, kind: &str) -> Result<asl::StateMachine, ServiceError> {
    super::super::compile(definition, execution_type(kind)).map_err(|invalid| {
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

/// `EXPRESS` or, whatever else is said, `STANDARD`.
pub fn execution_type(kind: &str) -> ExecutionType {
    match kind {
        "EXPRESS" => ExecutionType::Express,
        _ => ExecutionType::Standard,
    }
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
pub async fn update(sfn: &Arc<Inner>, request: Update) -> Result<Value, ServiceError> {
    let machine = sfn.machine(&request.state_machine_arn)?;
    if request.definition.is_none() && request.role_arn.is_none() {
        let message = "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration \
                       must be specified";
        return Err(ServiceError::new("MissingRequiredParameter", message));
    }
    let mut row = machine.row.clone();
    let compiled = match request.definition {
        Some(definition) => {
            let compiled = compile(&definition, &row.kind)?;
            row.definition = definition;
            compiled
        }
        None => machine.compiled.clone(),
    };
    row.role_arn = request.role_arn.unwrap_or(row.role_arn);
    row.updated = sfn.clock.now();
    row.revision = uuid::Uuid::new_v4().to_string();
    sfn.store.put_machine(row.clone()).await.map_err(internal)?;
    let machine = sfn.insert_machine(row, compiled);
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
pub async fn delete(sfn: &Arc<Inner>, request: ByArn) -> Result<Value, ServiceError> {
    sfn.store
        .delete_machine(&request.state_machine_arn)
        .await
        .map_err(internal)?;
    let mut machines = sfn.machines.write();
    machines.remove(&request.state_machine_arn);
    Ok(json!({}))
}

/// DescribeStateMachine.
pub fn describe(sfn: &Arc<Inner>, request: ByArn) -> Result<Value, ServiceError> {
    let machine = sfn.machine(&request.state_machine_arn)?;
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
pub fn list(sfn: &Arc<Inner>, request: Paging) -> Result<Value, ServiceError> {
    let page: Page<String> = request.page("ListStateMachines".into(), sfn.clock.now())?;
    // The ARNs differ in the name alone.
    let after = page.after.as_deref().map_or(Unbounded, Excluded);
    let machines = sfn.machines.read();
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
