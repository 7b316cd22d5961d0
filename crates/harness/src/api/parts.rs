//! Requests and responses that a test sends.

use gatewright_host::HeaderMap;

use crate::model::{Event, Exchange, Phase, Step};

/// What both have.
#[derive(Clone, Debug, Default)]
struct Message {
    headers: HeaderMap,
    chunks: Option<Vec<Vec<u8>>>,
    trailers: Option<HeaderMap>,
}

impl Message {
    fn set(&mut self, name: &str, value: &[u8]) {
        if name.starts_with(':') {
            self.headers.replace(name.as_bytes(), value);
        } else {
            self.headers.append(name.as_bytes(), value);
        }
    }

    fn into_steps(self, phases: [Phase; 3]) -> Vec<Step> {
        let ends_with_headers = self.chunks.is_none() && self.trailers.is_none();
        let headers = Event::Headers {
            headers: self.headers,
            end_of_stream: ends_with_headers,
        };
        let end_of_stream = self.trailers.is_none();
        let body = self.chunks.map(|chunks| Event::Body {
            chunks,
            end_of_stream,
        });
        let events = [Some(headers), body, self.trailers.map(Event::Trailers)];
        phases
            .into_iter()
            .zip(events)
            .filter_map(|(phase, event)| {
                Some(Step {
                    phase,
                    event: event?,
                    checks: Vec::new(),
                    advance: 0,
                })
            })
            .collect()
    }
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request(Message);

impl Request {
    /// A request of this method to this path on `https://example.com`.
    pub fn new(method: &str, path: &str) -> Self {
        let mut message = Message::default();
        message.set(":method", method.as_bytes());
        message.set(":scheme", b"https");
        message.set(":authority", b"example.com");
        message.set(":path", path.as_bytes());
        Self(message)
    }

    /// A GET of this path.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST to this path.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// One header more; a pseudo-header, such as `:authority`, takes the place of the default.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.set(name, value.as_ref());
        self
    }

    /// A body in one chunk.
    #[must_use]
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        self.chunks([body])
    }

    /// A body in these chunks.
    #[must_use]
    pub fn chunks(mut self, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let chunks = chunks.into_iter().map(|chunk| chunk.as_ref().to_vec());
        self.0.chunks = Some(chunks.collect());
        self
    }

    /// One trailer more.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let trailers = self.0.trailers.get_or_insert_default();
        trailers.append(name.as_bytes(), value.as_ref());
        self
    }

    pub(super) fn into_exchange(self) -> Exchange {
        Exchange {
            steps: self.0.into_steps([
                Phase::RequestHeaders,
                Phase::RequestBody,
                Phase::RequestTrailers,
            ]),
            ..Exchange::default()
        }
    }
}

/// What the upstream answers.
#[derive(Clone, Debug)]
pub struct Response(Message);

impl Response {
    /// A response of this status.
    pub fn status(status: u16) -> Self {
        let mut message = Message::default();
        message.set(":status", status.to_string().as_bytes());
        Self(message)
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.set(name, value.as_ref());
        self
    }

    /// A body in one chunk.
    #[must_use]
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        self.chunks([body])
    }

    /// A body in these chunks.
    #[must_use]
    pub fn chunks(mut self, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let chunks = chunks.into_iter().map(|chunk| chunk.as_ref().to_vec());
        self.0.chunks = Some(chunks.collect());
        self
    }

    /// One trailer more.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let trailers = self.0.trailers.get_or_insert_default();
        trailers.append(name.as_bytes(), value.as_ref());
        self
    }

    pub(super) fn add_to(self, exchange: &mut Exchange) {
        exchange.steps.retain(|step| {
            matches!(
                step.phase,
                Phase::RequestHeaders | Phase::RequestBody | Phase::RequestTrailers
            )
        });
        exchange.steps.extend(self.0.into_steps([
            Phase::ResponseHeaders,
            Phase::ResponseBody,
            Phase::ResponseTrailers,
        ]));
    }
}
