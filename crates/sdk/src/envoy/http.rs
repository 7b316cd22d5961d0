//! HTTP callouts.

use super::milliseconds;
use super::tasks::{Callout, Event, Wire};
use crate::headers::{self, parse_status};
use crate::{HeaderList, HostError, hostcall};
use core::time::Duration;
use gatewright_abi::{BufferType, Hostcall, MapType};

/// How long an answer is waited for, unless the call says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A request to an upstream that Envoy knows.
///
/// ```
/// use core::time::Duration;
/// use gatewright::HostError;
/// use gatewright::envoy::HttpCall;
///
/// async fn keys() -> Result<Vec<u8>, HostError> {
///     let call = HttpCall::get("keys-cluster", "keys.example.com", "/jwks.json");
///     let response = call.timeout(Duration::from_millis(500)).send().await?;
///     Ok(response.body)
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a call is made by `send`"]
pub struct HttpCall {
    upstream: Vec<u8>,
    headers: HeaderList,
    body: Vec<u8>,
    trailers: HeaderList,
    timeout: Duration,
}

impl HttpCall {
    /// A call of any method. The upstream is a cluster by name on Envoy, and what else a host takes.
    pub fn new(
        method: &str,
        upstream: impl AsRef<[u8]>,
        authority: impl AsRef<[u8]>,
        path: impl AsRef<[u8]>,
    ) -> Self {
        let mut headers = HeaderList::new();
        headers.append(":method", method);
        headers.append(":path", path);
        headers.append(":authority", authority);
        Self {
            upstream: upstream.as_ref().to_vec(),
            headers,
            body: Vec::new(),
            trailers: HeaderList::new(),
            timeout: TIMEOUT,
        }
    }

    /// A `GET`.
    pub fn get(
        upstream: impl AsRef<[u8]>,
        authority: impl AsRef<[u8]>,
        path: impl AsRef<[u8]>,
    ) -> Self {
        Self::new("GET", upstream, authority, path)
    }

    /// A `POST` of this body.
    pub fn post(
        upstream: impl AsRef<[u8]>,
        authority: impl AsRef<[u8]>,
        path: impl AsRef<[u8]>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let mut call = Self::new("POST", upstream, authority, path);
        call.body = body.into();
        call
    }

    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Adds a trailer.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.append(name, value);
        self
    }

    /// How long an answer is waited for; five seconds if nothing is said.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the call and waits for the answer.
    ///
    /// # Errors
    /// What the host answered instead of making the call, or
    /// [unanswered](HostError::is_unanswered).
    pub async fn send(self) -> Result<HttpResponse, HostError> {
        let token = hostcall::envoy::http_call(
            &self.upstream,
            &self.headers.to_wire(),
            &self.body,
            &self.trailers.to_wire(),
            milliseconds(self.timeout),
        )?;
        let mut callout = Callout::new(Wire::Http, token);
        // What was sent need not be kept while waiting.
        drop(self);
        match callout.next().await {
            Some(Event::Http(response)) => Ok(response),
            Some(Event::Failed(error)) => Err(error),
            _ => Err(HostError::unanswered(Hostcall::HttpCall.name())),
        }
    }
}

/// The answer to a callout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// Its headers, `:status` among them.
    pub headers: HeaderList,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: HeaderList,
}

impl HttpResponse {
    /// The `:status`, if it is a number.
    pub fn status(&self) -> Option<u16> {
        parse_status(self.headers.get(":status")?)
    }

    /// Reads the answer that the host holds during its callback.
    pub(super) fn receive(body: usize, trailers: u32) -> Result<Self, HostError> {
        Ok(Self {
            headers: headers::read(MapType::HttpCallResponseHeaders)?,
            body: match body {
                0 => Vec::new(),
                size => hostcall::buffer(BufferType::HttpCallResponseBody, 0, size)?,
            },
            trailers: match trailers {
                0 => HeaderList::new(),
                _ => headers::read(MapType::HttpCallResponseTrailers)?,
            },
        })
    }
}
