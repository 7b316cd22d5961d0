//! A body on its way to a callout that takes it without being waited for.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;

use gatewright_callout::{CHUNK_LIMIT, Event, Failure, Half, Headers};
use http::HeaderMap;
use http_body::Body as _;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::callout::Callee;
use crate::body::{Body, BodyError};

/// What went wrong on the way.
pub(super) enum Trouble {
    /// Where the body comes from.
    Body(BodyError),
    /// The callout does not take it.
    Callout(Failure),
}

/// Reads a body and sends it to a callout, by a task of its own that ends with this.
pub(super) struct Feed {
    state: Rc<State>,
    task: AbortHandle,
}

struct State {
    body: RefCell<Option<Body>>,
    /// Whether something of the body was taken.
    took: Cell<bool>,
    /// Whether the callout has all of it.
    all: Cell<bool>,
    sent: Notify,
    trouble: RefCell<Option<Trouble>>,
    failed: Notify,
    trailers: RefCell<Option<HeaderMap>>,
}

impl Feed {
    pub(super) fn start(callee: Rc<Callee>, half: Half, body: Body) -> Self {
        let state = Rc::new(State {
            body: RefCell::new(Some(body)),
            took: Cell::new(false),
            all: Cell::new(false),
            sent: Notify::new(),
            trouble: RefCell::new(None),
            failed: Notify::new(),
            trailers: RefCell::new(None),
        });
        let run = run(Rc::clone(&state), callee, half);
        let task = tokio::task::spawn_local(run).abort_handle();
        Self { state, task }
    }

    /// Waits until the callout has all of the body.
    pub(super) async fn all(&self) {
        while !self.state.all.get() {
            self.state.sent.notified().await;
        }
    }

    /// Waits until something goes wrong.
    pub(super) async fn trouble(&self) -> Trouble {
        loop {
            if let Some(trouble) = self.state.trouble.take() {
                return trouble;
            }
            self.state.failed.notified().await;
        }
    }

    /// The trailers, if they came and were not shown to the callout, or are to be changed by it.
    pub(super) fn trailers(&self) -> Option<HeaderMap> {
        self.state.trailers.take()
    }

    /// The body, if nothing was taken of it.
    pub(super) fn recover(&self) -> Option<Body> {
        self.task.abort();
        match self.state.took.get() {
            true => None,
            false => self.state.body.take(),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(state: Rc<State>, callee: Rc<Callee>, half: Half) {
    match send(&state, &callee, half).await {
        Ok(()) => {
            state.all.set(true);
            state.sent.notify_one();
        }
        Err(trouble) => {
            *state.trouble.borrow_mut() = Some(trouble);
            state.failed.notify_one();
        }
    }
}

async fn send(state: &State, callee: &Callee, half: Half) -> Result<(), Trouble> {
    let call = &callee.call;
    loop {
        let (frame, end) = std::future::poll_fn(|context| {
            let mut body = state.body.borrow_mut();
            let Some(body) = body.as_mut() else {
                return std::task::Poll::Ready((None, true));
            };
            let frame = Pin::new(&mut *body).poll_frame(context);
            frame.map(|frame| (frame, body.is_end_stream()))
        })
        .await;
        // From here on the body is not whole any more.
        state.took.set(true);
        if call.is_over() {
            return Err(Trouble::Callout(Failure::Missing));
        }
        match frame {
            None => {
                call.send_part(half, &[], true)
                    .await
                    .map_err(Trouble::Callout)?;
                return Ok(());
            }
            Some(Err(error)) => return Err(Trouble::Body(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => {
                    let mut rest = &bytes[..];
                    loop {
                        let (chunk, more) = rest.split_at(rest.len().min(CHUNK_LIMIT));
                        rest = more;
                        call.send_part(half, chunk, end && rest.is_empty())
                            .await
                            .map_err(Trouble::Callout)?;
                        if rest.is_empty() {
                            break;
                        }
                    }
                    if end {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let sent = if call.wants(Event::trailers(half)) {
                        call.send_trailers(half, &headers(&trailers)).await
                    } else {
                        call.send_part(half, &[], true).await
                    };
                    *state.trailers.borrow_mut() = Some(trailers);
                    return sent.map_err(Trouble::Callout);
                }
            },
        }
    }
}

/// Trailers as a callout is shown them.
pub(super) fn headers(trailers: &HeaderMap) -> Headers {
    trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}
