//! Headers of which Envoy has one line: it joins further values to the first.
//!
//! Envoy's header map has a fixed place for the names that it or one of its extensions reads often.
//! The names are those of a stock Envoy 1.40, found by sending it each of the common ones twice.

use gatewright_abi::MapType;

use crate::headers::HeaderMap;

/// In requests, sorted.
const REQUEST: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "authorization",
    "cache-control",
    "cdn-loop",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "proxy-status",
    "referer",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// In responses, sorted.
const RESPONSE: &[&str] = &[
    ":status",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expires",
    "grpc-message",
    "grpc-status",
    "last-modified",
    "location",
    "proxy-status",
    "server",
    "vary",
    "via",
    "x-request-id",
];

/// In trailers of responses, sorted.
const RESPONSE_TRAILERS: &[&str] = &["grpc-message", "grpc-status"];

/// Whether a map has one line for this name, which is in lower case.
fn is_inline(map: MapType, name: &[u8]) -> bool {
    let names = match map {
        MapType::HttpRequestHeaders => REQUEST,
        MapType::HttpResponseHeaders => RESPONSE,
        MapType::HttpResponseTrailers => RESPONSE_TRAILERS,
        _ => return false,
    };
    names
        .binary_search_by(|known| known.as_bytes().cmp(name))
        .is_ok()
}

/// Adds a field as Envoy does: to the line that is there where the name has one, else at the end.
pub(crate) fn add(headers: &mut HeaderMap, map: MapType, name: &[u8], value: &[u8]) {
    let known = headers.get(name).filter(|_| is_inline(map, name));
    let Some(known) = known else {
        insert(headers, name, value);
        return;
    };
    let mut joined = known.to_vec();
    if !joined.is_empty() && !value.is_empty() {
        joined.push(b',');
    }
    joined.extend_from_slice(value);
    headers.replace(name, &joined);
}

/// Sets a field as Envoy does: what is there goes, and the new line comes last.
pub(crate) fn set(headers: &mut HeaderMap, name: &[u8], value: &[u8]) {
    headers.remove(name);
    insert(headers, name, value);
}

/// Pseudo-headers stand before all others.
fn insert(headers: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let is_pseudo = |name: &[u8]| name.starts_with(b":");
    let is_last = || headers.iter().all(|(name, _)| is_pseudo(name));
    if !is_pseudo(name) || is_last() {
        headers.append(name, value);
        return;
    }
    let mut sorted: HeaderMap = headers.iter().filter(|(name, _)| is_pseudo(name)).collect();
    sorted.append(name, value);
    sorted.extend(headers.iter().filter(|(name, _)| !is_pseudo(name)));
    *headers = sorted;
}

/// A map with each field added in turn.
pub(crate) fn settle(headers: &mut HeaderMap, map: MapType) {
    let mut seen_field = false;
    let mut out_of_order = false;
    let mut joins = false;
    for (at, (name, _)) in headers.iter().enumerate() {
        let pseudo = name.starts_with(b":");
        out_of_order |= pseudo && seen_field;
        seen_field |= !pseudo;
        joins |= is_inline(map, name) && headers.iter().take(at).any(|(known, _)| known == name);
    }
    if !joins && !out_of_order {
        return;
    }
    let mut settled = HeaderMap::with_capacity(headers.len(), headers.byte_size());
    for (name, value) in headers.iter() {
        add(&mut settled, map, name, value);
    }
    *headers = settled;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut map: HeaderMap = fields.iter().copied().collect();
        settle(&mut map, MapType::HttpRequestHeaders);
        assert_eq!(map, expected.iter().copied().collect());
    }

    #[test]
    fn names_are_sorted_so_that_they_are_found() {
        for names in [REQUEST, RESPONSE, RESPONSE_TRAILERS] {
            assert!(names.is_sorted());
        }
    }

    #[test]
    fn values_join_in_the_first_line_where_there_is_one_line() {
        check(
            &[("accept", "a"), ("x", "1"), ("accept", "b"), ("x", "2")],
            &[("accept", "a,b"), ("x", "1"), ("x", "2")],
        );
        check(&[("accept", ""), ("accept", "b")], &[("accept", "b")]);
        check(&[("accept", "a"), ("accept", "")], &[("accept", "a")]);
    }

    #[test]
    fn pseudo_headers_come_first() {
        check(
            &[("x", "1"), (":path", "/"), ("y", "2")],
            &[(":path", "/"), ("x", "1"), ("y", "2")],
        );
    }

    #[test]
    fn what_is_set_comes_last_of_its_kind() {
        let mut map: HeaderMap = [(":path", "/"), (":method", "GET"), ("x", "1"), ("y", "2")]
            .into_iter()
            .collect();
        set(&mut map, b"x", b"3");
        set(&mut map, b":path", b"/z");
        let expected = [(":method", "GET"), (":path", "/z"), ("y", "2"), ("x", "3")];
        assert_eq!(map, expected.into_iter().collect());
    }
}
