//! The event loop that makes the load over HTTP/1.1: one per thread, nothing shared between them.
//!
//! A request costs one write, one read and a share of a poll; nothing is allocated for it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::result::Failure;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::alarm::Alarm;
use crate::arrivals::Share;
use crate::http1::{ParseError, Response};
use crate::pace::Pace;
use crate::plan::Plan;
use crate::recorder::{Outcome, Recorder};
use crate::request::Scratch;
use crate::spec::BODY_KEPT;
use crate::stream::Stream;

/// How often time limits are looked at, in nanoseconds.
const SWEEP: u64 = 20_000_000;
/// Bytes read at once.
const BUFFER: usize = 64 * 1024;
/// The most requests that one turn of the loop starts. When arrivals come faster than they can be started, each
/// turn still ends, so that responses, time limits and the wish to stop are seen.
pub const BATCH: u32 = 1_024;
/// How often a thread that waits for the start looks whether it has to stop.
const LOOK: Duration = Duration::from_millis(100);
const ALARM: Token = Token(usize::MAX);

/// What one thread is to do.
#[derive(Debug)]
pub struct Work<'a> {
    /// The test.
    pub plan: &'a Plan,
    /// The thread's share of it.
    pub share: Share,
    /// The most connections of this thread.
    pub connections: u32,
    /// Zero of the test's clock: the start of the warm-up.
    pub origin: Instant,
    /// When to stop in any case.
    pub stop_at: Option<Instant>,
    /// Set when the test is to be given up.
    pub stop: &'a AtomicBool,
}

/// How a thread's work ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// When the last counted request ended, in nanoseconds of the test's clock.
    pub last: u64,
    /// Requests that were begun and not ended when the thread was stopped early.
    pub unfinished: u64,
    /// The thread was stopped early.
    pub truncated: bool,
}

impl Finished {
    /// Of a thread that was stopped early.
    pub fn early(last: u64, unfinished: u64) -> Self {
        Self {
            last,
            unfinished,
            truncated: true,
        }
    }
}

impl Work<'_> {
    /// Nanoseconds on the test's clock.
    #[inline]
    pub fn now(&self) -> u64 {
        // A test that lasts 584 years would overflow.
        self.origin.elapsed().as_nanos() as u64
    }

    /// Whether the thread has to stop early.
    pub fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.stop_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Sleeps until the test's clock begins. Whether it has: false when the thread has to stop before.
    pub fn wait_for_start(&self) -> bool {
        loop {
            let left = self.origin.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if self.must_stop() {
                return false;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// The random numbers of this thread.
    pub fn random(&self) -> StdRng {
        StdRng::seed_from_u64(self.plan.seed.rotate_left(17) ^ u64::from(self.share.index))
    }
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    intended: u64,
    sent: u64,
    received: u64,
}

#[derive(Debug)]
struct Connection {
    stream: Stream,
    connected: bool,
    flight: Option<Flight>,
    response: Response,
    /// Bytes of an incomplete response head.
    head: Vec<u8>,
    /// Bytes that the socket has not taken yet.
    unsent: Vec<u8>,
    body: Vec<u8>,
}

/// The state of the loop.
#[derive(Debug)]
pub struct Driver<'a> {
    work: Work<'a>,
    pace: Pace,
    recorder: Recorder,
    poll: Poll,
    alarm: Alarm,
    connections: Vec<Option<Connection>>,
    /// Free places in `connections`.
    free: Vec<usize>,
    /// Places that become free when the events at hand are done with, so that none hits a new connection.
    freed: Vec<usize>,
    idle: Vec<usize>,
    /// Requests that this turn of the loop may still start.
    batch: u32,
    open: usize,
    in_flight: usize,
    /// Intended starts of requests that wait for a connection.
    backlog: VecDeque<u64>,
    next_sweep: u64,
    /// Until then a closed loop makes no attempt, because the last one found no server.
    hold_off: u64,
    now: u64,
    seq: u64,
    buffer: Vec<u8>,
    scratch: Scratch,
    random: StdRng,
}

impl<'a> Driver<'a> {
    /// Prepares the loop.
    ///
    /// # Errors
    /// When the system gives no poll or timer.
    pub fn new(work: Work<'a>, pace: Pace, recorder: Recorder) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        Ok(Self {
            pace,
            recorder,
            poll,
            alarm,
            connections: Vec::new(),
            free: Vec::new(),
            freed: Vec::new(),
            idle: Vec::new(),
            batch: 0,
            open: 0,
            in_flight: 0,
            backlog: VecDeque::new(),
            next_sweep: 0,
            hold_off: 0,
            now: 0,
            seq: u64::from(work.share.index),
            buffer: vec![0; BUFFER],
            scratch: Scratch::default(),
            random: work.random(),
            work,
        })
    }

    /// Makes the load; returns when every request has ended or the work has to stop.
    ///
    /// # Errors
    /// When the system fails to poll.
    pub fn run(mut self) -> io::Result<Finished> {
        let mut events = Events::with_capacity(1024);
        if !self.work.wait_for_start() {
            return Ok(Finished::early(self.recorder.finish(), 0));
        }
        loop {
            self.now = self.work.now();
            self.recorder.tick(self.now);
            self.free.append(&mut self.freed);
            self.batch = BATCH;
            self.start_due();
            if self.now >= self.next_sweep {
                if self.work.must_stop() {
                    let unfinished = (self.in_flight + self.backlog.len()) as u64;
                    return Ok(Finished::early(self.recorder.finish(), unfinished));
                }
                self.sweep();
            }
            if self.in_flight == 0 && self.backlog.is_empty() && self.pace.is_over(self.now) {
                return Ok(Finished {
                    last: self.recorder.finish(),
                    ..Finished::default()
                });
            }
            let wait = match self.pace.next(self.has_room()) {
                _ if self.batch == 0 => 0,
                Some(due) => self.alarm.set(due, self.now, SWEEP)?,
                None => SWEEP,
            };
            match self
                .poll
                .poll(&mut events, Some(Duration::from_nanos(wait)))
            {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.now = self.work.now();
            for event in events.iter().filter(|event| event.token() != ALARM) {
                self.on_event(event);
                // A long batch of responses must not hold up the schedule.
                self.start_due();
            }
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.work.connections as usize
    }

    /// Starts what is due, as far as the batch reaches: the schedule first come, first served, so the backlog
    /// before the new.
    fn start_due(&mut self) {
        while self.batch > 0
            && (!self.idle.is_empty() || self.may_connect())
            && let Some(intended) = self.backlog.pop_front()
        {
            self.batch -= 1;
            self.begin(intended);
        }
        if self.now < self.hold_off && !self.pace.is_open() {
            return;
        }
        while self.batch > 0
            && let Some(intended) = self.pace.take(self.now, self.has_room())
        {
            self.batch -= 1;
            if self.pace.is_open() {
                self.now = self.work.now();
                self.recorder.started(intended, self.now);
            }
            self.begin(intended);
        }
    }

    fn may_connect(&self) -> bool {
        self.open < self.work.connections as usize
    }

    fn begin(&mut self, intended: u64) {
        if let Some(id) = self.idle.pop() {
            self.send(id, intended);
        } else if self.may_connect() {
            self.connect(intended);
        } else {
            self.backlog.push_back(intended);
        }
    }

    /// Opens a connection for a request, which leaves when the connection stands.
    fn connect(&mut self, intended: u64) {
        let plan = self.work.plan;
        let id = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let stream =
            Stream::connect(plan.target.address, plan.tls.as_ref()).and_then(|mut stream| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(stream.socket(), Token(id), interest)?;
                Ok(stream)
            });
        let Ok(stream) = stream else {
            self.free.push(id);
            self.recorder
                .ended(intended, self.now, &Outcome::failed(Failure::Connect));
            return;
        };
        let request = plan
            .request
            .render(self.seq, &mut self.random, &mut self.scratch);
        self.seq += u64::from(self.work.share.count);
        self.connections[id] = Some(Connection {
            stream,
            connected: false,
            flight: Some(Flight {
                intended,
                sent: request.len() as u64,
                received: 0,
            }),
            response: Response::new(plan.request.is_head()),
            head: Vec::new(),
            unsent: request.to_vec(),
            body: Vec::new(),
        });
        self.open += 1;
        self.in_flight += 1;
    }

    fn send(&mut self, id: usize, intended: u64) {
        let Some(connection) = &mut self.connections[id] else {
            return;
        };
        let plan = self.work.plan;
        let request = plan
            .request
            .render(self.seq, &mut self.random, &mut self.scratch);
        self.seq += u64::from(self.work.share.count);
        connection.flight = Some(Flight {
            intended,
            sent: request.len() as u64,
            received: 0,
        });
        connection.response = Response::new(plan.request.is_head());
        connection.body.clear();
        self.in_flight += 1;
        match connection.stream.write(request) {
            Ok(taken) if taken == request.len() => {}
            Ok(taken) => connection.unsent.extend_from_slice(&request[taken..]),
            Err(error) if would_block(&error) => connection.unsent.extend_from_slice(request),
            Err(_) => self.fail(id, Failure::Closed),
        }
    }

    fn on_event(&mut self, event: &Event) {
        let id = event.token().0;
        let Some(connection) = &mut self.connections[id] else {
            return;
        };
        if !connection.connected {
            let socket = connection.stream.socket();
            if !matches!(socket.take_error(), Ok(None)) {
                return self.fail(id, Failure::Connect);
            }
            if socket.peer_addr().is_err() {
                return;
            }
            // Without it a request in two packets waits for an acknowledgement; a refusal costs only speed.
            let _ = socket.set_nodelay(true);
            connection.connected = true;
        }
        if event.is_writable() && flush(connection).is_err() {
            return self.fail(id, Failure::Closed);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(id, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads what has come. `closing`: the end of the stream is near, so read up to it.
    fn read(&mut self, id: usize, closing: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(connection) = &mut self.connections[id] {
            match connection.stream.read(&mut buffer) {
                Ok(0) => self.on_end(id),
                Ok(length) => {
                    let all = length < buffer.len() && connection.stream.short_read_is_all();
                    self.now = self.work.now();
                    self.on_bytes(id, &buffer[..length]);
                    if all && !closing {
                        break;
                    }
                }
                Err(error) if would_block(&error) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.fail(id, Failure::Tls);
                }
                Err(_) => self.fail(id, Failure::Closed),
            }
        }
        self.buffer = buffer;
    }

    fn on_bytes(&mut self, id: usize, bytes: &[u8]) {
        let Some(connection) = &mut self.connections[id] else {
            return;
        };
        let Some(flight) = &mut connection.flight else {
            // Nobody asked: the connection cannot be trusted with the next request.
            return self.close(id);
        };
        flight.received += bytes.len() as u64;
        let wanted =
            self.work.plan.test.expect.looks_at_body() && connection.body.len() < BODY_KEPT;
        let body = wanted.then_some(&mut connection.body);
        let (fed, offered) = if connection.head.is_empty() {
            (connection.response.feed(bytes, body), bytes.len())
        } else {
            connection.head.extend_from_slice(bytes);
            (
                connection.response.feed(&connection.head, body),
                connection.head.len(),
            )
        };
        match fed {
            Err(ParseError::Headers) => self.fail(id, Failure::TooManyHeaders),
            Err(ParseError::Lengths) => self.fail(id, Failure::ContentLengths),
            Err(ParseError::Head(_) | ParseError::Length | ParseError::Chunk) => {
                self.fail(id, Failure::Protocol);
            }
            Ok(fed) if fed.done => {
                connection.head.clear();
                self.complete(id, fed.consumed == offered);
            }
            Ok(fed) if connection.head.is_empty() => {
                connection.head.extend_from_slice(&bytes[fed.consumed..]);
            }
            Ok(fed) => drop(connection.head.drain(..fed.consumed)),
        }
    }

    /// A response is complete. `clean`: no byte came behind it.
    fn complete(&mut self, id: usize, clean: bool) {
        let Some(connection) = &mut self.connections[id] else {
            return;
        };
        let Some(flight) = connection.flight.take() else {
            return;
        };
        let plan = self.work.plan;
        let status = connection.response.status;
        let expect = &plan.test.expect;
        let failure = if !expect.status_is_good(status) {
            Some(Failure::Status)
        } else if expect.looks_at_body() && !expect.body_is_good(&connection.body) {
            Some(Failure::Body)
        } else {
            None
        };
        let outcome = Outcome {
            status: Some(status),
            failure,
            sent: flight.sent,
            received: flight.received,
        };
        let reusable = clean
            && !connection.response.close
            && plan.test.keep_alive
            && connection.unsent.is_empty();
        self.recorder.ended(flight.intended, self.now, &outcome);
        self.in_flight -= 1;
        if reusable {
            self.idle.push(id);
        } else {
            self.close(id);
        }
    }

    /// The server ended the stream.
    fn on_end(&mut self, id: usize) {
        self.now = self.work.now();
        match &self.connections[id] {
            Some(connection) if connection.flight.is_some() && connection.response.closed() => {
                self.complete(id, false);
            }
            Some(connection) if !connection.connected => self.fail(id, Failure::Connect),
            Some(_) => self.fail(id, Failure::Closed),
            None => {}
        }
    }

    /// Closes a connection; its request, if it has one, has failed.
    fn fail(&mut self, id: usize, failure: Failure) {
        let flight = self.connections[id]
            .as_mut()
            .and_then(|connection| connection.flight.take());
        if let Some(flight) = flight {
            self.in_flight -= 1;
            let outcome = Outcome {
                status: None,
                failure: Some(failure),
                sent: flight.sent,
                received: flight.received,
            };
            self.recorder.ended(flight.intended, self.now, &outcome);
        }
        if failure == Failure::Connect {
            self.hold_off = self.now + SWEEP;
        }
        self.close(id);
    }

    fn close(&mut self, id: usize) {
        if let Some(mut connection) = self.connections[id].take() {
            // Closing the descriptor would do as well; only the order is not guaranteed then.
            let _ = self.poll.registry().deregister(connection.stream.socket());
            self.idle.retain(|idle| *idle != id);
            self.freed.push(id);
            self.open -= 1;
        }
    }

    /// Ends what has waited too long.
    fn sweep(&mut self) {
        self.next_sweep = self.now + SWEEP;
        let timeout = self.work.plan.test.timeout_ms * 1_000_000;
        for id in 0..self.connections.len() {
            let flight = self.connections[id]
                .as_ref()
                .and_then(|connection| connection.flight);
            if flight.is_some_and(|flight| flight.intended + timeout <= self.now) {
                self.fail(id, Failure::Timeout);
            }
        }
        while self
            .backlog
            .front()
            .is_some_and(|intended| intended + timeout <= self.now)
        {
            if let Some(intended) = self.backlog.pop_front() {
                self.recorder
                    .ended(intended, self.now, &Outcome::failed(Failure::Unsent));
            }
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Sends what is left of a request.
fn flush(connection: &mut Connection) -> io::Result<()> {
    while !connection.unsent.is_empty() {
        match connection.stream.write(&connection.unsent) {
            Ok(taken) => drop(connection.unsent.drain(..taken)),
            Err(error) if would_block(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    connection.stream.flush()
}
