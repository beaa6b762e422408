//! What all parts of this service share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::SetOnce;

use cloud::compute::Compute;
use cloud::config::Local;
use cloud::error::ServiceError;

use crate::activities::Activities;
use crate::clock::Clock;
use crate::errors::internal;
use crate::evaluators::Evaluators;
use crate::histories::Histories;
use crate::machine::Machine;
use crate::outside::Outside;
use crate::published::Published;
use crate::runs::Runs;
use crate::store::Store;
use crate::subscribers::Subscribers;
use crate::test_cases::TestCases;
use crate::tokens::Tokens;

/// The engine: what there is and what runs. Each part of the service adds what it does with it, in a file of its own.
pub struct Engine {
    pub(crate) local: Local,
    pub(crate) compute: Compute,
    pub(crate) store: Store,
    pub(crate) clock: Arc<Clock>,
    pub(crate) evaluators: Evaluators,
    pub(crate) machines: RwLock<BTreeMap<String, Arc<Machine>>>,
    pub(crate) published: RwLock<Published>,
    /// Held by whoever creates, changes, publishes or deletes a state machine, from its look to its write.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// ARNs of state machines that go once their executions have ended.
    pub(crate) deleting: RwLock<BTreeSet<String>>,
    pub(crate) activities: Activities,
    pub(crate) tokens: Tokens,
    pub(crate) runs: Runs,
    pub(crate) histories: Histories,
    pub(crate) subscribers: Subscribers,
    pub(crate) outside: Option<Arc<dyn Outside>>,
    pub(crate) test_cases: Option<Arc<dyn TestCases>>,
    pub(crate) next_id: AtomicI64,
    pub(crate) recovered: SetOnce<()>,
    pub(crate) closed: AtomicBool,
    pub(crate) runtime: Handle,
}

impl Engine {
    /// An engine at which nothing is registered and nothing runs yet.
    pub(crate) fn new(
        compute: Compute,
        local: Local,
        store: Store,
        clock: Arc<Clock>,
        outside: Option<Arc<dyn Outside>>,
        test_cases: Option<Arc<dyn TestCases>>,
        next_id: i64,
    ) -> Engine {
        Engine {
            local,
            compute,
            store,
            clock,
            evaluators: Evaluators::default(),
            machines: RwLock::default(),
            published: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            deleting: RwLock::default(),
            activities: Activities::default(),
            tokens: Tokens::default(),
            runs: Runs::default(),
            histories: Histories::default(),
            subscribers: Subscribers::default(),
            outside,
            test_cases,
            next_id: AtomicI64::new(next_id),
            recovered: SetOnce::new(),
            closed: AtomicBool::new(false),
            runtime: Handle::current(),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until what was running before has been taken up: who asks before that would be told of
    /// executions and tokens that are not known yet.
    pub(crate) async fn recovered(&self) {
        self.recovered.wait().await;
    }

    /// Does what may take long on a thread where that holds up nobody.
    pub(crate) async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Engine>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let engine = self.clone();
        let done = self.runtime.spawn_blocking(move || work(&engine));
        done.await.map_err(internal)?
    }
}
