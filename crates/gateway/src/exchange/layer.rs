//! Bodies as callouts are told of them: chunk by chunk, or given back in parts.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gatewright_callout::{BodyChange, CHUNK_LIMIT, Event, Half, HeaderChange, Headers, Part};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};

use super::callout::{Began, Callee};
use super::feed::{self, Feed, Trouble};
use super::watched::Watched;
use super::{Ending, Exchange};
use crate::body::{Body, BodyError};

/// What is being waited for: a frame, or none that goes on.
type Waiting = Pin<Box<dyn Future<Output = Result<Step, BodyError>>>>;

/// A body around which a callout stands.
pub(crate) enum Layer {
    /// Each chunk waits for its answer.
    Called(Called),
    /// The callout gives back what it wants.
    Returned(Returned),
    /// The callout is told and not waited for.
    Watched(Watched),
}

/// What came of waiting.
#[derive(Default)]
struct Step {
    frame: Option<Frame<Bytes>>,
    /// What comes after the body.
    trailers: Option<HeaderMap>,
    end: bool,
    /// The rest, in which the callout takes no part.
    rest: Option<Body>,
}

impl Layer {
    pub(super) fn called(
        inner: Body,
        exchange: Rc<Exchange>,
        callee: Rc<Callee>,
        half: Half,
    ) -> Body {
        Body::layer(Self::Called(Called {
            inner,
            at: At {
                exchange,
                callee,
                half,
            },
            waiting: None,
            rest: None,
            ended: false,
        }))
    }

    pub(super) fn returned(
        feed: Feed,
        exchange: Rc<Exchange>,
        callee: Rc<Callee>,
        half: Half,
    ) -> Body {
        Body::layer(Self::Returned(Returned {
            feed: Rc::new(feed),
            at: At {
                exchange,
                callee,
                half,
            },
            waiting: None,
            trailers: None,
            ended: false,
            rest: None,
        }))
    }

    pub(super) fn watched(inner: Body, callee: Rc<Callee>, half: Half) -> Body {
        Body::layer(Self::Watched(Watched::new(inner, callee, half)))
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Called(called) => called.poll_frame(context),
            Self::Returned(returned) => returned.poll_frame(context),
            Self::Watched(watched) => watched.poll_frame(context),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Called(called) => called.ended && called.waiting.is_none(),
            Self::Returned(returned) => returned.ended && returned.trailers.is_none(),
            Self::Watched(watched) => watched.is_end_stream(),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Called(_) | Self::Returned(_) => SizeHint::default(),
            Self::Watched(watched) => watched.size_hint(),
        }
    }
}

/// Which callout in which exchange.
#[derive(Clone)]
struct At {
    exchange: Rc<Exchange>,
    callee: Rc<Callee>,
    half: Half,
}

impl At {
    /// The callout ended the exchange.
    fn end(&self, ending: Ending) -> BodyError {
        self.exchange.end(ending);
        BodyError::Ended
    }

    async fn chunk(self, chunk: Bytes, end: bool) -> Result<Step, BodyError> {
        let (callee, half) = (&self.callee, self.half);
        let began = Began::now(Event::body(half));
        let answer = callee.call.body(half, &chunk, end).await;
        let change = callee
            .heard(&self.exchange, began, answer)
            .map_err(|ending| self.end(ending))?;
        let bytes = match change {
            None => chunk,
            Some(change) => {
                let bytes = match change {
                    BodyChange::Keep => chunk.clone(),
                    BodyChange::Replace(bytes) => bytes.into(),
                    BodyChange::Clear => Bytes::new(),
                };
                callee.told(&self.exchange, began, bytes != chunk);
                bytes
            }
        };
        let frame = (!bytes.is_empty()).then(|| Frame::data(bytes));
        Ok(Step {
            frame,
            end,
            ..Step::default()
        })
    }

    async fn trailers(self, trailers: HeaderMap) -> Result<Step, BodyError> {
        let (callee, half) = (&self.callee, self.half);
        let began = Began::now(Event::trailers(half));
        let fields = feed::headers(&trailers);
        let answer = callee.call.trailers(half, &fields).await;
        let change = callee
            .heard(&self.exchange, began, answer)
            .map_err(|ending| self.end(ending))?;
        let trailers = match change {
            None => trailers,
            Some(change) => self.changed(began, &fields, &change),
        };
        Ok(Step {
            frame: Some(Frame::trailers(trailers)),
            end: true,
            ..Step::default()
        })
    }

    fn changed(&self, began: Began, fields: &Headers, change: &HeaderChange) -> HeaderMap {
        let mut changed = fields.clone();
        change.apply(&mut changed, self.callee.rules());
        self.callee.told(&self.exchange, began, changed != *fields);
        let fields = changed.iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        // Collected one by one: a map made of an iterator would lose duplicates.
        let mut trailers = HeaderMap::new();
        for (name, value) in fields {
            trailers.append(name, value);
        }
        trailers
    }

    /// What the callout gives back next.
    async fn part(self, feed: Rc<Feed>) -> Result<Step, BodyError> {
        let (callee, half) = (&self.callee, self.half);
        let began = Began::now(Event::body(half));
        let answer = tokio::select! {
            biased;
            answer = callee.call.next_part(half, feed.all()) => answer,
            trouble = feed.trouble() => match trouble {
                Trouble::Callout(failure) => Err(failure),
                Trouble::Body(error) => return Err(error),
            },
        };
        let heard = callee.heard(&self.exchange, began, answer);
        match heard.map_err(|ending| self.end(ending))? {
            Some(Part::Body { bytes, end }) => {
                // What it makes of the body is its own affair, so that it counts as modified.
                callee.told(&self.exchange, began, true);
                Ok(Step {
                    frame: (!bytes.is_empty()).then(|| Frame::data(bytes.into())),
                    trailers: end.then(|| feed.trailers()).flatten(),
                    end,
                    ..Step::default()
                })
            }
            Some(Part::Trailers(change)) => {
                let began = Began::now(Event::trailers(half));
                let trailers = feed.trailers().unwrap_or_default();
                let trailers = self.changed(began, &feed::headers(&trailers), &change);
                Ok(Step {
                    trailers: Some(trailers),
                    end: true,
                    ..Step::default()
                })
            }
            // It left or failed open: the rest goes on as it is, unless something is lost of it.
            None => match feed.recover() {
                Some(rest) => Ok(Step {
                    rest: Some(rest),
                    ..Step::default()
                }),
                None => Err(self.end(Ending::Fail(500))),
            },
        }
    }
}

/// See [`Layer::Called`].
pub(crate) struct Called {
    inner: Body,
    at: At,
    waiting: Option<Waiting>,
    /// What is left of a large chunk, and whether nothing follows.
    rest: Option<(Bytes, bool)>,
    ended: bool,
}

impl Called {
    /// Tells the callout of a chunk, or gives it back if the callout does not care.
    fn tell(&mut self, mut bytes: Bytes, end: bool) -> Option<Frame<Bytes>> {
        self.ended = end;
        if !self.at.callee.call.wants(Event::body(self.at.half)) {
            return Some(Frame::data(bytes));
        }
        if bytes.len() > CHUNK_LIMIT {
            let rest = bytes.split_off(CHUNK_LIMIT);
            self.rest = Some((rest, end));
            self.ended = false;
        }
        self.waiting = Some(Box::pin(self.at.clone().chunk(bytes, self.ended)));
        None
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let step = ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                match step {
                    Ok(step) => match step.frame {
                        Some(frame) => return Poll::Ready(Some(Ok(frame))),
                        None => continue,
                    },
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            if let Some((bytes, end)) = self.rest.take() {
                if let Some(frame) = self.tell(bytes, end) {
                    return Poll::Ready(Some(Ok(frame)));
                }
                continue;
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let (call, half) = (&self.at.callee.call, self.at.half);
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => frame,
                None => {
                    self.ended = true;
                    if call.wants(Event::body(half)) {
                        self.waiting = Some(Box::pin(self.at.clone().chunk(Bytes::new(), true)));
                    }
                    continue;
                }
            };
            match frame.into_data() {
                Ok(bytes) => {
                    let end = self.inner.is_end_stream();
                    if let Some(frame) = self.tell(bytes, end) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Err(frame) => {
                    self.ended = true;
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if !call.wants(Event::trailers(half)) {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                    self.waiting = Some(Box::pin(self.at.clone().trailers(trailers)));
                }
            }
        }
    }
}

/// See [`Layer::Returned`].
pub(crate) struct Returned {
    feed: Rc<Feed>,
    at: At,
    waiting: Option<Waiting>,
    trailers: Option<HeaderMap>,
    ended: bool,
    rest: Option<Body>,
}

impl Returned {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(rest) = &mut self.rest {
                return Pin::new(rest).poll_frame(context);
            }
            if self.ended && self.waiting.is_none() {
                let trailers = self.trailers.take();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let waiting = self
                .waiting
                .get_or_insert_with(|| Box::pin(self.at.clone().part(Rc::clone(&self.feed))));
            let step = ready!(waiting.as_mut().poll(context));
            self.waiting = None;
            match step {
                Ok(step) => {
                    self.ended = step.end;
                    self.trailers = step.trailers;
                    self.rest = step.rest;
                    if let Some(frame) = step.frame {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
