//! Tags, resource policy and reserved concurrency of functions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{FunctionRequest, check_revision, conflict, invalid};
use super::catalog::{Address, Entry, not_found};
use super::{LATEST, Lambda};
use crate::error::ServiceError;
use crate::members::OneOrMany;

/// Executions that reservations must leave to the functions without one.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
const LEAST_UNRESERVED: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagRequest {
    resource: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: OneOrMany,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Permission {
    function_name: String,
    qualifier: Option<String>,
    statement_id: String,
    action: Option<String>,
    principal: Option<String>,
    source_arn: Option<String>,
    source_account: Option<String>,
    revision_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Reserve {
    function_name: String,
    reserved_concurrent_executions: u32,
}

impl Permission {
    /// The statement of the policy that it becomes.
    fn statement(&self, resource: &str) -> Value {
        let principal = self.principal.as_deref().unwrap_or_default();
        let is_account = principal.len() == 12 && principal.bytes().all(|b| b.is_ascii_digit());
        let principal = match principal {
            "*" => json!("*"),
            account if is_account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
            arn if arn.starts_with("arn:") => json!({"AWS": arn}),
            service => json!({"Service": service}),
        };
        let mut statement = json!({
            "Sid": self.statement_id,
            "Effect": "Allow",
            "Principal": principal,
            "Action": self.action,
            "Resource": resource,
        });
        if let Some(account) = &self.source_account {
            statement["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!(account);
        }
        if let Some(arn) = &self.source_arn {
            statement["Condition"]["ArnLike"]["AWS:SourceArn"] = json!(arn);
        }
        statement
    }
}

/// Under which qualifier a policy stands.
fn policy_key(address: &Address) -> Result<String, ServiceError> {
    match address.qualifier.as_deref() {
        Some(LATEST) => Err(invalid(
            "We currently do not support adding policies for $LATEST.",
        )),
        qualifier => Ok(qualifier.unwrap_or_default().to_owned()),
    }
}

impl Lambda {
    pub(super) fn tag(&self, request: &TagRequest) -> Result<(), ServiceError> {
        let address = self.address_of_arn(&request.resource)?;
        self.change(&address, |entry| {
            entry.tags.extend(request.tags.clone());
            entry.tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(())
        })
    }

    pub(super) fn tags(&self, request: &TagRequest) -> Result<Value, ServiceError> {
        let address = self.address_of_arn(&request.resource)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        Ok(json!({"Tags": entry.tags}))
    }

    pub(super) fn add_permission(&self, request: &Permission) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let key = policy_key(&address)?;
        self.change(&address, |entry| {
            check_revision(request.revision_id.as_deref(), &entry.latest.revision)?;
            if !entry.has(address.qualifier.as_deref()) {
                return Err(address.unknown(self.local()));
            }
            let resource = match key.as_str() {
                "" => entry.latest.arn.clone(),
                qualifier => format!("{}:{qualifier}", entry.latest.arn),
            };
            let statements = entry.policies.entry(key).or_default();
            let id = &request.statement_id;
            if statements.iter().any(|statement| statement["Sid"] == json!(id)) {
                return Err(conflict(format!(
                    "The statement id ({id}) provided already exists. Please provide a new statement id, or remove \
                     the existing statement."
                )));
            }
            let statement = request.statement(&resource);
            statements.push(statement.clone());
            Ok(json!({"Statement": statement.to_string()}))
        })
    }

    pub(super) fn remove_permission(&self, request: &Permission) -> Result<(), ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let key = policy_key(&address)?;
        self.change(&address, |entry| {
            check_revision(request.revision_id.as_deref(), &entry.latest.revision)?;
            let id = &request.statement_id;
            let unknown = || not_found(format!("Statement {id} is not found in resource policy."));
            let statements = entry.policies.get_mut(&key).ok_or_else(unknown)?;
            let before = statements.len();
            statements.retain(|statement| statement["Sid"] != json!(id));
            if statements.len() == before {
                return Err(unknown());
            }
            Ok(())
        })
    }

    pub(super) fn policy(&self, request: &FunctionRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let key = policy_key(&address)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let statements = entry.policies.get(&key).filter(|all| !all.is_empty());
        let statements =
            statements.ok_or_else(|| not_found("The resource you requested does not exist."))?;
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
        Ok(json!({"Policy": policy.to_string(), "RevisionId": entry.latest.revision}))
    }

    pub(super) fn reserve(&self, request: &Reserve) -> Result<Value, ServiceError> {
        let of = FunctionRequest {
            function_name: request.function_name.clone(),
            qualifier: None,
            name: None,
        };
        let reserved = request.reserved_concurrent_executions;
        self.set_reserved(&of, Some(reserved))?;
        Ok(json!({"ReservedConcurrentExecutions": reserved}))
    }

    /// Sets or takes back a function's reservation.
    pub(super) fn set_reserved(
        &self,
        request: &FunctionRequest,
        reserved: Option<u32>,
    ) -> Result<(), ServiceError> {
        let address = self.address(&request.function_name, None)?;
        let others: u32 = {
            let functions = self.functions();
            let others = functions
                .values()
                .filter(|entry| entry.latest.name != address.name);
            others.filter_map(|entry| entry.reserved_concurrency).sum()
        };
        let all = self.local().limits.lambda_concurrency;
        let left = all
            .saturating_sub(others)
            .checked_sub(reserved.unwrap_or(0));
        if reserved.is_some() && left.is_none_or(|left| left < LEAST_UNRESERVED) {
            return Err(invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's \
                 UnreservedConcurrentExecution below its minimum value of [{LEAST_UNRESERVED}]."
            )));
        }
        let before = self.change(&address, |entry: &mut Entry| {
            let before = std::mem::replace(&mut entry.reserved_concurrency, reserved);
            entry.running.reserved = None;
            Ok(before)
        })?;
        self.release(before);
        if let Some(reserved) = reserved {
            self.inner.unreserved.forget_permits(reserved as usize);
        }
        Ok(())
    }

    pub(super) fn reserved(&self, request: &FunctionRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        Ok(match entry.reserved_concurrency {
            Some(reserved) => json!({"ReservedConcurrentExecutions": reserved}),
            None => json!({}),
        })
    }
}
