//! What stands between the wire and a plugin in Envoy: its HTTP/1 codec and connection manager.
//!
//! The emulator begins where the first plugin does. So that both engines are told the same, what
//! Envoy does to a message before that is done here, and only what it does to every message.

use gatewright_host::HeaderMap;

/// The pseudo-headers of a request, in the order in which Envoy has them.
pub(crate) const PSEUDO: [&[u8]; 4] = [b":authority", b":path", b":method", b":scheme"];

/// Fields that HTTP/1 gives a meaning for one connection, or that steer a proxy. Envoy takes them
/// out, acts on them or answers itself.
const HOP: &[&str] = &[
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-client-cert",
];

/// Whether a field is the connection's or the proxy's own.
pub(crate) fn is_hop(name: &[u8]) -> bool {
    HOP.iter()
        .any(|hop| name.eq_ignore_ascii_case(hop.as_bytes()))
        || name
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"x-envoy-"))
}

/// Names in lower case and values without white space around them, as the codec reads them.
fn read(map: &HeaderMap) -> HeaderMap {
    map.iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_ascii()))
        .collect()
}

/// A request as the first plugin sees it: `host` is `:authority` and comes first, and the
/// connection manager says by which protocol the request came.
pub(crate) fn request(sent: &HeaderMap) -> HeaderMap {
    let sent = read(sent);
    let scheme = sent.get(b"x-forwarded-proto").unwrap_or(b"http");
    let mut map = HeaderMap::new();
    for name in PSEUDO {
        let value = match name {
            b":scheme" => scheme,
            _ => sent.get(name).unwrap_or_default(),
        };
        map.append(name, value);
    }
    map.extend(sent.iter().filter(|(name, _)| !name.starts_with(b":")));
    if !sent.contains(b"x-forwarded-proto") {
        map.append(b"x-forwarded-proto", b"http");
    }
    map
}

/// A response as the first plugin sees it.
pub(crate) fn response(sent: &HeaderMap) -> HeaderMap {
    read(sent)
}

/// Trailers as the first plugin sees them.
pub(crate) fn trailers(sent: &HeaderMap) -> HeaderMap {
    read(sent)
}

/// A message with what only its connection is about taken off: framing, the date, and a length
/// that says nothing new. Both engines' messages are compared without these.
pub(crate) fn essence(headers: &HeaderMap, body: Option<usize>) -> HeaderMap {
    let length = body.map(|length| length.to_string());
    headers
        .iter()
        .filter(|(name, value)| match *name {
            b"connection" | b"date" | b"keep-alive" | b"proxy-connection" | b"server"
            | b"transfer-encoding" | b":scheme" => false,
            name if name.starts_with(b"x-envoy-") => false,
            b"content-length" => length.as_deref().map(str::as_bytes) != Some(*value),
            _ => true,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().copied().collect()
    }

    #[test]
    fn a_request_gets_envoys_order_and_protocol() {
        let sent = map(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "h"),
            (":path", "/"),
            ("X-A", " 1\t"),
        ]);
        let expected = map(&[
            (":authority", "h"),
            (":path", "/"),
            (":method", "GET"),
            (":scheme", "http"),
            ("x-a", "1"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(request(&sent), expected);
    }

    #[test]
    fn a_length_is_kept_where_it_says_something() {
        let headers = map(&[("content-length", "3"), ("date", "now"), ("a", "b")]);
        assert_eq!(essence(&headers, Some(3)), map(&[("a", "b")]));
        let kept = map(&[("content-length", "3"), ("a", "b")]);
        assert_eq!(essence(&headers, Some(2)), kept);
        assert_eq!(essence(&headers, None), kept);
    }

    #[test]
    fn the_proxys_own_fields_are_known() {
        assert!(is_hop(b"X-Envoy-Max-Retries") && is_hop(b"Connection") && !is_hop(b"x-envoy"));
    }
}
