//! What the states of a past execution were given, so that one of them can be run again by itself.
//!
//! The history tells inputs and outputs alone; the execution, rebuilt from its log and watched, tells variables and context
//! too.

use std::path::Path;
use std::sync::Arc;

use asl::{Execution, Map, Observation, Seen, StateType, TaskError, Value};
use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::errors::{internal, no_execution};
use crate::folder::DATABASE;
use crate::service::Sfn;
use crate::store::{ExecutionRow, Store, StoreError};

/// What a state was given when it was entered, and what came of its task.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The state's name.
    pub state: Arc<str>,
    /// The event with which it was entered.
    pub entered_event_id: u64,
    /// Its input.
    pub input: Value,
    /// The variables that it saw.
    pub variables: Arc<Map>,
    /// The context object of its last attempt, with the token of its task if that waited for one.
    pub context: Value,
    /// How often it was tried again.
    pub retries: u32,
    /// What its task, branches or iterations came to at last; none if they never ended, or if there are none.
    pub outcome: Option<Result<Value, TaskError>>,
}

/// A past execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Recalled {
    /// The definition that it ran.
    pub definition: String,
    /// What each state was given each time that it was entered, in that order.
    pub given: Vec<Given>,
}

/// Why nothing is recalled.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// The history cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such execution.
    #[error(
        "the history in {folder} has no execution {execution:?}; of an Express workflow nothing is kept"
    )]
    Unknown {
        /// The data folder.
        folder: String,
        /// Name or ARN.
        execution: String,
    },
    /// The execution cannot be rebuilt.
    #[error("{0}")]
    Service(#[from] ServiceError),
}

/// Whether a data folder has a history.
pub fn has_history(data_dir: &Path) -> bool {
    data_dir.join(DATABASE).is_file()
}

/// Recalls an execution, by its ARN or by its name, from a data folder, also while a local cloud works on it. Of several
/// with the same name it is the last.
///
/// # Errors
/// [`RecallError`]: there is no such execution, or the history cannot be read.
pub fn recall(data_dir: &Path, execution: &str) -> Result<Recalled, RecallError> {
    let store = Store::open_to_read(&data_dir.join(DATABASE))?;
    let row = match execution.starts_with("arn:") {
        true => store.execution(execution)?,
        false => store.execution_named(execution)?,
    };
    let row = row.ok_or_else(|| RecallError::Unknown {
        folder: data_dir.display().to_string(),
        execution: execution.to_owned(),
    })?;
    Ok(of(&store, &row)?)
}

impl Sfn {
    /// Recalls an execution by its ARN.
    ///
    /// # Errors
    /// There is no such execution, or the history cannot be read.
    pub async fn recall(&self, arn: &str) -> Result<Recalled, ServiceError> {
        let arn = arn.to_owned();
        let recall = move |engine: &Arc<Engine>| {
            let row = engine.store.execution(&arn).map_err(internal)?;
            of(&engine.store, &row.ok_or_else(|| no_execution(&arn))?)
        };
        self.engine.recovered().await;
        self.engine.apart(recall).await
    }
}

fn of(store: &Store, row: &ExecutionRow) -> Result<Recalled, ServiceError> {
    let machine = store.machine_of(row)?;
    let (mut execution, _) = Execution::start_observed(&machine, row.start.clone(), row.started);
    for (event, at) in store.events(row.id).map_err(internal)? {
        execution.apply(event, at);
    }
    let mut given = Vec::new();
    for observation in execution.observations() {
        note(&mut given, observation, &execution);
    }
    Ok(Recalled {
        definition: store.definition_of(row)?,
        given,
    })
}

fn note(given: &mut Vec<Given>, observation: Observation, execution: &Execution) {
    let (state, entered_event_id) = (observation.state, observation.entered_event_id);
    if let Seen::Entered {
        input,
        variables,
        context,
    } = observation.seen
    {
        given.push(Given {
            state,
            entered_event_id,
            input,
            variables,
            context,
            retries: 0,
            outcome: None,
        });
        return;
    }
    let mut visits = given.iter_mut().rev();
    let visit = visits.find(|visit| visit.entered_event_id == entered_event_id);
    let Some(visit) = visit.filter(|_| has_work(execution, entered_event_id)) else {
        return;
    };
    match observation.seen {
        Seen::Token(token) => {
            let task = Value::object([("Token", Value::String(token))]);
            put(&mut visit.context, "Task", task);
        }
        Seen::Retrier {
            backoff_seconds: Some(_),
            ..
        } => {
            visit.retries += 1;
            if let Some(mut state) = visit.context.get("State").cloned() {
                put(
                    &mut state,
                    "RetryCount",
                    Value::from(u64::from(visit.retries)),
                );
                put(&mut visit.context, "State", state);
            }
        }
        // Another attempt begins.
        Seen::Arguments(_) => visit.outcome = None,
        Seen::Result(result) => visit.outcome = Some(Ok(result)),
        // What fails after the result is made of it, so it fails by itself.
        Seen::Failed { error, cause } if visit.outcome.is_none() => {
            visit.outcome = Some(Err(TaskError {
                error: error.as_deref().unwrap_or_default().to_owned(),
                cause: cause.as_deref().map(str::to_owned),
            }));
        }
        _ => {}
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        Arc::make_mut(members).insert(name.into(), value);
    }
}

/// Whether the state that was entered with an event has a task, branches or iterations.
fn has_work(execution: &Execution, entered_event_id: u64) -> bool {
    let event = usize::try_from(entered_event_id)
        .ok()
        .and_then(|id| id.checked_sub(1));
    let event = event.and_then(|index| execution.history().get(index));
    event.is_some_and(|event| {
        matches!(
            event.kind,
            asl::EventKind::StateEntered {
                state: StateType::Task | StateType::Map | StateType::Parallel,
                ..
            }
        )
    })
}
