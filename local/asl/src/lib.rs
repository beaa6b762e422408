//! The Amazon States Language: a deterministic interpreter without I/O, clock or threads of its own.
//!
//! A driver parses a definition once ([`StateMachine::parse`]), starts an [`Execution`] and from then on feeds it
//! [`Event`]s and carries out the [`Command`]s it answers with. The same events with the same timestamps and seed
//! always give the same commands and the same history, so an execution is rebuilt by replaying its events.
//!
//! The language is specified at <https://states-language.net/spec.html>; where AWS Step Functions differs or says
//! more, this crate follows AWS (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html>).
//!
//! ```
//! use asl::{Command, Event, Execution, Start, StateMachine, Status, Timestamp, Value};
//!
//! let machine = StateMachine::parse(
//!     r#"{"StartAt":"Nap","States":{
//!         "Nap":{"Type":"Wait","Seconds":60,"Next":"Done"},
//!         "Done":{"Type":"Pass","Parameters":{"slept.$":"States.Format('{} slept', $.who)"},"End":true}}}"#,
//! )?;
//! let start = Start { input: Value::parse(r#"{"who":"Ada"}"#)?, ..Start::default() };
//! let now = Timestamp(1_700_000_000_000_000);
//! let (mut execution, commands) = Execution::start(&machine, start, now);
//!
//! // A driver carries the commands out; this one only has to wait.
//! let Some(Command::StartTimer { id, at }) = commands.first() else { panic!("it waits") };
//! execution.apply(Event::TimerFired { id: *id }, *at);
//!
//! let output = Value::parse(r#"{"slept":"Ada slept"}"#)?;
//! assert_eq!(execution.status(), &Status::Succeeded { output });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`simulate::run`] is such a driver, with a virtual clock.

// In the order of reading: each speaks of those above it only.
mod value;

mod diagnostic;
mod error_name;
mod execution_type;
mod quota;
mod resource;
mod state_type;
mod timestamp;

pub mod query;
mod start;
mod validate;

mod definition;
pub mod placeholders;

mod command;
mod event;
mod history;
pub mod items;
pub mod results;

mod execution;
pub mod simulate;
mod test_state;

pub use command::{
    Child, ChildId, ChildResult, Command, ItemReader, MapRunResults, ResultWriter, Task, TaskId,
    TimerId,
};
pub use definition::StateMachine;
pub use diagnostic::{Diagnostic, Invalid, Position, Severity};
pub use event::{Event, MapRunUpdate, TaskError};
pub use execution::{Execution, MapRunCounts, MapRunReport, MapRunStatus, Observation, Seen};
pub use execution_type::ExecutionType;
pub use history::{ErrorDetails, Evaluation, EventKind, HistoryEvent, TaskFamily, TaskProgress};
pub use quota::{Limits, PAYLOAD_BYTES, REDRIVABLE_EVENTS};
pub use resource::{Pattern, Resource};
pub use start::{Start, Status};
pub use state_type::StateType;
pub use test_state::{
    FieldValidation, InspectionLevel, Mock, StateConfiguration, TestError, TestRequest,
    TestResponse, TestStatus, mock_fault, test_state,
};
pub use timestamp::Timestamp;
pub use validate::{history_warnings, validate, validate_as, validate_file};
pub use value::{Map, ParseError, Value};
