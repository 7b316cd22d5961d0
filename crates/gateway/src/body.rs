//! Bodies on their way, in both directions: passed on as they come, or shown to extensions first.
//!
//! Nothing is gathered: a body is read only when whoever it is for asks for more.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::access::Finish;
use crate::connection::Connection;
use crate::exchange::{Exchange, Half, Layer, Passed};
use crate::pool::Lease;

/// Why a body came to an end before its time.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client sent nothing for too long.
    #[error("the client sent nothing for too long")]
    TimedOut,
    /// An extension ended the exchange.
    #[error("an extension ended the exchange")]
    Ended,
    /// The connection that it came from broke.
    #[error("the connection broke: {0}")]
    Broken(Arc<hyper::Error>),
}

/// A body.
pub(crate) struct Body {
    kind: Kind,
    /// What is done once it is over, one way or another.
    finish: Option<Box<Finish>>,
}

enum Kind {
    Empty,
    Whole(Bytes),
    /// From a client, which may be slow.
    Client(FromClient),
    /// From an upstream, whose connection goes back to its pool afterwards.
    Upstream(Incoming, Option<Lease>),
    Shown(Box<Shown>),
    /// With a callout around it.
    Layer(Box<Layer>),
    Copied(Box<Copied>),
    /// What a [`Copied`] one sends.
    Copy(mpsc::Receiver<Frame<Bytes>>),
}

impl Body {
    const fn of(kind: Kind) -> Self {
        Self { kind, finish: None }
    }

    pub(crate) const fn empty() -> Self {
        Self::of(Kind::Empty)
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Self::empty();
        }
        Self::of(Kind::Whole(bytes))
    }

    /// A request's body.
    pub(crate) fn client(incoming: Incoming, limit: Duration, connection: &Rc<Connection>) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self::of(Kind::Client(FromClient {
            incoming,
            limit,
            waiting: None,
            connection: Rc::clone(connection),
        }))
    }

    /// A response's body.
    pub(crate) fn upstream(incoming: Incoming, lease: Lease) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::empty();
        }
        Self::of(Kind::Upstream(incoming, Some(lease)))
    }

    /// A body with a callout around it.
    pub(crate) fn layer(layer: Layer) -> Self {
        Self::of(Kind::Layer(Box::new(layer)))
    }

    /// The body with each part shown to the plugins among these steps before it goes on.
    pub(crate) fn shown(self, exchange: Rc<Exchange>, half: Half, steps: Range<usize>) -> Self {
        if matches!(self.kind, Kind::Empty) {
            return self;
        }
        Self::of(Kind::Shown(Box::new(Shown {
            inner: self,
            exchange,
            half,
            steps,
            ready: VecDeque::new(),
            ended: false,
        })))
    }

    /// The body, and a copy that sees each part as it goes by. A reader of the copy that falls
    /// behind loses it: the body itself never waits.
    pub(crate) fn copied(self) -> (Self, Self) {
        /// Parts that the copy may be behind.
        const BEHIND: usize = 64;
        if matches!(self.kind, Kind::Empty) {
            return (self, Self::empty());
        }
        let (sender, receiver) = mpsc::channel(BEHIND);
        let body = Self::of(Kind::Copied(Box::new(Copied {
            inner: self,
            copy: Some(sender),
        })));
        (body, Self::of(Kind::Copy(receiver)))
    }

    pub(crate) fn finish_with(mut self, mut finish: Box<Finish>) -> Self {
        // Nobody asks an empty body for its end.
        if self.is_empty() {
            finish.whole();
        }
        self.finish = Some(finish);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    /// Reads what is left and forgets it.
    pub(crate) async fn discard(mut self) {
        while let Some(Ok(_)) =
            std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await
        {}
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match &mut this.kind {
            Kind::Empty => None,
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                this.kind = Kind::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Kind::Client(client) => ready!(client.poll_frame(context)),
            Kind::Upstream(incoming, lease) => {
                let frame = ready!(Pin::new(&mut *incoming).poll_frame(context));
                let is_over = incoming.is_end_stream() || frame.is_none();
                if let Some(lease) = lease.take_if(|_| is_over) {
                    lease.give_back();
                }
                frame.map(|frame| frame.map_err(|error| BodyError::Broken(Arc::new(error))))
            }
            Kind::Shown(shown) => ready!(shown.poll_frame(context)),
            Kind::Layer(layer) => ready!(layer.poll_frame(context)),
            Kind::Copied(copied) => ready!(copied.poll_frame(context)),
            Kind::Copy(receiver) => ready!(receiver.poll_recv(context)).map(Ok),
        };
        if this.finish.is_some() {
            let is_over = match &frame {
                None => true,
                Some(Ok(_)) => this.is_end_stream(),
                Some(Err(_)) => false,
            };
            let bytes = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                _ => 0,
            };
            if let Some(finish) = &mut this.finish {
                finish.sent(bytes);
                if is_over {
                    finish.whole();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Whole(_) | Kind::Copy(_) => false,
            Kind::Client(client) => client.incoming.is_end_stream(),
            Kind::Upstream(incoming, _) => incoming.is_end_stream(),
            Kind::Shown(shown) => shown.ended && shown.ready.is_empty(),
            Kind::Layer(layer) => layer.is_end_stream(),
            Kind::Copied(copied) => copied.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Client(client) => client.incoming.size_hint(),
            Kind::Upstream(incoming, _) => incoming.size_hint(),
            // Plugins may make it longer or shorter.
            Kind::Shown(_) | Kind::Copy(_) => SizeHint::default(),
            Kind::Layer(layer) => layer.size_hint(),
            Kind::Copied(copied) => copied.inner.size_hint(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// A request's body, with a limit on how long it may take from one part to the next.
struct FromClient {
    incoming: Incoming,
    limit: Duration,
    /// A timer and when it is really due: it is moved when it fires, not at every part.
    waiting: Option<(Pin<Box<Sleep>>, Instant)>,
    /// Told when the body is over.
    connection: Rc<Connection>,
}

impl FromClient {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            if let Some((_, due)) = &mut self.waiting {
                *due = Instant::now() + self.limit;
            }
            if frame.is_none() || self.incoming.is_end_stream() {
                self.connection.was_read();
            }
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| BodyError::Broken(Arc::new(error)))),
            );
        }
        let limit = self.limit;
        let (sleep, due) = self.waiting.get_or_insert_with(|| {
            let due = Instant::now() + limit;
            (Box::pin(tokio::time::sleep_until(due.into())), due)
        });
        loop {
            ready!(sleep.as_mut().poll(context));
            if Instant::now() >= *due {
                return Poll::Ready(Some(Err(BodyError::TimedOut)));
            }
            sleep.as_mut().reset((*due).into());
        }
    }
}

/// A body that plugins see.
struct Shown {
    inner: Body,
    exchange: Rc<Exchange>,
    half: Half,
    steps: Range<usize>,
    ready: VecDeque<Frame<Bytes>>,
    /// Whether plugins were told that nothing follows.
    ended: bool,
}

impl Shown {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => Some(frame),
                None => None,
            };
            if let Err(error) = self.show(frame) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn show(&mut self, frame: Option<Frame<Bytes>>) -> Result<(), BodyError> {
        let passed = match frame.map(Frame::into_data) {
            None => {
                self.ended = true;
                self.exchange
                    .body(self.half, self.steps.clone(), Vec::new(), true)
            }
            Some(Ok(bytes)) => {
                self.ended = self.inner.is_end_stream();
                let steps = self.steps.clone();
                self.exchange
                    .body(self.half, steps, bytes.into(), self.ended)
            }
            Some(Err(frame)) => {
                self.ended = true;
                let trailers: HeaderMap = frame.into_trailers().unwrap_or_default();
                // Plugins learn of the body's end by its trailers, which they are not shown.
                self.ready.push_back(Frame::trailers(trailers));
                return Ok(());
            }
        };
        match passed {
            Passed::On(chunk) if chunk.is_empty() => {}
            Passed::On(chunk) => self.ready.push_back(Frame::data(chunk.into())),
            Passed::Over => return Err(BodyError::Ended),
        }
        Ok(())
    }
}

/// A body of which a copy is made.
struct Copied {
    inner: Body,
    copy: Option<mpsc::Sender<Frame<Bytes>>>,
}

impl Copied {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let data = match &frame {
            Some(Ok(frame)) => frame.data_ref().cloned(),
            _ => None,
        };
        match data {
            Some(data) => {
                let sent = self
                    .copy
                    .as_ref()
                    .map(|copy| copy.try_send(Frame::data(data)));
                if matches!(sent, Some(Err(_))) {
                    self.copy = None;
                }
            }
            None => self.copy = None,
        }
        Poll::Ready(frame)
    }
}
