//! Aliases of state machines.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html>

use std::sync::Arc;

use cloud::error::ServiceError;
use cloud::time::epoch_seconds;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Page, Paging};
use super::versions::List;
use crate::arns::{MachineArn, is_number};
use crate::engine::Engine;
use crate::errors::{conflict, internal, invalid, no_resource};
use crate::store::AliasRow;

/// Aliases of a state machine.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const MOST: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Route {
    state_machine_version_arn: String,
    weight: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    name: String,
    description: Option<String>,
    routing_configuration: Vec<Route>,
}

/// CreateStateMachineAlias: idempotent for the same name, description and routing.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachineAlias.html>
pub async fn create(engine: &Arc<Engine>, request: Create) -> Result<Value, ServiceError> {
    check_alias_name(&request.name)?;
    let _changing = engine.changing.lock().await;
    let (machine, routes) = routes(engine, &request.routing_configuration)?;
    engine.changeable(&machine)?;
    let arn = format!("{machine}:{}", request.name);
    let now = engine.clock.now();
    let alias = AliasRow {
        arn: arn.clone(),
        machine: machine.clone(),
        name: request.name,
        description: request.description.unwrap_or_default(),
        routes,
        created: now,
        updated: now,
    };
    let existing = engine.published.read().alias(&arn).cloned();
    if let Some(existing) = existing {
        let same = (&existing.description, &existing.routes) == (&alias.description, &alias.routes);
        return match same {
            true => Ok(created(&existing)),
            false => Err(conflict(format!(
                "Alias with name '{}' already exists with a different configuration",
                existing.name
            ))),
        };
    }
    if engine.published.read().aliases(&machine).count() >= MOST {
        let message = format!("A state machine has {MOST} aliases at most");
        return Err(ServiceError::new("ServiceQuotaExceededException", message));
    }
    keep(engine, &alias).await?;
    Ok(created(&alias))
}

fn created(alias: &AliasRow) -> Value {
    json!({
        "stateMachineAliasArn": alias.arn,
        "creationDate": epoch_seconds(alias.created),
    })
}

async fn keep(engine: &Arc<Engine>, alias: &AliasRow) -> Result<(), ServiceError> {
    let kept = engine.store.put_alias(alias.clone());
    kept.await.map_err(internal)?;
    engine.published.write().put_alias(alias.clone());
    Ok(())
}

/// An alias's name must not look like a version's number.
fn check_alias_name(name: &str) -> Result<(), ServiceError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if (1..=80).contains(&name.len()) && name.chars().all(known) && !is_number(name) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: ^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$"
    )))
}

/// One or two versions of one state machine, whose weights are 100 together.
fn routes(
    engine: &Arc<Engine>,
    given: &[Route],
) -> Result<(String, Vec<(u64, u64)>), ServiceError> {
    if !(1..=2).contains(&given.len()) {
        return Err(invalid(
            "Routing configuration must contain 1 or 2 versions",
        ));
    }
    if given.iter().map(|route| route.weight).sum::<u64>() != 100 {
        return Err(invalid(
            "The sum of the weights in the routing configuration must be equal to 100",
        ));
    }
    let mut machine = None;
    let mut routes = Vec::new();
    for Route {
        state_machine_version_arn: arn,
        weight,
    } in given
    {
        let (of, number) = MachineArn::version(arn)?;
        if *machine.get_or_insert(of) != of {
            return Err(invalid(
                "Both stateMachineVersionArn values must belong to the same state machine",
            ));
        }
        if routes.iter().any(|(earlier, _)| *earlier == number) {
            return Err(invalid("The versions of an alias must differ"));
        }
        let known = engine.published.read().version(of, number);
        known.ok_or_else(|| no_resource(arn))?;
        routes.push((number, *weight));
    }
    Ok((machine.unwrap_or_default().to_owned(), routes))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    state_machine_alias_arn: String,
    description: Option<String>,
    routing_configuration: Option<Vec<Route>>,
}

/// UpdateStateMachineAlias.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachineAlias.html>
pub async fn update(engine: &Arc<Engine>, request: Update) -> Result<Value, ServiceError> {
    let arn = request.state_machine_alias_arn;
    let (of, _) = MachineArn::alias(&arn)?;
    if request.description.is_none() && request.routing_configuration.is_none() {
        return Err(invalid(
            "Specify at least one of description and routingConfiguration",
        ));
    }
    let _changing = engine.changing.lock().await;
    let mut alias = find(engine, &arn)?;
    if let Some(given) = &request.routing_configuration {
        let (machine, routes) = routes(engine, given)?;
        if machine != of {
            return Err(invalid(
                "The versions of an alias must be of its own state machine",
            ));
        }
        alias.routes = routes;
    }
    alias.description = request.description.unwrap_or(alias.description);
    alias.updated = engine.clock.now();
    keep(engine, &alias).await?;
    Ok(json!({ "updateDate": epoch_seconds(alias.updated) }))
}

fn find(engine: &Engine, arn: &str) -> Result<AliasRow, ServiceError> {
    let published = engine.published.read();
    published
        .alias(arn)
        .cloned()
        .ok_or_else(|| no_resource(arn))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByArn {
    state_machine_alias_arn: String,
}

/// DescribeStateMachineAlias.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachineAlias.html>
pub fn describe(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    MachineArn::alias(&request.state_machine_alias_arn)?;
    let alias = find(engine, &request.state_machine_alias_arn)?;
    let routes = alias.routes.iter().map(|(number, weight)| {
        json!({
            "stateMachineVersionArn": format!("{}:{number}", alias.machine),
            "weight": weight,
        })
    });
    let routes: Vec<Value> = routes.collect();
    let mut response = json!({
        "stateMachineAliasArn": alias.arn,
        "name": alias.name,
        "routingConfiguration": routes,
        "creationDate": epoch_seconds(alias.created),
        "updateDate": epoch_seconds(alias.updated),
    });
    if !alias.description.is_empty() {
        response["description"] = json!(alias.description);
    }
    Ok(response)
}

/// DeleteStateMachineAlias.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachineAlias.html>
pub async fn delete(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let arn = request.state_machine_alias_arn;
    MachineArn::alias(&arn)?;
    let _changing = engine.changing.lock().await;
    find(engine, &arn)?;
    engine.store.delete_alias(&arn).await.map_err(internal)?;
    engine.published.write().remove_alias(&arn);
    Ok(json!({}))
}

/// ListStateMachineAliases, the newest first: those of a state machine, or those that lead to a version.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListStateMachineAliases.html>
pub fn list(engine: &Arc<Engine>, request: List) -> Result<Value, ServiceError> {
    let arn = request.state_machine_arn;
    let parsed = MachineArn::parse(&arn)?;
    let version = match parsed.qualifier {
        None => None,
        Some(_) => Some(MachineArn::version(&arn)?.1),
    };
    engine.machine(parsed.machine)?;
    let paging = Paging::new(request.max_results, request.next_token);
    let list = format!("ListStateMachineAliases {arn}");
    let page: Page<(i64, String)> = paging.page(list, engine.clock.now())?;
    let place = |alias: &AliasRow| (alias.created.0, alias.name.clone());
    let published = engine.published.read();
    let aliases = published.aliases(parsed.machine);
    let mut aliases: Vec<AliasRow> = aliases
        .filter(|alias| {
            version.is_none_or(|wanted| alias.routes.iter().any(|(to, _)| *to == wanted))
        })
        .filter(|alias| page.after.as_ref().is_none_or(|last| place(alias) < *last))
        .cloned()
        .collect();
    aliases.sort_by_key(|alias| std::cmp::Reverse(place(alias)));
    aliases.truncate(page.fetch());
    Ok(page.response("stateMachineAliases", aliases, place, created))
}
