//! Tokens of Media CDN with a shared secret: a pure function of a URL and the time.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::rc::Rc;

/// A key by its name, and how long its tokens are good.
#[derive(Debug)]
pub(crate) struct Signer {
    hmac: Hmac<Sha256>,
    name: String,
    expiry: u64,
    hosts: Rc<[String]>,
}

impl Signer {
    /// Hosts are in lower case; URLs of every host are signed if there are none.
    pub(crate) fn new(key: &[u8], name: String, expiry: u64, hosts: Vec<String>) -> Option<Self> {
        Some(Self {
            hmac: Hmac::new_from_slice(key).ok()?,
            name,
            expiry,
            hosts: hosts.into(),
        })
    }

    /// What signs in one response.
    pub(crate) fn at(&self, now: u64) -> Stamp {
        let end = now.saturating_add(self.expiry).to_string();
        Stamp {
            hmac: self.hmac.clone(),
            tail: ["~Expires=", &end, "~KeyName=", &self.name].concat(),
            hosts: Rc::clone(&self.hosts),
        }
    }
}

/// A key and the end of what it signs.
#[derive(Debug)]
pub(crate) struct Stamp {
    hmac: Hmac<Sha256>,
    tail: String,
    hosts: Rc<[String]>,
}

impl Stamp {
    /// Whether the URLs of this host are ours. A token in the URL of another would be told to
    /// whoever runs it.
    fn is_ours(&self, url: &[u8]) -> bool {
        if self.hosts.is_empty() {
            return true;
        }
        let rest = url
            .splitn(3, |byte| *byte == b'/')
            .nth(2)
            .unwrap_or_default();
        let is_end = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'\\');
        let authority = rest.split(is_end).next().unwrap_or_default();
        let host = authority
            .rsplit(|byte| *byte == b'@')
            .next()
            .unwrap_or_default();
        let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
        self.hosts
            .iter()
            .any(|ours| host.eq_ignore_ascii_case(ours.as_bytes()))
    }

    /// `Edge-Cache-Token=...` for a URL; none if it is not ours.
    pub(crate) fn token(&self, url: &[u8]) -> Option<String> {
        if !self.is_ours(url) {
            return None;
        }
        let prefix = Base64UrlUnpadded::encode_string(url);
        let signed = ["URLPrefix=", &prefix, &self.tail].concat();
        let mut hmac = self.hmac.clone();
        hmac.update(signed.as_bytes());
        let mut token = ["Edge-Cache-Token=", &signed, "~hmac="].concat();
        let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
        for byte in hmac.finalize().into_bytes() {
            token.extend([digit(byte >> 4), digit(byte & 15)]);
        }
        Some(token)
    }
}
