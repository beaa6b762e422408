//! The threads on which interpreters work.
//!
//! What an event leads to may be an expression that takes seconds, and nobody can tell beforehand. So it is not worked
//! out on the runtime's threads, which have requests to answer. Some threads here take what is short. What has taken
//! long shows that its definition does: such work waits in a line of its own, few of it is done at a time, and the next
//! is that of the execution that has had the least time. A thread that is held up is replaced meanwhile. Definitions
//! without such expressions need no other thread, until one of their executions takes long all the same.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// What takes longer than this is long. What is usual takes some microseconds.
const LONG: Duration = Duration::from_millis(20);

/// Threads at the most, even if much that was never seen before takes long at once.
const MOST_THREADS: usize = 32;

/// What is known of the work that a definition gives.
pub struct Effort {
    /// It has expressions whose time has no other bound than the seconds that they are allowed.
    unbounded: bool,
    /// The last of its work took long.
    long: AtomicBool,
}

impl Effort {
    /// What the text of a definition tells. JSONata can do anything. A JSONPath that descends or filters may visit the
    /// input again for every part of it; other paths and the intrinsic functions read it once. A text that only looks
    /// so does no harm.
    pub fn of(definition: &str) -> Arc<Effort> {
        let signs = ["JSONata", "..", "?("];
        Arc::new(Effort {
            unbounded: signs.iter().any(|sign| definition.contains(sign)),
            long: AtomicBool::new(false),
        })
    }

    /// That of a definition whose text is not at hand.
    pub fn unknown() -> Arc<Effort> {
        Arc::new(Effort {
            unbounded: true,
            long: AtomicBool::new(false),
        })
    }

    fn is_long(&self) -> bool {
        self.long.load(Ordering::Relaxed)
    }
}

/// The work of an execution and its children.
pub struct Account {
    effort: Arc<Effort>,
    /// Microseconds that it has had for long work.
    spent: AtomicU64,
}

impl Account {
    /// That of a new execution.
    pub fn new(effort: Arc<Effort>) -> Arc<Account> {
        Arc::new(Account {
            effort,
            spent: AtomicU64::new(0),
        })
    }

    /// Whether its work is done at once, by whoever has it.
    pub fn is_quick(&self) -> bool {
        !self.effort.unbounded && !self.effort.is_long()
    }

    /// Takes note of work that is done.
    fn add(&self, took: Duration) {
        let long = took > LONG;
        if long != self.effort.is_long() {
            self.effort.long.store(long, Ordering::Relaxed);
        }
        if long {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.spent.fetch_add(micros, Ordering::Relaxed);
        }
    }

    fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }
}

/// The threads. Those that are idle end when this is dropped, the others when their work is done.
pub struct Evaluators(Arc<Shared>);

struct Shared {
    line: Mutex<Line>,
    changed: Condvar,
    /// Threads for what is short.
    threads: usize,
    /// How much long work is done at a time.
    long_places: usize,
}

#[derive(Default)]
struct Line {
    short: VecDeque<Job>,
    long: Vec<Job>,
    /// All threads, and those of them that do long work.
    threads: usize,
    on_long: usize,
    /// Time that the long work begun last had had before; who comes later is not ahead of those who wait.
    floor: u64,
    closed: bool,
}

struct Job {
    account: Arc<Account>,
    progress: Arc<Mutex<Progress>>,
    work: Box<dyn FnOnce() + Send>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Begun,
    /// Begun, and its thread counts as held up.
    Long,
    Done,
}

impl Default for Evaluators {
    /// As many threads as the machine has processors, and half of these for what takes long.
    fn default() -> Evaluators {
        let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
        Evaluators::new(processors.max(2), (processors / 2).max(1))
    }
}

impl Evaluators {
    fn new(threads: usize, long_places: usize) -> Evaluators {
        Evaluators(Arc::new(Shared {
            line: Mutex::default(),
            changed: Condvar::new(),
            threads,
            long_places,
        }))
    }

    /// Does the work, on one of the threads unless it is quick; none if it panicked there. It is done even if nobody
    /// waits for it any more.
    pub async fn run<T: Send + 'static>(
        &self,
        account: &Arc<Account>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if account.is_quick() {
            let begun = Instant::now();
            let done = work();
            account.add(begun.elapsed());
            return Some(done);
        }
        let (sender, mut receiver) = oneshot::channel();
        let progress = Arc::new(Mutex::new(Progress::Waiting));
        self.0.submit(Job {
            account: account.clone(),
            progress: progress.clone(),
            work: Box::new(move || {
                // Whoever waited may have gone.
                let _ = sender.send(work());
            }),
        });
        loop {
            tokio::select! {
                biased;
                done = &mut receiver => return done.ok(),
                () = tokio::time::sleep(LONG) => {}
            }
            if self.0.relieve(account, &progress) {
                return receiver.await.ok();
            }
        }
    }
}

impl Drop for Evaluators {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock()
    }

    fn submit(self: &Arc<Self>, job: Job) {
        let mut line = self.lock();
        line.put(job);
        self.replace(&mut line);
        drop(line);
        self.changed.notify_one();
    }

    /// Takes note of work that has been going on for long; false if it has not begun.
    fn relieve(self: &Arc<Self>, account: &Account, progress: &Mutex<Progress>) -> bool {
        let mut line = self.lock();
        let mut progress = progress.lock();
        match *progress {
            Progress::Waiting => return false,
            Progress::Begun => {
                *progress = Progress::Long;
                account.effort.long.store(true, Ordering::Relaxed);
                line.on_long += 1;
                self.replace(&mut line);
            }
            Progress::Long | Progress::Done => {}
        }
        true
    }

    /// Starts threads until there are enough that are not held up.
    fn replace(self: &Arc<Self>, line: &mut Line) {
        while line.threads < MOST_THREADS && line.threads < self.threads + line.on_long {
            let shared = self.clone();
            let thread = std::thread::Builder::new().name("sfn-evaluator".into());
            if let Err(error) = thread.spawn(move || shared.work()) {
                tracing::error!(%error, "no thread for evaluations");
                return;
            }
            line.threads += 1;
        }
    }

    fn work(self: Arc<Self>) {
        while let Some(job) = self.next() {
            let begun = Instant::now();
            // Its sender goes with it, so whoever waits is told.
            if catch_unwind(AssertUnwindSafe(job.work)).is_err() {
                tracing::error!("an evaluation panicked");
            }
            job.account.add(begun.elapsed());
            let mut line = self.lock();
            let progress = std::mem::replace(&mut *job.progress.lock(), Progress::Done);
            if progress == Progress::Long {
                line.on_long -= 1;
                // Long work may have waited for this place.
                self.changed.notify_one();
            }
        }
    }

    /// The next job; none if this thread is one too many.
    fn next(self: &Arc<Self>) -> Option<Job> {
        let mut line = self.lock();
        loop {
            if line.closed || line.threads > self.threads + line.on_long {
                line.threads -= 1;
                return None;
            }
            if let Some(job) = line.take(self.long_places) {
                self.replace(&mut line);
                return Some(job);
            }
            self.changed.wait(&mut line);
        }
    }
}

impl Line {
    fn put(&mut self, job: Job) {
        if job.account.effort.is_long() {
            job.account.spent.fetch_max(self.floor, Ordering::Relaxed);
            self.long.push(job);
        } else {
            self.short.push_back(job);
        }
    }

    fn take(&mut self, long_places: usize) -> Option<Job> {
        while let Some(job) = self.short.pop_front() {
            // Its definition may have shown itself while it waited.
            if job.account.effort.is_long() {
                self.put(job);
                continue;
            }
            *job.progress.lock() = Progress::Begun;
            return Some(job);
        }
        if self.on_long >= long_places {
            return None;
        }
        let waiting = self.long.iter().enumerate();
        let (place, _) = waiting.min_by_key(|(_, job)| job.account.spent())?;
        let job = self.long.remove(place);
        self.floor = self.floor.max(job.account.spent());
        self.on_long += 1;
        *job.progress.lock() = Progress::Long;
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::JoinSet;

    use super::*;

    fn expressions() -> Arc<Effort> {
        Effort::of(r#"{"QueryLanguage": "JSONata"}"#)
    }

    /// Work that goes on until it is told to end; it says when it has begun.
    fn held(
        begun: &mpsc::Sender<usize>,
        number: usize,
    ) -> (mpsc::Sender<()>, impl FnOnce() + Send + use<>) {
        let (release, released) = mpsc::channel();
        let begun = begun.clone();
        let work = move || {
            begun.send(number).unwrap();
            // Released, or the test is over.
            let _ = released.recv();
        };
        (release, work)
    }

    // Paused time goes on as soon as the runtime has nothing to do: nobody really waits.
    #[tokio::test(start_paused = true)]
    async fn long_work_holds_up_neither_the_runtime_nor_short_work() {
        let evaluators = Arc::new(Evaluators::new(2, 1));
        let (begin, begun) = mpsc::channel();
        let definition = expressions();
        let (mut releases, mut long) = (Vec::new(), JoinSet::new());
        for number in 0..20 {
            let (release, work) = held(&begin, number);
            releases.push(release);
            let (evaluators, account) = (evaluators.clone(), Account::new(definition.clone()));
            long.spawn(async move { evaluators.run(&account, work).await });
        }
        // Of another definition each, and all of them are done while the long work is not.
        for number in 0..50 {
            let other = Account::new(expressions());
            assert_eq!(evaluators.run(&other, move || number).await, Some(number));
        }
        assert!(long.try_join_next().is_none());
        // Two had begun before the first had shown that it takes long.
        assert!(begun.try_iter().count() <= 2);
        drop(releases);
        assert_eq!(long.join_all().await, [Some(()); 20]);
        assert!(evaluators.0.lock().threads <= 4);
    }

    #[tokio::test]
    async fn the_next_long_work_is_of_whoever_has_had_the_least() {
        let evaluators = Arc::new(Evaluators::new(1, 1));
        let (begin, begun) = mpsc::channel();
        let definition = expressions();
        definition.long.store(true, Ordering::Relaxed);
        let accounts = [0, 2_000, 1_000].map(|spent| {
            let account = Account::new(definition.clone());
            account.spent.store(spent, Ordering::Relaxed);
            account
        });
        let (mut releases, mut work) = (Vec::new(), JoinSet::new());
        for (number, whose) in [(0, 0), (1, 1), (2, 1), (3, 2)] {
            let (release, held) = held(&begin, number);
            releases.push(release);
            let (evaluators, account) = (evaluators.clone(), accounts[whose].clone());
            work.spawn(async move { evaluators.run(&account, held).await });
        }
        tokio::task::yield_now().await;
        assert_eq!(begun.recv().unwrap(), 0);
        drop(releases);
        work.join_all().await;
        assert_eq!(begun.try_iter().collect::<Vec<_>>(), [3, 1, 2]);
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_work_only() {
        let evaluators = Evaluators::new(1, 1);
        let account = Account::new(expressions());
        let outcome: Option<()> = evaluators.run(&account, || panic!("on purpose")).await;
        assert_eq!(outcome, None);
        assert_eq!(evaluators.run(&account, || 1).await, Some(1));
    }

    #[tokio::test]
    async fn only_what_may_take_long_needs_another_thread() {
        let table = [
            (r#"{"InputPath": "$.a.b[0]"}"#, true),
            (r#"{"Output.$": "States.Format('{}', $.a)"}"#, true),
            (r#"{"QueryLanguage": "JSONata"}"#, false),
            (r#"{"InputPath": "$..a"}"#, false),
            (r#"{"InputPath": "$.a[?(@.b)]"}"#, false),
        ];
        let here = std::thread::current().id();
        let evaluators = Evaluators::new(1, 1);
        for (definition, quick) in table {
            let account = Account::new(Effort::of(definition));
            let thread = || std::thread::current().id();
            let there = evaluators.run(&account, thread).await;
            assert_eq!(there == Some(here), quick, "{definition}");
            account.add(LONG * 2);
            let there = evaluators.run(&account, thread).await;
            assert_ne!(there, Some(here), "{definition}");
        }
    }
}
