//! The three ways to carry an HMAC: pure functions of a request's headers and the time.

mod cookie;
mod header;
mod query;

pub(crate) use cookie::Cookie;
pub(crate) use header::Header;
pub(crate) use query::Query;

/// How requests carry their HMAC.
#[derive(Debug)]
pub(crate) enum Scheme {
    Cookie(Cookie),
    Query(Query),
    Header(Header),
}

/// A request that does not pass, and what its client and the log are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) status: u16,
    pub(crate) text: &'static str,
}

/// What is longer than this is refused before any work is done on it.
const MAX_TOKEN: usize = 1024;

const fn denied(status: u16, text: &'static str) -> Result<(), Denied> {
    Err(Denied { status, text })
}

/// A number in decimal digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}
