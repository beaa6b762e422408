//! State machines.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use asl::ExecutionType;
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;
use serde::Deserialize;
use serde_json::{Value, json};

use super::configuration::{Encryption, Logging, Tracing, refuse_key};
use super::pages::{Page, Paging};
use super::tags;
use crate::arns::{MachineArn, check_role};
use crate::engine::Engine;
use crate::errors::{internal, invalid};
use crate::machine::{INITIAL, Machine};
use crate::names::check_name;
use crate::store::{Configuration, MachineRow};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(rename = "type", default)]
    kind: ExecutionType,
    logging_configuration: Option<Logging>,
    tracing_configuration: Option<Tracing>,
    encryption_configuration: Option<Encryption>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
}

/// CreateStateMachine: idempotent for the same name, definition, type and configurations; another role or other tags
/// change nothing.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
pub async fn create(engine: &Arc<Engine>, request: Create) -> Result<Value, ServiceError> {
    check_name(&request.name)?;
    check_role(&request.role_arn)?;
    check_published(request.publish, request.version_description.as_ref())?;
    refuse_key(request.encryption_configuration.as_ref())?;
    let configuration = Configuration {
        logging: Logging::kept(request.logging_configuration.as_ref())?,
        tracing: Tracing::kept(request.tracing_configuration.as_ref()),
    };
    let compiled = compile(&request.definition, request.kind)?;
    let arn = engine
        .local
        .arn("states", &format!("stateMachine:{}", request.name));
    let _changing = engine.changing.lock().await;
    let machine = if engine.machine(&arn).is_ok() {
        let existing = engine.changeable(&arn)?;
        let row = &existing.row;
        if (&row.definition, row.kind, &row.configuration)
            != (&request.definition, request.kind, &configuration)
        {
            let message = format!("State Machine Already Exists: '{arn}'");
            return Err(ServiceError::new("StateMachineAlreadyExists", message));
        }
        existing
    } else {
        let now = engine.clock.now();
        let row = MachineRow {
            arn: arn.clone(),
            name: request.name,
            kind: request.kind,
            role_arn: request.role_arn,
            definition: request.definition,
            configuration,
            revision: INITIAL.into(),
            last_version: 0,
            deleting: false,
            created: now,
            updated: now,
        };
        let tags = tags::checked(&[], request.tags)?;
        engine
            .store
            .put_machine(row.clone())
            .await
            .map_err(internal)?;
        tags::set(engine, &arn, tags).await?;
        engine.insert_machine(row, compiled)
    };
    let mut response = json!({
        "stateMachineArn": arn,
        "creationDate": epoch_seconds(machine.row.created),
    });
    if request.publish {
        let published = engine.publish(&machine, request.version_description);
        let version = published.await.map_err(internal)?;
        response["stateMachineVersionArn"] = json!(version.row.arn);
    }
    Ok(response)
}

fn check_published(publish: bool, description: Option<&String>) -> Result<(), ServiceError> {
    if description.is_some() && !publish {
        return Err(invalid(
            "Version description can only be set when publish is true",
        ));
    }
    Ok(())
}

fn compile(definition: &str, kind: ExecutionType) -> Result<asl::StateMachine, ServiceError> {
    crate::machine::compile(definition, kind)
        .map_err(|invalid| ServiceError::new("InvalidDefinition", invalid.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
    logging_configuration: Option<Logging>,
    tracing_configuration: Option<Tracing>,
    encryption_configuration: Option<Encryption>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

/// UpdateStateMachine: running executions keep the definition they started with.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html>
pub async fn update(engine: &Arc<Engine>, request: Update) -> Result<Value, ServiceError> {
    let arn = MachineArn::unqualified(&request.state_machine_arn)?;
    request.role_arn.as_deref().map_or(Ok(()), check_role)?;
    check_published(request.publish, request.version_description.as_ref())?;
    refuse_key(request.encryption_configuration.as_ref())?;
    let logging = Logging::kept(request.logging_configuration.as_ref())?;
    let tracing = Tracing::kept(request.tracing_configuration.as_ref());
    let _changing = engine.changing.lock().await;
    let machine = engine.changeable(arn)?;
    if request.definition.is_none()
        && request.role_arn.is_none()
        && request.logging_configuration.is_none()
        && request.tracing_configuration.is_none()
        && request.encryption_configuration.is_none()
    {
        let message = "Either the definition, the role ARN, the LoggingConfiguration, the TracingConfiguration or \
                       the EncryptionConfiguration must be specified";
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
    if request.logging_configuration.is_some() {
        row.configuration.logging = logging;
    }
    if request.tracing_configuration.is_some() {
        row.configuration.tracing = tracing;
    }
    row.updated = engine.clock.now();
    row.revision = uuid::Uuid::new_v4().to_string();
    engine
        .store
        .put_machine(row.clone())
        .await
        .map_err(internal)?;
    let machine = engine.insert_machine(row, compiled);
    let mut response = json!({
        "updateDate": epoch_seconds(machine.row.updated),
        "revisionId": machine.row.revision,
    });
    if request.publish {
        let published = engine.publish(&machine, request.version_description);
        let version = published.await.map_err(internal)?;
        response["stateMachineVersionArn"] = json!(version.row.arn);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    state_machine_arn: String,
}

/// DeleteStateMachine: one that does not exist is no error.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html>
pub async fn delete(engine: &Arc<Engine>, request: Delete) -> Result<Value, ServiceError> {
    let arn = MachineArn::unqualified(&request.state_machine_arn)?;
    engine.delete_machine(arn).await?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Describe {
    state_machine_arn: String,
    included_data: Option<String>,
}

/// DescribeStateMachine: of a state machine, of a version, or of the version to which an alias leads. Without data the
/// definition is `{}`.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html>
pub fn describe(engine: &Arc<Engine>, request: Describe) -> Result<Value, ServiceError> {
    let target = engine.target(&request.state_machine_arn)?;
    let row = &target.machine.row;
    let with_data = includes_data(request.included_data.as_deref());
    let mut response = json!({
        "stateMachineArn": target.version.as_ref().unwrap_or(&row.arn),
        "name": row.name,
        "status": if row.deleting { "DELETING" } else { "ACTIVE" },
        "definition": if with_data { &row.definition } else { "{}" },
        "roleArn": row.role_arn,
        "type": row.kind.name(),
        "creationDate": epoch_seconds(row.created),
        "loggingConfiguration": Logging::shown(&row.configuration),
        "tracingConfiguration": Tracing::shown(&row.configuration),
        "encryptionConfiguration": { "type": "AWS_OWNED_KEY" },
    });
    if row.revision != INITIAL {
        response["revisionId"] = json!(row.revision);
    }
    if let Some(version) = target.version {
        let (machine, number) = MachineArn::version(&version)?;
        let published = engine.published.read().version(machine, number);
        if let Some(version) = published {
            response["creationDate"] = epoch_seconds(version.row.created);
            if !version.row.description.is_empty() {
                response["description"] = json!(version.row.description);
            }
        }
    }
    Ok(response)
}

/// What `includedData` says.
pub fn includes_data(included: Option<&str>) -> bool {
    included != Some("METADATA_ONLY")
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
                "type": row.kind.name(),
                "creationDate": epoch_seconds(row.created),
            })
        },
    ))
}
