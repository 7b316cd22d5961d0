//! What goes to a host and what comes back, in Rust and in JSON.

use serde::{Deserialize, Serialize};

/// Bytes; in JSON and YAML a text whose characters, none above U+00FF, are the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let byte = |character: char| {
            u8::try_from(u32::from(character))
                .map_err(|_| format!("`{character}` is no byte; write its UTF-8 as \\x.."))
        };
        text.chars().map(byte).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.0.into_iter().map(char::from).collect()
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// Header fields in order.
pub type Headers = Vec<(Bytes, Bytes)>;

/// A case as a host gets it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    /// `google`, `tester` or `envoy`: the platform that the host is to be like.
    pub profile: String,
    /// The path of the module.
    pub module: String,
    /// The plugin's configuration.
    pub configuration: Bytes,
    /// The VM's configuration, on platforms that have one.
    pub vm_configuration: Bytes,
    /// Properties of the request: path, with dots, and value.
    pub properties: Vec<(String, Bytes)>,
    /// Names of upstreams that callouts can reach.
    pub upstreams: Vec<Bytes>,
    /// Foreign functions that the host offers, and what each gives.
    pub foreign: Vec<(Bytes, Bytes)>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// Something that happens. The headers of events are as they are on the wire.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The VM is made, started and configured.
    Start,
    /// A stream begins.
    Open,
    /// The request's headers come.
    RequestHeaders {
        /// The headers.
        headers: Headers,
        /// Whether nothing follows.
        #[serde(default)]
        end: bool,
    },
    /// A chunk of the request's body comes.
    RequestBody {
        /// The chunk.
        body: Bytes,
        /// Whether nothing follows.
        #[serde(default)]
        end: bool,
    },
    /// The request's trailers come.
    RequestTrailers {
        /// The trailers.
        headers: Headers,
    },
    /// The response's headers come.
    ResponseHeaders {
        /// The headers.
        headers: Headers,
        /// Whether nothing follows.
        #[serde(default)]
        end: bool,
    },
    /// A chunk of the response's body comes.
    ResponseBody {
        /// The chunk.
        body: Bytes,
        /// Whether nothing follows.
        #[serde(default)]
        end: bool,
    },
    /// The response's trailers come.
    ResponseTrailers {
        /// The trailers.
        headers: Headers,
    },
    /// So many milliseconds pass, and what is due is done: ticks, and queues with new items.
    Wait {
        /// The milliseconds.
        ms: u64,
    },
    /// An HTTP callout is answered.
    HttpCallResponse {
        /// Which, counted from 1 in the order of dispatch, gRPC included.
        call: usize,
        /// The response's headers.
        headers: Headers,
        /// Its body.
        #[serde(default)]
        body: Bytes,
        /// Its trailers.
        #[serde(default)]
        trailers: Headers,
    },
    /// An HTTP callout fails.
    HttpCallFailure {
        /// Which.
        call: usize,
    },
    /// Initial metadata comes on a gRPC callout.
    GrpcInitialMetadata {
        /// Which.
        call: usize,
        /// The metadata.
        headers: Headers,
    },
    /// A message comes on a gRPC callout.
    GrpcMessage {
        /// Which.
        call: usize,
        /// The message.
        body: Bytes,
    },
    /// Trailing metadata comes on a gRPC callout.
    GrpcTrailingMetadata {
        /// Which.
        call: usize,
        /// The metadata.
        headers: Headers,
    },
    /// A gRPC callout ends.
    GrpcClose {
        /// Which.
        call: usize,
        /// The gRPC status.
        code: u32,
        /// The status message.
        message: Bytes,
    },
    /// The host calls a foreign function of the guest.
    ForeignFunction {
        /// Its number.
        function: u32,
        /// Its arguments.
        body: Bytes,
    },
    /// The stream ends.
    Close,
    /// The plugin ends.
    Stop,
}

/// Something that the host let the world see, in answer to an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Observation {
    /// A log message.
    Log {
        /// `trace`, `debug`, `info`, `warn`, `error` or `critical`.
        level: String,
        /// The message.
        text: Bytes,
    },
    /// The plugin failed: it trapped, overran a limit, or refused its configuration.
    Failed,
    /// The request's headers went on.
    RequestHeaders {
        /// The headers.
        headers: Headers,
        /// Whether nothing follows.
        end: bool,
    },
    /// A chunk of the request's body went on.
    RequestBody {
        /// The chunk.
        body: Bytes,
        /// Whether nothing follows.
        end: bool,
    },
    /// The request's trailers went on.
    RequestTrailers {
        /// The trailers.
        headers: Headers,
    },
    /// The response's headers went on.
    ResponseHeaders {
        /// The headers.
        headers: Headers,
        /// Whether nothing follows.
        end: bool,
    },
    /// A chunk of the response's body went on.
    ResponseBody {
        /// The chunk.
        body: Bytes,
        /// Whether nothing follows.
        end: bool,
    },
    /// The response's trailers went on.
    ResponseTrailers {
        /// The trailers.
        headers: Headers,
    },
    /// The plugin's own response went out.
    Reply {
        /// The HTTP status.
        status: u32,
        /// The headers that the plugin gave.
        headers: Headers,
        /// The body.
        body: Bytes,
        /// The gRPC status, −1 for none.
        grpc_status: i32,
        /// The reason for access logs.
        details: Bytes,
    },
    /// The client got an empty response of this status, because the plugin failed.
    Fail {
        /// The HTTP status.
        status: u32,
    },
    /// The stream was reset.
    Reset,
    /// An HTTP callout went out.
    HttpCall {
        /// The upstream's name.
        upstream: Bytes,
        /// Headers.
        headers: Headers,
        /// The body.
        body: Bytes,
        /// Trailers.
        trailers: Headers,
        /// The timeout.
        timeout_ms: u32,
    },
    /// A gRPC call went out.
    GrpcCall {
        /// The upstream.
        upstream: Bytes,
        /// The service.
        service: Bytes,
        /// The method.
        method: Bytes,
        /// Initial metadata.
        headers: Headers,
        /// The message.
        body: Bytes,
        /// The timeout.
        timeout_ms: u32,
    },
    /// A gRPC stream was opened.
    GrpcStream {
        /// The upstream.
        upstream: Bytes,
        /// The service.
        service: Bytes,
        /// The method.
        method: Bytes,
        /// Initial metadata.
        headers: Headers,
    },
    /// A message went out on a gRPC stream.
    GrpcSend {
        /// Which callout, counted from 1.
        call: usize,
        /// The message.
        body: Bytes,
        /// Whether it is the last.
        end: bool,
    },
    /// A gRPC callout was closed.
    GrpcClose {
        /// Which.
        call: usize,
    },
    /// A gRPC callout was cancelled.
    GrpcCancel {
        /// Which.
        call: usize,
    },
}

/// A host that can be run against the kit.
pub trait Host {
    /// Runs a case: what was observed after each event, in order.
    ///
    /// # Errors
    /// A text, when the host could not be run at all; what a guest does is never an error.
    fn run(&mut self, run: &Run) -> Result<Vec<Vec<Observation>>, String>;
}
