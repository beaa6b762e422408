//! Tests of whole state machines: mocked services, a virtual clock, assertions, coverage, and every failure explored.
//!
//! Pure: nothing here reads a file, a clock or a network. The interpreter is [`asl`]'s own, driven by its simulation,
//! so a case takes microseconds, a retry's hour passes at once, and the same case always ends the same way.
//!
//! ```
//! use testing::{Definition, Mocks, Options, rehearse};
//!
//! let definition = Definition::parse("orders", r#"{"StartAt":"Charge","States":{
//!     "Charge":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:charge",
//!         "Retry":[{"ErrorEquals":["Busy"],"IntervalSeconds":60}],"End":true}}}"#, &Default::default())?;
//! let mocks = Mocks::parse(r#"{"Charge": {
//!     "0-1": {"Throw": {"Error": "Busy", "Cause": "come again"}},
//!     "2": {"Return": {"paid": true}}}}"#)?;
//!
//! let run = rehearse(&definition, &asl::Value::empty_object(), &mocks, Options::default());
//!
//! assert_eq!(run.status().name(), "SUCCEEDED");
//! assert_eq!(run.output().unwrap().to_string(), r#"{"paid":true}"#);
//! assert_eq!(run.entered, ["Charge"]);
//! assert_eq!(run.retries["Charge"], 2);
//! assert_eq!(run.seconds, 60.0 + 120.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In the order of reading: [`Definition`], the mocks ([`MockFile`] reads AWS's `MockConfigFile.json`), [`rehearse`],
//! [`Expect`], [`Suite`] (a `NAME.test.json`), [`Coverage`], and [`mod@explore`].

mod coverage;
mod definition;
mod expect;
pub mod explore;
mod mocks;
mod outline;
mod problem;
mod rehearse;
mod suite;

pub use coverage::{Amount, Coverage, Item, Kind, Row};
pub use definition::{Definition, Substitutions};
pub use expect::{Expect, Mismatch};
pub use mocks::{MockFile, Mocks, Response, Responses};
pub use outline::{Catcher, Outline, Retrier, StateOutline};
pub use problem::{Problem, Problems, closest};
pub use rehearse::{Call, Options, Run, rehearse};
pub use suite::{Accepted, Case, CaseInput, Suite};
