//! TLS towards backends: whoever runs one makes a certificate himself, and nobody looks at it. Why
//! stands where callouts, which are backends too, are spoken to.

use gatewright_callout::tls::unverified;
use tokio_rustls::TlsConnector;

/// Begins TLS with backends; nothing if the provider lacks what that needs.
pub(crate) fn connector(http2: bool) -> Option<TlsConnector> {
    let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
    Some(TlsConnector::from(unverified(protocol).ok()?))
}
