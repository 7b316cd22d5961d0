//! A callout in one exchange: events in, what becomes of the message out.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::timeout;

use crate::answer::{BodyChange, HeadChange, Reply};
use crate::change::HeaderChange;
use crate::client::Client;
use crate::config::Config;
use crate::event::{BodyMode, Event, Half};
use crate::headers::Headers;
use crate::session::{Session, Taken};
use crate::status::Failure;
use crate::stream::{Shared, Stream};

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Went<T> {
    /// The message goes on with this change.
    On(T),
    /// The callout answers the client.
    Reply(Reply),
    /// The callout takes part no longer, and nothing is wrong: the message goes on as it is.
    Left,
}

/// What a callout gives back of a message whose body it is sent without waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A part of the body.
    Body {
        /// Its bytes, none perhaps at the end.
        bytes: Vec<u8>,
        /// Whether it is the last.
        end: bool,
    },
    /// The body is over, and its trailers go on with this change.
    Trailers(HeaderChange),
}

/// A callout in one exchange. The stream begins with the first event that the callout is told of.
///
/// An event that fails gives a [`Failure`], and [`Call::fail`] says whether the exchange goes on.
/// Events of the two halves may be awaited at the same time, those of one half may not.
pub struct Call {
    client: Rc<Client>,
    config: Arc<Config>,
    shared: Rc<Shared>,
    stream: OnceCell<Stream>,
}

impl Call {
    /// Prepares a call; nothing is sent.
    pub fn new(client: &Rc<Client>, config: &Arc<Config>) -> Self {
        Self {
            client: Rc::clone(client),
            config: Arc::clone(config),
            shared: Shared::new(Session::new(Arc::clone(config))),
            stream: OnceCell::new(),
        }
    }

    /// The extension.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Whether the callout is to be told of an event.
    pub fn wants(&self, event: Event) -> bool {
        self.shared.session.borrow().wants(event)
    }

    /// How a half's body is sent.
    pub fn body_mode(&self, half: Half) -> BodyMode {
        self.shared.session.borrow().mode(half)
    }

    /// Tells of a head and waits for what becomes of it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn head(
        &self,
        half: Half,
        fields: &Headers,
        end: bool,
    ) -> Result<Went<HeadChange>, Failure> {
        let message = self.shared.session.borrow_mut().head(half, fields, end);
        match self.tell(half, message).await? {
            Taken::Head(change) => Ok(Went::On(change)),
            other => other.otherwise("a head"),
        }
    }

    /// Tells of a chunk of a body and waits for what becomes of it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn body(
        &self,
        half: Half,
        chunk: &[u8],
        end: bool,
    ) -> Result<Went<BodyChange>, Failure> {
        let message = self.shared.session.borrow_mut().body(half, chunk, end);
        match self.tell(half, message).await? {
            Taken::Body(change) => Ok(Went::On(change)),
            other => other.otherwise("a body"),
        }
    }

    /// Tells of trailers and waits for what becomes of them.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn trailers(
        &self,
        half: Half,
        fields: &Headers,
    ) -> Result<Went<HeaderChange>, Failure> {
        let message = self.shared.session.borrow_mut().trailers(half, fields);
        match self.tell(half, message).await? {
            Taken::Trailers(change) => Ok(Went::On(change)),
            other => other.otherwise("trailers"),
        }
    }

    /// Tells of a head and does not wait, for a half whose body is sent without waiting.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] when the callout takes nothing for too long. Any other failure shows in
    /// what [`Call::next_head`] gives.
    pub async fn send_head(&self, half: Half, fields: &Headers, end: bool) -> Result<(), Failure> {
        let message = self.shared.session.borrow_mut().head(half, fields, end);
        self.send(message).await
    }

    /// Sends a part of a body that is sent without waiting, as soon as the callout takes it.
    ///
    /// # Errors
    /// As [`Call::send_head`].
    pub async fn send_part(&self, half: Half, bytes: &[u8], end: bool) -> Result<(), Failure> {
        let message = self.shared.session.borrow_mut().body(half, bytes, end);
        self.send(message).await
    }

    /// Sends trailers after a body that was sent without waiting.
    ///
    /// # Errors
    /// As [`Call::send_head`].
    pub async fn send_trailers(&self, half: Half, fields: &Headers) -> Result<(), Failure> {
        let message = self.shared.session.borrow_mut().trailers(half, fields);
        self.send(message).await
    }

    /// What becomes of a head that was sent with [`Call::send_head`]. The callout may wait for the
    /// body with that, so that `timeout` counts only from when `all` is ready: when it has everything.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn next_head(
        &self,
        half: Half,
        all: impl Future<Output = ()>,
    ) -> Result<Went<HeadChange>, Failure> {
        match self.next(half, all).await? {
            Taken::Head(change) => Ok(Went::On(change)),
            other => other.otherwise("a head"),
        }
    }

    /// The next part of the body that the callout gives back, or what becomes of the trailers, which
    /// end it. For `all` see [`Call::next_head`].
    ///
    /// # Errors
    /// Why there is none.
    pub async fn next_part(
        &self,
        half: Half,
        all: impl Future<Output = ()>,
    ) -> Result<Went<Part>, Failure> {
        match self.next(half, all).await? {
            Taken::Part(bytes, end) => Ok(Went::On(Part::Body { bytes, end })),
            Taken::Trailers(change) => Ok(Went::On(Part::Trailers(change))),
            other => other.otherwise("a part of a body"),
        }
    }

    /// It failed, and the callout takes part no longer. Gives whether the exchange goes on: with
    /// `failOpen`, as long as the callout holds back no part of a body.
    pub fn fail(&self) -> bool {
        if let Some(stream) = self.stream.get() {
            stream.cut();
        }
        self.shared.session.borrow_mut().fail()
    }

    /// Whether the callout takes part no longer.
    pub fn is_over(&self) -> bool {
        self.shared.session.borrow().is_over()
    }

    /// Whether the callout was sent a part of a body that it is to give back.
    pub fn is_parted(&self) -> bool {
        self.shared.session.borrow().is_parted()
    }

    /// Whether answers are waited for: not in `observabilityMode`.
    pub fn is_awaited(&self) -> bool {
        !self.config.observability
    }

    /// Tells of an event without waiting for anything, for `observabilityMode`. A callout that falls
    /// behind is told no more.
    pub fn observe(&self, event: Observed<'_>) {
        let message = {
            let mut session = self.shared.session.borrow_mut();
            match event {
                Observed::Head(half, fields, end) => session.head(half, fields, end),
                Observed::Body(half, chunk, end) => session.body(half, chunk, end),
                Observed::Trailers(half, fields) => session.trailers(half, fields),
            }
        };
        if !self.stream().try_send(message) {
            self.shared.session.borrow_mut().leave();
        }
    }

    fn stream(&self) -> &Stream {
        self.stream
            .get_or_init(|| Stream::begin(&self.client, &self.config, &self.shared))
    }

    async fn tell(&self, half: Half, message: bytes::Bytes) -> Result<Taken, Failure> {
        let stream = self.stream();
        let told = async {
            stream.send(message).await;
            stream.next(half).await
        };
        self.in_time(told).await
    }

    async fn send(&self, message: bytes::Bytes) -> Result<(), Failure> {
        let stream = self.stream();
        let sent = async {
            stream.send(message).await;
            Ok(())
        };
        self.in_time(sent).await
    }

    async fn next(&self, half: Half, all: impl Future<Output = ()>) -> Result<Taken, Failure> {
        let mut next = std::pin::pin!(self.stream().next(half));
        tokio::select! {
            biased;
            taken = next.as_mut() => return taken,
            () = all => {}
        }
        self.in_time(next).await
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match timeout(self.config.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TimedOut(self.config.timeout.as_millis())),
        }
    }
}

/// An event that is only watched.
#[derive(Clone, Copy, Debug)]
pub enum Observed<'e> {
    /// A head, and whether nothing follows.
    Head(Half, &'e Headers, bool),
    /// A chunk of a body, and whether nothing follows.
    Body(Half, &'e [u8], bool),
    /// Trailers.
    Trailers(Half, &'e Headers),
}

impl Taken {
    /// An answer that is not to the event that was told of.
    fn otherwise<T>(self, what: &str) -> Result<Went<T>, Failure> {
        match self {
            Self::Reply(reply) => Ok(Went::Reply(reply)),
            Self::Left => Ok(Went::Left),
            _ => Err(Failure::Protocol(format!(
                "an answer to something else than {what}"
            ))),
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
