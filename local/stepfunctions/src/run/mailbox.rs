//! The mailbox: events gather here, and whoever finds it unattended drains it into the log.

use std::sync::Arc;
use std::time::Duration;

use asl::{Event, Timestamp};
use cloud::work::Busy;
use tokio::sync::oneshot;

use super::{Answer, Batch, Letter, Posted, Run, State};
use crate::engine::Engine;

/// Time until a log that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Run {
    /// Puts an event into the mailbox.
    pub fn post(self: &Arc<Run>, event: Event) {
        self.deliver(event, None);
    }

    /// Puts an event into the mailbox and waits until it is in the log and has had its effect.
    pub async fn post_durably(self: &Arc<Run>, event: Event) -> Posted {
        let (sender, answer) = oneshot::channel();
        self.deliver(event, Some(sender));
        answer.await.unwrap_or(Posted::Late)
    }

    fn deliver(self: &Arc<Run>, event: Event, sender: Option<oneshot::Sender<Posted>>) {
        let Some(engine) = self.engine.upgrade().filter(|engine| !engine.is_closed()) else {
            return;
        };
        let mut state = self.lock();
        if state.stopped.is_some() {
            return;
        }
        state.inbox.push(Letter { event, sender });
        if !state.attended {
            state.attended = true;
            drop(state);
            let (busy, run) = (engine.clock.busy(), self.clone());
            engine
                .runtime
                .clone()
                .spawn(async move { run.attend(&engine, busy).await });
        }
    }

    /// Leaves the mailbox to whoever posts next, or to a task if something has come in.
    pub fn release(self: &Arc<Run>, engine: &Arc<Engine>, busy: Busy) {
        let mut state = self.lock();
        if state.inbox.is_empty() {
            state.attended = false;
            return;
        }
        drop(state);
        let (engine, run) = (engine.clone(), self.clone());
        engine
            .runtime
            .clone()
            .spawn(async move { run.attend(&engine, busy).await });
    }

    /// Drains the mailbox until it is empty. What cannot be written now is tried again until it can.
    async fn attend(self: &Arc<Run>, engine: &Arc<Engine>, _busy: Busy) {
        while let Some(batch) = self.take_inbox(engine) {
            if self.durable
                && let Err(error) = engine
                    .store
                    .append(self.id, batch.first, &batch.events)
                    .await
            {
                self.stand_still(batch, error.to_string().into());
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let (events, answers) = self.note_all(batch);
            let Some(commands) = self.evaluate(engine, move |run| run.apply(events)).await else {
                return;
            };
            self.settle(engine, commands);
            for (sender, posted) in answers {
                // The sender may have gone; the event stands.
                let _ = sender.send(posted);
            }
        }
    }

    fn take_inbox(&self, engine: &Engine) -> Option<Batch> {
        let mut state = self.lock();
        if state.inbox.is_empty() || state.stopped.is_some() || engine.is_closed() {
            state.attended = false;
            return None;
        }
        let now = engine.clock.now().max(state.last);
        state.last = now;
        let letters = std::mem::take(&mut state.inbox).into_iter();
        let (events, senders): (Vec<_>, Vec<_>) = letters
            .map(|letter| ((letter.event, now), letter.sender))
            .unzip();
        let first = state.next_seq;
        state.next_seq += events.len() as i64;
        Some(Batch {
            first,
            events,
            senders,
        })
    }

    /// Takes back what could not be written: who waits for an answer is refused, the rest stays in
    /// the mailbox.
    fn stand_still(&self, batch: Batch, reason: Arc<str>) {
        let mut state = self.lock();
        state.next_seq = batch.first;
        let mut kept = Vec::new();
        for ((event, _), sender) in batch.events.into_iter().zip(batch.senders) {
            match sender {
                // The sender may have gone, which is as good as refused.
                Some(sender) => drop(sender.send(Posted::Refused(reason.clone()))),
                None => kept.push(Letter {
                    event,
                    sender: None,
                }),
            }
        }
        if !kept.is_empty() && state.stands_still.is_none() {
            tracing::error!(execution = %self.start.arn, %reason, "the execution stands still");
            state.stands_still = Some(reason);
        }
        kept.append(&mut state.inbox);
        state.inbox = kept;
    }

    /// Lets go of what the events end; the events, and what is to be told of them.
    fn note_all(&self, batch: Batch) -> (Vec<(Event, Timestamp)>, Vec<Answer>) {
        let mut state = self.lock();
        if state.stands_still.take().is_some() {
            tracing::info!(execution = %self.start.arn, "the execution goes on");
        }
        let mut answers = Vec::new();
        for ((event, _), sender) in batch.events.iter().zip(batch.senders) {
            let heard = self.note(&mut state, event);
            answers.extend(sender.map(|sender| (sender, heard)));
        }
        (batch.events, answers)
    }

    /// Lets go of what the event ends. Of two answers to one task only the first is heard.
    fn note(&self, state: &mut State, event: &Event) -> Posted {
        let known = match event {
            Event::TaskSucceeded { id, .. }
            | Event::TaskFailed { id, .. }
            | Event::ItemsRead { id, .. }
            | Event::ResultsWritten { id, .. } => {
                let done = state.tasks.remove(id);
                let known = done.is_some();
                self.forget_token(done);
                known
            }
            Event::TaskStarted { id, .. }
            | Event::TaskSubmitted { id, .. }
            | Event::TaskHeartbeat { id } => state.tasks.contains_key(id),
            Event::TimerFired { id } => state.timers.remove(id).is_some(),
            Event::ChildFinished { id, .. } => state.children.remove(id).is_some(),
            Event::Stop { .. } | Event::Redrive | Event::MapRunUpdated { .. } => true,
        };
        if known { Posted::Heard } else { Posted::Late }
    }
}
