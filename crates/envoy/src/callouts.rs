//! The upstreams that plugins call: which there are, what they answer, and how often they did.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_harness::{AnswerKind, Upstream};
use gatewright_host::{CalloutResponse, HeaderMap};

use crate::http1;
use crate::inexpressible::Inexpressible;

/// The header in which Envoy says how long a callout took.
const SERVICE_TIME: &[u8] = b"x-envoy-upstream-service-time";

/// The body with which it answers for an upstream that broke off.
const BROKEN: &str = "upstream connect error or disconnect/reset before headers. \
                      reset reason: connection termination";

/// The upstreams of a case, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services(Arc<BTreeMap<String, Vec<Answer>>>);

/// The answer of an upstream to one callout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A response; its headers begin with `:status`.
    Response(CalloutResponse),
    /// The connection is closed without one.
    Reset,
}

impl Services {
    /// The upstreams of a case, or why they cannot be played over HTTP/1 without a clock.
    pub(crate) fn of(upstreams: &[Upstream]) -> Result<Self, Inexpressible> {
        let answer = |answer: &gatewright_harness::Answer| match &answer.kind {
            _ if answer.after > 0 => Err(Inexpressible::Upstream),
            AnswerKind::Http(response) => Ok(Answer::Response(response.clone())),
            AnswerKind::Fails => Ok(Answer::Reset),
            AnswerKind::Grpc { .. } | AnswerKind::Silent => Err(Inexpressible::Upstream),
        };
        let upstreams = upstreams.iter().map(|upstream| {
            let answers = upstream.answers.iter().map(answer);
            Ok((upstream.name.clone(), answers.collect::<Result<_, _>>()?))
        });
        Ok(Self(Arc::new(upstreams.collect::<Result<_, _>>()?)))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        self.names().any(|known| known.as_bytes() == name)
    }
}

/// Upstreams that answer in turn; the last answer serves the rest.
#[derive(Debug, Default)]
pub(crate) struct Turns(BTreeMap<String, usize>);

impl Turns {
    /// The next answer of an upstream; a reset where it has none.
    pub(crate) fn next(&mut self, services: &Services, name: &str) -> Answer {
        let turn = self.0.entry(name.to_owned()).or_default();
        let answers = services.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let answer = answers.get(*turn).or(answers.last());
        *turn += 1;
        answer.cloned().unwrap_or(Answer::Reset)
    }
}

impl Answer {
    /// What a plugin gets of it. Envoy's client is a proxy, and answers in the place of an
    /// upstream that breaks off.
    pub(crate) fn told(&self) -> CalloutResponse {
        match self {
            Self::Response(response) => {
                let mut response = response.clone();
                response.headers = head(&response);
                // Envoy's client says of every response how many milliseconds it took.
                response.headers.append(SERVICE_TIME, b"0");
                response
            }
            Self::Reset => {
                let length = BROKEN.len().to_string();
                let headers = [
                    (":status", "503"),
                    ("content-length", &length),
                    ("content-type", "text/plain"),
                ];
                CalloutResponse {
                    headers: headers.into_iter().collect(),
                    body: BROKEN.into(),
                    trailers: HeaderMap::new(),
                }
            }
        }
    }

    /// The bytes to answer with; none for a reset.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let Self::Response(response) = self else {
            return None;
        };
        let mut bytes = b"HTTP/1.1 ".to_vec();
        bytes.extend_from_slice(response.headers.get(b":status").unwrap_or(b"200"));
        bytes.extend_from_slice(b" X\r\n");
        http1::write_fields(&head(response), &mut bytes);
        bytes.extend_from_slice(b"\r\n");
        if response.trailers.is_empty() {
            bytes.extend_from_slice(&response.body);
        } else {
            http1::write_chunk(&response.body, &mut bytes);
            bytes.extend_from_slice(b"0\r\n");
            http1::write_fields(&response.trailers, &mut bytes);
            bytes.extend_from_slice(b"\r\n");
        }
        Some(bytes)
    }
}

/// The headers of a response with their framing.
fn head(response: &CalloutResponse) -> HeaderMap {
    let mut headers = response.headers.clone();
    if !response.trailers.is_empty() {
        headers.append(b"transfer-encoding", b"chunked");
    } else if !headers.contains(b"content-length") {
        let length = response.body.len().to_string();
        headers.append(b"content-length", length.as_bytes());
    }
    headers
}
