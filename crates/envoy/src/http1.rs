//! HTTP/1 messages as bytes: written as a case says, and read from what Envoy sent.

use gatewright_host::HeaderMap;

/// A message as one side saw it, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Pseudo-headers first (`:method`, `:path`, `:authority`, or `:status`), then the fields, as
    /// they stood, names in lower case.
    pub headers: HeaderMap,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// Whether it came to its end.
    pub complete: bool,
}

/// What ends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// Reads a request. `None` while its head is not whole.
pub(crate) fn request(bytes: &[u8]) -> Option<Seen> {
    let (first, mut fields, rest) = head(bytes)?;
    let mut words = first.splitn(3, |byte| *byte == b' ');
    let mut seen = Seen::default();
    seen.headers.append(b":method", words.next()?);
    seen.headers.append(b":path", words.next()?);
    if let Some(host) = fields.get(b"host").map(<[u8]>::to_vec) {
        seen.headers.append(b":authority", &host);
        fields.remove(b"host");
    }
    let body = match framing(&fields) {
        Body::UntilClose => Body::None,
        other => other,
    };
    seen.headers.extend(&fields);
    read_body(&mut seen, body, rest, false);
    Some(seen)
}

/// Reads a response. `None` while its head is not whole. Interim responses are passed over.
pub(crate) fn response(bytes: &[u8], to_head: bool, closed: bool) -> Option<Seen> {
    let (first, fields, rest) = head(bytes)?;
    let status = first.split(|byte| *byte == b' ').nth(1)?;
    if status.starts_with(b"1") {
        return response(rest, to_head, closed);
    }
    let mut seen = Seen::default();
    seen.headers.append(b":status", status);
    let body = if to_head || !carries_body(status) {
        Body::None
    } else {
        framing(&fields)
    };
    seen.headers.extend(&fields);
    read_body(&mut seen, body, rest, closed);
    Some(seen)
}

/// Whether a response of this status has a body when it is not one to `HEAD`.
pub(crate) fn carries_body(status: &[u8]) -> bool {
    !matches!(status, b"204" | b"304") && !status.starts_with(b"1")
}

/// The first line, the fields, and what follows.
fn head(bytes: &[u8]) -> Option<(&[u8], HeaderMap, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
    let first_end = find_line_end(head).unwrap_or(head.len());
    let (first, lines) = (&head[..first_end], head.get(first_end + 2..).unwrap_or(b""));
    Some((first, fields(lines), rest))
}

fn find_line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|two| two == b"\r\n")
}

fn fields(mut lines: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    while !lines.is_empty() {
        let end = find_line_end(lines).unwrap_or(lines.len());
        let line = &lines[..end];
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let name = line[..colon].to_ascii_lowercase();
            map.append(&name, line[colon + 1..].trim_ascii());
        }
        lines = lines.get(end + 2..).unwrap_or(b"");
    }
    map
}

fn framing(fields: &HeaderMap) -> Body {
    if fields
        .get(b"transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"))
    {
        return Body::Chunked;
    }
    match fields.get(b"content-length").map(number) {
        Some(Some(length)) => Body::Length(length),
        _ => Body::UntilClose,
    }
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn read_body(seen: &mut Seen, body: Body, rest: &[u8], closed: bool) {
    match body {
        Body::None => seen.complete = true,
        Body::Length(length) => {
            seen.body = rest[..length.min(rest.len())].to_vec();
            seen.complete = rest.len() >= length;
        }
        Body::UntilClose => {
            seen.body = rest.to_vec();
            seen.complete = closed;
        }
        Body::Chunked => {
            // What is not whole yet leaves `complete` as it is.
            let _ = read_chunks(seen, rest);
        }
    }
}

fn read_chunks(seen: &mut Seen, mut rest: &[u8]) -> Option<()> {
    loop {
        let end = find_line_end(rest)?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        let chunk = rest.get(..size.min(rest.len()))?;
        seen.body.extend_from_slice(chunk);
        rest = rest.get(size + 2..)?;
    }
    if !rest.starts_with(b"\r\n") {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
        seen.trailers = fields(&rest[..end]);
    }
    seen.complete = true;
    Some(())
}

/// Writes the lines of fields, pseudo-headers left out.
pub(crate) fn write_fields(map: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes one chunk; none for no bytes, since that would be the end.
pub(crate) fn write_chunk(chunk: &[u8], out: &mut Vec<u8>) {
    if !chunk.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(map: &HeaderMap) -> Vec<String> {
        map.iter()
            .map(|(name, value)| {
                format!(
                    "{}={}",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(value)
                )
            })
            .collect()
    }

    #[test]
    fn a_request_is_read_as_far_as_it_came() {
        let text = b"POST /a?b HTTP/1.1\r\nhost: h\r\nX-A: 1\r\nx-a:\r\ntransfer-encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2;x\r\nde\r\n0\r\nx-t: 1\r\n\r\n";
        let seen = request(text).expect("a head");
        assert_eq!(
            lines(&seen.headers),
            [
                ":method=POST",
                ":path=/a?b",
                ":authority=h",
                "x-a=1",
                "x-a=",
                "transfer-encoding=chunked"
            ]
        );
        assert_eq!((&seen.body[..], seen.complete), (&b"abcde"[..], true));
        assert_eq!(lines(&seen.trailers), ["x-t=1"]);
        for cut in 0..text.len() {
            let seen = request(&text[..cut]);
            assert!(seen.is_none_or(|seen| !seen.complete), "cut at {cut}");
        }
    }

    fn check_response(text: &str, to_head: bool, closed: bool, body: &str, complete: bool) {
        let seen = response(text.as_bytes(), to_head, closed).expect("a head");
        assert_eq!((&seen.body[..], seen.complete), (body.as_bytes(), complete));
    }

    #[test]
    fn a_response_ends_where_its_head_says() {
        check_response(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
            false,
            false,
            "ab",
            true,
        );
        check_response(
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
            false,
            true,
            "ab",
            false,
        );
        check_response(
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n",
            true,
            false,
            "",
            true,
        );
        check_response(
            "HTTP/1.1 304 N\r\ncontent-length: 3\r\n\r\n",
            false,
            false,
            "",
            true,
        );
        check_response("HTTP/1.0 200 OK\r\n\r\nab", false, false, "ab", false);
        check_response("HTTP/1.0 200 OK\r\n\r\nab", false, true, "ab", true);
        check_response(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            false,
            false,
            "",
            true,
        );
        assert!(response(b"HTTP/1.1 100 Continue\r\n\r\n", false, false).is_none());
    }
}
