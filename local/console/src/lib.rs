//! The console: pages to start, watch and understand pipelines, at the address of the local cloud.
//!
//! A page is a function from what its [`live::View`] has found out to markup. The browser gets it whole once, and then
//! part by part whatever changes of it, so that a page without JavaScript is complete and one with it is live.

mod drawing;
mod error;
mod forms;
mod links;
mod live;
pub mod logs;
mod page;
mod parts;
mod routes;
pub mod schema;
mod trace;
mod views;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cloud::action::StepFunctionsAction;
use cloud::compute::Compute;
use cloud::error::ServiceError;
use cloud::router::CONSOLE;
use placement::pricing::Prices;
use serde_json::Value;
use stack::Stack;
use stepfunctions::{Cloud, Sfn};

/// What all pages share.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    sfn: Sfn,
    compute: Compute,
    /// Files of the state machines of the stack, by ARN.
    sources: BTreeMap<String, PathBuf>,
    prices: Prices,
    /// What the names of the stack's resources begin with.
    prefix: String,
    /// Whether anything can be started, stopped or answered.
    acts: bool,
    /// What only the console's own pages know.
    token: String,
}

/// Serves the console at the endpoint of a local cloud; its address.
pub fn open(cloud: &Cloud, stack: &Stack, prices: Prices) -> String {
    let sources = stack.state_machines.iter().filter_map(|machine| {
        let source = machine.source.clone()?;
        Some((machine.arn.clone(), source))
    });
    let console = Console(Arc::new(Inner {
        sfn: cloud.stepfunctions().clone(),
        compute: cloud.compute().clone(),
        sources: sources.collect(),
        prices,
        prefix: format!("{}-{}-", stack.service, stack.stage),
        acts: !cloud.is_at_rest(),
        token: hex::encode(rand::random::<[u8; 32]>()),
    }));
    cloud.pages().give(routes::routes(console));
    format!("{}{CONSOLE}/", cloud.endpoint())
}

/// The address of an execution's page, at the address of the console.
pub fn execution_address(console: &str, arn: &str) -> String {
    let path = links::execution(arn);
    let place = path.strip_prefix(CONSOLE).unwrap_or(&path);
    format!("{}{place}", console.trim_end_matches('/'))
}

impl Console {
    /// Does an action of Step Functions.
    async fn ask(&self, action: StepFunctionsAction, body: Value) -> Result<Value, ServiceError> {
        self.0.sfn.ask(action, body).await
    }

    /// A name of a resource as it is shown: without what all of the stack have.
    fn short<'a>(&self, name: &'a str) -> &'a str {
        let rest = name.strip_prefix(&self.0.prefix);
        rest.filter(|rest| !rest.is_empty()).unwrap_or(name)
    }

    /// A file beside the definition of a state machine: `input` is `NAME.input.json`.
    fn beside(&self, machine: &str, what: &str) -> Option<PathBuf> {
        let source = self.0.sources.get(machine)?;
        let name = source.file_name()?.to_str()?;
        let stem = name.split(".asl.").next()?;
        let file = source.with_file_name(format!("{stem}.{what}.json"));
        file.is_file().then_some(file)
    }

    /// What a file beside the definition of a state machine says, if there is one that is JSON.
    fn read_beside(&self, machine: &str, what: &str) -> Option<Value> {
        let text = std::fs::read_to_string(self.beside(machine, what)?).ok()?;
        serde_json::from_str(&text).ok()
    }
}
