//! Waking up on time. `epoll_wait` counts in milliseconds, which is twenty arrivals at 20,000 a second;
//! a timer descriptor counts in nanoseconds.

#[cfg(target_os = "linux")]
pub use linux::{Alarm, AsyncAlarm};
#[cfg(not(target_os = "linux"))]
pub use other::{Alarm, AsyncAlarm};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd as _, OwnedFd};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer that makes a poll return.
    #[derive(Debug)]
    pub struct Alarm {
        timer: OwnedFd,
        set_for: u64,
    }

    impl Alarm {
        /// A timer that wakes `registry` with `token`.
        pub fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
            let timer = timer()?;
            registry.register(
                &mut mio::unix::SourceFd(&timer.as_raw_fd()),
                token,
                mio::Interest::READABLE,
            )?;
            Ok(Self {
                timer,
                set_for: u64::MAX,
            })
        }

        /// Sets the alarm for `due`, in nanoseconds of the clock that says `now`, and returns the longest
        /// time to poll: the alarm ends it earlier.
        pub fn set(&mut self, due: u64, now: u64, longest: u64) -> io::Result<u64> {
            let wait = due.saturating_sub(now);
            if wait == 0 {
                return Ok(0);
            }
            if wait < longest && due != self.set_for {
                arm(&self.timer, wait)?;
                self.set_for = due;
            }
            Ok(longest)
        }
    }

    /// The same for an asynchronous loop, whose own timer counts in milliseconds too.
    #[derive(Debug)]
    pub struct AsyncAlarm(AsyncFd<OwnedFd>);

    impl AsyncAlarm {
        /// A timer of the current runtime.
        pub fn new() -> io::Result<Self> {
            // Deprecated because a type may close its descriptor behind the runtime's back. OwnedFd does not,
            // and the replacement is unsafe, which this workspace forbids.
            #[allow(deprecated)]
            AsyncFd::with_interest(timer()?, Interest::READABLE).map(Self)
        }

        /// Waits for `nanos` nanoseconds.
        pub async fn sleep(&mut self, nanos: u64) -> io::Result<()> {
            // Zero would disarm the timer.
            arm(self.0.get_ref(), nanos.max(1))?;
            self.0.readable().await?.clear_ready();
            Ok(())
        }
    }

    fn timer() -> io::Result<OwnedFd> {
        Ok(timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?)
    }

    /// Lets `timer` become readable once, in `nanos` nanoseconds.
    fn arm(timer: &OwnedFd, nanos: u64) -> io::Result<()> {
        let at = Timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as i64,
        };
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: at,
        };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &spec)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;

    /// Stands in where poll itself counts finely enough (kqueue).
    #[derive(Debug)]
    pub struct Alarm;

    impl Alarm {
        /// Needs nothing.
        pub fn new(_: &mio::Registry, _: mio::Token) -> io::Result<Self> {
            Ok(Self)
        }

        /// The time to poll: until `due`, at most `longest` nanoseconds.
        pub fn set(&mut self, due: u64, now: u64, longest: u64) -> io::Result<u64> {
            Ok(due.saturating_sub(now).min(longest))
        }
    }

    /// The runtime's own timer.
    #[derive(Debug)]
    pub struct AsyncAlarm;

    impl AsyncAlarm {
        /// Needs nothing.
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits for `nanos` nanoseconds, rounded up to milliseconds.
        pub async fn sleep(&mut self, nanos: u64) -> io::Result<()> {
            tokio::time::sleep(std::time::Duration::from_nanos(nanos)).await;
            Ok(())
        }
    }
}
