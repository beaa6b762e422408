//! Which invocation gets which environment: a warm one of its function, a new one while the memory lasts, or a place
//! in line.
//!
//! An environment counts with the memory that its function is configured with, for so much it may use. The first
//! environment of a function is started however little is left: functions that wait for each other go on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The environments of all functions, as far as nobody uses them, and the memory for more.
#[derive(Debug)]
pub(super) struct Pool<E> {
    state: Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    /// In order of use, the latest last.
    idle: Vec<(Arc<str>, E)>,
    /// Environments of each function, used or idle.
    alive: HashMap<Arc<str>, usize>,
    /// MiB; below zero where functions have their first environment beyond the limit.
    free_mib: i64,
    line: VecDeque<Waiter<E>>,
}

#[derive(Debug)]
struct Waiter<E> {
    function: Arc<str>,
    memory_mib: i64,
    grant: oneshot::Sender<Grant<E>>,
}

/// What an invocation gets.
#[derive(Debug)]
pub(super) enum Grant<E> {
    /// An environment that has served before.
    Warm(E),
    /// Leave to start one, which holds the room for as long as it is there.
    Cold(Room<E>),
}

/// Memory of one environment, until dropped.
#[derive(Debug)]
pub(super) struct Room<E> {
    function: Arc<str>,
    memory_mib: i64,
    pool: Weak<Pool<E>>,
}

impl<E> Pool<E> {
    pub(super) fn new(memory_mib: u64) -> Arc<Self> {
        Arc::new(Pool {
            state: Mutex::new(State {
                idle: Vec::new(),
                alive: HashMap::new(),
                free_mib: signed(memory_mib),
                line: VecDeque::new(),
            }),
        })
    }

    /// Gets an environment for a function; waits for it where the memory does not last. `None` only where the pool
    /// itself has gone.
    pub(super) async fn take(
        self: &Arc<Self>,
        function: &Arc<str>,
        memory_mib: u64,
        is_alive: impl Fn(&E) -> bool,
    ) -> Option<Grant<E>> {
        let memory_mib = signed(memory_mib);
        let waiting = loop {
            // What leaves the state is dropped without the lock: it gives its room back.
            let leaving = {
                let mut state = self.state.lock();
                let own = state.idle.iter().rposition(|(of, _)| of == function);
                if let Some(at) = own {
                    let (_, environment) = state.idle.remove(at);
                    if is_alive(&environment) {
                        return Some(Grant::Warm(environment));
                    }
                    environment
                } else if state.has_none(function)
                    || state.line.is_empty() && state.free_mib >= memory_mib
                {
                    return Some(Grant::Cold(self.room(&mut state, function, memory_mib)));
                } else if state.idle.is_empty() {
                    let (grant, waiting) = oneshot::channel();
                    state.line.push_back(Waiter {
                        function: function.clone(),
                        memory_mib,
                        grant,
                    });
                    break waiting;
                } else {
                    // The one that was not used for the longest makes room.
                    state.idle.remove(0).1
                }
            };
            drop(leaving);
        };
        waiting.await.ok()
    }

    /// Takes back an environment that can serve again: for the next in line of its function, else to keep it warm,
    /// unless another function waits for its memory.
    pub(super) fn give_back(&self, function: &Arc<str>, mut environment: E) {
        let mut state = self.state.lock();
        while let Some(at) = state
            .line
            .iter()
            .position(|waiter| waiter.function == *function)
        {
            let Some(waiter) = state.line.remove(at) else {
                break;
            };
            match waiter.grant.send(Grant::Warm(environment)) {
                Ok(()) => return,
                // Whoever waited has gone away; the environment comes back.
                Err(Grant::Warm(back)) => environment = back,
                Err(Grant::Cold(_)) => return,
            }
        }
        if state.line.is_empty() {
            state.idle.push((function.clone(), environment));
            return;
        }
        drop(state);
        drop(environment);
    }

    /// Ends the idle environments that are not to be kept.
    pub(super) fn retain(&self, keep: impl Fn(&E) -> bool) {
        let ended: Vec<_> = {
            let mut state = self.state.lock();
            state
                .idle
                .extract_if(.., |(_, environment)| !keep(environment))
                .collect()
        };
        drop(ended);
    }

    fn room(
        self: &Arc<Self>,
        state: &mut State<E>,
        function: &Arc<str>,
        memory_mib: i64,
    ) -> Room<E> {
        state.free_mib -= memory_mib;
        *state.alive.entry(function.clone()).or_default() += 1;
        Room {
            function: function.clone(),
            memory_mib,
            pool: Arc::downgrade(self),
        }
    }

    /// Serves the line from its head for as long as the memory lasts.
    fn admit(self: &Arc<Self>) {
        loop {
            let refused = {
                let mut state = self.state.lock();
                state.line.retain(|waiter| !waiter.grant.is_closed());
                let Some(next) = state.next_in_line() else {
                    return;
                };
                let room = self.room(&mut state, &next.function, next.memory_mib);
                next.grant.send(Grant::Cold(room))
            };
            // Whoever waited has gone away just now: its room comes back, without the lock.
            drop(refused);
        }
    }
}

impl<E> State<E> {
    /// Whether a function has no environment at all.
    fn has_none(&self, function: &Arc<str>) -> bool {
        !self.alive.contains_key(function)
    }

    /// Who may start an environment: the head of the line if the memory lasts, and whoever has none yet.
    fn next_in_line(&mut self) -> Option<Waiter<E>> {
        let may_start = |(place, waiter): (usize, &Waiter<E>)| {
            self.has_none(&waiter.function) || place == 0 && self.free_mib >= waiter.memory_mib
        };
        let at = self.line.iter().enumerate().position(may_start)?;
        self.line.remove(at)
    }
}

impl<E> Drop for Room<E> {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        {
            let mut state = pool.state.lock();
            state.free_mib += self.memory_mib;
            if let Some(alive) = state.alive.get_mut(&self.function) {
                *alive -= 1;
                if *alive == 0 {
                    state.alive.remove(&self.function);
                }
            }
        }
        pool.admit();
    }
}

fn signed(mib: u64) -> i64 {
    i64::try_from(mib).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    /// An environment of the tests: its number, and its room.
    struct Fake(#[allow(dead_code, reason = "held for its drop")] Room<Fake>);

    type FakePool = Arc<Pool<Fake>>;

    /// What a function gets at once: whether it is warm.
    fn take(pool: &FakePool, function: &str, mib: u64) -> Option<(bool, Fake)> {
        let function: Arc<str> = function.into();
        let grant = pool.take(&function, mib, |_| true).now_or_never()?;
        Some(match grant.unwrap() {
            Grant::Warm(environment) => (true, environment),
            Grant::Cold(room) => (false, Fake(room)),
        })
    }

    #[test]
    fn an_environment_is_used_again_and_memory_bounds_the_new_ones() {
        let pool: FakePool = Pool::new(1_000);
        let (_, first) = take(&pool, "f", 400).unwrap();
        let (_, _second) = take(&pool, "f", 400).unwrap();
        assert!(take(&pool, "f", 400).is_none(), "200 MiB are left");
        pool.give_back(&"f".into(), first);
        let (warm, _third) = take(&pool, "f", 400).unwrap();
        assert!(warm);
    }

    #[test]
    fn the_first_environment_of_a_function_is_always_started() {
        let pool: FakePool = Pool::new(100);
        let (_, _f) = take(&pool, "f", 400).unwrap();
        let (_, _g) = take(&pool, "g", 400).unwrap();
        assert!(take(&pool, "g", 400).is_none());
    }

    #[test]
    fn idle_environments_make_room_for_other_functions() {
        let pool: FakePool = Pool::new(800);
        let (_, f) = take(&pool, "f", 400).unwrap();
        let (_, _g) = take(&pool, "g", 400).unwrap();
        pool.give_back(&"f".into(), f);
        assert!(take(&pool, "g", 400).is_some(), "the idle one was ended");
        assert!(!take(&pool, "f", 400).unwrap().0);
    }

    #[test]
    fn the_line_is_served_in_order_by_warm_environments_and_by_freed_memory() {
        let pool: FakePool = Pool::new(800);
        let (_, f) = take(&pool, "f", 400).unwrap();
        let (_, g) = take(&pool, "g", 400).unwrap();
        let waiter = |function: &str| {
            let (pool, function) = (pool.clone(), Arc::from(function));
            let mut waiter = Box::pin(async move { pool.take(&function, 400, |_| true).await });
            assert!((&mut waiter).now_or_never().is_none());
            waiter
        };
        let (mut one, mut two, gone, mut three) =
            (waiter("g"), waiter("f"), waiter("g"), waiter("g"));
        drop(gone);
        pool.give_back(&"f".into(), f);
        assert!(
            (&mut one).now_or_never().is_none(),
            "a warm one is for its own function"
        );
        let Some(Some(Grant::Warm(f))) = (&mut two).now_or_never() else {
            panic!("the next of its function gets it");
        };
        pool.give_back(&"f".into(), f);
        let Some(Some(Grant::Cold(_room))) = (&mut one).now_or_never() else {
            panic!("its memory is waited for, so it does not stay warm");
        };
        pool.give_back(&"g".into(), g);
        assert!(matches!(
            (&mut three).now_or_never(),
            Some(Some(Grant::Warm(_)))
        ));
    }
}
