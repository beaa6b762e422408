//! Service integrations: what a Task state's Resource calls, one file per service.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html>

mod batch;
mod call;
mod case;
mod ecs;
mod events;
mod lambda;
mod request;
mod s3;
mod schedule;
mod sdk;
mod states;
mod survey;

pub(crate) use request::call_once;
pub(crate) use s3::objects as s3_objects;
pub(crate) use schedule::schedule;
pub use survey::{CallSite, Unanswered, call_sites, unanswered};
