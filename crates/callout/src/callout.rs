//! A callout as its author writes it: one trait.

use crate::answer::{Answer, BodyChange, HeadChange};
use crate::change::HeaderChange;
use crate::event::BodyMode;
use crate::headers::Headers;

/// A callout. One is made for each exchange, so that what it learns of the request is at hand for
/// the response; what all have in common comes with whatever makes them.
///
/// Every method has a default that changes nothing. They are called in the order of the exchange,
/// and only for the events that the extension's `supportedEvents` names.
pub trait Callout: Send + 'static {
    /// The exchange begins.
    fn begin(&mut self, _context: &Context) {}

    /// The request's head.
    fn request_headers(&mut self, _head: &Head) -> impl Future<Output = Answer<HeadChange>> + Send {
        async { Answer::default() }
    }

    /// A part of the request's body.
    fn request_body(&mut self, _body: &Chunk) -> impl Future<Output = Answer<BodyChange>> + Send {
        async { Answer::default() }
    }

    /// The request's trailers.
    fn request_trailers(
        &mut self,
        _trailers: &Headers,
    ) -> impl Future<Output = Answer<HeaderChange>> + Send {
        async { Answer::default() }
    }

    /// The response's head.
    fn response_headers(
        &mut self,
        _head: &Head,
    ) -> impl Future<Output = Answer<HeadChange>> + Send {
        async { Answer::default() }
    }

    /// A part of the response's body.
    fn response_body(&mut self, _body: &Chunk) -> impl Future<Output = Answer<BodyChange>> + Send {
        async { Answer::default() }
    }

    /// The response's trailers.
    fn response_trailers(
        &mut self,
        _trailers: &Headers,
    ) -> impl Future<Output = Answer<HeaderChange>> + Send {
        async { Answer::default() }
    }
}

/// What a callout knows of an exchange before its first event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `metadata` of the extension: name, key and value.
    pub metadata: Vec<(String, String, String)>,
    /// Whether nobody waits for answers.
    pub observability: bool,
    /// How the request's body comes; nothing when it does not.
    pub request_body: Option<BodyMode>,
    /// How the response's body comes; nothing when it does not.
    pub response_body: Option<BodyMode>,
}

impl Context {
    /// A value of the extension's metadata, whatever name it stands under.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let found = self.metadata.iter().find(|(_, known, _)| known == key);
        found.map(|(_, _, value)| value.as_str())
    }
}

/// The head of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its fields, pseudo-headers among them.
    pub headers: Headers,
    /// Whether it is the whole message.
    pub end: bool,
}

/// A part of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes, none perhaps at the end.
    pub bytes: Vec<u8>,
    /// Whether it is the last.
    pub end: bool,
}
