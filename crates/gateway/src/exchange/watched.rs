//! A body that a callout only watches.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gatewright_callout::{Event, Half, Observed};
use http_body::{Body as _, Frame, SizeHint};

use super::callout::Callee;
use super::feed;
use crate::body::{Body, BodyError};

/// A body of which a callout is told without being waited for.
pub(crate) struct Watched {
    inner: Body,
    callee: Rc<Callee>,
    half: Half,
    /// Whether the callout knows that the body is over.
    told: bool,
}

impl Watched {
    pub(super) const fn new(inner: Body, callee: Rc<Callee>, half: Half) -> Self {
        Self {
            inner,
            callee,
            half,
            told: false,
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.told && self.inner.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let (call, half) = (&self.callee.call, self.half);
        let end = self.inner.is_end_stream() || frame.is_none();
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    if call.wants(Event::body(half)) {
                        call.observe(Observed::Body(half, bytes, end));
                    }
                } else if let Some(trailers) = frame.trailers_ref() {
                    if call.wants(Event::trailers(half)) {
                        call.observe(Observed::Trailers(half, &feed::headers(trailers)));
                    }
                    self.told = true;
                }
                self.told |= end;
            }
            Some(Err(_)) => {}
            None if !self.told && call.wants(Event::body(half)) => {
                self.told = true;
                call.observe(Observed::Body(half, &[], true));
            }
            None => self.told = true,
        }
        Poll::Ready(frame)
    }
}
