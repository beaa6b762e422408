//! The loop that makes the load over HTTP/2: requests are streams on a few shared connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use crate::result::Failure;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::LocalSet;

use crate::alarm::AsyncAlarm;
use crate::driver::{BATCH, Finished, Work};
use crate::pace::Pace;
use crate::recorder::{Outcome, Recorder};
use crate::request::Scratch;
use crate::spec::BODY_KEPT;

/// Streams per connection; servers commonly allow 100 or 128 (RFC 9113, section 6.5.2, advises at least 100).
const STREAMS: u32 = 100;
/// How often time limits are looked at, in nanoseconds.
const SWEEP: u64 = 20_000_000;
/// Flow-control windows in bytes, wide enough not to be what is measured.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 24;

/// Makes the load of one thread; returns when every request has ended or the work has to stop.
///
/// # Errors
/// When the system gives no event loop or timer.
pub fn run(work: Work<'_>, pace: Pace, recorder: Recorder) -> io::Result<Finished> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if !work.wait_for_start() {
        return Ok(Finished::early(recorder.finish(), 0));
    }
    let slots = work.connections.div_ceil(STREAMS);
    let thread = Thread {
        recorder: RefCell::new(recorder),
        sending: RefCell::new((
            work.random(),
            Scratch::default(),
            u64::from(work.share.index),
        )),
        slots: (0..slots).map(|_| Mutex::new(None)).collect(),
        next_slot: Cell::new(0),
        permits: Semaphore::new(work.connections as usize),
        work,
    };
    let (unfinished, truncated) = LocalSet::new().block_on(&runtime, thread.drive(pace))?;
    Ok(Finished {
        last: thread.recorder.into_inner().finish(),
        unfinished,
        truncated,
    })
}

/// What the requests of one thread share.
struct Thread<'a> {
    work: Work<'a>,
    recorder: RefCell<Recorder>,
    /// Random numbers, memory and number of the next request.
    sending: RefCell<(rand::rngs::StdRng, Scratch, u64)>,
    slots: Vec<Mutex<Option<SendRequest<Bytes>>>>,
    next_slot: Cell<usize>,
    /// One for every stream that may be open.
    permits: Semaphore,
}

impl Thread<'_> {
    async fn drive(&self, mut pace: Pace) -> io::Result<(u64, bool)> {
        let mut alarm = AsyncAlarm::new()?;
        let mut requests = FuturesUnordered::new();
        let mut hold_off = 0;
        loop {
            let mut now = self.work.now();
            self.recorder.borrow_mut().tick(now);
            let room =
                |requests: &FuturesUnordered<_>| requests.len() < self.work.connections as usize;
            let mut batch = BATCH;
            while batch > 0
                && (pace.is_open() || now >= hold_off)
                && let Some(intended) = pace.take(now, room(&requests))
            {
                batch -= 1;
                if pace.is_open() {
                    now = self.work.now();
                    self.recorder.borrow_mut().started(intended, now);
                }
                requests.push(self.request(intended));
            }
            if self.work.must_stop() {
                return Ok((requests.len() as u64, true));
            }
            if requests.is_empty() && pace.is_over(now) {
                return Ok((0, false));
            }
            let wait = match pace.next(room(&requests)) {
                _ if batch == 0 => 0,
                Some(due) => due.saturating_sub(now).min(SWEEP),
                None => SWEEP,
            };
            tokio::select! {
                biased;
                woken = alarm.sleep(wait) => woken?,
                Some(failure) = requests.next() => {
                    // A closed loop does not hammer on a server that is not there.
                    if failure == Some(Failure::Connect) {
                        hold_off = self.work.now() + SWEEP;
                    }
                }
            }
        }
    }

    /// One request from its intended start to its outcome.
    async fn request(&self, intended: u64) -> Option<Failure> {
        let sent = Cell::new(false);
        let deadline = self.work.origin
            + Duration::from_nanos(intended)
            + Duration::from_millis(self.work.plan.test.timeout_ms);
        let outcome = tokio::time::timeout_at(deadline.into(), self.exchange(&sent))
            .await
            .unwrap_or_else(|_| {
                Outcome::failed(if sent.get() {
                    Failure::Timeout
                } else {
                    Failure::Unsent
                })
            });
        self.recorder
            .borrow_mut()
            .ended(intended, self.work.now(), &outcome);
        outcome.failure
    }

    async fn exchange(&self, sent: &Cell<bool>) -> Outcome {
        let Ok(_permit) = self.permits.acquire().await else {
            return Outcome::failed(Failure::Unsent);
        };
        let at = self.next_slot.get();
        self.next_slot.set((at + 1) % self.slots.len());
        let mut sender = match self.connection(at).await {
            Ok(sender) => sender,
            Err(failure) => return Outcome::failed(failure),
        };
        let request = {
            let (random, scratch, seq) = &mut *self.sending.borrow_mut();
            let request = self.work.plan.request.http2(*seq, random, scratch);
            *seq += u64::from(self.work.share.count);
            request
        };
        // The template was tried before the test; only a placeholder's value can still break it.
        let Ok((head, body)) = request else {
            return Outcome::failed(Failure::Protocol);
        };
        sent.set(true);
        let mut received = 0;
        let size = body.len() as u64;
        match self.answer(&mut sender, head, body, &mut received).await {
            Ok((status, failure)) => Outcome {
                status: Some(status),
                failure,
                sent: size,
                received,
            },
            Err(error) => {
                let failure = if error.is_io() || error.is_go_away() || error.is_reset() {
                    Failure::Closed
                } else {
                    Failure::Protocol
                };
                Outcome {
                    status: None,
                    failure: Some(failure),
                    sent: size,
                    received,
                }
            }
        }
    }

    /// Sends and reads the whole answer: its status and what is wrong with it. Body bytes are counted;
    /// heads are not, since their compressed size is not known here.
    async fn answer(
        &self,
        sender: &mut SendRequest<Bytes>,
        head: http::Request<()>,
        body: Bytes,
        received: &mut u64,
    ) -> Result<(u16, Option<Failure>), h2::Error> {
        let expect = &self.work.plan.test.expect;
        let (response, mut stream) = sender.send_request(head, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        let response = response.await?;
        let status = response.status().as_u16();
        let mut data = response.into_body();
        let mut kept = Vec::new();
        while let Some(chunk) = data.data().await {
            let chunk = chunk?;
            *received += chunk.len() as u64;
            data.flow_control().release_capacity(chunk.len())?;
            if expect.looks_at_body() && kept.len() < BODY_KEPT {
                kept.extend_from_slice(&chunk);
            }
        }
        let failure = if !expect.status_is_good(status) {
            Some(Failure::Status)
        } else if expect.looks_at_body() && !expect.body_is_good(&kept) {
            Some(Failure::Body)
        } else {
            None
        };
        Ok((status, failure))
    }

    /// The connection of a slot, opened if it is not there or no longer usable.
    async fn connection(&self, slot: usize) -> Result<SendRequest<Bytes>, Failure> {
        let mut slot = self.slots[slot].lock().await;
        if let Some(sender) = slot.take()
            && let Ok(ready) = sender.ready().await
        {
            return Ok(slot.insert(ready).clone());
        }
        let plan = self.work.plan;
        let socket = TcpStream::connect(plan.target.address)
            .await
            .map_err(|_| Failure::Connect)?;
        // Only speed is lost if the system refuses.
        let _ = socket.set_nodelay(true);
        let sender = match &plan.tls {
            None => handshake(socket).await?,
            Some(tls) => {
                let connector =
                    tokio_rustls::TlsConnector::from(std::sync::Arc::clone(&tls.config));
                let socket = connector
                    .connect(tls.name.clone(), socket)
                    .await
                    .map_err(|_| Failure::Tls)?;
                handshake(socket).await?
            }
        };
        Ok(slot.insert(sender).clone())
    }
}

async fn handshake<S>(socket: S) -> Result<SendRequest<Bytes>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        .handshake(socket)
        .await
        .map_err(|_| Failure::Protocol)?;
    // How the connection ends is told by the requests on it.
    tokio::task::spawn_local(async { drop(connection.await) });
    sender.ready().await.map_err(|_| Failure::Protocol)
}
