//! What answers calls of states in place of this cloud's own services: stand-ins, and services elsewhere.

use std::fmt::Debug;
use std::sync::Arc;

use asl::{Resource, TaskError, Value};
use futures::future::BoxFuture;

/// A call that a state makes.
#[derive(Debug, Clone)]
pub struct OutsideCall {
    /// The state's name.
    pub state: Arc<str>,
    /// What is called.
    pub resource: Resource,
    /// With what.
    pub arguments: Value,
    /// What the answer is for.
    pub purpose: Purpose,
    /// The same for every try to make this call, also after a restart; different for every other call.
    pub token: String,
}

/// What the answer to a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The result of a Task state.
    Result,
    /// Nothing: the result of the Task state comes by SendTaskSuccess or SendTaskFailure with this token.
    Callback {
        /// The task token.
        task_token: Arc<str>,
    },
    /// The items of a Distributed Map: for an object its text, for a list the `Contents` of ListObjectsV2.
    Items,
    /// Nothing: an object with results of a Distributed Map is stored.
    Store,
}

/// Answers calls of states in place of this cloud.
pub trait Outside: Debug + Send + Sync {
    /// Whether it answers the calls of this resource that a state makes. `local` tells whether this cloud could.
    fn answers(&self, state: &str, resource: &Resource, local: bool) -> bool;

    /// Answers a call; one with `.sync` once the job that it began has ended.
    fn call(&self, call: OutsideCall) -> BoxFuture<'_, Result<Value, TaskError>>;
}
