//! An execution as a tree of visits of states, read from its history event by event.

use std::collections::BTreeSet;
use std::sync::Arc;

use asl::{EventKind, HistoryEvent, StateType, TaskProgress, Timestamp};

/// Where a visit, an attempt or an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Running,
    /// It came to its end.
    Succeeded,
    /// It failed, and a Catch took the error.
    Caught,
    /// It failed.
    Failed,
    /// It was stopped because something else ended.
    Aborted,
}

/// One attempt at a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// When it was asked for.
    pub scheduled: Timestamp,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The error with which it failed.
    pub error: Option<Arc<str>>,
}

/// One visit of a state.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Number of the event with which the state was entered.
    pub event: u64,
    /// The state's name.
    pub name: Arc<str>,
    /// The state's type.
    pub kind: StateType,
    /// The visit of the Map or Parallel around it.
    pub within: Option<usize>,
    /// The iteration or branch there.
    pub branch: Option<u64>,
    /// When it was entered.
    pub entered: Timestamp,
    /// When it was left, or ended otherwise.
    pub left: Option<Timestamp>,
    /// Where it stands.
    pub outcome: Outcome,
    /// The attempts of a task.
    pub attempts: Vec<Attempt>,
    /// The error with which it failed, or an attempt of it did last.
    pub error: Option<Arc<str>>,
    /// The Map Run of a Distributed Map.
    pub map_run: Option<Arc<str>>,
    /// Numbers of its events.
    pub events: Vec<u64>,
}

/// Where an event stands: in which visit, and where a state that follows belongs.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    visit: Option<usize>,
    within: Option<usize>,
    branch: Option<u64>,
    /// States that follow it begin a branch each.
    forks: bool,
}

/// What a history comes to.
#[derive(Debug, Default)]
pub struct Trace {
    /// The visits, in the order of their beginning.
    pub visits: Vec<Visit>,
    /// When the execution began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    redriven: bool,
    places: Vec<Place>,
    open: BTreeSet<usize>,
    forked: Vec<(u64, u64)>,
}

impl Trace {
    /// How many events it has read.
    pub fn read(&self) -> usize {
        self.places.len()
    }

    /// The visit that an event is of.
    pub fn visit_of(&self, event: u64) -> Option<usize> {
        self.place(event).visit
    }

    /// The visit that began with an event.
    pub fn begun_by(&self, event: u64) -> Option<usize> {
        let visit = self.visit_of(event)?;
        (self.visits[visit].event == event).then_some(visit)
    }

    /// The visit of a state that tells most: one that failed, else the last.
    pub fn telling(&self, name: &str) -> Option<usize> {
        let of_name = |visit: &Visit| *visit.name == *name;
        let failed = |visit: &Visit| of_name(visit) && visit.outcome == Outcome::Failed;
        let failed = self.visits.iter().rposition(failed);
        failed.or_else(|| self.visits.iter().rposition(of_name))
    }

    /// Reads the next event.
    pub fn push(&mut self, event: &HistoryEvent) {
        let before = self.place(event.previous_event_id);
        let at = event.timestamp;
        self.began.get_or_insert(at);
        let place = match &event.kind {
            EventKind::StateEntered { state, name, .. } => {
                self.enter(event, before, *state, name.clone())
            }
            EventKind::StateExited { name, .. } => {
                self.reopen(before.visit);
                let found = self.around(before, |visit| visit.name == *name);
                self.close_within(found, at);
                self.leave(found, at);
                self.after(before, found)
            }
            EventKind::Task(task) => {
                self.reopen(before.visit);
                self.attempt(before.visit, &task.1, at);
                before
            }
            EventKind::MapStateStarted { .. } => Place {
                within: before.visit,
                branch: None,
                ..before
            },
            EventKind::ParallelStateStarted => Place {
                within: before.visit,
                branch: None,
                forks: true,
                ..before
            },
            EventKind::MapIterationStarted { index, .. } => Place {
                branch: Some(*index),
                ..before
            },
            EventKind::MapRunStarted { arn } => {
                if let Some(visit) = before.visit {
                    self.visits[visit].map_run = Some(arn.clone());
                }
                before
            }
            EventKind::MapRunFailed(details) => {
                self.fail(before.visit, details.error.clone());
                before
            }
            EventKind::EvaluationFailed(evaluation) => {
                self.fail(before.visit, evaluation.failure.error.clone());
                before
            }
            EventKind::StateFailed(kind) => {
                let found = self.around(before, |visit| visit.kind == *kind);
                self.close(
                    before.visit.filter(|_| before.visit != found),
                    at,
                    Outcome::Failed,
                );
                self.close_within(found, at);
                self.fail(found, None);
                self.after(before, found)
            }
            EventKind::StateAborted(kind) => {
                let found = self.around(before, |visit| visit.kind == *kind);
                self.cut_off(found, at);
                self.after(before, found)
            }
            EventKind::MapIterationFailed { .. } => {
                self.close(before.visit, at, Outcome::Failed);
                before
            }
            EventKind::MapIterationAborted { .. } => {
                self.cut_off(before.visit, at);
                before
            }
            EventKind::ExecutionFailed(details) => {
                self.fail(before.visit, details.error.clone());
                self.end(before.visit, at);
                before
            }
            EventKind::ExecutionSucceeded { .. }
            | EventKind::ExecutionAborted(_)
            | EventKind::ExecutionTimedOut(_) => {
                self.end(None, at);
                before
            }
            EventKind::ExecutionStarted { .. }
            | EventKind::StateSucceeded(_)
            | EventKind::MapIterationSucceeded { .. }
            | EventKind::MapRunSucceeded
            | EventKind::MapRunAborted => before,
            EventKind::ExecutionRedriven { .. } => {
                self.ended = None;
                self.redriven = true;
                before
            }
            EventKind::MapRunRedriven { .. } => {
                self.reopen(before.visit);
                before
            }
        };
        if let Some(visit) = place.visit {
            self.visits[visit].events.push(event.id);
        }
        self.places.push(place);
    }

    fn place(&self, event: u64) -> Place {
        let index = usize::try_from(event).ok().and_then(|id| id.checked_sub(1));
        let place = index.and_then(|index| self.places.get(index));
        place.copied().unwrap_or_default()
    }

    fn enter(
        &mut self,
        event: &HistoryEvent,
        before: Place,
        kind: StateType,
        name: Arc<str>,
    ) -> Place {
        let index = self.visits.len();
        let branch = match before.forks {
            true => Some(self.fork(event.previous_event_id)),
            false => before.branch,
        };
        self.visits.push(Visit {
            event: event.id,
            name,
            kind,
            within: before.within,
            branch,
            entered: event.timestamp,
            left: None,
            outcome: Outcome::Running,
            attempts: Vec::new(),
            error: None,
            map_run: None,
            events: Vec::new(),
        });
        self.open.insert(index);
        Place {
            visit: Some(index),
            within: before.within,
            branch,
            forks: false,
        }
    }

    /// The number of the next branch that begins after an event.
    fn fork(&mut self, event: u64) -> u64 {
        let known = self.forked.iter_mut().find(|(of, _)| *of == event);
        match known {
            Some((_, branches)) => {
                *branches += 1;
                *branches - 1
            }
            None => {
                self.forked.push((event, 1));
                0
            }
        }
    }

    /// The open visit that is meant, of those that a place is in.
    fn around(&self, place: Place, meant: impl Fn(&Visit) -> bool) -> Option<usize> {
        let mut next = place.visit;
        while let Some(index) = next {
            let visit = &self.visits[index];
            if visit.left.is_none() && meant(visit) {
                return Some(index);
            }
            next = visit.within;
        }
        None
    }

    /// The place after a visit has ended.
    fn after(&self, before: Place, visit: Option<usize>) -> Place {
        let Some(index) = visit else {
            return before;
        };
        Place {
            visit,
            within: self.visits[index].within,
            branch: self.visits[index].branch,
            forks: false,
        }
    }

    fn attempt(&mut self, visit: Option<usize>, progress: &TaskProgress, at: Timestamp) {
        let Some(visit) = visit.map(|index| &mut self.visits[index]) else {
            return;
        };
        if matches!(progress, TaskProgress::Scheduled { .. }) {
            visit.attempts.push(Attempt {
                scheduled: at,
                started: None,
                ended: None,
                error: None,
            });
        }
        let Some(attempt) = visit.attempts.last_mut() else {
            return;
        };
        match progress {
            TaskProgress::Scheduled { .. } | TaskProgress::Submitted { .. } => {}
            TaskProgress::Started { .. } => attempt.started = Some(at),
            TaskProgress::Succeeded { .. } => {
                attempt.ended = Some(at);
                visit.error = None;
            }
            TaskProgress::Failed(details) | TaskProgress::TimedOut(details) => {
                let error = details.error.clone().unwrap_or_else(|| "".into());
                attempt.ended = Some(at);
                attempt.error = Some(error.clone());
                visit.error = Some(error);
            }
        }
    }

    fn fail(&mut self, visit: Option<usize>, error: Option<Arc<str>>) {
        if let Some(visit) = visit.map(|index| &mut self.visits[index]) {
            let error = error.unwrap_or_else(|| "".into());
            visit.error.get_or_insert(error);
        }
    }

    /// An event of a visit that had ended, after a redrive: the visit goes on, and those around it.
    fn reopen(&mut self, visit: Option<usize>) {
        let mut next = visit.filter(|_| self.redriven);
        while let Some(index) = next {
            let visit = &mut self.visits[index];
            next = visit.within;
            if matches!(visit.outcome, Outcome::Failed | Outcome::Aborted) {
                visit.left = None;
                visit.outcome = Outcome::Running;
                visit.error = None;
                self.open.insert(index);
            }
        }
    }

    /// A visit comes to its end: well, or with a Catch.
    fn leave(&mut self, visit: Option<usize>, at: Timestamp) {
        let failed = visit.is_some_and(|index| self.visits[index].error.is_some());
        let outcome = match failed {
            true => Outcome::Caught,
            false => Outcome::Succeeded,
        };
        self.close(visit, at, outcome);
    }

    fn close(&mut self, visit: Option<usize>, at: Timestamp, outcome: Outcome) {
        let Some(index) = visit.filter(|index| self.open.remove(index)) else {
            return;
        };
        let visit = &mut self.visits[index];
        visit.left = Some(at);
        visit.outcome = outcome;
        if let Some(attempt) = visit.attempts.last_mut() {
            attempt.ended.get_or_insert(at);
        }
    }

    /// What is still open in a Map or Parallel that ends was stopped.
    fn close_within(&mut self, container: Option<usize>, at: Timestamp) {
        let Some(container) = container else { return };
        let inside: Vec<usize> = self.open.range(container + 1..).copied().collect();
        for index in inside {
            let mut outer = self.visits[index].within;
            while outer.is_some_and(|outer| outer > container) {
                outer = outer.and_then(|outer| self.visits[outer].within);
            }
            if outer == Some(container) {
                self.cut_off(Some(index), at);
            }
        }
    }

    /// Something around a visit has ended: because of it, if it failed, else it was stopped for that.
    fn cut_off(&mut self, visit: Option<usize>, at: Timestamp) {
        let failed = visit.is_some_and(|index| self.visits[index].error.is_some());
        let outcome = match failed {
            true => Outcome::Failed,
            false => Outcome::Aborted,
        };
        self.close(visit, at, outcome);
    }

    /// The execution ends: by a failure of that visit and of those around it, where it fails.
    fn end(&mut self, failed: Option<usize>, at: Timestamp) {
        self.ended = Some(at);
        let mut next = failed;
        while let Some(index) = next {
            self.close(Some(index), at, Outcome::Failed);
            next = self.visits[index].within;
        }
        for index in self.open.clone() {
            self.cut_off(Some(index), at);
        }
    }

    /// How deep a visit is in Maps and Parallels.
    pub fn depth(&self, visit: usize) -> usize {
        let outer = |index: &usize| self.visits[*index].within;
        std::iter::successors(outer(&visit), outer).count()
    }

    /// The visits that are wanted, each Map and Parallel before what is in it, branch by branch.
    pub fn tree(&self, wanted: impl Fn(&Visit) -> bool) -> Vec<usize> {
        let mut inside: Vec<Vec<usize>> = vec![Vec::new(); self.visits.len()];
        let mut outermost = Vec::new();
        for (index, visit) in self.visits.iter().enumerate() {
            match visit.within {
                Some(outer) => inside[outer].push(index),
                None => outermost.push(index),
            }
        }
        for children in &mut inside {
            children.sort_by_key(|index| (self.visits[*index].branch, *index));
        }
        outermost.reverse();
        let mut order = Vec::new();
        while let Some(index) = outermost.pop() {
            outermost.extend(inside[index].iter().rev());
            if wanted(&self.visits[index]) {
                order.push(index);
            }
        }
        order
    }
}

impl Outcome {
    /// The word for it, which is its class in the stylesheet too.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Succeeded => "succeeded",
            Outcome::Caught => "caught",
            Outcome::Failed => "failed",
            Outcome::Aborted => "aborted",
        }
    }
}

#[cfg(test)]
mod tests;
