//! Carrying out what the interpreter asks for.

use std::sync::Arc;

use asl::{Command, Event};

use crate::engine::Engine;
use crate::replay::Progress;
use crate::run::Run;
use crate::{integrations, map_run};

impl Engine {
    /// Carries out a command.
    pub(super) fn perform(self: &Arc<Self>, run: &Arc<Run>, command: Command) {
        match command {
            Command::CancelTask { id } => run.cancel(id),
            Command::CancelTimer { id } => run.cancel_timer(self, id),
            Command::StopChild { id } => run.stop_child(id),
            begin => self.take_up(run, begin, Progress::default()),
        }
    }

    /// Carries out a command that begins something, or goes on with it after a restart.
    pub(super) fn take_up(self: &Arc<Self>, run: &Arc<Run>, command: Command, progress: Progress) {
        let Some(command) = self.answer_mocked(run, command, &progress) else {
            return;
        };
        let (engine, owner) = (self.clone(), run.clone());
        match command {
            Command::ScheduleTask(task) => integrations::schedule(self, run, task, progress),
            Command::StartTimer { id, at } => run.start_timer(self, id, at),
            Command::ReadItems { id, reader } => {
                let busy = self.clock.busy();
                let work = async move {
                    let result = map_run::read_items(&engine, &reader).await;
                    owner.post(Event::ItemsRead { id, result });
                    drop(busy);
                };
                run.track(id, None, || Some(self.runtime.spawn(work).abort_handle()));
            }
            Command::WriteResults {
                id,
                writer,
                results,
            } => {
                let busy = self.clock.busy();
                let work = async move {
                    let result = map_run::write_results(&engine, &writer, &results).await;
                    owner.post(Event::ResultsWritten { id, result });
                    drop(busy);
                };
                run.track(id, None, || Some(self.runtime.spawn(work).abort_handle()));
            }
            Command::StartChild { id, child } => {
                let busy = self.clock.busy();
                self.runtime.spawn(async move {
                    engine
                        .start_child(&owner, id, child, progress.stopped)
                        .await;
                    drop(busy);
                });
            }
            // These end something; `perform` has carried them out, and replay leaves none over.
            Command::CancelTask { .. }
            | Command::CancelTimer { .. }
            | Command::StopChild { .. } => {}
        }
    }
}
