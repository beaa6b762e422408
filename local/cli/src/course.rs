//! How an execution went, read from its history for the page of its report: when each state ran, its tries, and when
//! the work of a job began.

use std::collections::HashMap;

use cloud::usage::PlacementRow;
use gatherer::run::{Lane, Place, Run, Span, Try};
use jobs::cause::words;
use placement::Placement;
use serde_json::Value;

/// The run that `events` tell of; `began` knows by job id when its worker began, in ms since the Unix epoch.
pub fn of(events: &[Value], places: &[PlacementRow], began: &HashMap<String, u64>) -> Run {
    let mut reader = Reader {
        first: events.first().map_or(0.0, at),
        ..Reader::default()
    };
    for event in events {
        reader.read(event, began);
    }
    let seconds = events.last().map_or(0.0, at) - reader.first;
    for span in reader.lanes.iter_mut().flat_map(|lane| &mut lane.spans) {
        // What was not left when the execution ended.
        if !span.to.is_finite() {
            span.to = seconds;
        }
        for one in span.tries.iter_mut().filter(|one| !one.to.is_finite()) {
            one.to = span.to;
        }
    }
    Run {
        seconds,
        usd: places.iter().filter_map(|place| place.usd).sum(),
        lanes: reader.lanes,
        places: places.iter().map(place).collect(),
    }
}

fn place(row: &PlacementRow) -> Place {
    Place {
        placement: row.placement,
        name: row.name.clone(),
        runs: row.count,
        seconds: row.seconds,
        usd: row.usd,
    }
}

fn at(event: &Value) -> f64 {
    event["timestamp"].as_f64().unwrap_or_default()
}

/// Where an event stands: in which entry of a state, and in which branch of the innermost Map.
#[derive(Debug, Clone, Copy, Default)]
struct Scope {
    /// Lane and span.
    entry: Option<(usize, usize)>,
    branch: Option<u64>,
    previous: u64,
}

#[derive(Debug, Default)]
struct Reader {
    lanes: Vec<Lane>,
    scopes: HashMap<u64, Scope>,
    first: f64,
}

impl Reader {
    fn read(&mut self, event: &Value, began: &HashMap<String, u64>) {
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let (id, previous) = (number("id"), number("previousEventId"));
        let kind = event["type"].as_str().unwrap_or_default();
        let now = at(event) - self.first;
        let before = self.scopes.get(&previous).copied().unwrap_or_default();
        let mut scope = Scope { previous, ..before };
        if let Some(kind) = kind.strip_suffix("StateEntered") {
            let name = text(event, "stateEnteredEventDetails", "name");
            scope.entry = Some(self.entered(name, kind, now, scope.branch));
        } else if kind.ends_with("StateExited") {
            let name = text(event, "stateExitedEventDetails", "name");
            if let Some((entry, branch)) = self.entry_of(previous, name) {
                self.span(entry).to = now;
                scope = Scope {
                    entry: Some(entry),
                    branch,
                    previous,
                };
            }
        } else if kind == "MapIterationStarted" {
            scope.branch = event["mapIterationStartedEventDetails"]["index"].as_u64();
        } else if let Some(entry) = scope.entry {
            self.tried(entry, kind, details(event), now, began);
        }
        self.scopes.insert(id, scope);
    }

    fn entered(&mut self, name: &str, kind: &str, now: f64, branch: Option<u64>) -> (usize, usize) {
        let known = self.lanes.iter().position(|lane| lane.state == name);
        let lane = known.unwrap_or_else(|| {
            self.lanes.push(Lane {
                state: name.to_owned(),
                kind: kind.to_owned(),
                spans: Vec::new(),
            });
            self.lanes.len() - 1
        });
        let spans = &mut self.lanes[lane].spans;
        spans.push(Span {
            from: now,
            to: f64::INFINITY,
            branch,
            placement: None,
            tries: Vec::new(),
        });
        (lane, spans.len() - 1)
    }

    /// The nearest entry of the state `name` before an event, and the branch that it is in.
    fn entry_of(&self, mut event: u64, name: &str) -> Option<((usize, usize), Option<u64>)> {
        loop {
            let scope = self.scopes.get(&event)?;
            if let Some(entry) = scope
                .entry
                .filter(|entry| self.lanes[entry.0].state == name)
            {
                return Some((entry, self.lanes[entry.0].spans[entry.1].branch));
            }
            event = scope.previous;
        }
    }

    fn span(&mut self, (lane, span): (usize, usize)) -> &mut Span {
        &mut self.lanes[lane].spans[span]
    }

    /// What an event within a task says of its tries.
    fn tried(
        &mut self,
        entry: (usize, usize),
        kind: &str,
        details: &Value,
        now: f64,
        began: &HashMap<String, u64>,
    ) {
        let first = self.first;
        let span = self.span(entry);
        let of_a_task = ["Task", "LambdaFunction", "Activity"]
            .iter()
            .any(|begin| kind.starts_with(begin));
        if !of_a_task {
            return;
        }
        if kind.ends_with("Scheduled") {
            span.tries.push(Try {
                from: now,
                began: None,
                to: f64::INFINITY,
                error: None,
                cause: None,
            });
            span.placement = span.placement.or(direct(kind, details));
            return;
        }
        let Some(current) = span.tries.last_mut() else {
            return;
        };
        if ["Failed", "TimedOut"].iter().any(|end| kind.ends_with(end)) {
            current.to = now;
            let error = details["error"].as_str().unwrap_or("States.Timeout");
            current.error = Some(error.to_owned());
            current.cause = details["cause"].as_str().map(words);
        } else if kind.ends_with("Succeeded") {
            current.to = now;
            let output = details["output"].as_str().unwrap_or_default();
            let output: Value = serde_json::from_str(output).unwrap_or_default();
            let known = output["jobId"]
                .as_str()
                .and_then(|id| began.get(id))
                .copied();
            // A task of ECS and a job of Batch say it themselves, in ms since the Unix epoch.
            let began = known.or_else(|| output["StartedAt"].as_u64());
            let began = began.map(|ms| ms as f64 / 1e3 - first);
            current.began = began.filter(|began| (current.from..=now).contains(began));
            span.placement = placed(&output).or(span.placement);
        }
    }
}

/// The placement of a task that does its work in the call itself.
fn direct(kind: &str, details: &Value) -> Option<Placement> {
    let waits = details["resource"]
        .as_str()
        .is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
    match details["resourceType"].as_str() {
        Some("lambda") if !waits => Some(Placement::Lambda),
        Some("batch") => Some(Placement::Batch),
        Some("ecs") => Some(Placement::Fargate),
        _ => kind
            .starts_with("LambdaFunction")
            .then_some(Placement::Lambda),
    }
}

/// The placement that an output tells: the receipt of a job, or a task of ECS.
fn placed(output: &Value) -> Option<Placement> {
    let receipt = || serde_json::from_value(output["placement"].clone()).ok();
    let task = || Placement::of_task(output["CapacityProviderName"].as_str()?);
    receipt().or_else(task)
}

fn details(event: &Value) -> &Value {
    let members = event.as_object().into_iter().flatten();
    let mut found = members.filter(|(name, _)| name.ends_with("EventDetails"));
    found.next().map_or(&Value::Null, |(_, details)| details)
}

fn text<'a>(event: &'a Value, details: &str, name: &str) -> &'a str {
    event[details][name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: u64, previous: u64, at: f64, kind: &str, details: Value) -> Value {
        let name = match kind {
            _ if kind.ends_with("StateEntered") => "stateEntered".to_owned(),
            _ if kind.ends_with("StateExited") => "stateExited".to_owned(),
            _ => kind[..1].to_ascii_lowercase() + &kind[1..],
        };
        json!({"id": id, "previousEventId": previous, "timestamp": 100.0 + at, "type": kind,
               format!("{name}EventDetails"): details})
    }

    #[test]
    fn tries_branches_and_start_up_are_told() {
        let failed = json!({"error": "Job.Crashed", "cause": "{\"errorMessage\": \"no\"}"});
        let receipt = json!({"jobId": "j", "placement": "BATCH_SPOT"}).to_string();
        let token = json!({"resourceType": "lambda", "resource": "invoke.waitForTaskToken"});
        let history = [
            event(1, 0, 0.0, "ExecutionStarted", json!({})),
            event(2, 1, 0.0, "MapStateEntered", json!({"name": "Each"})),
            event(3, 2, 0.0, "MapStateStarted", json!({})),
            event(4, 3, 0.0, "MapIterationStarted", json!({"index": 3})),
            event(5, 4, 0.0, "TaskStateEntered", json!({"name": "Train"})),
            event(6, 5, 0.0, "TaskScheduled", token.clone()),
            event(7, 6, 1.0, "TaskFailed", failed),
            event(8, 7, 2.0, "TaskScheduled", token),
            event(9, 8, 5.0, "TaskSucceeded", json!({"output": receipt})),
            event(10, 9, 5.0, "TaskStateExited", json!({"name": "Train"})),
            event(11, 10, 5.0, "MapIterationSucceeded", json!({})),
            event(12, 11, 5.0, "MapStateSucceeded", json!({})),
            event(13, 12, 5.0, "MapStateExited", json!({"name": "Each"})),
            event(14, 13, 5.0, "TaskStateEntered", json!({"name": "Gather"})),
            event(
                15,
                14,
                5.0,
                "TaskScheduled",
                json!({"resourceType": "lambda", "resource": "invoke"}),
            ),
            event(16, 15, 6.0, "TaskTimedOut", json!({})),
            event(17, 16, 6.0, "ExecutionFailed", json!({})),
        ];
        let began = HashMap::from([("j".to_owned(), 103_500)]);
        let run = of(&history, &[], &began);
        assert_eq!(run.seconds, 6.0);
        let [each, train, gather] = run.lanes.as_slice() else {
            panic!("{:?}", run.lanes);
        };
        assert_eq!((each.spans[0].from, each.spans[0].to), (0.0, 5.0));
        let span = &train.spans[0];
        assert_eq!(
            (span.branch, span.placement),
            (Some(3), Some(Placement::BatchSpot))
        );
        assert_eq!(span.tries[0].cause.as_deref(), Some("no"));
        assert_eq!(
            (span.tries[1].from, span.tries[1].began, span.tries[1].to),
            (2.0, Some(3.5), 5.0)
        );
        let span = &gather.spans[0];
        assert_eq!(
            (span.branch, span.placement, span.to),
            (None, Some(Placement::Lambda), 6.0)
        );
        assert_eq!(span.tries[0].error.as_deref(), Some("States.Timeout"));
    }
}
