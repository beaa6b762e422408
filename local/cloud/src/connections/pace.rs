//! Streams and bodies that may not stand still.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Bytes a second that a body must bring on the whole; Kestrel asks for as many.
/// <https://learn.microsoft.com/en-us/aspnet/core/fundamentals/servers/kestrel/options>
const RATE: u32 = 240;

/// A connection whose reader may not stand still.
pub(super) struct Stream<S> {
    io: TokioIo<S>,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Stream<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Stream {
            io: TokioIo::new(stream),
            limit,
            stalled: None,
        }
    }

    /// What a write came to, or that it has waited for too long.
    fn within<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the client has read nothing for {limit:?}"),
        )))
    }
}

impl<S: AsyncRead + Unpin> Read for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Write for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.within(cx, write)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.within(cx, write)
    }
}

/// A request's body that must go on coming. Only the time in which we wait for it counts.
pub(super) struct Paced<B = Incoming> {
    body: B,
    limit: Duration,
    /// Time that it may still let us wait; what it brings earns more.
    left: Duration,
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Why a body was given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError<E> {
    #[error(
        "the request's body has not come: it must not stand still for {0:?}, nor bring less than {rate} bytes a second",
        rate = RATE
    )]
    TooSlow(Duration),
    #[error(transparent)]
    Body(E),
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, limit: Duration) -> Self {
        Paced {
            body,
            limit,
            left: limit,
            wait: None,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let until = this.limit.min(this.left);
            let (_, wait) = this.wait.get_or_insert_with(|| {
                let now = Instant::now();
                (now, Box::pin(sleep_until(now + until)))
            });
            ready!(wait.as_mut().poll(cx));
            return Poll::Ready(Some(Err(BodyError::TooSlow(this.limit))));
        };
        if let Some((since, _)) = this.wait.take() {
            this.left = this.left.saturating_sub(since.elapsed());
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let earned = Duration::from_secs(data.remaining() as u64) / RATE;
            this.left = this.left.saturating_add(earned);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Body)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
