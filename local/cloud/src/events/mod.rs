//! EventBridge: buses, rules with event patterns and schedules, targets that are functions, state machines or buses.

mod api;
mod buses;
mod clock;
mod pattern;
mod put;
mod rule;
mod transform;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::action::{EventBridgeAction, ServiceId};
use crate::config::Local;
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::records::Records;
use crate::rest;
use crate::schedule::{Expression, ExpressionError};
use crate::service::Service;
use crate::targets::{Delivery, StartExecution, Targets};
use crate::time::{Timestamp, now};

pub use pattern::{Pattern, PatternError};
use rule::{Bus, DEFAULT_BUS, Rule};

/// How many buses an event passes from one to the next before it is taken for one that goes round for ever.
const HOPS_LIMIT: u32 = 5;

/// The EventBridge service.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

struct Inner {
    local: Local,
    targets: Targets,
    faults: Faults,
    state: Mutex<State>,
    buses: Records,
    rules: Records,
}

#[derive(Default)]
struct State {
    buses: BTreeMap<String, Bus>,
    /// By bus and name.
    rules: BTreeMap<(String, String), Rule>,
    /// The clocks of rules with a schedule.
    clocks: BTreeMap<(String, String), AbortHandle>,
    /// Whether the clocks run.
    started: bool,
}

/// A rule of the stack that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("rule {rule}: {source}")]
pub struct RuleError {
    /// Rule name.
    pub rule: String,
    /// What is wrong with it.
    pub source: RuleProblem,
}

/// What is wrong with a rule.
#[derive(Debug, thiserror::Error)]
pub enum RuleProblem {
    /// Its pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Its schedule.
    #[error("Parameter ScheduleExpression is not valid: {0}")]
    Schedule(#[from] ExpressionError),
}

impl From<RuleProblem> for ServiceError {
    fn from(problem: RuleProblem) -> ServiceError {
        match problem {
            RuleProblem::Pattern(error) => error.into(),
            RuleProblem::Schedule(_) => {
                ServiceError::new("ValidationException", problem.to_string())
            }
        }
    }
}

impl Rule {
    /// Reads its pattern and its schedule.
    fn compile(&mut self) -> Result<(), RuleProblem> {
        let pattern = self.pattern.as_deref().map(Pattern::parse).transpose()?;
        let schedule = self.schedule.as_deref();
        let expression = schedule.map(Expression::of_rule).transpose()?;
        self.compiled = rule::Compiled {
            pattern,
            expression,
        };
        Ok(())
    }

    fn key(&self) -> (String, String) {
        (self.bus.clone(), self.name.clone())
    }
}

impl Events {
    /// A service with the rules of a stack, which are all checked, and with the rules and buses that requests have made
    /// in the same data folder.
    pub fn new(
        local: Local,
        rules: &[stack::Rule],
        targets: Targets,
        faults: Faults,
    ) -> Result<Self, RuleError> {
        let folder = local.data_dir.join("events");
        let events = Events {
            inner: Arc::new(Inner {
                buses: Records::new(folder.join("buses")),
                rules: Records::new(folder.join("rules")),
                local,
                targets,
                faults,
                state: Mutex::default(),
            }),
        };
        let mut state = events.state();
        for bus in events.inner.buses.load::<Bus>() {
            state.buses.insert(bus.name.clone(), bus);
        }
        for mut rule in events.inner.rules.load::<Rule>() {
            match rule.compile() {
                Ok(()) => {
                    state.rules.insert(rule.key(), rule);
                }
                Err(error) => tracing::error!(rule = %rule.name, %error, "a rule was not read"),
            }
        }
        for rule in rules {
            let mut rule = Rule::declared(rule);
            rule.compile().map_err(|source| RuleError {
                rule: rule.name.clone(),
                source,
            })?;
            events.declare_bus(&mut state, &rule.bus);
            state.rules.insert(rule.key(), rule);
        }
        events.declare_bus(&mut state, DEFAULT_BUS);
        drop(state);
        Ok(events)
    }

    /// A bus that is there without having been made by a request.
    fn declare_bus(&self, state: &mut State, name: &str) {
        let arn = || self.inner.local.arn("events", &format!("event-bus/{name}"));
        let entry = state.buses.entry(name.to_owned());
        entry.or_insert_with(|| Bus::new(name, arn()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }

    /// Publishes an event of an AWS service about these resources on the default bus.
    pub fn publish(&self, source: &str, detail_type: &str, resources: &[&str], detail: Value) {
        let event = self.envelope(source, detail_type, json!(resources), detail, now());
        if let Err(error) = self.deliver(DEFAULT_BUS, &event, 0) {
            tracing::error!(%error, source, detail_type, "an event was lost");
        }
    }

    fn envelope(
        &self,
        source: &str,
        detail_type: &str,
        resources: Value,
        detail: Value,
        time: Timestamp,
    ) -> Value {
        // Event times have whole seconds.
        let time = format!("{}Z", &time.to_string()[..19]);
        json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": detail_type,
            "source": source,
            "account": self.inner.local.account,
            "time": time,
            "region": self.inner.local.region,
            "resources": resources,
            "detail": detail,
        })
    }

    /// Hands an event to the targets of the rules that match it; once this returns, none of them misses it.
    fn deliver(&self, bus: &str, event: &Value, hops: u32) -> Result<(), ServiceError> {
        let matching: Vec<Rule> = {
            let state = self.state();
            let of_bus = state.rules.values().filter(|rule| rule.bus == bus);
            of_bus.filter(|rule| rule.matches(event)).cloned().collect()
        };
        for rule in matching {
            self.fire(&rule, event, hops)?;
        }
        Ok(())
    }

    /// Hands an event to the targets of a rule.
    fn fire(&self, rule: &Rule, event: &Value, hops: u32) -> Result<(), ServiceError> {
        for target in rule.targets.values() {
            let bus = target.arn.split_once(":event-bus/").map(|(_, bus)| bus);
            match bus {
                Some(bus) if hops < HOPS_LIMIT => self.deliver(bus, event, hops + 1)?,
                Some(bus) => tracing::error!(rule = %rule.name, bus, "an event goes round"),
                None => {
                    let mut delivery =
                        Delivery::new(&rule.arn, &target.arn, target.input_for(event));
                    delivery.retry = target.retry_policy.unwrap_or_default();
                    let dead_letters = target.dead_letter_config.as_ref();
                    delivery.dead_letters = dead_letters.and_then(|config| config.arn.clone());
                    self.inner.targets.deliver(delivery)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps a rule as it is now; those of the stack are the stack's to keep.
    fn keep(&self, rule: &Rule) -> Result<(), ServiceError> {
        if rule.declared {
            return Ok(());
        }
        self.inner.rules.create(&record_id(&rule.key()), rule)
    }

    /// Gives the way to start executions; the first call counts.
    pub fn on_start_execution(&self, start: StartExecution) {
        self.inner.targets.on_start_execution(start);
    }
}

/// The name of a rule's record: buses may have slashes.
fn record_id((bus, name): &(String, String)) -> String {
    utf8_percent_encode(&format!("{bus}/{name}"), NON_ALPHANUMERIC).to_string()
}

impl Events {
    /// Carries out an action; the request is the API's.
    pub fn call(&self, action: EventBridgeAction, body: &Value) -> Result<Value, ServiceError> {
        match (action, self.inner.faults.admit(action, body)?) {
            (EventBridgeAction::PutEvents, verdict) => self.put_events(body, verdict),
            (_, Verdict::Lose) => Ok(json!({})),
            (action, Verdict::Proceed) => self.carry_out(action, body),
        }
    }
}

impl Service for Events {
    fn id(&self) -> ServiceId {
        ServiceId::EventBridge
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (action, body) = rest::read_aws_json(request).await?;
            let action = EventBridgeAction::required(&action)?;
            Ok(rest::aws_json(&self.call(action, &body)?))
        }
        .boxed()
    }
}
