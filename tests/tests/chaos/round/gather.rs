//! What came of a round, once everything has ended.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use serde_json::json;

use super::{LOOK, Round};
use crate::check::{Ending, Event, Outcome};
use crate::machines::Scenario;
use crate::notes::Notes;
use crate::server::Server;

/// Without any event for so long, an execution is held to stand still.
const STILL: Duration = Duration::from_secs(120);

impl Round<'_> {
    pub(super) async fn wait_for_ends(&self) -> Result<(), String> {
        let (mut events, mut moved) = (0, Instant::now());
        loop {
            let mut running = Vec::new();
            for (name, arn) in self.started() {
                match self.client.describe(&arn).await.answer {
                    Ok(execution) if execution.status == ExecutionStatus::Running => {
                        running.push((name, arn));
                    }
                    // One that is lost was found before.
                    Ok(_) | Err(_) => {}
                }
            }
            if running.is_empty() {
                return Ok(());
            }
            let now = self.events().await;
            if now != events {
                (events, moved) = (now, Instant::now());
            }
            if moved.elapsed() > STILL {
                let mut stands = Vec::new();
                for (name, arn) in running {
                    let (id, kind) = self.last_event(&arn).await;
                    stands.push(format!("{name} at {kind} {id}"));
                }
                return Err(format!(
                    "nothing has happened for {} s: {}",
                    STILL.as_secs(),
                    stands.join(", ")
                ));
            }
            tokio::time::sleep(LOOK * 10).await;
        }
    }

    pub(super) async fn gather(&self) -> Result<Outcome, String> {
        let mut outcome = Outcome {
            restarts: self.restarts.load(Ordering::Relaxed),
            lost_polls: self.lost_polls.load(Ordering::Relaxed),
            endings: self.endings().await?,
            ..Outcome::default()
        };
        for scenario in &self.scenarios {
            match self.executions_of(scenario).await {
                Ok(counted) => outcome.executions.extend(counted),
                Err(error) => self.find(format!("{}: {error}", scenario.name)),
            }
        }
        outcome.notes = self.settled_notes().await;
        Ok(outcome)
    }

    async fn endings(&self) -> Result<BTreeMap<String, Ending>, String> {
        let mut endings = BTreeMap::new();
        for (name, arn) in self.started() {
            let described = self.client.describe(&arn).await.answer;
            let described = described.map_err(|refusal| format!("{name}: {refusal:?}"))?;
            let pages = self
                .client
                .sfn
                .get_execution_history()
                .execution_arn(&arn)
                .into_paginator()
                .items()
                .send();
            let events: Result<Vec<_>, _> = pages.collect().await;
            let events = events.map_err(|error| format!("{name}: {error:?}"))?;
            let mut result = match described.output() {
                Some(output) => serde_json::from_str(output).unwrap(),
                None => json!({"error": described.error(), "cause": described.cause()}),
            };
            end_to_end::strip(&mut result, name.starts_with("activity"));
            let events = events.iter().map(Event::of).collect();
            endings.insert(
                name,
                Ending {
                    status: described.status.as_str().to_owned(),
                    result,
                    events,
                },
            );
        }
        Ok(endings)
    }

    /// Executions of a machine by status, and those of its Map Runs.
    async fn executions_of(
        &self,
        scenario: &Scenario,
    ) -> Result<BTreeMap<String, usize>, aws_sdk_sfn::Error> {
        let sfn = &self.client.sfn;
        // Those that were started by others may outlive them.
        let begun = Instant::now();
        let listed = loop {
            let list = sfn
                .list_executions()
                .state_machine_arn(self.machine(scenario));
            let listed: Result<Vec<_>, _> = list.into_paginator().items().send().collect().await;
            let listed = listed?;
            let runs = |one: &ExecutionListItem| *one.status() == ExecutionStatus::Running;
            if !listed.iter().any(runs) || begun.elapsed() > STILL {
                break listed;
            }
            tokio::time::sleep(LOOK * 10).await;
        };
        let mut counted = BTreeMap::new();
        let mut count = |what: &str, more: i64| {
            *counted
                .entry(format!("{} {what}", scenario.name))
                .or_default() += usize::try_from(more).unwrap();
        };
        for execution in &listed {
            count(execution.status().as_str(), 1);
            if !scenario.name.starts_with("distributed") {
                continue;
            }
            let runs = sfn.list_map_runs().execution_arn(execution.execution_arn());
            for run in runs.send().await?.map_runs {
                let run = sfn
                    .describe_map_run()
                    .map_run_arn(run.map_run_arn)
                    .send()
                    .await?;
                let counts = run.execution_counts.unwrap();
                count("children SUCCEEDED", counts.succeeded);
                count("children", counts.total);
            }
        }
        Ok(counted)
    }

    /// The notes, once every worker that started has ended or was stopped: one may outlive its execution.
    async fn settled_notes(&self) -> Notes {
        let begun = Instant::now();
        loop {
            let notes = Notes::read(&self.place.project.notes());
            if notes.are_settled() || begun.elapsed() > Duration::from_secs(20) {
                return notes;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The last stop leaves nothing behind, and what has ended stays as it was.
    pub(super) async fn close(&self, mut server: Server, outcome: &Outcome) -> Result<(), String> {
        server.terminate().await?;
        self.no_orphans().await;
        let mut server = self.place.start();
        server.up().await?;
        for (name, ending) in self.endings().await? {
            if outcome.endings.get(&name) != Some(&ending) {
                self.find(format!(
                    "{name}: after its end and a restart it is {ending:?}"
                ));
            }
        }
        server.terminate().await?;
        self.no_orphans().await;
        Ok(())
    }

    async fn no_orphans(&self) {
        for orphan in self.place.orphans().await {
            self.find(format!(
                "the stopped server has left a process behind: {orphan}"
            ));
        }
    }
}
