//! A response that a plugin makes itself.

use crate::headers::HeaderMap;

/// What a plugin handed to `proxy_send_local_response`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status code.
    pub status: u32,
    /// Headers in the plugin's order, without `:status`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, −1 for none.
    pub grpc_status: i32,
    /// The reason for access logs, often empty.
    pub details: Vec<u8>,
}
