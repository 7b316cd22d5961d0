//! `HMAC timestamp:hex(HMAC(method, path, timestamp))` in `Authorization`.

use super::{Denied, MAX_TOKEN, denied, number};
use crate::mac::Mac;
use core::time::Duration;
use gatewright::HeaderList;

/// The header's settings.
#[derive(Debug)]
pub(crate) struct Header {
    /// How far a timestamp may be from now, on either side.
    pub(crate) validity: u64,
    /// What stands between the method, the path and the timestamp where they are signed.
    pub(crate) separator: String,
}

impl Header {
    pub(crate) fn check(
        &self,
        mac: &Mac,
        headers: &mut HeaderList,
        now: Duration,
    ) -> Result<(), Denied> {
        let mut values = headers.get_all("authorization");
        let value = match (values.next(), values.next()) {
            (None | Some(b""), _) => return denied(401, "Missing Authorization header"),
            (Some(value), None) if value.len() <= MAX_TOKEN => value,
            _ => return denied(400, "Invalid Authorization header"),
        };
        let token = match value.split_at_checked(5) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"HMAC ") => token.trim_ascii(),
            _ => return denied(400, "Invalid Authorization scheme. Use 'HMAC'"),
        };
        let Some(colon) = token.iter().position(|byte| *byte == b':') else {
            return denied(400, "Invalid token format: expected 'timestamp:hmac'");
        };
        let (timestamp, hash) = token.split_at(colon);
        let Some(seconds) = number(timestamp) else {
            return denied(400, "Invalid timestamp");
        };
        if now.as_secs().abs_diff(seconds) > self.validity {
            return denied(403, "Token expired");
        }
        let (Some(method), Some(path)) = (headers.get(":method"), headers.get(":path")) else {
            return denied(400, "Missing required headers");
        };
        let between = self.separator.as_bytes();
        let message = [method, between, path, between, timestamp];
        if !mac.verify(&message, hash.get(1..).unwrap_or_default()) {
            return denied(403, "Invalid HMAC");
        }
        Ok(())
    }
}
