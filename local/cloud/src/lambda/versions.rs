//! Actions on versions and aliases.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::api::{FunctionRequest, List, check_revision, conflict, invalid};
use super::catalog::{Alias, Entry, not_found};
use super::settings::Settings;
use super::{LATEST, Lambda, code};
use crate::error::ServiceError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Publish {
    function_name: String,
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AliasRequest {
    function_name: String,
    name: String,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<Routing>,
    revision_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Routing {
    #[serde(default)]
    additional_version_weights: BTreeMap<String, f64>,
}

impl Routing {
    fn check(&self, main: &str, entry: &Entry) -> Result<(), ServiceError> {
        let weights = &self.additional_version_weights;
        if weights.len() > 1 {
            return Err(invalid(
                "Number of items in AdditionalVersionWeights cannot be greater than 1",
            ));
        }
        for (version, weight) in weights {
            if !(0.0..=1.0).contains(weight) {
                return Err(invalid(format!(
                    "The weight of version {version} is {weight}, not from 0.0 to 1.0"
                )));
            }
            if version == main {
                return Err(invalid(format!(
                    "Invalid function version {version}. Function version {main} is already included in routing configuration."
                )));
            }
            if version == LATEST || main == LATEST {
                return Err(invalid(
                    "$LATEST is not supported for an alias pointing to more than 1 version",
                ));
            }
            if entry.version(version).is_none() {
                return Err(not_found(format!(
                    "Function not found: {}:{version}",
                    entry.latest.arn
                )));
            }
        }
        Ok(())
    }
}

fn no_alias(entry: &Entry, name: &str) -> ServiceError {
    not_found(format!(
        "Cannot find alias arn: {}:{name}",
        entry.latest.arn
    ))
}

impl Lambda {
    pub(super) fn publish_version(&self, request: &Publish) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        self.change(&address, |entry| {
            check_revision(request.revision_id.as_deref(), &entry.latest.revision)?;
            let actual = &entry.latest.code_sha256;
            if let Some(expected) = &request.code_sha256
                && expected != actual
            {
                return Err(invalid(format!(
                    "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}). \
                     Please try again with the CodeSHA256 in $LATEST."
                )));
            }
            let version = self.publish(entry, request.description.as_deref())?;
            Ok(version.describe(Some(&version.version)))
        })
    }

    /// Publishes `$LATEST` as it is, unless the last version is the same.
    pub(super) fn publish(
        &self,
        entry: &mut Entry,
        description: Option<&str>,
    ) -> Result<Settings, ServiceError> {
        let latest = &entry.latest;
        if let Some(last) = entry.versions.values().next_back()
            && last.published_from.as_ref() == Some(&latest.revision)
        {
            return Ok(last.clone());
        }
        let number = entry.next_version;
        let mut version = Settings {
            version: number.to_string(),
            published_from: Some(latest.revision.clone()),
            description: description.unwrap_or(&latest.description).to_owned(),
            ..latest.clone()
        };
        version.touch();
        let program = self.local().binary(&version.binary);
        code::freeze(&mut version, &program, &self.code_root()).map_err(|error| {
            let message = format!("{} cannot be kept as a version: {error}", program.display());
            ServiceError::with_status(500, "ServiceException", message)
        })?;
        entry.next_version += 1;
        entry.versions.insert(number, version.clone());
        Ok(version)
    }

    pub(super) fn create_alias(&self, request: AliasRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        self.change(&address, |entry| {
            let AliasRequest { name, .. } = &request;
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            if is_number || name.len() > 128 || !name.chars().all(allowed) {
                return Err(invalid(format!(
                    "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: \
                     Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
                )));
            }
            if entry.aliases.contains_key(name) {
                let arn = &entry.latest.arn;
                return Err(conflict(format!("Alias already exists: {arn}:{name}")));
            }
            let empty = Alias {
                name: name.clone(),
                version: String::new(),
                description: String::new(),
                weights: BTreeMap::new(),
                revision: String::new(),
            };
            set_alias(entry, empty, request)
        })
    }

    pub(super) fn update_alias(&self, request: AliasRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        self.change(&address, |entry| {
            let alias = entry.aliases.get(&request.name).cloned();
            let alias = alias.ok_or_else(|| no_alias(entry, &request.name))?;
            check_revision(request.revision_id.as_deref(), &alias.revision)?;
            set_alias(entry, alias, request)
        })
    }

    pub(super) fn get_alias(&self, request: &FunctionRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let name = request.name.as_deref().unwrap_or_default();
        let alias = entry
            .aliases
            .get(name)
            .ok_or_else(|| no_alias(entry, name))?;
        Ok(alias.describe(&entry.latest.arn))
    }

    /// An alias that is not there is deleted already.
    pub(super) fn delete_alias(&self, request: &FunctionRequest) -> Result<(), ServiceError> {
        let address = self.address(&request.function_name, None)?;
        self.change(&address, |entry| {
            entry
                .aliases
                .remove(request.name.as_deref().unwrap_or_default());
            Ok(())
        })
    }

    pub(super) fn list_aliases(&self, request: &List) -> Result<Value, ServiceError> {
        let name = request.function_name.as_deref().unwrap_or_default();
        let address = self.address(name, None)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let wanted = entry.aliases.values().filter(|alias| {
            let version = request.function_version.as_ref();
            version.is_none_or(|version| {
                alias.version == *version || alias.weights.contains_key(version)
            })
        });
        request.page(
            "Aliases",
            wanted.map(|alias| (alias.name.clone(), alias.describe(&entry.latest.arn))),
        )
    }
}

/// Sets what a request says of an alias.
fn set_alias(
    entry: &mut Entry,
    mut alias: Alias,
    request: AliasRequest,
) -> Result<Value, ServiceError> {
    if let Some(version) = request.function_version {
        alias.version = version;
    }
    if entry.version(&alias.version).is_none() {
        let message = format!("Function not found: {}:{}", entry.latest.arn, alias.version);
        return Err(not_found(message));
    }
    if let Some(description) = request.description {
        alias.description = description;
    }
    if let Some(routing) = request.routing_config {
        routing.check(&alias.version, entry)?;
        alias.weights = routing.additional_version_weights;
    }
    alias.revision = Uuid::new_v4().to_string();
    let answer = alias.describe(&entry.latest.arn);
    entry.aliases.insert(alias.name.clone(), alias);
    Ok(answer)
}
