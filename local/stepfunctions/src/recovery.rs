//! Going on after a restart, and histories of executions that are no longer in memory.
//!
//! First every execution that was running is rebuilt, children of Distributed Maps with their
//! parents, and only then does any of them go on: one may ask for another. Requests come after that.

use std::collections::HashMap;
use std::sync::Arc;

use asl::{Command, Event, Status, Timestamp};

use cloud::work::Busy;

use crate::engine::Engine;
use crate::errors::SfnError;
use crate::evaluators::{Account, Effort};
use crate::replay::{Progress, Replay};
use crate::run::{Parent, Parts, Run};
use crate::store::ExecutionRow;
use crate::test_cases::Invocations;

/// Executions that were running when the last process ended, by ARN.
type Unclaimed = HashMap<Arc<str>, ExecutionRow>;

/// An execution that is to be rebuilt.
struct Known {
    row: ExecutionRow,
    machine: asl::StateMachine,
    account: Arc<Account>,
    parent: Option<Parent>,
    /// Its parent has told it to stop.
    stopped: bool,
}

/// An execution that is rebuilt, with what it still has to do.
struct Rebuilt {
    run: Arc<Run>,
    outstanding: Vec<(Command, Progress)>,
    busy: Busy,
}

impl Engine {
    /// Goes on with what was running.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), SfnError> {
        let rows = self.store.running()?;
        let (roots, children): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.parent.is_none());
        let mut unclaimed: Unclaimed = children
            .into_iter()
            .map(|row| (row.start.arn.clone(), row))
            .collect();
        let mut rebuilt = Vec::new();
        // Thousands of executions may share a definition.
        let mut machines: HashMap<String, asl::StateMachine> = HashMap::new();
        for row in roots {
            let hash = row.definition.clone().unwrap_or_default();
            let known = machines.get(&hash).cloned();
            match known.map_or_else(|| self.store.machine_of(&row), Ok) {
                Ok(machine) => {
                    machines.entry(hash).or_insert_with(|| machine.clone());
                    let root = Known {
                        account: Account::new(self.effort_of(&row)),
                        row,
                        machine,
                        parent: None,
                        stopped: false,
                    };
                    self.rebuild_family(root, &mut unclaimed, &mut rebuilt)?;
                }
                Err(error) => {
                    tracing::error!(execution = %row.start.arn, %error, "the execution cannot go on; it counts as aborted");
                    let status = Status::Aborted {
                        error: Some("States.Runtime".into()),
                        cause: Some(error.message.into()),
                    };
                    self.store.end(row.id, self.clock.now(), &status, None)?;
                }
            }
        }
        // Children whose parent ended in the moment of the kill: nobody waits for them any more.
        for row in unclaimed.into_values() {
            let status = Status::Aborted {
                error: None,
                cause: None,
            };
            self.store.end(row.id, self.clock.now(), &status, None)?;
        }
        // Who asks next is to be told of the ends above.
        // If it fails, so did what came before it, which is tried again.
        let _ = self.store.settled().await;
        for execution in rebuilt {
            self.go_on(execution);
        }
        self.resume_deletions().await?;
        Ok(())
    }

    /// Rebuilds an execution and, of those that it is the parent of, all that were running.
    fn rebuild_family(
        self: &Arc<Self>,
        root: Known,
        unclaimed: &mut Unclaimed,
        rebuilt: &mut Vec<Rebuilt>,
    ) -> Result<(), SfnError> {
        let mut family = vec![root];
        while let Some(known) = family.pop() {
            let Some(mut parent) = self.rebuild(known)? else {
                continue;
            };
            let commands = std::mem::take(&mut parent.outstanding);
            for (command, progress) in commands {
                match command {
                    Command::StartChild { id, child } => {
                        let arn = child.start.arn.clone();
                        if let Some(row) = unclaimed.remove(&arn) {
                            family.push(Known {
                                row,
                                machine: child.machine,
                                account: parent.run.account(),
                                parent: Some(Parent {
                                    run: Arc::downgrade(&parent.run),
                                    arn: parent.run.start.arn.clone(),
                                    child: id,
                                    map_run: child.map_run_arn,
                                }),
                                stopped: progress.stopped,
                            });
                        } else if let Some(row) = self.store.execution(&arn)?
                            && row.redrives.count >= child.redrive
                        {
                            let status = row.status;
                            parent.run.post(Event::ChildFinished { id, status });
                        } else {
                            let command = Command::StartChild { id, child };
                            parent.outstanding.push((command, progress));
                        }
                    }
                    other => parent.outstanding.push((other, progress)),
                }
            }
            rebuilt.push(parent);
        }
        Ok(())
    }

    /// Rebuilds one execution from its log; none if it is there already.
    fn rebuild(self: &Arc<Self>, known: Known) -> Result<Option<Rebuilt>, SfnError> {
        let Known {
            row,
            machine,
            account,
            parent,
            stopped,
        } = known;
        let Some(Ok(claim)) = self.runs.try_claim(&row.start.arn) else {
            tracing::error!(execution = %row.start.arn, "runs already, so it is not taken up");
            return Ok(None);
        };
        let busy = self.clock.busy();
        let events = self.store.events(row.id)?;
        let logged = events.len() as i64;
        let invocations = Invocations::default();
        let mut replay = self.rebuilt(&row, &machine, events, &invocations);
        let outstanding = replay.outstanding();
        tracing::info!(execution = %row.start.arn, events = logged, outstanding = outstanding.len(), "goes on");
        let parts = Parts {
            id: row.id,
            start: row.start,
            parent,
            origin: row.origin,
            started: row.started,
            durable: true,
            execution: Some(replay.execution),
            account,
            logged,
            last: replay.last,
            redrives: row.redrives,
            invocations,
        };
        let run = Run::new(self, claim, parts);
        run.skip_published(self);
        if let Some(parent) = &run.parent
            && let Some(of) = parent.run.upgrade()
        {
            of.adopt(parent.child, &run);
        }
        if stopped {
            run.post(Event::Stop {
                error: None,
                cause: None,
            });
        }
        Ok(Some(Rebuilt {
            run,
            outstanding,
            busy,
        }))
    }

    /// Replays an execution's log, and counts the calls of a test case.
    pub(crate) fn rebuilt(
        &self,
        row: &ExecutionRow,
        machine: &asl::StateMachine,
        events: Vec<(Event, Timestamp)>,
        invocations: &Invocations,
    ) -> Replay {
        let is_case = row.origin.case.is_some();
        let seen = |command: &Command| {
            if is_case {
                invocations.replay(command);
            }
        };
        Replay::new(machine, row.start.clone(), row.started, events, seen)
    }

    fn go_on(self: &Arc<Self>, rebuilt: Rebuilt) {
        let Rebuilt {
            run,
            outstanding,
            busy,
        } = rebuilt;
        if matches!(run.status(), Status::Running) {
            for (command, progress) in outstanding {
                self.take_up(&run, command, progress);
            }
        } else {
            run.settle(self, Vec::new());
        }
        run.release(self, busy);
    }

    /// What a recorded execution's definition may take: as its machine's if that has not changed, else anything.
    pub(crate) fn effort_of(&self, row: &ExecutionRow) -> Arc<Effort> {
        let machine = self.machine(&row.start.state_machine_arn);
        let same = machine
            .ok()
            .filter(|machine| row.definition.as_ref() == Some(&machine.hash));
        same.map_or_else(Effort::unknown, |machine| machine.effort.clone())
    }
}
