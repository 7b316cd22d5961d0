//! What a header's name and value may be, for configurations that name headers.

/// Whether this is the name of a header that may come and go: a token of RFC 9110, section 5.6.2.
/// Pseudo-headers are none.
///
/// ```
/// use gatewright::is_header_name;
///
/// assert!(is_header_name("x-request-id"));
/// assert!(!is_header_name(":path") && !is_header_name("x y") && !is_header_name(""));
/// ```
pub fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether a header may have this value: no control characters but the tab, since a line break
/// would end the header and begin another.
///
/// ```
/// use gatewright::is_header_value;
///
/// assert!(is_header_value("text/html; charset=utf-8") && is_header_value(""));
/// assert!(!is_header_value("1\r\nx-admin: 1"));
/// ```
pub fn is_header_value(value: impl AsRef<[u8]>) -> bool {
    let breaks = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    !value.as_ref().iter().any(breaks)
}
