//! Actions on functions: making, changing, deleting, reading.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>

use std::collections::BTreeMap;

use placement::quota::{LAMBDA_MEMORY_MIB, LAMBDA_SECONDS};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stack::Env;
use uuid::Uuid;

use super::catalog::{Address, Entry, not_found};
use super::code::Code;
use super::settings::{Settings, architecture};
use super::{LATEST, Lambda};
use crate::action::LambdaAction;
use crate::error::ServiceError;
use crate::pages::ordered;
use crate::programs::{Language, Programs};
use crate::time::now;

/// Largest and default page of a list.
const PAGE_LIMIT: usize = 50;
/// Longest name of a function.
const NAME_LIMIT: usize = 64;

/// What names a function, or a version of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FunctionRequest {
    pub function_name: String,
    pub qualifier: Option<String>,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    function_name: String,
    role: String,
    code: Archive,
    #[serde(default)]
    publish: bool,
    package_type: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    architectures: Option<Vec<String>>,
    #[serde(flatten)]
    configuration: Configuration,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Archive {
    zip_file: Option<String>,
}

/// What can be set of a function, as it is made and later.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    runtime: Option<String>,
    role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout: Option<u64>,
    memory_size: Option<u64>,
    environment: Option<Environment>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: Env,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateConfiguration {
    function_name: String,
    revision_id: Option<String>,
    #[serde(flatten)]
    configuration: Configuration,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateCode {
    function_name: String,
    revision_id: Option<String>,
    architectures: Option<Vec<String>>,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(flatten)]
    code: Archive,
}

/// What the lists ask for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    pub function_name: Option<String>,
    pub function_version: Option<String>,
    pub marker: Option<String>,
    pub max_items: Option<String>,
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValueException", message)
}

pub(super) fn conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::with_status(409, "ResourceConflictException", message)
}

pub(super) fn read<T: DeserializeOwned>(body: &Value) -> Result<T, ServiceError> {
    T::deserialize(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

/// Refuses a change to what has changed since it was read.
pub(super) fn check_revision(expected: Option<&str>, actual: &str) -> Result<(), ServiceError> {
    match expected {
        Some(expected) if expected != actual => Err(ServiceError::with_status(
            412,
            "PreconditionFailedException",
            "The RevisionId provided does not match the latest RevisionId. Call the \
             GetFunction/GetAlias API to retrieve the latest RevisionId",
        )),
        _ => Ok(()),
    }
}

impl Archive {
    fn unpack(&self, lambda: &Lambda, runtime: &str, trial: bool) -> Result<Code, ServiceError> {
        let zip = self
            .zip_file
            .as_deref()
            .ok_or_else(|| invalid("Please provide a source for function code."))?;
        Ok(Code::unpack(zip, &lambda.code_root(), runtime, trial)?)
    }
}

impl Configuration {
    /// Sets what is given.
    fn apply(self, settings: &mut Settings, programs: &Programs) -> Result<(), ServiceError> {
        if let Some(runtime) = self.runtime {
            let provided = ["provided.al2023", "provided.al2", "provided"];
            let runs = provided.contains(&runtime.as_str()) || Language::of(&runtime).is_some();
            let name = &settings.name;
            if !runs && !programs.functions.contains_key(name) {
                return Err(invalid(format!(
                    "Runtime {runtime}: the local cloud runs Python, Node.js and executables. Name a command that speaks \
                     the Runtime API as it starts: --function {name}=COMMAND; or pack an executable as bootstrap, with \
                     Runtime provided.al2023."
                )));
            }
            settings.runtime = runtime;
        }
        if let Some(timeout) = self.timeout {
            check_range("timeout", timeout, 1, LAMBDA_SECONDS as u64)?;
            settings.timeout_seconds = timeout;
        }
        if let Some(memory) = self.memory_size {
            check_range("memorySize", memory, 128, LAMBDA_MEMORY_MIB.into())?;
            settings.memory_mib = memory;
        }
        if let Some(environment) = self.environment {
            settings.environment = environment.variables;
        }
        settings.role = self.role.unwrap_or_else(|| settings.role.clone());
        settings.handler = self.handler.unwrap_or_else(|| settings.handler.clone());
        let description = self.description;
        settings.description = description.unwrap_or_else(|| settings.description.clone());
        Ok(())
    }
}

fn mandatory() -> ServiceError {
    invalid(
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    )
}

fn check_range(member: &str, value: u64, least: u64, most: u64) -> Result<(), ServiceError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
         Member must be from {least} to {most}"
    )))
}

impl List {
    /// A page of a list, as the answer that carries it under `name`.
    pub(super) fn page(
        &self,
        name: &str,
        all: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Value, ServiceError> {
        let asked = self.max_items.as_deref().map(str::parse::<usize>);
        let limit = match asked {
            None => PAGE_LIMIT,
            // More may be asked for than a page has.
            Some(Ok(limit @ 1..=10_000)) => limit.min(PAGE_LIMIT),
            Some(_) => {
                return Err(invalid(
                    "1 validation error detected: 'maxItems' failed to satisfy constraint: Member must be from 1 to 10000",
                ));
            }
        };
        let page = ordered(all, self.marker.as_deref(), limit)
            .map_err(|error| invalid(format!("Marker is not valid: {error}")))?;
        Ok(page.answer(name, "NextMarker"))
    }
}

impl Lambda {
    /// Carries out any action but the invocations: the status and the document of its answer.
    pub(super) fn carry_out(
        &self,
        action: LambdaAction,
        body: &Value,
    ) -> Result<(u16, Value), ServiceError> {
        use LambdaAction as Asked;
        let nothing = |()| json!({});
        match action {
            Asked::Invoke | Asked::InvokeWithResponseStream => {
                Err(ServiceError::unknown_action("lambda", "Invoke"))
            }
            Asked::CreateFunction => Ok((201, self.create(read(body)?)?)),
            Asked::UpdateFunctionCode => Ok((200, self.update_code(read(body)?)?)),
            Asked::UpdateFunctionConfiguration => Ok((200, self.update(read(body)?)?)),
            Asked::DeleteFunction => Ok((204, self.delete(&read(body)?).map(nothing)?)),
            Asked::GetFunction => Ok((200, self.get(&read(body)?)?)),
            Asked::GetFunctionConfiguration => Ok((200, self.configuration(&read(body)?)?)),
            Asked::ListFunctions => Ok((200, self.list(&read(body)?)?)),
            Asked::PublishVersion => Ok((201, self.publish_version(&read(body)?)?)),
            Asked::ListVersionsByFunction => Ok((200, self.list_versions(&read(body)?)?)),
            Asked::CreateAlias => Ok((201, self.create_alias(read(body)?)?)),
            Asked::UpdateAlias => Ok((200, self.update_alias(read(body)?)?)),
            Asked::GetAlias => Ok((200, self.get_alias(&read(body)?)?)),
            Asked::DeleteAlias => Ok((204, self.delete_alias(&read(body)?).map(nothing)?)),
            Asked::ListAliases => Ok((200, self.list_aliases(&read(body)?)?)),
            Asked::TagResource | Asked::UntagResource => {
                Ok((204, self.tag(&read(body)?).map(nothing)?))
            }
            Asked::ListTags => Ok((200, self.tags(&read(body)?)?)),
            Asked::AddPermission => Ok((201, self.add_permission(&read(body)?)?)),
            Asked::RemovePermission => {
                Ok((204, self.remove_permission(&read(body)?).map(nothing)?))
            }
            Asked::GetPolicy => Ok((200, self.policy(&read(body)?)?)),
            Asked::PutFunctionConcurrency => Ok((200, self.reserve(&read(body)?)?)),
            Asked::DeleteFunctionConcurrency => {
                Ok((204, self.set_reserved(&read(body)?, None).map(nothing)?))
            }
            Asked::GetFunctionConcurrency => Ok((200, self.reserved(&read(body)?)?)),
            Asked::PutFunctionEventInvokeConfig => {
                Ok((200, self.set_event_invoke(read(body)?, false)?))
            }
            Asked::UpdateFunctionEventInvokeConfig => {
                Ok((200, self.set_event_invoke(read(body)?, true)?))
            }
            Asked::GetFunctionEventInvokeConfig => Ok((200, self.event_invoke(&read(body)?)?)),
            Asked::DeleteFunctionEventInvokeConfig => {
                Ok((204, self.delete_event_invoke(&read(body)?).map(nothing)?))
            }
            Asked::ListFunctionEventInvokeConfigs => {
                Ok((200, self.list_event_invoke(&read(body)?)?))
            }
        }
    }

    fn create(&self, request: Create) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = &address.name;
        if name.is_empty() || name.len() > NAME_LIMIT || !name.chars().all(allowed) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: \
                 Member must have 1 to {NAME_LIMIT} of the characters a-z, A-Z, 0-9, - and _"
            )));
        }
        if let Some(kind) = request.package_type.filter(|kind| kind != "Zip") {
            return Err(invalid(format!(
                "PackageType {kind}: the local cloud runs zip archives alone."
            )));
        }
        if request.configuration.runtime.is_none() {
            return Err(mandatory());
        }
        let mut functions = self.functions();
        if functions.contains_key(name) {
            return Err(conflict(format!("Function already exist: {name}")));
        }
        let mut settings = Settings {
            name: name.clone(),
            key: name.clone(),
            arn: self.local().arn("lambda", &format!("function:{name}")),
            version: LATEST.to_owned(),
            binary: String::new(),
            task_root: None,
            code: stack::Code::Built,
            layers: Vec::new(),
            runtime: String::new(),
            handler: String::new(),
            role: request.role,
            description: String::new(),
            memory_mib: 128,
            timeout_seconds: 3,
            environment: Env::new(),
            architectures: request
                .architectures
                .unwrap_or_else(|| vec![architecture().to_owned()]),
            code_size: 0,
            code_sha256: String::new(),
            modified: now(),
            revision: Uuid::new_v4().to_string(),
            published_from: None,
            maximum_retry_attempts: None,
            maximum_event_age_seconds: None,
            on_failure: None,
        };
        let programs = &self.local().programs;
        request.configuration.apply(&mut settings, programs)?;
        if settings.handler.is_empty() && Language::of(&settings.runtime).is_some() {
            return Err(mandatory());
        }
        let code = request.code.unpack(self, &settings.runtime, false)?;
        code.apply(&mut settings);
        let mut entry = Entry::new(settings, false);
        entry.tags = request.tags;
        let answer = if request.publish {
            self.publish(&mut entry, None)?.describe(None)
        } else {
            entry.latest.describe(None)
        };
        self.keep(&mut entry)?;
        functions.insert(name.clone(), entry);
        Ok(answer)
    }

    fn update_code(&self, request: UpdateCode) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        self.change(&address, |entry| {
            check_revision(request.revision_id.as_deref(), &entry.latest.revision)?;
            let runtime = &entry.latest.runtime;
            let code = request.code.unpack(self, runtime, request.dry_run)?;
            let mut changed = entry.latest.clone();
            code.apply(&mut changed);
            if let Some(architectures) = &request.architectures {
                changed.architectures.clone_from(architectures);
            }
            changed.touch();
            if request.dry_run {
                return Ok(changed.describe(None));
            }
            entry.latest = changed;
            if request.publish {
                return Ok(self.publish(entry, None)?.describe(None));
            }
            Ok(entry.latest.describe(None))
        })
    }

    fn update(&self, request: UpdateConfiguration) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, None)?;
        self.change(&address, |entry| {
            check_revision(request.revision_id.as_deref(), &entry.latest.revision)?;
            let programs = &self.local().programs;
            request.configuration.apply(&mut entry.latest, programs)?;
            entry.latest.touch();
            Ok(entry.latest.describe(None))
        })
    }

    /// Deletes a function, or one of its versions.
    fn delete(&self, request: &FunctionRequest) -> Result<(), ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let Some(qualifier) = &address.qualifier else {
            let removed = self.functions().remove(&address.name);
            let removed = removed.ok_or_else(|| address.unknown(self.local()))?;
            self.release(removed.reserved_concurrency);
            self.inner.kept.remove(&address.name);
            return Ok(());
        };
        if qualifier == LATEST {
            return Err(invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        self.change(&address, |entry| {
            let named = |alias: &&super::catalog::Alias| {
                alias.version == *qualifier || alias.weights.contains_key(qualifier)
            };
            if let Some(alias) = entry.aliases.values().find(named) {
                return Err(conflict(format!(
                    "Version {qualifier} cannot be deleted: the alias {} uses it.",
                    alias.name
                )));
            }
            let number = qualifier.parse().map_err(|_| {
                invalid(format!(
                    "{qualifier} is no version; an alias is deleted by DeleteAlias"
                ))
            })?;
            // What is gone already need not be deleted.
            entry.versions.remove::<u64>(&number);
            Ok(())
        })
    }

    fn get(&self, request: &FunctionRequest) -> Result<Value, ServiceError> {
        let configuration = self.configuration(request)?;
        let address = self.address(&request.function_name, None)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let location = configuration["FunctionArn"].clone();
        let mut answer = json!({
            "Configuration": configuration,
            "Code": {"RepositoryType": "Local", "Location": location},
            "Tags": entry.tags,
        });
        if let Some(reserved) = entry.reserved_concurrency {
            answer["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
        }
        Ok(answer)
    }

    fn configuration(&self, request: &FunctionRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let qualifier = address.qualifier.as_deref();
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let settings = entry.and_then(|entry| entry.qualified(qualifier));
        let settings = settings.ok_or_else(|| address.unknown(self.local()))?;
        Ok(settings.describe(qualifier))
    }

    fn list(&self, request: &List) -> Result<Value, ServiceError> {
        let all_versions = match request.function_version.as_deref() {
            None => false,
            Some("ALL") => true,
            Some(other) => {
                return Err(invalid(format!(
                    "FunctionVersion is ALL or not given, not {other}"
                )));
            }
        };
        let functions = self.functions();
        let listed = functions.values().flat_map(|entry| {
            let versions = entry
                .all()
                .filter(move |version| all_versions || version.version == LATEST);
            versions.map(move |version| {
                let qualifier = all_versions.then_some(version.version.as_str());
                (order(version), version.describe(qualifier))
            })
        });
        request.page("Functions", listed)
    }

    fn list_versions(&self, request: &List) -> Result<Value, ServiceError> {
        let name = request.function_name.as_deref().unwrap_or_default();
        let address = self.address(name, None)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let versions = entry.all();
        request.page(
            "Versions",
            versions.map(|version| (order(version), version.describe(Some(&version.version)))),
        )
    }

    /// Changes a function, keeps it, and runs it as it then is.
    pub(super) fn change<T>(
        &self,
        address: &Address,
        change: impl FnOnce(&mut Entry) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut functions = self.functions();
        let entry = functions.get_mut(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let mut changed = entry.clone();
        let answer = change(&mut changed)?;
        self.keep(&mut changed)?;
        *entry = changed;
        Ok(answer)
    }

    /// A function by the ARN that tags are given to.
    pub(super) fn address_of_arn(&self, arn: &str) -> Result<Address, ServiceError> {
        if !arn.starts_with("arn:") {
            return Err(not_found(format!("Function not found: {arn}")));
        }
        self.address(arn, None)
    }
}

/// The order of versions in a list: by name, `$LATEST` first, then by number.
fn order(settings: &Settings) -> String {
    let number: u64 = settings.version.parse().unwrap_or(0);
    format!("{}:{number:020}", settings.name)
}
