//! What a Distributed Map makes of the results of its children
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html>).

use std::fmt::Write as _;

use crate::command::{ChildResult, MapRunResults};
use crate::start::Status;
use crate::value::{Map, Value};

/// One object to store in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The object's key.
    pub key: String,
    /// Its body.
    pub body: String,
}

/// The outputs of the children in the order of the items, the state's result without a ResultWriter. A child that
/// failed, and was tolerated, has its place with its error.
pub fn outputs(results: &MapRunResults) -> Value {
    let outputs = results
        .children
        .iter()
        .filter_map(|child| match &child.status {
            Status::Running => None,
            Status::Succeeded { output } => Some(output.clone()),
            Status::Failed { error, cause }
            | Status::TimedOut { error, cause }
            | Status::Aborted { error, cause } => {
                let mut failed = Map::default();
                failed.insert("Status".into(), child.status.name().into());
                for (name, text) in [("Error", error), ("Cause", cause)] {
                    if let Some(text) = text {
                        failed.insert(name.into(), Value::String(text.clone()));
                    }
                }
                Some(Value::from(failed))
            }
        });
    Value::array(outputs.collect())
}

/// The result of a state whose ResultWriter stores nothing but configures the form: `Transformation` is `NONE`
/// (with all of each execution's details), `COMPACT` (the outputs) or `FLATTEN` (outputs that are arrays, joined).
pub fn transformed(results: &MapRunResults, config: &Value) -> Value {
    let transformation = config
        .get("Transformation")
        .and_then(Value::as_str)
        .unwrap_or("NONE");
    Value::array(rows(results.children.iter(), transformation))
}

/// The objects that `s3:putObject` stores under the prefix, and the state's result. The manifest comes last, so that
/// whoever finds it finds the rest.
pub fn files(results: &MapRunResults, arguments: &Value, config: &Value) -> (Vec<File>, Value) {
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string()
    };
    let bucket = text(arguments, "Bucket");
    let prefix = text(arguments, "Prefix");
    let transformation = config
        .get("Transformation")
        .and_then(Value::as_str)
        .unwrap_or("NONE");
    let lines = config.get("OutputType").and_then(Value::as_str) == Some("JSONL");
    let run = results.map_run_arn.rsplit(':').next().unwrap_or_default();
    let folder = match prefix.trim_end_matches('/') {
        "" => run.to_string(),
        prefix => format!("{prefix}/{run}"),
    };
    let mut files = Vec::new();
    let mut manifest = Map::default();
    for (status, name) in [
        ("PENDING", "PENDING"),
        ("FAILED", "FAILED"),
        ("SUCCEEDED", "SUCCEEDED"),
    ] {
        let children = results
            .children
            .iter()
            .filter(|child| status_of(child) == status);
        // Only outputs can be compacted or flattened: what failed is told in full.
        let transformation = if status == "SUCCEEDED" {
            transformation
        } else {
            "NONE"
        };
        let rows = rows(children, transformation);
        let mut listed = Vec::new();
        if !rows.is_empty() {
            let body = body(&rows, lines);
            // The name ends in .json for JSON lines too.
            let key = format!("{folder}/{name}_0.json");
            listed.push(Value::object([
                ("Key", Value::from(key.as_str())),
                ("Size", Value::from(body.len() as u64)),
            ]));
            files.push(File { key, body });
        }
        manifest.insert(name.into(), Value::array(listed));
    }
    let manifest = Value::object([
        ("DestinationBucket", Value::from(bucket.as_str())),
        ("MapRunArn", Value::String(results.map_run_arn.clone())),
        ("ResultFiles", Value::from(manifest)),
    ]);
    let key = format!("{folder}/manifest.json");
    files.push(File {
        key: key.clone(),
        body: manifest.to_string(),
    });
    let details = Value::object([("Bucket", Value::from(bucket)), ("Key", Value::from(key))]);
    let result = Value::object([
        ("MapRunArn", Value::String(results.map_run_arn.clone())),
        ("ResultWriterDetails", details),
    ]);
    (files, result)
}

fn rows<'a>(children: impl Iterator<Item = &'a ChildResult>, transformation: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for child in children {
        match (&child.status, transformation) {
            (
                Status::Succeeded {
                    output: Value::Array(items),
                },
                "FLATTEN",
            ) => rows.extend(items.iter().cloned()),
            (Status::Succeeded { output }, "FLATTEN" | "COMPACT") => rows.push(output.clone()),
            _ => rows.push(details(child)),
        }
    }
    rows
}

fn body(rows: &[Value], lines: bool) -> String {
    if !lines {
        return Value::array(rows.to_vec()).to_string();
    }
    let mut body = String::new();
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "{row}");
    }
    body
}

fn status_of(child: &ChildResult) -> &'static str {
    match child.status {
        Status::Running => "PENDING",
        Status::Succeeded { .. } => "SUCCEEDED",
        Status::Failed { .. } | Status::TimedOut { .. } | Status::Aborted { .. } => "FAILED",
    }
}

/// A child execution as the result files describe it.
fn details(child: &ChildResult) -> Value {
    let included = || Value::object([("Included", Value::Bool(true))]);
    let mut row = Map::default();
    row.insert("ExecutionArn".into(), Value::String(child.arn.clone()));
    row.insert("Input".into(), child.input.to_string().into());
    row.insert("InputDetails".into(), included());
    row.insert("Name".into(), Value::String(child.name.clone()));
    match &child.status {
        Status::Running => {}
        Status::Succeeded { output } => {
            row.insert("Output".into(), output.to_string().into());
            row.insert("OutputDetails".into(), included());
        }
        Status::Failed { error, cause }
        | Status::TimedOut { error, cause }
        | Status::Aborted { error, cause } => {
            if let Some(error) = error {
                row.insert("Error".into(), Value::String(error.clone()));
            }
            if let Some(cause) = cause {
                row.insert("Cause".into(), Value::String(cause.clone()));
            }
        }
    }
    row.insert("RedriveCount".into(), Value::from(child.redrives));
    row.insert("RedriveStatus".into(), "NOT_REDRIVABLE".into());
    row.insert("StartDate".into(), child.started.to_string().into());
    if let Some(arn) = child
        .arn
        .rsplit_once(':')
        .map(|(machine, _)| machine.replacen(":execution:", ":stateMachine:", 1))
    {
        row.insert("StateMachineArn".into(), arn.into());
    }
    row.insert("Status".into(), child.status.name().into());
    if child.status != Status::Running {
        row.insert("StopDate".into(), child.stopped.to_string().into());
    }
    Value::from(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn results() -> MapRunResults {
        let child = |name: &str, status: Status| ChildResult {
            redrives: 0,
            arn: format!("arn:aws:states:us-east-1:123456789012:execution:m/L:{name}").into(),
            name: name.into(),
            input: Value::from(1i64),
            status,
            started: Timestamp(0),
            stopped: Timestamp(1_000_000),
        };
        let output = |text: &str| Status::Succeeded {
            output: Value::parse(text).unwrap(),
        };
        let error = Status::Failed {
            error: Some("Job.Crashed".into()),
            cause: None,
        };
        MapRunResults {
            map_run_arn: "arn:aws:states:us-east-1:123456789012:mapRun:m/L:run".into(),
            children: vec![
                child("a", output("[1,2]")),
                child("b", error),
                child("c", output("{\"n\":3}")),
            ],
        }
    }

    #[test]
    fn each_transformation_has_its_form() {
        assert_eq!(
            outputs(&results()).to_string(),
            r#"[[1,2],{"Status":"FAILED","Error":"Job.Crashed"},{"n":3}]"#
        );
        let transform = |name: &str| {
            let config = Value::object([("Transformation", Value::from(name))]);
            transformed(&results(), &config)
        };
        let flat = transform("FLATTEN");
        let rows = flat.as_array().unwrap();
        assert_eq!(
            (
                rows[0].to_string(),
                rows[1].to_string(),
                rows[3].to_string()
            ),
            ("1".into(), "2".into(), r#"{"n":3}"#.into())
        );
        assert_eq!(
            transform("COMPACT").as_array().unwrap()[0].to_string(),
            "[1,2]"
        );
        let whole = transform("NONE");
        let row = &whole.as_array().unwrap()[0];
        assert_eq!(row.get("Output").and_then(Value::as_str), Some("[1,2]"));
        assert_eq!(
            row.get("StateMachineArn").and_then(Value::as_str),
            Some("arn:aws:states:us-east-1:123456789012:stateMachine:m/L")
        );
    }

    #[test]
    fn files_stand_under_the_run_and_the_manifest_lists_them_last() {
        let arguments = Value::parse(r#"{"Bucket":"out","Prefix":"jobs/"}"#).unwrap();
        let config = Value::parse(r#"{"Transformation":"COMPACT","OutputType":"JSONL"}"#).unwrap();
        let (files, result) = files(&results(), &arguments, &config);
        let keys: Vec<&str> = files.iter().map(|file| file.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "jobs/run/FAILED_0.json",
                "jobs/run/SUCCEEDED_0.json",
                "jobs/run/manifest.json"
            ]
        );
        assert_eq!(files[1].body, "[1,2]\n{\"n\":3}\n");
        let manifest = Value::parse(&files[2].body).unwrap();
        let listed = manifest.get("ResultFiles").unwrap();
        assert_eq!(listed.get("PENDING").unwrap().to_string(), "[]");
        assert_eq!(
            listed.get("SUCCEEDED").unwrap().to_string(),
            r#"[{"Key":"jobs/run/SUCCEEDED_0.json","Size":14}]"#
        );
        assert_eq!(
            result.get("ResultWriterDetails").unwrap().to_string(),
            r#"{"Bucket":"out","Key":"jobs/run/manifest.json"}"#
        );
    }
}
