//! Map Runs of Distributed Map states.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html>

use std::sync::Arc;

use asl::{EventKind, HistoryEvent};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Inner, internal, status_name};
use super::executions::settle;
use super::pages::{Page, Paging};
use cloud::error::ServiceError;
use cloud::time::{Timestamp, epoch_seconds};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    execution_arn: String,
    #[serde(flatten)]
    paging: Paging,
}

/// When a Map Run began and how it ended, as its execution's history tells.
struct MapRun {
    arn: String,
    started: Timestamp,
    stopped: Option<Timestamp>,
    status: &'static str,
}

async fn map_runs(sfn: &Arc<Inner>, execution: &str) -> Result<Vec<MapRun>, ServiceError> {
    let ended = sfn.describe(execution)?.stopped;
    sfn.history(execution, move |history| from_history(history, ended))
        .await
}

fn from_history(history: &[HistoryEvent], ended: Option<Timestamp>) -> Vec<MapRun> {
    let mut runs: Vec<(u64, MapRun)> = Vec::new();
    for event in history {
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
        if let Some(run) = open_run(history, &mut runs, event.previous_event_id) {
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
    runs.collect()
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

/// ListMapRuns of an execution, in the order of their start.
pub async fn list(sfn: &Arc<Inner>, request: List) -> Result<Value, ServiceError> {
    let execution = request.execution_arn;
    let machine = sfn.describe(&execution)?.state_machine_arn;
    let page: Page<usize> = request
        .paging
        .page(format!("ListMapRuns {execution}"), sfn.clock.now())?;
    // Their places do not change: a history only grows.
    let runs = map_runs(sfn, &execution).await?.into_iter().enumerate();
    let runs = runs.skip(page.after.map_or(0, |last| last.saturating_add(1)));
    let runs = runs.take(page.fetch()).collect();
    Ok(page.response(
        "mapRuns",
        runs,
        |(place, _)| *place,
        |(_, run): &(usize, MapRun)| {
            let mut item = json!({
                "executionArn": execution,
                "mapRunArn": run.arn,
                "stateMachineArn": machine,
                "startDate": epoch_seconds(run.started),
            });
            if let Some(stopped) = run.stopped {
                item["stopDate"] = epoch_seconds(stopped);
            }
            item
        },
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Describe {
    map_run_arn: String,
}

/// DescribeMapRun. A Map Run of Express children is known to the process that ran them alone: after a restart it is
/// answered `ResourceNotFound`.
pub async fn describe(sfn: &Arc<Inner>, request: Describe) -> Result<Value, ServiceError> {
    let arn = request.map_run_arn;
    let missing = || ServiceError::new("ResourceNotFound", format!("Resource not found: '{arn}'"));
    let (parent, children) = children(sfn, &arn).await?;
    let parent = parent.ok_or_else(missing)?;
    let mut runs = map_runs(sfn, &parent).await?.into_iter();
    let run = runs.find(|run| run.arn == arn).ok_or_else(missing)?;
    let count = |status: &str| {
        let found = children.iter().filter(|(name, _)| name == status);
        found.map(|(_, count)| count).sum::<usize>()
    };
    let total: usize = children.iter().map(|(_, count)| count).sum();
    let counts = json!({
        "pending": 0, "running": count("RUNNING"), "succeeded": count("SUCCEEDED"), "failed": count("FAILED"),
        "timedOut": count("TIMED_OUT"), "aborted": count("ABORTED"), "total": total,
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

/// The parent of a Map Run's children, and how many of them have which status. Express children are in memory only,
/// Standard ones in the store.
async fn children(
    sfn: &Arc<Inner>,
    map_run: &str,
) -> Result<(Option<String>, Vec<(String, usize)>), ServiceError> {
    settle(sfn).await;
    let map_run = map_run.to_owned();
    sfn.apart(move |sfn| {
        let mut counts = sfn.store.count_by_status(&map_run).map_err(internal)?;
        let mut parent = sfn.store.parent_of(&map_run).map_err(internal)?;
        let express = sfn.runs.filter(|run| {
            !run.durable
                && run
                    .parent
                    .as_ref()
                    .is_some_and(|parent| *parent.map_run == *map_run)
        });
        for run in express {
            counts.push((status_name(&run.status()).to_owned(), 1));
            parent = parent.or_else(|| run.parent.as_ref().map(|parent| parent.arn.to_string()));
        }
        Ok((parent, counts))
    })
    .await
}
