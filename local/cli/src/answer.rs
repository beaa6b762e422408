//! What a run found out, in one sentence, and why a run failed, told once.

use std::collections::HashMap;

use gatherer::figures::number;
use jobs::cause::words;
use serde_json::Value;

/// What a run found out: as its report says it, else as the output of the pipeline does.
pub fn sentence(output: &Value, report: Option<&Value>) -> Option<String> {
    let told = report.and_then(|report| report["answer"].as_str());
    let told = told
        .filter(|answer| !answer.is_empty())
        .map(|answer| answer.trim_end_matches('.').to_owned());
    told.or_else(|| wrapper(output)).or_else(|| load(output))
}

/// A wrapper: who served, and why not the service.
fn wrapper(output: &Value) -> Option<String> {
    let by = output["servedBy"].as_str()?;
    let rows = output["result"]["rows"].as_u64()?;
    let url = output["result"]["url"].as_str()?;
    let served = format!(
        "served by the {by}: {} rows from {url}",
        number(rows as f64)
    );
    Some(match output["because"]["Error"].as_str() {
        None => served,
        Some(error) => {
            let cause = words(output["because"]["Cause"].as_str().unwrap_or_default());
            format!("{served}; the service failed with {error}: {cause}")
        }
    })
}

/// A load test.
fn load(output: &Value) -> Option<String> {
    let measured = |name: &str| output[name].as_f64();
    let verdict = if output["passed"].as_bool()? {
        "passed"
    } else {
        "failed"
    };
    Some(format!(
        "load test {verdict}: {} requests at {:.0} a second, {:.3} % failed, p50 {:.1} ms, p99 {:.1} ms",
        number(measured("requests")?),
        measured("requestsPerSecond")?,
        100.0 * measured("errorRate")?,
        measured("p50Ms")?,
        measured("p99Ms")?
    ))
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The state that failed first and for good.
    pub state: String,
    /// Name of the error.
    pub error: String,
    /// The cause in words.
    pub words: String,
    /// How often a state failed so.
    pub times: usize,
}

/// The first failure that no retry made good, with the count of those that are the same.
pub fn first_cause(events: &[Value]) -> Option<Cause> {
    let run = Run::of(events);
    let mut first: Option<Cause> = None;
    for event in events {
        let Some((error, words)) = failure(event) else {
            continue;
        };
        let Some((entry, state)) = run.entry(event) else {
            continue;
        };
        if run.made_good(entry) {
            continue;
        }
        match &mut first {
            None => {
                first = Some(Cause {
                    state: state.to_owned(),
                    error,
                    words,
                    times: 1,
                });
            }
            Some(first) if (&first.error, &first.words) == (&error, &words) => first.times += 1,
            Some(_) => {}
        }
    }
    first
}

/// Error and cause of an event that ends one try of a task.
fn failure(event: &Value) -> Option<(String, String)> {
    let kind = event["type"].as_str()?;
    let ends_a_try = ["Failed", "TimedOut"].iter().any(|end| kind.ends_with(end));
    let of_a_task = ["Task", "LambdaFunction", "Activity", "MapRun"]
        .iter()
        .any(|begin| kind.starts_with(begin));
    if !(ends_a_try && of_a_task) {
        return None;
    }
    let details = event
        .as_object()?
        .iter()
        .find(|(key, _)| key.ends_with("EventDetails"));
    let details = details.map_or(&Value::Null, |(_, details)| details);
    let error = details["error"].as_str().unwrap_or("States.Timeout");
    Some((
        error.to_owned(),
        words(details["cause"].as_str().unwrap_or_default()),
    ))
}

/// The events of a run by id.
struct Run<'a> {
    by_id: HashMap<u64, &'a Value>,
    /// Entries of states of which a later try succeeded.
    good: Vec<u64>,
}

impl<'a> Run<'a> {
    fn of(events: &'a [Value]) -> Self {
        let by_id = events
            .iter()
            .filter_map(|event| Some((event["id"].as_u64()?, event)))
            .collect();
        let mut run = Self {
            by_id,
            good: Vec::new(),
        };
        let good = events.iter().filter(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            [
                "TaskSucceeded",
                "LambdaFunctionSucceeded",
                "ActivitySucceeded",
            ]
            .contains(&kind)
        });
        run.good = good.filter_map(|event| Some(run.entry(event)?.0)).collect();
        run
    }

    fn made_good(&self, entry: u64) -> bool {
        self.good.contains(&entry)
    }

    /// The entry of the state that an event belongs to, and the state's name.
    fn entry(&self, event: &Value) -> Option<(u64, &'a str)> {
        let mut id = event["previousEventId"].as_u64()?;
        loop {
            let before = self.by_id.get(&id)?;
            if let Some(name) = before.pointer("/stateEnteredEventDetails/name") {
                return Some((id, name.as_str()?));
            }
            id = before["previousEventId"].as_u64()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_report_has_the_first_word_and_then_the_output() {
        let report = json!({"answer": "knn is best."});
        assert_eq!(
            sentence(&json!({}), Some(&report)).as_deref(),
            Some("knn is best")
        );
        let wrapped = json!({"servedBy": "alternative", "result": {"rows": 3, "url": "s3://b/k"},
            "because": {"Error": "States.Timeout", "Cause": "{\"errorMessage\": \"too slow\"}"}});
        let served = "served by the alternative: 3 rows from s3://b/k; the service failed with States.Timeout: too slow";
        assert_eq!(sentence(&wrapped, None).as_deref(), Some(served));
        assert_eq!(sentence(&json!({"mine": 1}), None), None);
    }

    fn event(id: u64, previous: u64, kind: &str, details: Value) -> Value {
        let mut event = json!({"id": id, "previousEventId": previous, "type": kind});
        let begin: String = kind.chars().take(1).flat_map(char::to_lowercase).collect();
        let name = if kind.ends_with("StateEntered") {
            "stateEntered".to_owned()
        } else {
            begin + &kind[1..]
        };
        event[format!("{name}EventDetails")] = details;
        event
    }

    #[test]
    fn the_first_cause_is_told_once_and_what_a_retry_made_good_is_none() {
        let failed =
            |cause: &str| json!({"error": "Job.X", "cause": json!({"message": cause}).to_string()});
        let history = [
            event(1, 0, "TaskStateEntered", json!({"name": "Propose"})),
            event(2, 1, "TaskFailed", failed("passing")),
            event(3, 2, "TaskScheduled", json!({})),
            event(4, 3, "TaskSucceeded", json!({})),
            event(5, 4, "TaskStateEntered", json!({"name": "Train"})),
            event(6, 5, "TaskFailed", failed("line 2")),
            event(7, 4, "TaskStateEntered", json!({"name": "Train"})),
            event(8, 7, "TaskFailed", failed("line 2")),
            event(9, 8, "TaskStateEntered", json!({"name": "Gather"})),
            event(10, 9, "TaskTimedOut", json!({})),
        ];
        let cause = first_cause(&history).unwrap();
        assert_eq!(
            (cause.state.as_str(), cause.words.as_str(), cause.times),
            ("Train", "line 2", 2)
        );
        assert_eq!(first_cause(&history[..4]), None);
    }
}
