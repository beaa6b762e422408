//! How much one generator can do, and how many a test needs.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use load::Error;
use load::Plan;
use load::arrivals::Share;
use load::spec::{Ceilings, Load, LoadTest, Version};
use load::target::AllowedTargets;
use load::{Timing, run};

/// The part of its capacity that a generator is planned for. Beyond it, waiting for the processor
/// begins to show in the latencies.
const USED: f64 = 0.7;
/// What is left of the capacity with TLS: measured 0.78 to 0.81 of the requests per CPU-second, short responses of
/// nginx over TLS 1.3 on loopback.
const LEFT_WITH_TLS: f64 = 0.75;
/// What is left with HTTP/2: measured 0.37 plain and 0.48 with TLS, in the same place.
const LEFT_WITH_HTTP2: f64 = 0.35;
/// The most connections of one generator: a function has 1,024 descriptors
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), some of which are taken.
pub const CONNECTIONS: u32 = 900;

/// How many generators `test` needs when one makes `capacity` plain HTTP/1.1 requests per second at most:
/// for its peak rate, and for its connections.
pub fn generators_needed(test: &LoadTest, capacity: f64) -> u64 {
    let left = match test.http {
        Version::Http1 if test.url.starts_with("https:") => LEFT_WITH_TLS,
        Version::Http1 => 1.0,
        Version::Http2 => LEFT_WITH_HTTP2,
    };
    let usable = capacity * USED * left;
    let (rate, connections) = match test.load {
        Load::Open {
            max_connections, ..
        } => (
            test.profile().map_or(0.0, |profile| profile.peak()),
            max_connections,
        ),
        // How fast a closed loop will be is what it is there to find out.
        Load::Closed { connections, .. } => (0.0, connections),
    };
    // A negative or absurd quotient saturates in the cast.
    let for_rate = (rate / usable).ceil() as u64;
    for_rate
        .max(u64::from(connections.div_ceil(CONNECTIONS)))
        .max(1)
}

/// Tells how many requests per second one generator makes.
pub trait MeasureCapacity {
    /// Requests per second over plain HTTP/1.1.
    fn measure(&self) -> impl Future<Output = Result<f64, Error>> + Send;
}

/// Measures on the spot: a closed loop against a responder on loopback in the same process. The responder
/// takes its share of the processors, so the true capacity is higher.
#[derive(Clone, Copy, Debug)]
pub struct Loopback {
    /// Length of the measurement in seconds.
    pub seconds: f64,
}

impl MeasureCapacity for Loopback {
    async fn measure(&self) -> Result<f64, Error> {
        let seconds = self.seconds;
        let measured = tokio::task::spawn_blocking(move || measure(seconds)).await;
        measured.map_err(|error| Error::Io(io::Error::other(error)))?
    }
}

/// The in-memory twin of [`Loopback`]: a figure that is known.
#[derive(Clone, Copy, Debug)]
pub struct Known(pub f64);

impl MeasureCapacity for Known {
    async fn measure(&self) -> Result<f64, Error> {
        Ok(self.0)
    }
}

fn measure(seconds: f64) -> Result<f64, Error> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let url = format!("http://{}/", listener.local_addr()?);
    let test = LoadTest::new(
        &url,
        Load::Closed {
            connections: 32,
            seconds,
        },
    );
    let plan = Plan::new(
        test,
        Share::WHOLE,
        &AllowedTargets::only(&url)?,
        Ceilings::NONE,
    )?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let responder = scope.spawn(|| respond(listener, &done));
        let result = run(&plan, &Timing::default(), &mut |_| ());
        done.store(true, Ordering::Relaxed);
        responder
            .join()
            .map_err(|_| io::Error::other("the responder panicked"))??;
        result.map(|result| result.throughput())
    })
}

/// Answers every request head on every connection with an empty 204 until `done`.
fn respond(mut listener: TcpListener, done: &AtomicBool) -> io::Result<()> {
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(64);
    let mut buffer = [0; 4096];
    while !done.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(20)))?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    let token = Token(connections.len());
                    poll.registry()
                        .register(&mut socket, token, Interest::READABLE)?;
                    connections.insert(token, socket);
                }
            } else if let Some(socket) = connections.get_mut(&event.token()) {
                // The loop sends one small request at a time, so a read that brings bytes brings one.
                while socket.read(&mut buffer).is_ok_and(|length| length > 0) {
                    socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use load::arrivals::{Spread, Stage};
    use proptest::prelude::*;

    fn open(url: &str, rate: f64, max_connections: u32) -> LoadTest {
        let stages = vec![Stage::Hold { rate, seconds: 1.0 }];
        LoadTest::new(
            url,
            Load::Open {
                arrivals: Spread::Constant,
                stages,
                max_connections,
            },
        )
    }

    #[test]
    fn rate_and_connections_both_count() {
        for (rate, connections, needed) in [
            (1.0, 1, 1),
            (7_000.0, 500, 1),
            (7_001.0, 500, 2),
            (70_000.0, 500, 10),
            (1.0, 901, 2),
            (1.0, 2_700, 3),
        ] {
            assert_eq!(
                generators_needed(&open("http://a/", rate, connections), 10_000.0),
                needed,
                "{rate}"
            );
        }
        assert_eq!(
            generators_needed(&open("https://a/", 7_000.0, 1), 10_000.0),
            2
        );
        let http2 = LoadTest {
            http: Version::Http2,
            ..open("https://a/", 7_000.0, 1)
        };
        assert_eq!(generators_needed(&http2, 10_000.0), 3);
        let closed = LoadTest::new(
            "http://a/",
            Load::Closed {
                connections: 1_000,
                seconds: 1.0,
            },
        );
        assert_eq!(generators_needed(&closed, 10_000.0), 2);
    }

    #[test]
    fn the_capacity_of_this_machine_can_be_measured() {
        assert!(measure(0.3).unwrap() > 0.0);
    }

    proptest! {
        #[test]
        fn no_generator_is_asked_for_more_than_its_usable_capacity(rate in 1.0f64..1e6, capacity in 100.0f64..1e5) {
            let needed = generators_needed(&open("http://a/", rate, 1), capacity);
            prop_assert!(rate / needed as f64 <= capacity * USED + 1e-6);
            prop_assert!(needed == 1 || rate / (needed - 1) as f64 > capacity * USED - 1e-6);
        }
    }
}
