//! The keyed hash. What a client sent is only ever compared in constant time.

use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use serde::Deserialize;
use sha2::Sha256;

/// The hash below the HMAC.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hash {
    #[default]
    Sha256,
    /// For clients that know no other: HMAC-MD5 is not broken, but nobody should choose it.
    Md5,
}

/// A secret, ready to compute with.
#[derive(Debug)]
pub(crate) enum Mac {
    Sha256(Box<Hmac<Sha256>>),
    Md5(Box<Hmac<Md5>>),
}

impl Mac {
    pub(crate) fn new(hash: Hash, secret: &[u8]) -> Option<Self> {
        Some(match hash {
            Hash::Sha256 => Self::Sha256(Box::new(Hmac::new_from_slice(secret).ok()?)),
            Hash::Md5 => Self::Md5(Box::new(Hmac::new_from_slice(secret).ok()?)),
        })
    }

    /// Whether this, in hexadecimal, is the MAC of the parts one after the other.
    pub(crate) fn verify(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        let Some(mac) = from_hex(mac) else {
            return false;
        };
        match self {
            Self::Sha256(hmac) => {
                let mut hmac = (**hmac).clone();
                parts.iter().for_each(|part| hmac.update(part));
                hmac.verify_slice(&mac).is_ok()
            }
            Self::Md5(hmac) => {
                let mut hmac = (**hmac).clone();
                parts.iter().for_each(|part| hmac.update(part));
                hmac.verify_slice(&mac).is_ok()
            }
        }
    }
}

/// Pairs of digits in either case.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
