//! What a load balancer knows of an extension that calls a callout.

use std::time::Duration;

use crate::change::Rules;
use crate::event::{BodyMode, Event, Events, Half};

/// Bytes of a callout's message that the load balancer takes: 128 kB.
pub const MESSAGE_LIMIT: usize = 128 * 1024;

/// Bytes of a body that go into one message: what is changed may be twice as long and still fits
/// into an answer.
pub const CHUNK_LIMIT: usize = 64 * 1024;

/// An extension, as its resource has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Traffic or routing: what may be changed, and whether the callout may answer the client and
    /// choose other events.
    pub rules: Rules,
    /// `authority`: of the stream to the callout, not of the request that it is about.
    pub authority: String,
    /// `supportedEvents`.
    pub events: Events,
    /// `requestBodySendMode`.
    pub request_body: BodyMode,
    /// `responseBodySendMode`.
    pub response_body: BodyMode,
    /// `timeout`: for each message, connecting included for the first.
    pub timeout: Duration,
    /// `failOpen`.
    pub fail_open: bool,
    /// `observabilityMode`: nothing waits for answers, and none counts.
    pub observability: bool,
    /// `forwardHeaders`; nothing means all.
    pub forward_headers: Option<Vec<String>>,
    /// `metadata`, under the name that the load balancer gives it. Values are final.
    pub metadata: Vec<(String, String)>,
    /// That name: `com.google.<type>.<resource>.<chain>.<extension>`.
    pub metadata_namespace: String,
}

impl Default for Config {
    /// A traffic extension with nothing but what a resource must have.
    fn default() -> Self {
        Self {
            rules: Rules::Traffic,
            authority: String::new(),
            events: Events::HEADERS,
            request_body: BodyMode::Streamed,
            response_body: BodyMode::Streamed,
            timeout: Duration::from_secs(1),
            fail_open: false,
            observability: false,
            forward_headers: None,
            metadata: Vec::new(),
            metadata_namespace: String::new(),
        }
    }
}

impl Config {
    /// How a half's body is sent.
    pub const fn body(&self, half: Half) -> BodyMode {
        match half {
            Half::Request => self.request_body,
            Half::Response => self.response_body,
        }
    }

    /// Whether a half's body is sent without waiting for answers.
    pub(crate) fn is_duplex(&self, half: Half) -> bool {
        self.body(half) == BodyMode::FullDuplex && self.events.has(Event::body(half))
    }

    /// Whether a field is shown. Pseudo-headers always are: a list cannot name them.
    pub(crate) fn forwards(&self, name: &str) -> bool {
        let listed = |list: &Vec<String>| list.iter().any(|one| one.eq_ignore_ascii_case(name));
        name.starts_with(':') || self.forward_headers.as_ref().is_none_or(listed)
    }
}
