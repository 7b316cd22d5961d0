//! `hex(HMAC(path))` in a parameter of the query, where the path is that of the request with its
//! query and without the parameter.

use super::{Denied, MAX_TOKEN, denied, number};
use crate::mac::Mac;
use core::time::Duration;
use gatewright::{HeaderList, PathAndQuery};

/// The query's settings.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) parameter: String,
    /// The parameter with the second since the epoch at which the URL ends; it is part of what is
    /// signed.
    pub(crate) expires: Option<String>,
}

impl Query {
    pub(crate) fn check(
        &self,
        mac: &Mac,
        headers: &mut HeaderList,
        now: Duration,
    ) -> Result<(), Denied> {
        let path = PathAndQuery::from(headers.get(":path").unwrap_or_default());
        if !is_well_formed(path.as_bytes()) {
            return denied(400, "Bad request - invalid path.");
        }
        let tokens: Vec<Vec<u8>> = path
            .param_all(&self.parameter)
            .map(|token| token.into_owned())
            .collect();
        let token = match tokens.as_slice() {
            [] => return denied(403, "Access forbidden - missing token."),
            [token] if token.len() <= MAX_TOKEN => token,
            _ => return denied(403, "Access forbidden - invalid token."),
        };
        let mut stripped = path.clone();
        stripped.remove_param(&self.parameter);
        if !mac.verify(&[stripped.as_bytes()], token) {
            return denied(403, "Access forbidden - invalid token.");
        }
        if let Some(parameter) = &self.expires {
            let mut ends = stripped.param_all(parameter);
            let end = ends.next().and_then(|end| number(&end));
            // Two would be two meanings of one signature.
            if ends.next().is_some() || end.is_none_or(|end| now.as_secs() >= end) {
                return denied(403, "Access forbidden - token expired.");
            }
        }
        headers.set(":path", stripped);
        Ok(())
    }
}

/// The characters of RFC 3986, and two digits after each percent sign.
fn is_well_formed(path: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(byte);
    path.starts_with(b"/")
        && path.iter().all(fits)
        && path.split(|byte| *byte == b'%').skip(1).all(|after| {
            matches!(after, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
        })
}
