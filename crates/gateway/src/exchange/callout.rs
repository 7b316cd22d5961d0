//! Callouts in an exchange: what they are told of a head, and what their answers make of it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use gatewright_callout::{
    BodyMode, Call, Client, Event, Failure, Half, HeadChange, Headers, Observed, Reply, Status,
    Went,
};
use gatewright_host::{HeaderMap as Fields, LocalReply};
use http_body::Body as _;

use super::feed::{Feed, Trouble};
use super::layer::Layer;
use super::{Ending, Exchange, Message};
use crate::body::{Body, BodyError};
use crate::metrics::CalloutStats;
use crate::snapshot::CalloutUse;
use crate::watch::Event as Noted;

/// A callout as a worker reaches it.
pub(crate) struct Callout {
    pub(crate) of: CalloutUse,
    client: Rc<Client>,
    stats: Arc<CalloutStats>,
}

impl Callout {
    pub(crate) fn new(of: &CalloutUse, client: Rc<Client>, stats: Arc<CalloutStats>) -> Self {
        Self {
            of: of.clone(),
            client,
            stats,
        }
    }
}

/// A callout in one exchange.
pub(crate) struct Callee {
    /// Its place in the chain.
    step: usize,
    callout: Rc<Callout>,
    pub(super) call: Call,
    status: Cell<Option<Status>>,
}

/// What is told of an event.
#[derive(Clone, Copy)]
pub(super) struct Began {
    pub(super) event: Event,
    at: Instant,
}

impl Began {
    pub(super) fn now(event: Event) -> Self {
        Self {
            event,
            at: Instant::now(),
        }
    }
}

impl Callee {
    pub(super) fn new(step: usize, callout: &Rc<Callout>) -> Rc<Self> {
        Rc::new(Self {
            step,
            callout: Rc::clone(callout),
            call: Call::new(&callout.client, &callout.of.config),
            status: Cell::new(None),
        })
    }

    /// Whether it takes part in a half.
    pub(super) fn sees(&self, half: Half) -> bool {
        let events = [
            Event::headers(half),
            Event::body(half),
            Event::trailers(half),
        ];
        events.into_iter().any(|event| self.call.wants(event))
    }

    /// How its stream went so far; nothing if it was told of nothing.
    pub(super) fn status(&self) -> Option<Status> {
        self.status.get()
    }

    /// Tells the callout of a message: of its head now, of the rest as it is read.
    pub(super) async fn pass(
        self: Rc<Self>,
        exchange: Rc<Exchange>,
        half: Half,
        mut message: Message,
    ) -> Result<Message, Ending> {
        let end = message.body.is_end_stream();
        if !self.call.is_awaited() {
            return Ok(self.watched(&exchange, half, message));
        }
        let sends = !end && self.call.wants(Event::body(half));
        if sends && self.call.body_mode(half) == BodyMode::FullDuplex {
            return self.exchanged(exchange, half, message).await;
        }
        if self.call.wants(Event::headers(half)) {
            let began = Began::now(Event::headers(half));
            let fields = headers(&message.fields);
            let answer = self.call.head(half, &fields, end).await;
            if let Some(change) = self.heard(&exchange, began, answer)? {
                self.change(&exchange, began, change, fields, &mut message);
            }
        }
        // The answer may have turned these off, or put another body in the place of this one.
        let wants = self.call.wants(Event::body(half));
        if !message.body.is_end_stream() && (wants || self.call.wants(Event::trailers(half))) {
            message.reframed |= wants;
            message.body = Layer::called(message.body, exchange, self, half);
        }
        Ok(message)
    }

    /// The same for a body that is sent without waiting: the callout may want all of it before it
    /// says what becomes of the head.
    async fn exchanged(
        self: Rc<Self>,
        exchange: Rc<Exchange>,
        half: Half,
        mut message: Message,
    ) -> Result<Message, Ending> {
        let body = std::mem::replace(&mut message.body, Body::empty());
        if !self.call.wants(Event::headers(half)) {
            let feed = Feed::start(Rc::clone(&self), half, body);
            message.body = Layer::returned(feed, exchange, self, half);
            message.reframed = true;
            return Ok(message);
        }
        let began = Began::now(Event::headers(half));
        let fields = headers(&message.fields);
        if let Err(failure) = self.call.send_head(half, &fields, false).await {
            self.heard::<()>(&exchange, began, Err(failure))?;
            message.body = body;
            return Ok(message);
        }
        let feed = Feed::start(Rc::clone(&self), half, body);
        let answer = tokio::select! {
            biased;
            answer = self.call.next_head(half, feed.all()) => answer,
            trouble = feed.trouble() => match trouble {
                Trouble::Callout(failure) => Err(failure),
                Trouble::Body(BodyError::TimedOut) => return Err(Ending::Fail(408)),
                Trouble::Body(_) => return Err(Ending::Reset),
            },
        };
        match self.heard(&exchange, began, answer)? {
            Some(change) => {
                let replaced = change.body.is_some();
                self.change(&exchange, began, change, fields, &mut message);
                if !replaced {
                    message.body = Layer::returned(feed, exchange, self, half);
                    message.reframed = true;
                }
            }
            // What the callout took of the body is lost with it.
            None => message.body = feed.recover().ok_or(Ending::Fail(500))?,
        }
        Ok(message)
    }

    /// The same for a callout that only watches.
    fn watched(self: Rc<Self>, exchange: &Exchange, half: Half, mut message: Message) -> Message {
        let end = message.body.is_end_stream();
        if self.call.wants(Event::headers(half)) {
            let fields = headers(&message.fields);
            self.call.observe(Observed::Head(half, &fields, end));
            self.status.set(Some(Status::OK));
            self.tell(exchange, Began::now(Event::headers(half)), "NONE");
        }
        let wants = self.call.wants(Event::body(half)) || self.call.wants(Event::trailers(half));
        if wants && !end {
            message.body = Layer::watched(message.body, self, half);
        }
        message
    }

    /// What an answer means for the exchange: a change, none, or its end.
    pub(super) fn heard<T>(
        &self,
        exchange: &Exchange,
        began: Began,
        answer: Result<Went<T>, Failure>,
    ) -> Result<Option<T>, Ending> {
        match answer {
            Ok(Went::On(change)) => {
                self.status.set(Some(Status::OK));
                Ok(Some(change))
            }
            Ok(Went::Left) => {
                self.status.set(Some(Status::OK));
                self.tell(exchange, began, "NONE");
                Ok(None)
            }
            Ok(Went::Reply(reply)) => {
                self.status.set(Some(Status::OK));
                self.tell(exchange, began, "IMMEDIATE_RESPONSE");
                Err(Ending::Reply(self.local(reply)))
            }
            Err(failure) => {
                self.status.set(Some(failure.status()));
                let open = self.call.fail();
                let effect = if open { "NONE_FAILED_OPEN" } else { "FAILED" };
                self.tell(exchange, began, effect);
                let log = &exchange.worker.log;
                log.callout(&self.callout.of, exchange.request(), began.event, &failure);
                if open {
                    Ok(None)
                } else {
                    Err(Ending::Fail(500))
                }
            }
        }
    }

    fn change(
        &self,
        exchange: &Exchange,
        began: Began,
        change: HeadChange,
        fields: Headers,
        message: &mut Message,
    ) {
        let before = exchange.watched.as_ref().map(|_| message.fields.clone());
        let mut changed = fields.clone();
        change.headers.apply(&mut changed, self.rules());
        let replaced = change.body.is_some();
        if let Some(body) = change.body {
            message.body = Body::whole(body);
            message.reframed = true;
        }
        let modified = changed != fields;
        if modified {
            message.fields = changed.iter().collect();
        }
        let shown = before.map(|before| (before, changed.iter().collect()));
        let effect = effect(modified || replaced);
        self.note(exchange, began, effect, shown);
    }

    pub(super) fn rules(&self) -> gatewright_callout::Rules {
        self.call.config().rules
    }

    /// A reply of the callout, as a plugin would have made it.
    fn local(&self, reply: Reply) -> LocalReply {
        let mut fields = Headers::new();
        reply.headers.apply(&mut fields, self.rules());
        LocalReply {
            status: reply.status,
            headers: fields.iter().collect(),
            body: reply.body,
            grpc_status: reply
                .grpc_status
                .and_then(|status| i32::try_from(status).ok())
                .unwrap_or(-1),
            details: reply.details.into(),
        }
    }

    /// An event went well.
    pub(super) fn told(&self, exchange: &Exchange, began: Began, modified: bool) {
        self.tell(exchange, began, effect(modified));
    }

    fn tell(&self, exchange: &Exchange, began: Began, effect: &'static str) {
        self.note(exchange, began, effect, None);
    }

    /// Counts an event and tells of it, with the fields before and after it where they are known.
    fn note(
        &self,
        exchange: &Exchange,
        began: Began,
        effect: &'static str,
        change: Option<(Fields, Fields)>,
    ) {
        let latency = began.at.elapsed();
        let status = self.status.get().unwrap_or(Status::OK);
        let stats = &self.callout.stats;
        stats.record(began.event, status, latency);
        if effect == "NONE_FAILED_OPEN" {
            stats.failed_open();
        }
        exchange.note(Noted {
            part: self.step,
            event: began.event.as_str(),
            calls: 0..0,
            time: latency,
            cpu: None,
            effect,
            change,
        });
    }
}

const fn effect(modified: bool) -> &'static str {
    if modified { "CONTENT_MODIFIED" } else { "NONE" }
}

/// Fields as a callout is shown them.
fn headers(fields: &Fields) -> Headers {
    let texts = fields
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name), value));
    texts.collect()
}
