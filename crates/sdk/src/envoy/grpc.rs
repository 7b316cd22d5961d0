//! gRPC callouts: single calls and streams. Messages are bytes; what encodes them is the author's.

use super::milliseconds;
use super::tasks::{Callout, Event, Wire};
use crate::{HeaderList, HostError, hostcall};
use core::time::Duration;
use gatewright_abi::Hostcall;

/// A single call of a gRPC method.
///
/// ```
/// use gatewright::HostError;
/// use gatewright::envoy::GrpcCall;
///
/// async fn check(request: Vec<u8>) -> Result<bool, HostError> {
///     let call = GrpcCall::new("auth-cluster", "auth.v1.Auth", "Check", request);
///     Ok(call.metadata("x-tenant", "a").send().await?.is_ok())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a call is made by `send`"]
pub struct GrpcCall {
    names: [Vec<u8>; 3],
    metadata: HeaderList,
    message: Vec<u8>,
    timeout: Duration,
}

/// How a gRPC call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrpcResponse {
    /// The status: 0 is OK.
    pub status: u32,
    /// What the status says besides.
    pub status_message: Vec<u8>,
    /// The message, if the status is OK.
    pub message: Vec<u8>,
}

impl GrpcResponse {
    /// Whether the status is OK.
    pub fn is_ok(&self) -> bool {
        self.status == 0
    }
}

impl GrpcCall {
    /// A call of `service/method` at an upstream, which is a cluster by name on Envoy.
    pub fn new(
        upstream: impl AsRef<[u8]>,
        service: impl AsRef<[u8]>,
        method: impl AsRef<[u8]>,
        message: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            names: [
                upstream.as_ref().to_vec(),
                service.as_ref().to_vec(),
                method.as_ref().to_vec(),
            ],
            metadata: HeaderList::new(),
            message: message.into(),
            timeout: Duration::from_secs(5),
        }
    }

    /// Adds metadata.
    pub fn metadata(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.metadata.append(name, value);
        self
    }

    /// How long an answer is waited for; five seconds if nothing is said.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the call and waits for its end. A status other than OK is an answer, not an error.
    ///
    /// # Errors
    /// What the host answered instead of making the call, or
    /// [unanswered](HostError::is_unanswered).
    pub async fn send(self) -> Result<GrpcResponse, HostError> {
        let token = hostcall::envoy::grpc_call(
            self.names.each_ref().map(Vec::as_slice),
            &self.metadata.to_wire(),
            &self.message,
            milliseconds(self.timeout),
        )?;
        let mut callout = Callout::new(Wire::GrpcCall, token);
        drop(self);
        match callout.next().await {
            Some(Event::Message(message)) => Ok(GrpcResponse {
                message,
                ..GrpcResponse::default()
            }),
            Some(Event::Closed { status, message }) => Ok(GrpcResponse {
                status,
                status_message: message,
                message: Vec::new(),
            }),
            Some(Event::Failed(error)) => Err(error),
            _ => Err(HostError::unanswered(Hostcall::GrpcCall.name())),
        }
    }
}

/// An open gRPC stream. Dropped, it is cancelled.
///
/// ```
/// use gatewright::HostError;
/// use gatewright::envoy::GrpcStream;
///
/// async fn last_of_all() -> Result<Option<Vec<u8>>, HostError> {
///     let mut stream = GrpcStream::open("events", "events.v1.Events", "Watch", &Default::default())?;
///     stream.send(b"from the start", true)?;
///     let mut last = None;
///     while let Some(message) = stream.message().await? {
///         last = Some(message);
///     }
///     Ok(last)
/// }
/// ```
#[derive(Debug)]
pub struct GrpcStream {
    callout: Callout,
    initial: HeaderList,
    trailing: HeaderList,
    status: Option<(u32, Vec<u8>)>,
}

impl GrpcStream {
    /// Opens a stream of `service/method` with this metadata.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn open(
        upstream: impl AsRef<[u8]>,
        service: impl AsRef<[u8]>,
        method: impl AsRef<[u8]>,
        metadata: &HeaderList,
    ) -> Result<Self, HostError> {
        let names = [upstream.as_ref(), service.as_ref(), method.as_ref()];
        let token = hostcall::envoy::grpc_stream(names, &metadata.to_wire())?;
        Ok(Self {
            callout: Callout::new(Wire::GrpcStream, token),
            initial: HeaderList::new(),
            trailing: HeaderList::new(),
            status: None,
        })
    }

    /// Sends a message, the last one if `end`.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn send(&mut self, message: impl AsRef<[u8]>, end: bool) -> Result<(), HostError> {
        hostcall::envoy::grpc_send(self.callout.token, message.as_ref(), end)
    }

    /// Sends no more, with no last message.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn close(&mut self) -> Result<(), HostError> {
        hostcall::envoy::grpc_close(self.callout.token)
    }

    /// The next message; `None` when the stream is over, and then its status is known.
    ///
    /// # Errors
    /// What the host answered when the message was read.
    pub async fn message(&mut self) -> Result<Option<Vec<u8>>, HostError> {
        while let Some(event) = self.callout.next().await {
            match event {
                Event::Message(message) => return Ok(Some(message)),
                Event::InitialMetadata(metadata) => self.initial = metadata,
                Event::TrailingMetadata(metadata) => self.trailing = metadata,
                Event::Closed { status, message } => self.status = Some((status, message)),
                Event::Failed(error) => return Err(error),
                Event::Http(_) => {}
            }
        }
        Ok(None)
    }

    /// The metadata that came before the first message that was read.
    pub const fn initial_metadata(&self) -> &HeaderList {
        &self.initial
    }

    /// The metadata that came after the last one.
    pub const fn trailing_metadata(&self) -> &HeaderList {
        &self.trailing
    }

    /// The status and its message, once the stream is over.
    pub fn status(&self) -> Option<(u32, &[u8])> {
        let (status, message) = self.status.as_ref()?;
        Some((*status, message))
    }
}
