//! An execution: where it stands, its states over time, its events, and the one state that is looked at.

mod choice;
mod events;
pub use head::report_of;
mod head;
mod state;
mod timeline;

use std::time::Duration;

use asl::{HistoryEvent, Status};
use cloud::action::StepFunctionsAction;
use cloud::logs::Logs;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;
use stepfunctions::ExecutionDescription;

use super::{home, text};
use crate::drawing::drawing;
use crate::error::Failure;
use crate::links::{self, Fields};
use crate::live::View;
use crate::page::{Page, Part, Place};
use crate::trace::Trace;
use crate::{Console, forms};
use choice::Choice;
use state::State;

/// Answers to tokens that are asked for on the page.
const WAITING: usize = 10;
/// Events that are read at a time: the execution stands still meanwhile.
const READ: usize = 2_000;

/// Looks at an execution.
pub struct Look {
    console: Console,
    arn: String,
    choice: Choice,
    trace: Trace,
    /// The definition that runs.
    definition: String,
    /// What was seen last, if all there is to see has been.
    seen: Option<Seen>,
}

/// Tells whether anything has happened since the last look.
#[derive(Debug, PartialEq)]
struct Seen {
    events: usize,
    status: &'static str,
    logged: u64,
    waiting: usize,
}

impl Look {
    /// A look at the execution of that ARN.
    pub fn new(console: Console, arn: &str, query: &Fields) -> Look {
        Look {
            console,
            arn: arn.to_owned(),
            choice: Choice::of(query),
            trace: Trace::default(),
            definition: String::new(),
            seen: None,
        }
    }

    /// Reads what the history has in addition.
    async fn read_on(&mut self) -> Result<(), Failure> {
        loop {
            let known = self.trace.read();
            let look = move |history: &[HistoryEvent]| -> Vec<HistoryEvent> {
                history.iter().skip(known).take(READ).cloned().collect()
            };
            let news = self.console.0.sfn.look_at_history(&self.arn, look).await?;
            news.iter().for_each(|event| self.trace.push(event));
            if news.len() < READ {
                return Ok(());
            }
        }
    }

    async fn look_on(&mut self) -> Result<Option<Page>, Failure> {
        let execution = self.console.0.sfn.describe(&self.arn)?;
        if self.definition.is_empty() {
            self.definition = self.console.definition_of(&self.arn).await?;
        }
        self.read_on().await?;
        let waiting = self.console.0.sfn.waiting(Some(&self.arn), WAITING);
        let seen = Seen {
            events: self.trace.read(),
            status: execution.status.name(),
            logged: logged(&self.console.0.compute.logs),
            waiting: waiting.len(),
        };
        let over = execution.status != Status::Running;
        if over && self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        self.seen = Some(seen);
        let state = match self.choice.visit(&self.trace) {
            Some(visit) => Some(State::find(&self.console, &self.arn, &self.trace, visit).await?),
            None => None,
        };
        let events = events::read(&self.console, &self.arn, &self.trace, &self.choice).await?;
        let name = self
            .console
            .short(links::name_of(machine_of(&execution)))
            .to_owned();
        let parts = vec![
            Part::new(
                "head",
                Place::Top,
                head::head(&self.console, &execution, &self.trace),
            ),
            Part::new(
                "waiting",
                Place::Top,
                forms::waiting(&self.console, &waiting, false),
            ),
            Part::new(
                "graph",
                Place::Main,
                drawing(&self.definition, Some(&self.trace)),
            ),
            Part::new(
                "timeline",
                Place::Main,
                timeline::timeline(&self.arn, &self.trace, &self.choice),
            ),
            Part::new(
                "state",
                Place::Aside,
                state::state(&self.console, &self.arn, &execution, state.as_ref()),
            ),
            Part::new("log", Place::Aside, state::log(state.as_ref())),
            Part::new("documents", Place::Main, head::documents(&execution)),
            Part::new(
                "events",
                Place::Main,
                events::events(&self.arn, &self.trace, &self.choice, &events),
            ),
        ];
        Ok(Some(Page {
            title: format!("{} · {}", execution.name, execution.status.name()),
            class: "execution",
            way: vec![
                home(),
                (name, links::machine(machine_of(&execution))),
                (execution.name.clone(), links::execution(&self.arn)),
            ],
            parts,
        }))
    }
}

/// ARN of the state machine; a child of a Distributed Map has its Map's label after it.
fn machine_of(execution: &ExecutionDescription) -> &str {
    let arn = &execution.state_machine_arn;
    arn.split_once('/').map_or(arn, |(machine, _)| machine)
}

/// Bytes in all logs: a state's log may have grown when this has.
fn logged(logs: &Logs) -> u64 {
    logs.stored().iter().map(cloud::logs::Stored::bytes).sum()
}

impl View for Look {
    fn look(&mut self) -> BoxFuture<'_, Result<Option<Page>, Failure>> {
        self.look_on().boxed()
    }

    fn tick(&self) -> Duration {
        let over = self.trace.ended.is_some();
        match (over, self.choice.is_made()) {
            (true, false) => Duration::from_secs(5),
            (true, true) => Duration::from_secs(1),
            // A log is read again.
            (false, true) => Duration::from_millis(100),
            // The bars of what runs grow.
            (false, false) => Duration::from_millis(500),
        }
    }
}

impl Console {
    /// The definition that an execution runs.
    pub async fn definition_of(&self, execution: &str) -> Result<String, Failure> {
        let asked = json!({"executionArn": execution});
        let action = StepFunctionsAction::DescribeStateMachineForExecution;
        let described = match self.ask(action, asked).await {
            Ok(described) => described,
            // Of an Express execution nothing is kept.
            Err(_) => {
                let execution = self.0.sfn.describe(execution)?;
                let asked = json!({"stateMachineArn": execution.state_machine_arn});
                self.ask(StepFunctionsAction::DescribeStateMachine, asked)
                    .await?
            }
        };
        Ok(text(&described, "definition").to_owned())
    }
}
