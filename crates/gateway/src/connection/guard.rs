//! The socket of a client, with an eye on the clock: heads that do not come to an end, connections
//! without requests, and clients that take nothing.
//!
//! A timer is made only when a connection has to wait in such a state, so that fast clients cost no
//! timers and idle connections have one each, which is moved and not made anew.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::heads::Heads;
use super::{Connection, Phase};
use crate::limits::Limits;
use crate::stream::Stream;

/// What is read at once of a connection that rests: more than most heads have.
const FIRST: usize = 1024;

/// The socket, guarded.
pub(crate) struct Guarded {
    stream: Stream,
    /// What was read already, and is to be read again.
    unread: Bytes,
    heads: Heads,
    connection: Rc<Connection>,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    head_timed_out: bool,
}

impl Guarded {
    pub(super) fn new(stream: Stream, connection: Rc<Connection>, limits: &Limits) -> Self {
        Self {
            stream,
            unread: Bytes::new(),
            heads: Heads::new(),
            connection,
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            reading: None,
            writing: None,
            head_timed_out: false,
        }
    }

    /// Whether the connection ended because a head did not come to an end.
    pub(super) fn head_timed_out(&self) -> bool {
        self.head_timed_out
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Waits until there may be something to read. Nothing is read.
    pub(super) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() && self.stream.poll_readable(context)?.is_pending() {
            return self.wait_to_read(context);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the first bytes of the next request, which are read again by whoever takes the
    /// request up. `false` when the client has no more.
    pub(super) fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut first = [MaybeUninit::uninit(); FIRST];
        let mut first = ReadBuf::uninit(&mut first);
        ready!(Pin::new(&mut *self).poll_read(context, &mut first))?;
        self.unread = Bytes::copy_from_slice(first.filled());
        Poll::Ready(Ok(!self.unread.is_empty()))
    }

    /// Takes back what was read of the next request, whose head has begun then.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.connection.enter(Phase::Head);
        }
        self.unread = bytes;
    }

    /// There is nothing to read. Waits, within the limit of the state that the connection is in.
    fn wait_to_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let limit = match self.connection.phase.get() {
            // Bodies have a limit of their own.
            Phase::Busy => return Poll::Pending,
            Phase::Idle => self.idle_timeout,
            Phase::Head => self.head_timeout,
        };
        let deadline = self.connection.since.get() + limit;
        let sleep = self
            .reading
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        loop {
            // A timer that is set too early is moved when it fires, not at every request.
            if sleep.deadline() > deadline.into() {
                sleep.as_mut().reset(deadline.into());
            }
            ready!(sleep.as_mut().poll(context));
            if Instant::now() >= deadline {
                self.head_timed_out = self.connection.phase.get() == Phase::Head;
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            sleep.as_mut().reset(deadline.into());
        }
    }

    /// The outcome of a write, which may have to wait for a client that takes nothing.
    fn written<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        self.connection.wire.writing.set(outcome.is_pending());
        if outcome.is_ready() {
            self.writing = None;
            return outcome;
        }
        let limit = self.write_timeout;
        let sleep = self
            .writing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let part = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread[..part]);
            self.unread.advance(part);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.connection.wire.reading.set(outcome.is_pending());
        if outcome.is_pending() {
            return self.wait_to_read(context);
        }
        let came = &mut buffer.filled_mut()[before..];
        if !came.is_empty() && self.connection.http1.get() {
            self.heads.watch(came);
            if self.connection.phase.get() == Phase::Idle {
                self.connection.enter(Phase::Head);
            }
        }
        outcome
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.written(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.wire.closing.set(true);
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
