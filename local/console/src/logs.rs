//! Which log lines are a state's: what its function, its task, its job or the worker that it asked for wrote meanwhile.

use asl::Timestamp;
use cloud::logs::{Line, Logs, Stored};
use serde_json::Value;

/// Streams that are shown beside a state, the latest of them.
const STREAMS: usize = 8;
/// Lines of a stream that are shown, the last of them.
const LINES: usize = 400;
/// What is written a moment after a state has ended is its own too.
const AFTER_MILLIS: i64 = 1_500;
/// Marks of lines have milliseconds.
const BEFORE_MILLIS: i64 = 50;

/// What one stream has of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Group and name of the stream.
    pub stream: String,
    /// The lines.
    pub lines: Vec<String>,
    /// How many were left out before them.
    pub left_out: usize,
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Names of functions, task and job definitions, workers.
    pub names: Vec<String>,
    /// The words that name one invocation, task or job among others of the same name.
    pub ids: Vec<String>,
    /// From when on.
    pub from: Timestamp,
    /// Until when; none while it goes on.
    pub to: Option<Timestamp>,
}

impl Search {
    /// The logs, the first begun first.
    pub fn run(&self, logs: &Logs) -> Vec<Log> {
        let from = self.from.0 / 1_000 - BEFORE_MILLIS;
        let to = self.to.map_or(i64::MAX, |to| to.0 / 1_000 + AFTER_MILLIS);
        let mut streams: Vec<Stored> = logs.stored();
        streams.retain(|stream| {
            let written = stream.last_written().is_some_and(|last| last >= from);
            written && stream.created <= to && is_of(&stream.group, &stream.name, &self.names)
        });
        streams.sort_by_key(|stream| stream.created);
        let mut found: Vec<(bool, Log)> = streams
            .iter()
            .filter_map(|stream| self.part(stream, from, to))
            .collect();
        if found.iter().any(|(named, _)| *named) {
            found.retain(|(named, _)| *named);
        }
        let skip = found.len().saturating_sub(STREAMS);
        found.into_iter().skip(skip).map(|(_, log)| log).collect()
    }

    /// What a stream has, and whether it is named by an id.
    fn part(&self, stream: &Stored, from: i64, to: i64) -> Option<(bool, Log)> {
        let lines = stream.lines();
        let meant = |text: &str| self.ids.iter().any(|id| text.contains(id.as_str()));
        let invocation = lines
            .iter()
            .position(|line| line.message.starts_with("START RequestId: ") && meant(&line.message));
        let mut wanted: Vec<&Line> = match invocation {
            // The end of an invocation is told in two lines, the second of which may be its error.
            Some(start) => {
                let rest = lines[start + 1..].iter();
                let next = rest.take_while(|line| !line.message.starts_with("START RequestId: "));
                lines[start..=start].iter().chain(next).collect()
            }
            None => {
                let within = |line: &&Line| (from..=to).contains(&line.timestamp);
                lines.iter().filter(within).collect()
            }
        };
        let named = invocation.is_some()
            || meant(&stream.name)
            || wanted.iter().any(|line| meant(&line.message));
        let left_out = wanted.len().saturating_sub(LINES);
        wanted.drain(..left_out);
        let log = Log {
            stream: format!("{} {}", stream.group, stream.name),
            lines: wanted
                .into_iter()
                .map(|line| readable(&line.message))
                .collect(),
            left_out,
        };
        (!log.lines.is_empty()).then_some((named, log))
    }
}

/// A line as people read it: of a JSON document its moment, level and message, then the rest.
fn readable(line: &str) -> String {
    let Ok(Value::Object(mut members)) = serde_json::from_str(line) else {
        return line.to_owned();
    };
    if let Some(Value::Object(fields)) = members.remove("fields") {
        members.extend(fields);
    }
    let mut words = Vec::new();
    for name in ["timestamp", "level", "message"] {
        words.extend(members.remove(name).as_ref().map(plain));
    }
    words.extend(
        members
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value))),
    );
    words.join(" ")
}

/// A text without its quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Calls `each` with every state of a definition, those inside of others too.
pub fn states(value: &Value, each: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(states)) = fields.get("States") {
                states.iter().for_each(|(name, state)| each(name, state));
            }
            fields.values().for_each(|inner| states(inner, each));
        }
        Value::Array(items) => items.iter().for_each(|inner| states(inner, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The names that a state gives to a service: of a function, a task or job definition, a worker.
pub fn called(state: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let function = state["Resource"]
        .as_str()
        .filter(|text| text.contains(":function:"));
    found.extend(function.map(last_part));
    collect(state, &mut found);
    found
}

fn collect(state: &Value, into: &mut Vec<String>) {
    const NAMES: [&str; 4] = ["FunctionName", "TaskDefinition", "JobDefinition", "worker"];
    match state {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| NAMES.contains(&name.as_str())) {
                    Some(text) => into.push(last_part(text)),
                    None => collect(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `arn:aws:lambda:…:function:NAME:live` and `…:task-definition/NAME:1` are NAME.
fn last_part(text: &str) -> String {
    let after = ["function:", "/"]
        .iter()
        .find_map(|mark| text.rsplit_once(mark))
        .map_or(text, |(_, name)| name);
    after.split(':').next().unwrap_or(after).to_owned()
}

/// Whether a log is of something of one of these names: a part of its group or stream begins or ends with the name.
pub fn is_of(group: &str, stream: &str, names: &[String]) -> bool {
    let is = |part: &str, name: &str| {
        part == name
            || part.starts_with(&format!("{name}-"))
            || part.ends_with(&format!("-{name}"))
            || part.contains(&format!("-{name}-"))
    };
    let mut parts = group.split('/').chain(stream.split('/'));
    parts.any(|part| names.iter().any(|name| is(part, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_names_what_it_calls() {
        let definition = json!({"States": {"Each": {"ItemProcessor": {"States": {"Train": {"Arguments": {
            "FunctionName": "arn:aws:lambda:us-east-1:1:function:dev-dispatcher:live", "Payload": {"worker": "trainer"}}}}}}}});
        let (mut found, mut all) = (Vec::new(), Vec::new());
        states(&definition, &mut |name, state| {
            all.push(name.to_owned());
            if name == "Train" {
                found = called(state);
            }
        });
        assert_eq!(all, ["Each", "Train"]);
        assert_eq!(found, ["dev-dispatcher", "trainer"]);
        assert_eq!(
            last_part("arn:aws:ecs:us-east-1:1:task-definition/dev-trainer:3"),
            "dev-trainer"
        );
        for (group, stream, is) in [
            ("/aws/lambda/dev-dispatcher", "2026/11/30/x", true),
            ("/ecs/dev-trainer", "trainer/1", true),
            ("/aws/batch/job", "dev-trainer/default/1", true),
            ("/aws/lambda/dev-tuner", "2026/11/30/x", false),
        ] {
            assert_eq!(is_of(group, stream, &found), is, "{group}");
        }
    }

    #[test]
    fn a_line_of_json_is_told_in_words() {
        let line = r#"{"timestamp":"t","level":"INFO","fields":{"message":"done","n":3}}"#;
        assert_eq!(readable(line), "t INFO done n=3");
        assert_eq!(readable("[1] said"), "[1] said");
    }

    #[test]
    fn of_many_invocations_the_one_that_is_meant_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let stream = logs
            .stream("/aws/lambda/dev-f", "2026/11/24/[1]ab")
            .unwrap();
        for id in ["one", "two"] {
            for line in ["START RequestId: ", "said by ", "END RequestId: "] {
                stream.line(&format!("{line}{id}"));
            }
        }
        let mut search = Search {
            names: vec!["f".into()],
            ..Search::default()
        };
        assert_eq!(search.run(&logs)[0].lines.len(), 6);
        search.ids = vec!["two".into()];
        assert_eq!(search.run(&logs)[0].lines[1], "said by two");
        assert_eq!(search.run(&logs)[0].lines.len(), 3);
        search.names = vec!["g".into()];
        assert!(search.run(&logs).is_empty());
    }
}
