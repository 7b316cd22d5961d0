//! Callouts: requests that plugins send to other services, and what comes back.

use crate::headers::HeaderMap;

/// A callout, as its plugin dispatched it. The embedder carries it out and hands back what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// The plugin's place in its chain, from 0.
    pub plugin: usize,
    /// The number by which what comes back is told apart from that of other callouts.
    pub token: u32,
    /// What is asked.
    pub kind: CalloutKind,
}

/// What a plugin asks of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CalloutKind {
    /// An HTTP request. It ends with one response, or with none.
    Http {
        /// The upstream's name.
        upstream: Vec<u8>,
        /// Headers, pseudo-headers included.
        headers: HeaderMap,
        /// The body.
        body: Vec<u8>,
        /// Trailers.
        trailers: HeaderMap,
        /// Milliseconds until it fails; 0 for never.
        timeout_ms: u32,
    },
    /// A gRPC call with one message each way.
    GrpcCall {
        /// The upstream, by its name or an encoded description.
        upstream: Vec<u8>,
        /// The service's full name.
        service: Vec<u8>,
        /// The method's name.
        method: Vec<u8>,
        /// Initial metadata.
        metadata: HeaderMap,
        /// The message.
        message: Vec<u8>,
        /// Milliseconds until it fails; 0 for never.
        timeout_ms: u32,
    },
    /// A gRPC stream.
    GrpcStream {
        /// The upstream, by its name or an encoded description.
        upstream: Vec<u8>,
        /// The service's full name.
        service: Vec<u8>,
        /// The method's name.
        method: Vec<u8>,
        /// Initial metadata.
        metadata: HeaderMap,
    },
    /// A message on a gRPC stream.
    GrpcSend {
        /// The message.
        message: Vec<u8>,
        /// Whether it is the last.
        end_of_stream: bool,
    },
    /// The end of a gRPC call or stream, orderly.
    GrpcClose,
    /// The end of a gRPC call or stream, at once.
    GrpcCancel,
}

/// The response to an HTTP callout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalloutResponse {
    /// Headers, `:status` included.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: HeaderMap,
}

/// Something that comes in on a gRPC call or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrpcEvent {
    /// Initial metadata.
    InitialMetadata(HeaderMap),
    /// A message.
    Message(Vec<u8>),
    /// Trailing metadata.
    TrailingMetadata(HeaderMap),
    /// The end, with its status and the status message.
    Close(u32, Vec<u8>),
}

/// What the callback that runs may read of a callout.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// By the last four numbers of the map types.
    pub(crate) maps: [Option<HeaderMap>; 4],
    pub(crate) http_body: Option<Vec<u8>>,
    pub(crate) grpc_message: Option<Vec<u8>>,
    pub(crate) call_data: Option<Vec<u8>>,
    pub(crate) status: (u32, Vec<u8>),
}

/// Numbers for a VM's callouts, and those that are open.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    last_http: u32,
    last_grpc: u32,
    open_grpc: Vec<u32>,
}

impl Tokens {
    pub(crate) fn http(&mut self) -> u32 {
        self.last_http = self.last_http.wrapping_add(1).max(1);
        self.last_http
    }

    /// Calls have odd numbers and streams even ones, as in Envoy.
    pub(crate) fn grpc(&mut self, stream: bool) -> u32 {
        let mut token = self.last_grpc.wrapping_add(1).max(1);
        if token.is_multiple_of(2) != stream {
            token = token.wrapping_add(1).max(if stream { 2 } else { 1 });
        }
        self.last_grpc = token;
        self.open_grpc.push(token);
        token
    }

    pub(crate) fn is_open(&self, token: u32) -> bool {
        self.open_grpc.contains(&token)
    }

    pub(crate) fn close(&mut self, token: u32) {
        self.open_grpc.retain(|open| *open != token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_odd_and_streams_even() {
        let mut tokens = Tokens::default();
        assert_eq!(
            (tokens.grpc(false), tokens.grpc(false), tokens.grpc(true)),
            (1, 3, 4)
        );
        assert_eq!((tokens.grpc(true), tokens.grpc(false)), (6, 7));
        assert!(tokens.is_open(4));
        tokens.close(4);
        assert!(!tokens.is_open(4));
    }
}
