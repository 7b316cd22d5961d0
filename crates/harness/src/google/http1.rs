//! Headers written as an HTTP/1 message, as the tester reads them.

use gatewright_host::HeaderMap;

/// Reads the head of a request or a response. Lines may end in LF; what is no head is an error.
pub(super) fn read(text: &[u8], is_request: bool) -> Result<HeaderMap, String> {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // Empty lines before the first one are passed over, as servers do.
    let first = lines
        .by_ref()
        .find(|line| !line.is_empty())
        .ok_or("there is no first line")?;
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = fields
                .last_mut()
                .ok_or("the first header continues nothing")?;
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .filter(|colon| *colon > 0)
            .ok_or_else(|| format!("`{}` is no header", crate::text::shown(line)))?;
        let (name, value) = line.split_at(colon);
        if name.iter().any(u8::is_ascii_whitespace) {
            return Err(format!("`{}` is no header name", crate::text::shown(name)));
        }
        fields.push((name.to_ascii_lowercase(), value[1..].trim_ascii().to_vec()));
    }
    let mut headers = HeaderMap::new();
    let mut words = first
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    let (one, two) = words
        .next()
        .zip(words.next())
        .ok_or_else(|| format!("`{}` is no first line", crate::text::shown(first)))?;
    if is_request {
        if words.next().is_none_or(|word| !word.starts_with(b"HTTP/")) {
            return Err(format!(
                "`{}` is no request line: `GET / HTTP/1.1` is one",
                crate::text::shown(first)
            ));
        }
        headers.append(b":method", one);
        let path = target(two, &mut headers);
        headers.append(b":path", path);
        if !headers.contains(b":authority")
            && let Some((_, host)) = fields.iter().find(|(name, _)| name == b"host")
        {
            headers.append(b":authority", host);
        }
        fields.retain(|(name, _)| name != b"host");
    } else {
        if !one.starts_with(b"HTTP/") {
            return Err(format!(
                "`{}` is no status line: `HTTP/1.1 200 OK` is one",
                crate::text::shown(first)
            ));
        }
        if two.len() != 3 || !two.iter().all(u8::is_ascii_digit) {
            return Err(format!("`{}` is no status", crate::text::shown(two)));
        }
        headers.append(b":status", two);
    }
    headers.extend(fields);
    Ok(headers)
}

/// The path of a request's target. One with a scheme gives scheme and authority too.
fn target<'a>(target: &'a [u8], headers: &mut HeaderMap) -> &'a [u8] {
    let Some(at) = target.windows(3).position(|window| window == b"://") else {
        return target;
    };
    if target.starts_with(b"/") {
        return target;
    }
    headers.append(b":scheme", &target[..at]);
    let rest = &target[at + 3..];
    let slash = rest.iter().position(|byte| *byte == b'/');
    let (authority, path) = rest.split_at(slash.unwrap_or(rest.len()));
    headers.append(b":authority", authority);
    if path.is_empty() { b"/" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_request: bool, expected: &[(&str, &str)]) {
        let expected: HeaderMap = expected.iter().copied().collect();
        assert_eq!(read(text.as_bytes(), is_request).unwrap(), expected);
    }

    #[test]
    fn a_request_gives_its_pseudo_headers_and_loses_host() {
        check(
            "GET /a?b HTTP/1.1\nHost: example.com\r\nX-A:  1 \n\n",
            true,
            &[
                (":method", "GET"),
                (":path", "/a?b"),
                (":authority", "example.com"),
                ("x-a", "1"),
            ],
        );
        check(
            "GET http://other.com HTTP/1.1\nhost: example.com",
            true,
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "other.com"),
                (":path", "/"),
            ],
        );
    }

    #[test]
    fn a_response_gives_its_status() {
        check(
            "HTTP/1.1 404 Not Found\nA: 1\nA: 2\n\nbody",
            false,
            &[(":status", "404"), ("a", "1"), ("a", "2")],
        );
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (text, is_request) in [
            ("", true),
            ("GET /", true),
            ("GET / HTTP/1.1\nno header", true),
            ("GET / HTTP/1.1\n: x", true),
            ("HTTP/1.1 abc OK", false),
            ("GET / HTTP/1.1", false),
        ] {
            assert!(read(text.as_bytes(), is_request).is_err(), "{text}");
        }
    }
}
