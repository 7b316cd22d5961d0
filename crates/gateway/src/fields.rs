//! Between the two header maps: that of the HTTP implementation and that of the plugins' host.
//!
//! Most plugins change little, so the way back looks first whether anything changed, and copies
//! nothing if not.

use gatewright_host::HeaderMap as Fields;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, StatusCode};

/// Room for pseudo-headers, in fields and bytes.
const PSEUDO: (usize, usize) = (4, 128);

/// The request's head as plugins see it: pseudo-headers first, then fields in their order.
pub(crate) fn of_request(
    method: &Method,
    scheme: &str,
    authority: &[u8],
    path: &str,
    headers: &HeaderMap,
) -> Fields {
    let mut fields = with_room(headers);
    fields.append(b":method", method.as_str().as_bytes());
    fields.append(b":scheme", scheme.as_bytes());
    fields.append(b":authority", authority);
    fields.append(b":path", path.as_bytes());
    for (name, value) in headers {
        // It is the authority.
        if name != HOST {
            fields.append(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    fields
}

/// The response's head as plugins see it.
pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap) -> Fields {
    let mut fields = with_room(headers);
    fields.append(b":status", status.as_str().as_bytes());
    for (name, value) in headers {
        fields.append(name.as_str().as_bytes(), value.as_bytes());
    }
    fields
}

fn with_room(headers: &HeaderMap) -> Fields {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    // Plugins add a field or two; half as much again spares most of them another allocation.
    Fields::with_capacity(headers.len() + PSEUDO.0 + 4, (bytes + PSEUDO.1) * 3 / 2)
}

/// Whether the fields, pseudo-headers left out, are other than the map's.
pub(crate) fn differ(fields: &Fields, headers: &HeaderMap) -> bool {
    let mut old = headers.iter().filter(|(name, _)| *name != HOST);
    let mut new = fields.iter().filter(|(name, _)| !name.starts_with(b":"));
    loop {
        match (old.next(), new.next()) {
            (None, None) => return false,
            (Some((name, value)), Some((new_name, new_value)))
                if name.as_str().as_bytes() == new_name && value.as_bytes() == new_value => {}
            _ => return true,
        }
    }
}

/// The fields as a map, pseudo-headers left out. What no HTTP message can hold is left out too, and
/// counted.
pub(crate) fn to_map(fields: &Fields) -> (HeaderMap, usize) {
    let mut headers = HeaderMap::with_capacity(fields.len());
    let mut dropped = 0;
    for (name, value) in fields {
        if name.starts_with(b":") {
            continue;
        }
        match (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            _ => dropped += 1,
        }
    }
    (headers, dropped)
}

/// Removes what is for one connection only: the fields of RFC 9110 section 7.6.1, and those that
/// `connection` names. Framing is the HTTP implementation's own affair. Only for heads that no plugin
/// looks at any more, since a removal disturbs the order of what is left.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    // A look at the names costs less than a search for each of these, of which there is mostly none.
    let (mut any, mut named) = (false, false);
    for name in headers.keys() {
        named |= name == CONNECTION;
        any |= name == TRANSFER_ENCODING
            || name == TE
            || name == UPGRADE
            || name == KEEP_ALIVE
            || name == PROXY_CONNECTION;
    }
    if named {
        let names: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            // Naming these would take a message's meaning away.
            .filter(|name| name != HOST && name != CONTENT_LENGTH && name != TRAILER)
            .collect();
        headers.remove(CONNECTION);
        for name in names {
            headers.remove(name);
        }
    }
    if any {
        for name in [TRANSFER_ENCODING, TE, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION] {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_head_goes_to_plugins_and_back() {
        let headers = map(&[
            ("host", "a.test"),
            ("x-a", "1"),
            ("cookie", "a"),
            ("cookie", "b"),
        ]);
        let fields = of_request(&Method::GET, "https", b"a.test", "/x?y", &headers);
        let expected: Fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "a.test"),
            (":path", "/x?y"),
            ("x-a", "1"),
            ("cookie", "a"),
            ("cookie", "b"),
        ]
        .into_iter()
        .collect();
        assert_eq!(fields, expected);
        assert!(!differ(&fields, &headers));
        let (back, dropped) = to_map(&fields);
        assert_eq!((back.len(), dropped), (3, 0));
    }

    #[test]
    fn any_change_shows() {
        let headers = map(&[("x-a", "1"), ("x-b", "2")]);
        let change = |change: &dyn Fn(&mut Fields)| {
            let mut fields = of_response(StatusCode::OK, &headers);
            change(&mut fields);
            differ(&fields, &headers)
        };
        assert!(!change(&|_| {}));
        assert!(change(&|fields| fields.append(b"x-c", b"")));
        assert!(change(&|fields| fields.replace(b"x-a", b"2")));
        assert!(change(&|fields| {
            fields.remove(b"x-b");
        }));
    }

    #[test]
    fn what_no_message_can_hold_is_dropped() {
        let fields: Fields = [("x-a", "line\nbreak"), ("b ad", "1"), ("good", "1")]
            .into_iter()
            .collect();
        let (headers, dropped) = to_map(&fields);
        assert_eq!((headers.len(), dropped), (1, 2));
    }

    #[test]
    fn fields_of_one_connection_stay_there() {
        let mut headers = map(&[
            ("connection", "close, X-Mine,host"),
            ("host", "a.test"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("keep-alive", "timeout=5"),
            ("x-other", "1"),
        ]);
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["host", "x-other"]);
    }
}
