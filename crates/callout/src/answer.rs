//! What a callout answers.

use crate::change::HeaderChange;
use crate::event::Events;

/// An answer to an event: go on with a change of its kind, answer the client, or give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// The message goes on, changed.
    On(T),
    /// The client gets this, and nothing goes on.
    Reply(Reply),
    /// The stream ends with this status; what becomes of the exchange is up to `failOpen`.
    Abort(Abort),
}

impl<T: Default> Default for Answer<T> {
    /// Goes on unchanged.
    fn default() -> Self {
        Self::On(T::default())
    }
}

impl From<HeadChange> for Answer<HeadChange> {
    fn from(change: HeadChange) -> Self {
        Self::On(change)
    }
}

impl From<HeaderChange> for Answer<HeadChange> {
    fn from(headers: HeaderChange) -> Self {
        Self::On(HeadChange::from(headers))
    }
}

impl From<HeaderChange> for Answer<HeaderChange> {
    fn from(trailers: HeaderChange) -> Self {
        Self::On(trailers)
    }
}

impl From<BodyChange> for Answer<BodyChange> {
    fn from(change: BodyChange) -> Self {
        Self::On(change)
    }
}

impl<T> From<Reply> for Answer<T> {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl<T> From<Abort> for Answer<T> {
    fn from(abort: Abort) -> Self {
        Self::Abort(abort)
    }
}

/// What becomes of a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadChange {
    /// Its fields.
    pub headers: HeaderChange,
    /// Whether the route is to be chosen anew; load balancers do so after routing extensions only.
    pub clear_route: bool,
    /// A body in place of the one that follows, of which the callout is shown nothing then.
    pub body: Option<Vec<u8>>,
    /// The events that are still wanted, in place of `supportedEvents`; traffic extensions only.
    pub events: Option<Events>,
}

impl From<HeaderChange> for HeadChange {
    fn from(headers: HeaderChange) -> Self {
        Self {
            headers,
            ..Self::default()
        }
    }
}

/// What becomes of a part of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BodyChange {
    /// It goes on as it is.
    #[default]
    Keep,
    /// This goes on in its place.
    Replace(Vec<u8>),
    /// Nothing goes on in its place.
    Clear,
}

/// An answer to the client: Envoy's `ImmediateResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u32,
    /// Its fields.
    pub headers: HeaderChange,
    /// Its body.
    pub body: Vec<u8>,
    /// The gRPC status, for a client that speaks gRPC.
    pub grpc_status: Option<u32>,
    /// Why, for logs.
    pub details: String,
}

impl Reply {
    /// A reply with a status and nothing else.
    pub fn new(status: u32) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers = self.headers.append(name, value);
        self
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// The end of a stream with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    /// The gRPC status.
    pub status: crate::Status,
    /// Why.
    pub message: String,
}

impl Abort {
    /// Ends a stream.
    pub fn new(status: crate::Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}
