//! `hybrid history`: what happened in an execution, event by event, as GetExecutionHistory names it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

use crate::{error::Error, names, place::ProjectArguments, project::read_json, summary::table};

/// Arguments of `hybrid history`.
#[derive(Args)]
pub struct History {
    /// Name of the execution [default: the latest].
    execution: Option<String>,
    /// Folder of the results, as given to `hybrid run` [default: out].
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
    /// Print the events as one JSON array.
    #[arg(long)]
    json: bool,
}

impl History {
    /// Prints the history.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let out = match self.out {
            Some(out) => out,
            None => self.project.find()?.out(),
        };
        let name = chosen(&out, self.execution.as_deref())?;
        let history = read_json(&out.join(&name).join("history.json"))?;
        if self.json {
            println!("{history}");
        } else {
            println!("{name}");
            print!("{}", events(history.as_array().map_or(&[], Vec::as_slice)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The execution of that name, or the latest.
pub(super) fn chosen(out: &Path, name: Option<&str>) -> Result<String, Error> {
    let known = executions(out);
    let found = match name {
        Some(name) => known.iter().find(|known| *known == name),
        None => known.last(),
    };
    found.cloned().ok_or_else(|| {
        Error::Usage(match name {
            Some(name) => format!(
                "no execution {name:?} in {}; {}",
                out.display(),
                names::told(name, &known)
            ),
            None => format!(
                "no execution in {}; run one with `hybrid run`",
                out.display()
            ),
        })
    })
}

/// Executions with a history, the oldest first.
pub(super) fn executions(out: &Path) -> Vec<String> {
    let mut found: Vec<(std::time::SystemTime, String)> = std::fs::read_dir(out)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let written = entry
                .path()
                .join("history.json")
                .metadata()
                .ok()?
                .modified()
                .ok()?;
            Some((written, entry.file_name().into_string().ok()?))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, name)| name).collect()
}

/// The events as a table.
pub fn events(history: &[Value]) -> String {
    let start = history.first().map_or(0.0, timestamp);
    let rows = history.iter().map(|event| {
        vec![
            event["type"].as_str().unwrap_or_default().to_owned(),
            subject(event),
            event["id"].to_string(),
            event["previousEventId"].to_string(),
            format!("{:.3}", timestamp(event) - start),
        ]
    });
    table(&["type", "what", "id", "after", "seconds"], rows.collect())
}

fn timestamp(event: &Value) -> f64 {
    event["timestamp"].as_f64().unwrap_or_default()
}

/// The words that tell one event from its like: a state's name, an iteration, a resource, an error.
fn subject(event: &Value) -> String {
    let details = event
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, _)| key.ends_with("EventDetails"))
        .map(|(_, details)| details);
    let Some(details) = details else {
        return String::new();
    };
    let words = ["name", "index", "resourceType", "resource", "error"]
        .iter()
        .filter_map(|key| match &details[key] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(format!("[{number}]")),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_told_by_its_state_or_error() {
        let event = json!({"type": "TaskFailed", "taskFailedEventDetails": {"resourceType": "ecs", "resource": "runTask.sync", "error": "States.TaskFailed"}});
        assert_eq!(subject(&event), "ecs runTask.sync States.TaskFailed");
        let event = json!({"mapIterationStartedEventDetails": {"name": "Each", "index": 3}});
        assert_eq!(subject(&event), "Each [3]");
        assert_eq!(subject(&json!({"type": "MapStateSucceeded"})), "");
    }
}
