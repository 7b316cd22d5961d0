//! `base64url(payload).base64url(hex(HMAC(payload)))` in a cookie, where the payload is the client's
//! address and, after a comma, the nanoseconds since the epoch at which the cookie ends.

use super::{Denied, MAX_TOKEN, denied, number};
use crate::mac::Mac;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::net::IpAddr;
use core::time::Duration;
use gatewright::HeaderList;

/// The cookie's settings.
#[derive(Debug)]
pub(crate) struct Cookie {
    pub(crate) name: String,
}

impl Cookie {
    pub(crate) fn check(
        &self,
        mac: &Mac,
        headers: &mut HeaderList,
        now: Duration,
    ) -> Result<(), Denied> {
        let Some(client) = client_address(headers) else {
            return denied(403, "Access forbidden - missing client IP.");
        };
        let cookies = headers.cookies();
        let Some(cookie) = cookies.get(&self.name) else {
            return denied(403, "Access forbidden - missing HMAC cookie.");
        };
        let Some((payload, hash)) = parse(cookie) else {
            return denied(403, "Access forbidden - invalid HMAC cookie.");
        };
        // The hash comes first: nothing is learnt from a payload that is not ours.
        if !mac.verify(&[&payload], &hash) {
            return denied(403, "Access forbidden - invalid HMAC hash.");
        }
        let Some((address, end)) = split(&payload) else {
            return denied(403, "Access forbidden - invalid HMAC cookie.");
        };
        if address != client {
            return denied(403, "Access forbidden - invalid client IP.");
        }
        if now.as_nanos() >= u128::from(end) {
            return denied(403, "Access forbidden - hash expired.");
        }
        Ok(())
    }
}

/// Both parts, decoded.
fn parse(cookie: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if cookie.len() > MAX_TOKEN {
        return None;
    }
    let (payload, hash) = core::str::from_utf8(cookie).ok()?.split_once('.')?;
    let decode = |text| Base64UrlUnpadded::decode_vec(text).ok();
    Some((decode(payload)?, decode(hash)?))
}

fn split(payload: &[u8]) -> Option<(IpAddr, u64)> {
    let at = payload.iter().position(|byte| *byte == b',')?;
    let (address, end) = payload.split_at(at);
    Some((parse_address(address)?, number(end.get(1..)?)?))
}

/// The client as the load balancer saw it. Google's appends `client, load-balancer` to what the
/// client itself may have sent, so the last entry but one is the only one that cannot be forged.
fn client_address(headers: &HeaderList) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").last()?;
    let mut entries = value.rsplit(|byte| *byte == b',');
    entries.next()?;
    parse_address(entries.next()?)
}

fn parse_address(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}
