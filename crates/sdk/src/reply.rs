//! How a callback ends: the stream goes on, or the plugin answers the client itself.

use crate::{HeaderList, HostError, hostcall};

/// What a callback decides about the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// The stream goes on, with what the callback changed.
    Continue,
    /// The client gets this answer, and no later phase of the request runs.
    Reply(LocalReply),
    /// The stream waits for what [`hold`](crate::envoy::hold) awaits. Only it makes this.
    #[doc(hidden)]
    Held(Held),
}

/// Proof that something will continue the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Held(pub(crate) ());

impl From<LocalReply> for Flow {
    fn from(reply: LocalReply) -> Self {
        Self::Reply(reply)
    }
}

/// An answer that the plugin gives in place of the upstream.
///
/// ```
/// use gatewright::LocalReply;
///
/// let reply = LocalReply::new(403)
///     .header("content-type", "text/plain")
///     .body("not today");
/// assert_eq!(reply.headers.get("Content-Type"), Some(&b"text/plain"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, without pseudo-headers. The host adds `content-length`.
    pub headers: HeaderList,
    /// The body.
    pub body: Vec<u8>,
    /// What the host's own access log says of it (Envoy's response code details); the client does
    /// not see it.
    pub details: String,
    /// The status for a client that speaks gRPC; without one the host derives it.
    pub grpc_status: Option<u16>,
}

impl LocalReply {
    /// An empty answer with this status.
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: HeaderList::new(),
            body: Vec::new(),
            details: String::new(),
            grpc_status: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets what the host's access log says.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// Sets the status for gRPC clients.
    #[must_use]
    pub const fn grpc_status(mut self, status: u16) -> Self {
        self.grpc_status = Some(status);
        self
    }

    pub(crate) fn send(&self) -> Result<(), HostError> {
        hostcall::send_local_response(
            self.status.into(),
            self.details.as_bytes(),
            &self.body,
            &self.headers.to_wire(),
            self.grpc_status.map_or(-1, i32::from),
        )
    }
}
