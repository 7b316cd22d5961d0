//! The decision: a pure function of a header's values.

use std::collections::BTreeSet;

/// Who may pass.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Values that may not pass.
    pub(crate) deny: BTreeSet<String>,
    /// Values that may; if there are any, here or below, no others may.
    pub(crate) allow: BTreeSet<String>,
    /// Hosts, in lower case, whose URLs and those of whose subdomains may pass.
    pub(crate) allow_url_hosts: Vec<String>,
    /// Whether a request without the header may.
    pub(crate) allow_missing: bool,
}

/// What comes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Deny,
    /// Not let through because it has no such header.
    Missing,
}

impl Rules {
    /// Every value must be good.
    pub(crate) fn decide<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Decision {
        let mut missing = true;
        for value in values {
            missing = false;
            if !self.is_good(value) {
                return Decision::Deny;
            }
        }
        if missing && !self.allow_missing {
            return Decision::Missing;
        }
        Decision::Allow
    }

    fn is_good(&self, value: &[u8]) -> bool {
        // A list has text; a value that is none is on no list.
        let text = core::str::from_utf8(value).unwrap_or_default();
        if self.deny.contains(text) {
            return false;
        }
        let is_open = self.allow.is_empty() && self.allow_url_hosts.is_empty();
        is_open
            || self.allow.contains(text)
            || host_of(text).is_some_and(|host| {
                self.allow_url_hosts.iter().any(|allowed| {
                    let sub = host.strip_suffix(allowed.as_str());
                    sub.is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
                })
            })
    }
}

/// The host of a URL, in lower case. It is what a browser would connect to: after the last `@`, before
/// a port, a path, a query or a fragment.
fn host_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    // A backslash is a slash to browsers.
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?;
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}
