//! Map Runs of Distributed Map states.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html>

use std::sync::Arc;

use asl::EventKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Description, Inner, internal};
use super::{listed, page};
use cloud::error::ServiceError;
use cloud::time::{Timestamp, epoch_seconds};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    execution_arn: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// When a Map Run began and how it ended, as its execution's history tells.
struct MapRun {
    arn: String,
    started: Timestamp,
    stopped: Option<Timestamp>,
    status: &'static str,
}

fn map_runs(sfn: &Arc<Inner>, execution: &str) -> Result<Vec<MapRun>, ServiceError> {
    let history = sfn.history(execution)?;
    let ended = sfn.describe(execution)?.stopped;
    let mut runs: Vec<(u64, MapRun)> = Vec::new();
    for event in &history {
        let status = match &event.kind {
            EventKind::MapRunStarted { arn } => {
                let run = MapRun {
                    arn: arn.to_string(),
                    started: event.timestamp,
                    stopped: None,
                    status: "RUNNING",
                };
                runs.push((event.id, run));
                continue;
            }
            EventKind::MapRunSucceeded => "SUCCEEDED",
            EventKind::MapRunFailed(_) => "FAILED",
            EventKind::MapRunAborted => "ABORTED",
            _ => continue,
        };
        if let Some(run) = open_run(&history, &mut runs, event.previous_event_id) {
            run.status = status;
            run.stopped = Some(event.timestamp);
        }
    }
    let runs = runs.into_iter().map(|(_, mut run)| {
        if let (None, Some(ended)) = (run.stopped, ended) {
            run.status = "ABORTED";
            run.stopped = Some(ended);
        }
        run
    });
    Ok(runs.collect())
}

/// The open run whose start is among the predecessors of the event `id`.
fn open_run<'a>(
    history: &[asl::HistoryEvent],
    runs: &'a mut [(u64, MapRun)],
    mut id: u64,
) -> Option<&'a mut MapRun> {
    while id > 0 {
        if let Some(position) = runs
            .iter()
            .position(|(start, run)| *start == id && run.stopped.is_none())
        {
            return runs.get_mut(position).map(|(_, run)| run);
        }
        // Ids count from 1 in the order of the history.
        id = history
            .get(usize::try_from(id - 1).ok()?)?
            .previous_event_id;
    }
    None
}

/// ListMapRuns of an execution.
pub fn list(sfn: &Arc<Inner>, request: List) -> Result<Value, ServiceError> {
    let machine = sfn.describe(&request.execution_arn)?.state_machine_arn;
    let runs = map_runs(sfn, &request.execution_arn)?;
    let (runs, next) = page(
        runs,
        request.max_results,
        request.next_token.as_deref(),
        100,
    )?;
    let runs = runs.iter().map(|run| {
        let mut item = json!({
            "executionArn": request.execution_arn,
            "mapRunArn": run.arn,
            "stateMachineArn": machine,
            "startDate": epoch_seconds(run.started),
        });
        if let Some(stopped) = run.stopped {
            item["stopDate"] = epoch_seconds(stopped);
        }
        item
    });
    Ok(listed("mapRuns", runs.collect(), next))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Describe {
    map_run_arn: String,
}

/// DescribeMapRun.
pub fn describe(sfn: &Arc<Inner>, request: Describe) -> Result<Value, ServiceError> {
    let arn = &request.map_run_arn;
    let live = sfn.runs.filter(|run| {
        run.parent
            .as_ref()
            .is_some_and(|parent| *parent.map_run == **arn)
    });
    let rows = sfn.store.executions_of_map_run(arn).map_err(internal)?;
    let parent = live
        .iter()
        .filter_map(|run| run.parent.as_ref())
        .map(|parent| parent.arn.to_string())
        .next();
    let parent = parent.or_else(|| rows.iter().find_map(|row| row.parent.clone()));
    let parent = parent.ok_or_else(|| {
        ServiceError::new("ResourceNotFound", format!("Resource not found: '{arn}'"))
    })?;
    let run = map_runs(sfn, &parent)?
        .into_iter()
        .find(|run| run.arn == *arn);
    let run = run.ok_or_else(|| {
        ServiceError::new("ResourceNotFound", format!("Resource not found: '{arn}'"))
    })?;
    // Express children are in memory only, Standard ones in the store too.
    let mut children: Vec<Description> = live
        .iter()
        .map(|run| sfn.describe(&run.start.arn))
        .collect::<Result<_, _>>()?;
    let stored = rows.into_iter().map(Description::from);
    children.extend(stored.filter(|row| !live.iter().any(|run| *run.start.arn == *row.arn)));
    let count = |status: &str| {
        children
            .iter()
            .filter(|child| child.status_name() == status)
            .count()
    };
    let counts = json!({
        "pending": 0, "running": count("RUNNING"), "succeeded": count("SUCCEEDED"), "failed": count("FAILED"),
        "timedOut": count("TIMED_OUT"), "aborted": count("ABORTED"), "total": children.len(),
        "resultsWritten": if run.status == "SUCCEEDED" { count("SUCCEEDED") } else { 0 },
        "failuresNotRedrivable": 0, "pendingRedrive": 0,
    });
    let mut response = json!({
        "mapRunArn": arn, "executionArn": parent, "status": run.status, "startDate": epoch_seconds(run.started),
        "maxConcurrency": 0, "toleratedFailurePercentage": 0.0, "toleratedFailureCount": 0,
        "itemCounts": counts, "executionCounts": counts, "redriveCount": 0,
    });
    if let Some(stopped) = run.stopped {
        response["stopDate"] = epoch_seconds(stopped);
    }
    Ok(response)
}
