//! Commands that stand in for what a definition calls, when it runs by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use asl::placeholders::{function_name, machine_name};
use asl::{Pattern, Resource, TaskError, Value};
use forward::Forward;
use futures::{FutureExt, future::BoxFuture};
use serde_json::json;
use stepfunctions::{CallSite, Outside, OutsideCall, Purpose};

use crate::{
    error::Error,
    pipe::{Answer, Kind, Surroundings, pipe},
    sent_on,
};

/// What a command stands in for.
#[derive(Debug, Clone, PartialEq)]
enum Subject {
    /// Everything: `*`.
    Everything,
    /// All actions of a service, also as an SDK integration: `dynamodb:*`.
    Service(String),
    /// An action with one pattern, or with any where none is written.
    Action(Resource),
    /// A function or activity.
    Arn(String),
    /// What a state calls.
    State(String),
}

#[derive(Debug)]
struct Mock {
    written: String,
    subject: Subject,
    command: String,
}

/// The commands, and what a missing one is told by.
#[derive(Debug, Default)]
pub struct StandIns {
    functions: BTreeMap<String, String>,
    mocks: Vec<Mock>,
    /// Where calls without a command go.
    forward: Option<Forward>,
    /// Known once the endpoint is.
    surroundings: OnceLock<Surroundings>,
}

/// The two halves of an argument with `=`.
pub fn pair<'a>(flag: &str, argument: &'a str, form: &str) -> Result<(&'a str, &'a str), Error> {
    argument
        .split_once('=')
        .filter(|(name, value)| !name.is_empty() && (!value.is_empty() || flag == "--set"))
        .ok_or_else(|| Error::Usage(format!("{flag} {argument}: expected {form}")))
}

impl Subject {
    /// Reads what is written before `=`. What is no resource is a state's name.
    fn parse(text: &str) -> Subject {
        if text == "*" {
            return Subject::Everything;
        }
        if let Some(service) = text.strip_suffix(":*") {
            let service = service.strip_prefix("arn:aws:states:::").unwrap_or(service);
            let service = service.strip_prefix("aws-sdk:").unwrap_or(service);
            return Subject::Service(service.to_owned());
        }
        let integration = || Resource::parse(&format!("arn:aws:states:::{text}"));
        match Resource::parse(text).or_else(|| {
            let spaced = text.contains(char::is_whitespace);
            (!text.starts_with("arn:") && !spaced)
                .then(integration)
                .flatten()
        }) {
            Some(resource @ Resource::Service { .. }) => Subject::Action(resource),
            Some(Resource::Lambda { .. } | Resource::Activity { .. }) => {
                Subject::Arn(text.to_owned())
            }
            None => Subject::State(text.to_owned()),
        }
    }

    /// How closely it fits a call; none where it does not.
    fn fit(
        &self,
        written: &str,
        state: &str,
        resource: &Resource,
        function: Option<&str>,
    ) -> Option<u8> {
        // A state may be named like anything.
        if written == state {
            return Some(5);
        }
        match (self, resource) {
            (Subject::Everything, _) => Some(1),
            (Subject::State(_), _) => None,
            (Subject::Service(named), Resource::Service { service, .. }) => {
                let service = service.strip_prefix("aws-sdk:").unwrap_or(service);
                (named == service).then_some(2)
            }
            (Subject::Service(named), Resource::Lambda { .. }) => (named == "lambda").then_some(2),
            (Subject::Action(named), Resource::Service { .. }) => fit_action(named, resource),
            (Subject::Arn(named), Resource::Activity { arn }) => (**arn == **named).then_some(4),
            (Subject::Arn(named), Resource::Lambda { .. } | Resource::Service { .. }) => {
                let called = function.map(function_name);
                (called == Some(function_name(named))).then_some(4)
            }
            (Subject::Service(_) | Subject::Action(_), _) => None,
        }
    }
}

/// With the same pattern better than with none.
fn fit_action(named: &Resource, called: &Resource) -> Option<u8> {
    let (
        Resource::Service {
            service,
            action,
            pattern,
        },
        Resource::Service {
            service: called_service,
            action: called_action,
            pattern: called_pattern,
        },
    ) = (named, called)
    else {
        return None;
    };
    let same = service == called_service && action.eq_ignore_ascii_case(called_action);
    match pattern {
        _ if !same => None,
        pattern if pattern == called_pattern => Some(4),
        Pattern::RequestResponse => Some(3),
        Pattern::Sync | Pattern::SyncV2 | Pattern::WaitForTaskToken => None,
    }
}

/// The function that a call names: that of the Resource itself, or of `lambda:invoke`.
fn function<'a>(resource: &'a Resource, named: Option<&'a str>) -> Option<&'a str> {
    match resource {
        Resource::Lambda { arn } => Some(arn),
        Resource::Service { .. } if is_invoke(resource) => named,
        Resource::Service { .. } | Resource::Activity { .. } => None,
    }
}

fn is_invoke(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { service, action, .. }
        if matches!(&**service, "lambda" | "aws-sdk:lambda") && &**action == "invoke")
}

/// Executions of state machines are started here, by the very service.
pub fn is_of_states(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { service, .. } if matches!(&**service, "states" | "aws-sdk:sfn"))
}

impl StandIns {
    /// Reads the arguments `--lambda NAME=COMMAND` and `--mock RESOURCE=COMMAND`.
    ///
    /// # Errors
    /// One that is not of this form, or the second for the same thing.
    pub fn parse(lambdas: &[String], mocks: &[String]) -> Result<StandIns, Error> {
        let mut standins = StandIns::default();
        for argument in lambdas {
            let (name, command) = pair("--lambda", argument, "NAME=COMMAND")?;
            let name = function_name(name).to_owned();
            if let Some(_earlier) = standins.functions.insert(name, command.to_owned()) {
                return Err(twice("--lambda", argument));
            }
        }
        for argument in mocks {
            let (written, command) = pair("--mock", argument, "RESOURCE=COMMAND")?;
            if standins.mocks.iter().any(|mock| mock.written == written) {
                return Err(twice("--mock", argument));
            }
            standins.mocks.push(Mock {
                written: written.to_owned(),
                subject: Subject::parse(written),
                command: command.to_owned(),
            });
        }
        Ok(standins)
    }

    /// Sends on what no command stands in for.
    pub fn forward(&mut self, forward: Forward) {
        self.forward = Some(forward);
    }

    /// Whether a call is sent on. Only executions of state machines are here.
    fn sends_on(&self, resource: &Resource) -> Option<&Forward> {
        let forward = self.forward.as_ref()?;
        forward
            .answers(resource, is_of_states(resource))
            .then_some(forward)
    }

    /// Tells the commands where Step Functions answers.
    pub fn surround(&self, surroundings: Surroundings) {
        // There is one endpoint, and it is told once.
        let _ = self.surroundings.set(surroundings);
    }

    fn mock(&self, state: &str, resource: &Resource, named: Option<&str>) -> Option<&Mock> {
        let function = function(resource, named);
        let fits = self.mocks.iter().filter_map(|mock| {
            let fit = mock.subject.fit(&mock.written, state, resource, function)?;
            Some((fit, mock))
        });
        fits.max_by_key(|(fit, _)| *fit).map(|(_, mock)| mock)
    }

    /// Whether a command stands in for a call.
    pub fn cover(&self, site: &CallSite, resource: &Resource) -> bool {
        let named = literal(&site.arguments, "FunctionName");
        if self.mock(&site.state, resource, named).is_some() {
            return true;
        }
        let stands_in = match function(resource, named) {
            Some(function) => self.functions.contains_key(function_name(function)),
            // Which function it is, the run will tell.
            None => is_invoke(resource) && !self.functions.is_empty(),
        };
        stands_in || !site.of_map && self.sends_on(resource).is_some()
    }

    /// Refuses stand-ins for what no definition calls: their names are mistaken.
    ///
    /// # Errors
    /// Such stand-ins.
    pub fn check_used(&self, sites: &[CallSite]) -> Result<(), Error> {
        let parsed = || {
            sites.iter().filter_map(|site| {
                let resource = Resource::parse(&site.resource)?;
                Some((site, resource))
            })
        };
        let mut used = BTreeSet::new();
        let mut any_function = false;
        for (site, resource) in parsed() {
            let named = literal(&site.arguments, "FunctionName");
            any_function |= is_invoke(&resource) && named.is_none();
            let function = function(&resource, named);
            used.extend(function.map(|function| function_name(function).to_owned()));
            for mock in &self.mocks {
                let Mock {
                    written, subject, ..
                } = mock;
                if subject
                    .fit(written, &site.state, &resource, function)
                    .is_some()
                    || matches!(subject, Subject::Arn(_)) && any_function
                {
                    used.insert(format!("mock {written}"));
                }
            }
        }
        let mocks = self.mocks.iter().map(|mock| &mock.written);
        let mocks = mocks.filter(|written| !used.contains(&format!("mock {written}")));
        let functions = self.functions.keys();
        let functions = functions.filter(|name| !any_function && !used.contains(*name));
        let unused: Vec<String> = mocks
            .map(|written| format!("--mock {written}"))
            .chain(functions.map(|name| format!("--lambda {name}")))
            .collect();
        if unused.is_empty() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}: no state is named so or calls that",
            unused.join(", ")
        )))
    }

    async fn answer(&self, call: OutsideCall) -> Result<Value, TaskError> {
        let named = call.arguments.get("FunctionName").and_then(Value::as_str);
        if let Some(mock) = self.mock(&call.state, &call.resource, named) {
            return self.run(&mock.command, &call, &call.arguments, None).await;
        }
        let function = function(&call.resource, named);
        let name = function.map(function_name).unwrap_or_default();
        let command = self.functions.get(name);
        if command.is_none()
            && let Some(forward) = self.sends_on(&call.resource)
        {
            return sent_on::send(forward, call).await;
        }
        let Some(function) = function else {
            return Err(missing(&call));
        };
        let Some(command) = command else {
            return Err(TaskError {
                error: "Lambda.ResourceNotFoundException".to_owned(),
                cause: Some(format!(
                    "Function not found: {function}; name a stand-in with --lambda '{name}=COMMAND'"
                )),
            });
        };
        if !is_invoke(&call.resource) {
            return self.run(command, &call, &call.arguments, Some(name)).await;
        }
        let empty = Value::object::<&str>([]);
        let payload = call.arguments.get("Payload").unwrap_or(&empty);
        let kind = call.arguments.get("InvocationType").and_then(Value::as_str);
        if kind == Some("DryRun") {
            return Ok(invoked(204, None));
        }
        let output = self.run(command, &call, payload, Some(name)).await;
        match kind {
            // Nobody hears what becomes of it.
            Some("Event") => Ok(invoked(202, None)),
            _ => output.map(|output| invoked(200, Some(output))),
        }
    }

    async fn run(
        &self,
        command: &str,
        call: &OutsideCall,
        input: &Value,
        function: Option<&str>,
    ) -> Result<Value, TaskError> {
        let default = Surroundings::default();
        let surroundings = self.surroundings.get().unwrap_or(&default);
        let mut environment = surroundings.environment();
        let mut set =
            |name: &str, value: &str| environment.push((name.to_owned(), value.to_owned()));
        if let Some(function) = function {
            set("AWS_LAMBDA_FUNCTION_NAME", function);
        }
        if let Purpose::Callback { task_token } = &call.purpose {
            set("TASK_TOKEN", task_token);
        }
        let answer = match call.purpose {
            Purpose::Items => Answer::Text,
            // What it prints is nobody's result.
            Purpose::Store | Purpose::Callback { .. } => Answer::Any,
            Purpose::Result => Answer::Json,
        };
        let kind = match function {
            Some(_) => Kind::Function,
            None => Kind::Service,
        };
        pipe(command, &environment, input, kind, answer).await
    }
}

impl Outside for StandIns {
    fn answers(&self, state: &str, resource: &Resource, _local: bool) -> bool {
        // Other services of the local cloud are empty here, and would only seem to do what they are asked.
        !is_of_states(resource)
            || self.mock(state, resource, None).is_some()
            || self.sends_on(resource).is_some()
    }

    fn call(&self, call: OutsideCall) -> BoxFuture<'_, Result<Value, TaskError>> {
        self.answer(call).boxed()
    }
}

fn twice(flag: &str, argument: &str) -> Error {
    Error::Usage(format!("{flag} {argument}: it has a stand-in already"))
}

/// A member of the arguments as written, unless it is computed.
pub fn literal<'a>(arguments: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    let text = arguments[name].as_str()?;
    (!text.starts_with("{%")).then_some(text)
}

fn missing(call: &OutsideCall) -> TaskError {
    TaskError {
        error: "States.Runtime".to_owned(),
        cause: Some(format!(
            "nothing stands in for {0}; name a command with --mock 'arn:aws:states:::{0}=COMMAND'",
            call.resource
        )),
    }
}

/// The answer of the Invoke API around a payload.
fn invoked(status: u16, payload: Option<Value>) -> Value {
    let payload = payload.map(|payload| ("Payload", payload));
    let version = Value::string("$LATEST");
    let members = [("ExecutedVersion", version)].into_iter().chain(payload);
    Value::object(members.chain([
        (
            "SdkHttpMetadata",
            json!({ "HttpStatusCode": status }).into(),
        ),
        ("SdkResponseMetadata", json!({ "RequestId": "exec" }).into()),
        ("StatusCode", json!(status).into()),
    ]))
}

/// The argument that would name a stand-in for a call that has none.
pub fn flag_for(site: &CallSite) -> String {
    let resource = Resource::parse(&site.resource);
    let named = literal(&site.arguments, "FunctionName");
    match &resource {
        Some(resource) if is_of_states(resource) => {
            let machine = literal(&site.arguments, "StateMachineArn").map_or("NAME", machine_name);
            format!("--machine '{machine}=FILE'")
        }
        Some(resource) => match function(resource, named) {
            Some(function) => format!("--lambda '{}=COMMAND'", function_name(function)),
            None if is_invoke(resource) => "--lambda 'NAME=COMMAND'".to_owned(),
            None => format!("--mock '{}=COMMAND'", site.resource),
        },
        None => format!("--mock '{}=COMMAND'", site.state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standins(lambdas: &[&str], mocks: &[&str]) -> StandIns {
        let own = |list: &[&str]| -> Vec<String> { list.iter().map(|&text| text.into()).collect() };
        StandIns::parse(&own(lambdas), &own(mocks)).unwrap()
    }

    #[test]
    fn the_closest_stand_in_is_taken() {
        let standins = standins(
            &[],
            &[
                "*=any",
                "dynamodb:*=service",
                "arn:aws:states:::dynamodb:getItem=action",
                "glue:startJobRun=started",
                "glue:startJobRun.sync=ended",
                "Get it=state",
                "arn:aws:lambda:us-east-1:123456789012:function:f=function",
            ],
        );
        for (state, resource, function, command) in [
            ("A", "dynamodb:getItem", None, "action"),
            ("Get it", "dynamodb:getItem", None, "state"),
            ("A", "dynamodb:putItem", None, "service"),
            ("A", "aws-sdk:dynamodb:scan", None, "service"),
            ("A", "sqs:sendMessage.waitForTaskToken", None, "any"),
            ("A", "glue:startJobRun", None, "started"),
            ("A", "glue:startJobRun.sync", None, "ended"),
            ("A", "lambda:invoke", Some("f:live"), "function"),
            ("A", "lambda:invoke", Some("g"), "any"),
        ] {
            let resource = Resource::parse(&format!("arn:aws:states:::{resource}")).unwrap();
            let mock = standins.mock(state, &resource, function).unwrap();
            assert_eq!(mock.command, command, "{state} {resource}");
        }
    }

    #[test]
    fn a_stand_in_is_a_name_and_a_command() {
        for (flag, form) in [("--lambda", "NAME"), ("--mock", "RESOURCE")] {
            for argument in ["echo", "=cat", "echo="] {
                let list = [argument.to_owned()];
                let (lambdas, mocks): (&[String], &[String]) = match flag {
                    "--lambda" => (&list, &[]),
                    _ => (&[], &list),
                };
                let error = StandIns::parse(lambdas, mocks).err().unwrap().to_string();
                assert_eq!(error, format!("{flag} {argument}: expected {form}=COMMAND"));
            }
        }
    }

    #[test]
    fn a_stand_in_for_nothing_is_refused() {
        let site = |state: &str, resource: &str, arguments| CallSite {
            state: state.to_owned(),
            resource: format!("arn:aws:states:::{resource}"),
            arguments,
            of_map: false,
        };
        let sites = [
            site("Get", "dynamodb:getItem", json!({})),
            site("Call", "lambda:invoke", json!({"FunctionName": "f"})),
        ];
        let known = standins(&["f=cat"], &["Get=cat", "dynamodb:*=cat"]);
        assert!(known.check_used(&sites).is_ok());
        let unknown = standins(&["g=cat"], &["Git=cat", "f=cat"]);
        let error = unknown.check_used(&sites).unwrap_err().to_string();
        assert_eq!(
            error,
            "--mock Git, --mock f, --lambda g: no state is named so or calls that"
        );
    }
}
