//! Which responses are HTML that we can read.

/// Whether a `Content-Type` says HTML in UTF-8, or does not say in what. Bytes in another encoding
/// would be taken for something else.
pub(crate) fn is_html(content_type: &[u8]) -> bool {
    let mut parts = content_type
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii);
    let kind = parts.next().unwrap_or_default();
    let is_html = [&b"text/html"[..], b"application/xhtml+xml"]
        .iter()
        .any(|html| kind.eq_ignore_ascii_case(html));
    is_html
        && parts.all(|parameter| {
            let (name, value) = match parameter.iter().position(|byte| *byte == b'=') {
                Some(at) => parameter.split_at(at),
                None => return true,
            };
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            let is = |label: &[u8]| value.eq_ignore_ascii_case(label);
            !name.trim_ascii().eq_ignore_ascii_case(b"charset")
                || is(b"utf-8")
                || is(b"utf8")
                || is(b"us-ascii")
        })
}
