//! A watch as the body of a response: a line of JSON an event.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::api::Watch;

type Next = Pin<Box<dyn Future<Output = (Watch, Option<Value>)> + Send>>;

/// The lines of a watch, until its time is over.
pub(crate) struct Lines {
    next: Option<Next>,
    end: Instant,
    /// Whether the last line was given.
    over: bool,
}

impl Lines {
    pub(crate) fn new(watch: Watch) -> Self {
        let end = Instant::now() + watch.life();
        Self {
            next: Some(Box::pin(one(watch, end))),
            end,
            over: false,
        }
    }
}

async fn one(mut watch: Watch, end: Instant) -> (Watch, Option<Value>) {
    let event = timeout_at(end, watch.next()).await;
    (watch, event.unwrap_or(None))
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (watch, event) = match next.as_mut().poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(done) => done,
        };
        let event = match event {
            Some(event) => {
                let end = self.end;
                self.next = Some(Box::pin(one(watch, end)));
                Some(event)
            }
            None => {
                self.next = None;
                // How far it has come, for whoever goes on from there.
                watch.farewell().filter(|_| !self.over)
            }
        };
        self.over = self.next.is_none();
        Poll::Ready(event.map(|event| Ok(Frame::data(Bytes::from(format!("{event}\n"))))))
    }
}
