//! How asynchronous invocations are retried, and where records of failed ones go.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{FunctionRequest, List, invalid};
use super::catalog::{Address, Entry, not_found};
use super::settings::Settings;
use super::{LATEST, Lambda};
use crate::error::ServiceError;
use crate::time::epoch_seconds;

/// What both settings may be at most
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
const MOST_RETRIES: u32 = 2;
const EVENT_AGE: std::ops::RangeInclusive<u64> = 60..=21_600;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EventInvoke {
    function_name: String,
    qualifier: Option<String>,
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_in_seconds: Option<u64>,
    destination_config: Option<Destinations>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destinations {
    on_failure: Destination,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destination {
    destination: Option<String>,
}

impl EventInvoke {
    fn check(&self) -> Result<(), ServiceError> {
        let refused = |member: &str, value: u64, rule: String| {
            Err(ServiceError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must \
                     have value {rule}"
                ),
            ))
        };
        if let Some(retries) = self
            .maximum_retry_attempts
            .filter(|retries| *retries > MOST_RETRIES)
        {
            let rule = format!("less than or equal to {MOST_RETRIES}");
            return refused("maximumRetryAttempts", retries.into(), rule);
        }
        match self.maximum_event_age_in_seconds {
            Some(age) if age > *EVENT_AGE.end() => {
                let rule = format!("less than or equal to {}", EVENT_AGE.end());
                refused("maximumEventAgeInSeconds", age, rule)
            }
            Some(age) if age < *EVENT_AGE.start() => {
                let rule = format!("greater than or equal to {}", EVENT_AGE.start());
                refused("maximumEventAgeInSeconds", age, rule)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn destination(&self) -> Result<Option<String>, ServiceError> {
        let Some(Destinations { on_failure }) = &self.destination_config else {
            return Ok(None);
        };
        let destination = on_failure
            .destination
            .as_deref()
            .filter(|arn| !arn.is_empty());
        match destination {
            Some(arn) if !arn.starts_with("arn:") => Err(ServiceError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{arn}' at 'destinationConfig.onFailure.destination' failed to \
                     satisfy constraint: Member must satisfy regular expression pattern: \
                     ^$|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{{2}}(-gov)?-[a-z]+-\\d{{1}})?:(\\d{{12}})?:(.*)"
                ),
            )),
            Some(arn) if !arn.contains(":lambda:") => Err(invalid(format!(
                "DestinationConfig.OnFailure.Destination {arn}: the local cloud delivers records of failures to functions"
            ))),
            destination => Ok(destination.map(str::to_owned)),
        }
    }
}

/// The version whose invocations are meant.
fn version<'a>(entry: &'a mut Entry, address: &Address) -> Result<&'a mut Settings, ServiceError> {
    match address.qualifier.as_deref() {
        None | Some(LATEST) => Ok(&mut entry.latest),
        Some(qualifier) => {
            let number = qualifier.parse().ok();
            let version = number.and_then(|number: u64| entry.versions.get_mut(&number));
            version.ok_or_else(|| {
                invalid(format!(
                    "Qualifier {qualifier}: the local cloud configures asynchronous invocations of versions, not of aliases"
                ))
            })
        }
    }
}

fn is_configured(settings: &Settings) -> bool {
    settings.maximum_retry_attempts.is_some()
        || settings.maximum_event_age_seconds.is_some()
        || settings.on_failure.is_some()
}

fn described(settings: &Settings) -> Value {
    let arn = format!("{}:{}", settings.arn, settings.version);
    let mut on_failure = json!({});
    if let Some(destination) = &settings.on_failure {
        on_failure["Destination"] = json!(destination);
    }
    let mut answer = json!({
        "LastModified": epoch_seconds(settings.modified),
        "FunctionArn": arn,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": on_failure},
    });
    if let Some(retries) = settings.maximum_retry_attempts {
        answer["MaximumRetryAttempts"] = json!(retries);
    }
    if let Some(age) = settings.maximum_event_age_seconds {
        answer["MaximumEventAgeInSeconds"] = json!(age);
    }
    answer
}

impl Lambda {
    /// Sets what is given; what is not stays as it is, or becomes the default.
    pub(super) fn set_event_invoke(
        &self,
        request: EventInvoke,
        keeps: bool,
    ) -> Result<Value, ServiceError> {
        request.check()?;
        let destination = request.destination()?;
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let nothing = request.maximum_retry_attempts.is_none()
            && request.maximum_event_age_in_seconds.is_none()
            && request.destination_config.is_none();
        if nothing {
            return Err(invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        self.change(&address, |entry| {
            let settings = version(entry, &address)?;
            let kept = keeps.then(|| settings.clone());
            let kept = kept.as_ref();
            settings.maximum_retry_attempts = request
                .maximum_retry_attempts
                .or_else(|| kept.and_then(|kept| kept.maximum_retry_attempts));
            settings.maximum_event_age_seconds = request
                .maximum_event_age_in_seconds
                .or_else(|| kept.and_then(|kept| kept.maximum_event_age_seconds));
            settings.on_failure = match request.destination_config {
                Some(_) => destination,
                None => kept.and_then(|kept| kept.on_failure.clone()),
            };
            settings.touch();
            Ok(described(settings))
        })
    }

    pub(super) fn event_invoke(&self, request: &FunctionRequest) -> Result<Value, ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        let mut functions = self.functions();
        let entry = functions.get_mut(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let settings = version(entry, &address)?;
        match is_configured(settings) {
            true => Ok(described(settings)),
            false => Err(unconfigured(settings)),
        }
    }

    pub(super) fn delete_event_invoke(
        &self,
        request: &FunctionRequest,
    ) -> Result<(), ServiceError> {
        let address = self.address(&request.function_name, request.qualifier.as_deref())?;
        self.change(&address, |entry| {
            let settings = version(entry, &address)?;
            if !is_configured(settings) {
                return Err(unconfigured(settings));
            }
            settings.maximum_retry_attempts = None;
            settings.maximum_event_age_seconds = None;
            settings.on_failure = None;
            Ok(())
        })
    }

    pub(super) fn list_event_invoke(&self, request: &List) -> Result<Value, ServiceError> {
        let name = request.function_name.as_deref().unwrap_or_default();
        let address = self.address(name, None)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let entry = entry.ok_or_else(|| address.unknown(self.local()))?;
        let configured = entry.all().filter(|settings| is_configured(settings));
        let configured = configured.map(|settings| (settings.version.clone(), described(settings)));
        request.page("FunctionEventInvokeConfigs", configured)
    }
}

fn unconfigured(settings: &Settings) -> ServiceError {
    let (arn, version) = (&settings.arn, &settings.version);
    not_found(format!(
        "The function {arn}:{version} doesn't have an EventInvokeConfig"
    ))
}
