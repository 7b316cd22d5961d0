//! What happens to an exchange, as a callout is told of it.

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// A part of a message that a callout may be shown, as `supportedEvents` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The head of the request.
    RequestHeaders,
    /// A part of the request's body.
    RequestBody,
    /// The request's trailers.
    RequestTrailers,
    /// The head of the response.
    ResponseHeaders,
    /// A part of the response's body.
    ResponseBody,
    /// The response's trailers.
    ResponseTrailers,
}

impl Event {
    /// All of them, in the order in which they happen.
    pub const ALL: [Self; 6] = [
        Self::RequestHeaders,
        Self::RequestBody,
        Self::RequestTrailers,
        Self::ResponseHeaders,
        Self::ResponseBody,
        Self::ResponseTrailers,
    ];

    /// The event of a half's head.
    pub const fn headers(half: Half) -> Self {
        match half {
            Half::Request => Self::RequestHeaders,
            Half::Response => Self::ResponseHeaders,
        }
    }

    /// The event of a half's body.
    pub const fn body(half: Half) -> Self {
        match half {
            Half::Request => Self::RequestBody,
            Half::Response => Self::ResponseBody,
        }
    }

    /// The event of a half's trailers.
    pub const fn trailers(half: Half) -> Self {
        match half {
            Half::Request => Self::RequestTrailers,
            Half::Response => Self::ResponseTrailers,
        }
    }

    /// As logs and metrics of Google Cloud write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestHeaders => "REQUEST_HEADERS",
            Self::RequestBody => "REQUEST_BODY",
            Self::RequestTrailers => "REQUEST_TRAILERS",
            Self::ResponseHeaders => "RESPONSE_HEADERS",
            Self::ResponseBody => "RESPONSE_BODY",
            Self::ResponseTrailers => "RESPONSE_TRAILERS",
        }
    }
}

/// A set of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u8);

impl Events {
    /// None.
    pub const NONE: Self = Self(0);

    /// What an extension gets that does not say: both heads.
    pub const HEADERS: Self = Self::NONE
        .with(Event::RequestHeaders)
        .with(Event::ResponseHeaders);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, event: Event) -> Self {
        Self(self.0 | 1 << event as u8)
    }

    /// The set without one.
    #[must_use]
    pub const fn without(self, event: Event) -> Self {
        Self(self.0 & !(1 << event as u8))
    }

    /// Whether an event is in it.
    pub const fn has(self, event: Event) -> bool {
        self.0 & 1 << event as u8 != 0
    }
}

impl FromIterator<Event> for Events {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        events.into_iter().fold(Self::NONE, Self::with)
    }
}

/// How a body is sent, as `requestBodySendMode` and `responseBodySendMode` name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyMode {
    /// A chunk is sent when the one before it was answered.
    #[default]
    Streamed,
    /// Chunks are sent as they come, and what the callout sends back is the body.
    FullDuplex,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let events: Events = [Event::RequestBody, Event::ResponseTrailers]
            .into_iter()
            .collect();
        let held: Vec<_> = Event::ALL.into_iter().filter(|e| events.has(*e)).collect();
        assert_eq!(held, [Event::RequestBody, Event::ResponseTrailers]);
        assert_eq!(
            events
                .without(Event::RequestBody)
                .without(Event::ResponseTrailers),
            Events::NONE
        );
    }
}
