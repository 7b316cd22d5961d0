//! What clients and upstreams may take of the gateway: options, each with a safe default.

use std::time::Duration;

/// Limits of connections and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from the first byte of a request's head to its last, then 408.
    pub head_timeout: Duration,
    /// Time between two parts of a request's body, then 408 or a reset.
    pub body_timeout: Duration,
    /// Time that a connection without a request is kept. The load balancer's is 610 s.
    pub idle_timeout: Duration,
    /// Time that a client may take none of the bytes that wait for it.
    pub write_timeout: Duration,
    /// Time to shake hands over TLS.
    pub handshake_timeout: Duration,
    /// Time until an upstream is connected to, then 502.
    pub connect_timeout: Duration,
    /// Time until an upstream begins its response, then 504. The load balancer's is 30 s.
    pub upstream_timeout: Duration,
    /// Bytes of a request's or a response's head, then 431. The load balancer's limit is 64 KiB.
    pub head_bytes: usize,
    /// Header fields of a message, then 431.
    pub head_fields: usize,
    /// Connections of one worker; more wait until one ends.
    pub connections: usize,
    /// Streams of an HTTP/2 connection at a time.
    pub concurrent_streams: u32,
    /// Streams that an HTTP/2 client may have begun and reset before it is cut off.
    pub pending_resets: usize,
    /// Idle connections that a worker keeps to one upstream.
    pub idle_upstreams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(610),
            write_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            upstream_timeout: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            head_fields: 256,
            connections: 16 * 1024,
            concurrent_streams: 100,
            pending_resets: 20,
            idle_upstreams: 1024,
        }
    }
}
