//! Traffic and routing extensions.

use super::{Reader, Spot};
use crate::api::duration;
use crate::check::Object;
use crate::finding::ObjectId;
use crate::place::Place;

/// Which of the two extension kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionKind {
    /// `GCPTrafficExtension`, after the backend is chosen.
    Traffic,
    /// `GCPRoutingExtension`, before.
    Routing,
}

/// An event that an extension may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the events'")]
pub enum Event {
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
}

impl Event {
    const ALL: [(Self, &'static str); 6] = [
        (Self::RequestHeaders, "RequestHeaders"),
        (Self::RequestBody, "RequestBody"),
        (Self::RequestTrailers, "RequestTrailers"),
        (Self::ResponseHeaders, "ResponseHeaders"),
        (Self::ResponseBody, "ResponseBody"),
        (Self::ResponseTrailers, "ResponseTrailers"),
    ];

    /// The event of that name in a manifest.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(event, _)| *event)
    }

    /// The name in a manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestHeaders => "RequestHeaders",
            Self::RequestBody => "RequestBody",
            Self::RequestTrailers => "RequestTrailers",
            Self::ResponseHeaders => "ResponseHeaders",
            Self::ResponseBody => "ResponseBody",
            Self::ResponseTrailers => "ResponseTrailers",
        }
    }
}

/// How a body reaches a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodySendMode {
    /// Chunk by chunk, each answered before the next.
    Streamed,
    /// Both ways at once, nothing buffered.
    FullDuplexStreamed,
}

impl BodySendMode {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "Streamed" => Some(Self::Streamed),
            "FullDuplexStreamed" => Some(Self::FullDuplexStreamed),
            _ => None,
        }
    }
}

/// A `GCPTrafficExtension` or `GCPRoutingExtension`.
#[derive(Clone, Debug)]
pub struct ExtensionSet {
    /// Which object.
    pub id: ObjectId,
    /// Which kind.
    pub kind: ExtensionKind,
    /// What it attaches to.
    pub targets: Vec<Target>,
    /// The chains, of which the first that matches runs.
    pub chains: Vec<Chain>,
}

/// An item of `targetRefs`.
#[derive(Clone, Debug)]
pub struct Target {
    /// `group`.
    pub group: String,
    /// `kind`.
    pub kind: String,
    /// `name`.
    pub name: Spot<String>,
}

/// An item of `extensionChains`.
#[derive(Clone, Debug)]
pub struct Chain {
    /// `name`.
    pub name: Spot<String>,
    /// `matchCondition.celExpressions`, of which one must hold; none means always.
    pub expressions: Vec<Expression>,
    /// The extensions in order.
    pub extensions: Vec<Extension>,
}

/// An item of `celExpressions`.
#[derive(Clone, Debug)]
pub struct Expression {
    /// `celMatcher`.
    pub matcher: Option<Spot<String>>,
    /// `backendRefs`: names and ports of Services that the route must have chosen.
    pub backends: Vec<(String, Option<u16>)>,
}

/// What an extension calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A Service of the namespace and its port.
    Service {
        /// Name.
        name: String,
        /// Port of the Service.
        port: u16,
    },
    /// A `GCPWasmPlugin` of the namespace.
    Plugin {
        /// Name.
        name: String,
    },
    /// A Google API by name.
    GoogleApi {
        /// Host name of the API.
        name: String,
    },
    /// A kind of the later profile that is not emulated.
    Other {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
    },
    /// Nothing, which was reported.
    Missing,
}

/// An item of `extensions`.
#[derive(Clone, Debug)]
pub struct Extension {
    /// `name`.
    pub name: Spot<String>,
    /// What is called.
    pub backend: Spot<Backend>,
    /// `authority`.
    pub authority: Option<String>,
    /// `timeout` in milliseconds; 1000 where it is absent.
    pub timeout_ms: u64,
    /// `timeout` as written.
    pub timeout: Option<String>,
    /// `supportedEvents`; nothing where the field is absent.
    pub events: Option<Vec<Event>>,
    /// `failOpen`.
    pub fail_open: bool,
    /// `forwardHeaders`; nothing means all.
    pub forward_headers: Option<Vec<String>>,
    /// `metadata`.
    pub metadata: Vec<(String, String)>,
    /// `requestBodySendMode`.
    pub request_body: Option<BodySendMode>,
    /// `responseBodySendMode`.
    pub response_body: Option<BodySendMode>,
    /// `observabilityMode`.
    pub observability: bool,
    pub(crate) places: Places,
}

/// Places of fields that findings point at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Whether events are listed at all, known ones or not.
    pub(crate) lists_events: bool,
    pub(crate) events: Option<Place>,
    pub(crate) metadata: Option<Place>,
    pub(crate) request_body: Option<Place>,
    pub(crate) response_body: Option<Place>,
    pub(crate) observability: Option<Place>,
}

impl ExtensionSet {
    pub(super) fn read(object: &Object, kind: ExtensionKind) -> Self {
        let reader = Reader::new(object);
        let spec = reader.field("spec");
        let list = |name: &str| {
            spec.map(|spec| spec.list(name).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        Self {
            id: object.id.clone(),
            kind,
            targets: list("targetRefs")
                .into_iter()
                .map(|target| Target {
                    group: target.text_or("group", ""),
                    kind: target.text_or("kind", ""),
                    name: target.spot_or_default("name"),
                })
                .collect(),
            chains: list("extensionChains")
                .into_iter()
                .map(Chain::read)
                .collect(),
        }
    }

    /// Every extension with its chain's index and its own.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, usize, &Extension)> {
        self.chains.iter().enumerate().flat_map(|(chain, c)| {
            c.extensions
                .iter()
                .enumerate()
                .map(move |(index, extension)| (chain, index, extension))
        })
    }
}

impl Chain {
    fn read(reader: Reader<'_>) -> Self {
        let condition = reader.field("matchCondition");
        Self {
            name: reader.spot_or_default("name"),
            expressions: condition
                .into_iter()
                .flat_map(|condition| condition.list("celExpressions").collect::<Vec<_>>())
                .map(|expression| Expression {
                    matcher: expression.spot("celMatcher"),
                    backends: expression
                        .list("backendRefs")
                        .map(|backend| (backend.text_or("name", ""), backend.port("port")))
                        .collect(),
                })
                .collect(),
            extensions: reader.list("extensions").map(Extension::read).collect(),
        }
    }
}

impl Extension {
    /// The events that it is shown: those that it lists, or where it lists none the heads of its
    /// kind.
    #[must_use]
    pub fn shown(&self, kind: ExtensionKind) -> &[Event] {
        match (self.events.as_deref(), kind) {
            (Some(events @ [_, ..]), _) => events,
            (_, ExtensionKind::Traffic) => &[Event::RequestHeaders, Event::ResponseHeaders],
            (_, ExtensionKind::Routing) => &[Event::RequestHeaders],
        }
    }

    fn read(reader: Reader<'_>) -> Self {
        let place = |name: &str| reader.field(name).and_then(Reader::place);
        let timeout = reader.text("timeout");
        let milliseconds = timeout
            .as_deref()
            .and_then(duration::parse)
            .and_then(|nanoseconds| u64::try_from(nanoseconds / 1_000_000).ok());
        let mode = |name: &str| {
            reader
                .text(name)
                .as_deref()
                .and_then(BodySendMode::from_name)
        };
        Self {
            name: reader.spot_or_default("name"),
            backend: backend(reader),
            authority: reader.text("authority"),
            timeout_ms: milliseconds.unwrap_or(1000),
            timeout,
            events: reader.field("supportedEvents").map(|_| {
                reader
                    .texts("supportedEvents")
                    .iter()
                    .filter_map(|name| Event::from_name(name))
                    .collect()
            }),
            fail_open: reader.flag("failOpen").unwrap_or(false),
            forward_headers: reader
                .field("forwardHeaders")
                .map(|_| reader.texts("forwardHeaders")),
            metadata: reader.map("metadata"),
            request_body: mode("requestBodySendMode"),
            response_body: mode("responseBodySendMode"),
            observability: reader.flag("observabilityMode").unwrap_or(false),
            places: Places {
                lists_events: reader.list("supportedEvents").next().is_some(),
                events: place("supportedEvents"),
                metadata: place("metadata"),
                request_body: place("requestBodySendMode"),
                response_body: place("responseBodySendMode"),
                observability: place("observabilityMode"),
            },
        }
    }
}

fn backend(reader: Reader<'_>) -> Spot<Backend> {
    if let Some(backend) = reader.field("backendRef") {
        let name = backend.text_or("name", "");
        let kind = backend.text_or("kind", "Service");
        let value = match kind.as_str() {
            "Service" => match backend.port("port") {
                Some(port) => Backend::Service { name, port },
                None => Backend::Missing,
            },
            "GCPWasmPlugin" => Backend::Plugin { name },
            _ => Backend::Other { kind, name },
        };
        return Spot {
            value,
            place: backend.field("name").unwrap_or(backend).place(),
        };
    }
    match reader.spot("googleAPIServiceName") {
        Some(api) => Spot {
            value: Backend::GoogleApi { name: api.value },
            place: api.place,
        },
        None => Spot {
            value: Backend::Missing,
            place: reader.place(),
        },
    }
}
