//! What a test case expects of its run.

use std::collections::BTreeMap;

use asl::query::{Random, Scope, jsonata};
use asl::{Map, Value};
use serde_json::json;

use crate::outline::Outline;
use crate::problem::{Node, Problem};
use crate::rehearse::Run;

/// The ends of an execution that a case may expect.
const STATUSES: &[&str] = &["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING"];

/// What a test case expects. What is not set is not held against the run, except that without `status` and `error` the
/// execution must succeed.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// How the execution ends.
    pub status: Option<String>,
    /// Its output, exactly.
    pub output: Option<serde_json::Value>,
    /// JSONata conditions that must be true of `$output`, `$input`, `$error`, `$cause`, `$seconds`, `$path`, `$retries`.
    pub conditions: Vec<Condition>,
    /// The error it ends with.
    pub error: Option<String>,
    /// The cause, exactly.
    pub cause: Option<String>,
    /// All states, in the order in which they are entered.
    pub path: Option<Vec<String>>,
    /// States that must be entered.
    pub enters: Vec<String>,
    /// States that must not be entered.
    pub avoids: Vec<String>,
    /// How often states are tried again.
    pub retries: BTreeMap<String, u32>,
    /// The least and the most time that passes on the virtual clock.
    pub seconds: Option<(f64, f64)>,
}

/// A JSONata expression that must be true.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    expression: jsonata::Expr,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// What: `output`, `status`.
    pub what: String,
    /// What was expected.
    pub expected: serde_json::Value,
    /// What came.
    pub actual: serde_json::Value,
}

impl Expect {
    pub(crate) fn read(node: &Node) -> Result<Expect, Problem> {
        node.only(&[
            "status",
            "output",
            "condition",
            "error",
            "cause",
            "path",
            "enters",
            "avoids",
            "retries",
            "seconds",
        ])?;
        let text = |key: &str| {
            node.get(key)
                .map(|node| node.text().map(str::to_owned))
                .transpose()
        };
        let texts = |key: &str| node.get(key).map(|node| node.texts()).transpose();
        let status = text("status")?;
        if let Some(status) = &status
            && !STATUSES.contains(&status.as_str())
        {
            let path = format!("{}.status", node.path);
            return Err(Problem::unknown(
                path,
                "status",
                status,
                STATUSES.iter().copied(),
            ));
        }
        let mut retries = BTreeMap::new();
        if let Some(counts) = node.get("retries") {
            for (state, count) in counts.entries()? {
                retries.insert(state.to_owned(), count.whole()? as u32);
            }
        }
        let conditions = texts("condition")?.unwrap_or_default();
        let path = format!("{}.condition", node.path);
        let compiled = conditions
            .into_iter()
            .map(|text| Condition::parse(text, &path));
        Ok(Expect {
            status,
            output: node.get("output").map(|node| node.value.clone()),
            conditions: compiled.collect::<Result<_, _>>()?,
            error: text("error")?,
            cause: text("cause")?,
            path: texts("path")?,
            enters: texts("enters")?.unwrap_or_default(),
            avoids: texts("avoids")?.unwrap_or_default(),
            retries,
            seconds: node.get("seconds").map(|node| seconds(&node)).transpose()?,
        })
    }

    /// States that are expected and that the definition does not have.
    pub(crate) fn problems(&self, outline: &Outline, path: &str) -> Vec<Problem> {
        let lists = [
            ("path", self.path.as_deref().unwrap_or_default()),
            ("enters", &self.enters),
            ("avoids", &self.avoids),
        ];
        let listed = lists.into_iter().flat_map(|(key, states)| {
            states
                .iter()
                .enumerate()
                .map(move |(index, state)| (format!("{path}.{key}[{index}]"), state))
        });
        let counted = self
            .retries
            .keys()
            .map(|state| (format!("{path}.retries"), state));
        let unknown = listed
            .chain(counted)
            .filter(|(_, state)| outline.get(state).is_none());
        let known = || outline.states().map(|state| state.name.as_str());
        unknown
            .map(|(path, state)| Problem::unknown(path, "state", state, known()))
            .collect()
    }

    /// The status that the execution must end with.
    fn expected_status(&self) -> &str {
        match (&self.status, &self.error) {
            (Some(status), _) => status,
            (None, Some(_)) => "FAILED",
            (None, None) => "SUCCEEDED",
        }
    }

    /// All that is not as expected.
    pub fn mismatches(&self, run: &Run, input: &Value) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut compare = |what: &str, expected: serde_json::Value, actual: serde_json::Value| {
            if expected != actual {
                found.push(Mismatch {
                    what: what.to_owned(),
                    expected,
                    actual,
                });
            }
        };
        if let Some(call) = run.unanswered() {
            let response = format!(
                "a response to invocation {} of {:?}",
                call.invocation, call.state
            );
            compare("mocks", json!(response), json!("none"));
            return found;
        }
        let (error, cause) = run.failure();
        compare(
            "status",
            json!(self.expected_status()),
            json!(run.status().name()),
        );
        if let Some(expected) = &self.error {
            compare("error", json!(expected), json!(error));
        } else if self.expected_status() != run.status().name() && error.is_some() {
            compare("error", json!(null), json!(error));
            compare("cause", json!(null), json!(cause));
        }
        if let Some(expected) = &self.cause {
            compare("cause", json!(expected), json!(cause));
        }
        if let Some(expected) = &self.output {
            let actual = run.output().map(serde_json::Value::from);
            if !same(expected, actual.as_ref()) {
                compare("output", expected.clone(), json!(actual));
            }
        }
        if let Some(expected) = &self.path {
            compare("path", json!(expected), json!(run.entered));
        }
        for state in &self.enters {
            let entered = run.entered.contains(state);
            compare(
                "enters",
                json!(state),
                if entered { json!(state) } else { json!(null) },
            );
        }
        for state in &self.avoids {
            let entered = run.entered.contains(state);
            compare(
                "avoids",
                json!(null),
                if entered { json!(state) } else { json!(null) },
            );
        }
        for (state, expected) in &self.retries {
            let actual = run.retries.get(state).copied().unwrap_or_default();
            compare(
                &format!("retries of {state:?}"),
                json!(expected),
                json!(actual),
            );
        }
        if let Some((least, most)) = self.seconds
            && !(least..=most).contains(&run.seconds)
        {
            compare("seconds", span(least, most), json!(run.seconds));
        }
        for condition in &self.conditions {
            let actual = match condition.evaluate(run, input) {
                Ok(value) => serde_json::Value::from(value),
                Err(cause) => json!(cause),
            };
            compare(
                &format!("condition {}", condition.text),
                json!(true),
                actual,
            );
        }
        found
    }
}

fn span(least: f64, most: f64) -> serde_json::Value {
    if least == most {
        json!(least)
    } else {
        json!({"min": least, "max": most})
    }
}

/// A number of seconds, or `{"min": …, "max": …}`.
fn seconds(node: &Node) -> Result<(f64, f64), Problem> {
    if !node.value.is_object() {
        let exactly = node.number()?;
        return Ok((exactly, exactly));
    }
    node.only(&["min", "max"])?;
    let bound = |key: &str, default| node.get(key).map_or(Ok(default), |node| node.number());
    Ok((bound("min", 0.0)?, bound("max", f64::INFINITY)?))
}

/// Equal as JSON: 1 and 1.0 are one number, and the order of members means nothing.
fn same(expected: &serde_json::Value, actual: Option<&serde_json::Value>) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (expected, actual) {
        (Number(a), Some(Number(b))) => a.as_f64() == b.as_f64(),
        (Array(a), Some(Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, Some(b)))
        }
        (Object(a), Some(Object(b))) => {
            a.len() == b.len() && a.iter().all(|(key, value)| same(value, b.get(key)))
        }
        (expected, actual) => Some(expected) == actual,
    }
}

impl Condition {
    fn parse(text: String, path: &str) -> Result<Condition, Problem> {
        let bare = text.trim();
        let bare = bare
            .strip_prefix("{%")
            .and_then(|bare| bare.strip_suffix("%}"))
            .unwrap_or(bare);
        let expression = jsonata::Expr::compile(&format!("{{% {bare} %}}"))
            .map_err(|error| Problem::new(path, format!("{bare} is not JSONata: {error}")))?;
        Ok(Condition { text, expression })
    }

    fn evaluate(&self, run: &Run, input: &Value) -> Result<Value, String> {
        let (error, cause) = run.failure();
        let told = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let path = run.entered.iter().map(|state| Value::from(state.as_str()));
        let retries = run
            .retries
            .iter()
            .map(|(state, count)| (state.as_str(), u64::from(*count).into()));
        let variables: Map = [
            ("input", input.clone()),
            ("output", run.output().cloned().unwrap_or_default()),
            ("status", run.status().name().into()),
            ("error", told(error)),
            ("cause", told(cause)),
            ("seconds", Value::number(run.seconds)),
            ("path", Value::array(path.collect())),
            ("retries", Value::object(retries)),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect();
        let random = Random::seeded(0);
        let scope = Scope {
            input: &Value::Null,
            context: &|| Value::Null,
            variables: &variables,
            result: None,
            error_output: None,
            random: &random,
            now: asl::Timestamp(0),
        };
        let value = self.expression.evaluate(&scope, "condition");
        value.map_err(|error| error.cause)
    }
}
