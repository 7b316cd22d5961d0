//! Values that are not to be seen by whoever looks over a shoulder.

use crate::text;

/// Headers whose values are secrets.
pub const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
    "x-goog-api-key",
    "x-goog-iap-jwt-assertion",
    "x-serverless-authorization",
];

/// Whether the values of a header of this name are secrets.
pub(crate) fn is_secret(name: &[u8]) -> bool {
    SECRET_HEADERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

/// The last part of a property's path; all of what is none.
pub(crate) fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == 0).next().unwrap_or(path)
}

/// What is shown in place of a secret.
pub(crate) fn hidden(value: &[u8]) -> String {
    format!("••• ({} hidden)", text::bytes(value.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        assert!(is_secret(b"Authorization") && is_secret(b"set-cookie"));
        assert!(!is_secret(b"accept"));
        assert!(is_secret(last(b"request\0headers\0cookie")));
        assert_eq!(hidden(b"abc"), "••• (3 bytes hidden)");
    }
}
