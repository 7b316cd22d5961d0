//! Tokens in the compact form of RFC 7515: three parts, of which nothing is believed yet.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

/// A token taken apart, its signature not verified.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) header: Header,
    /// The claims as they were signed.
    pub(crate) payload: Vec<u8>,
    /// What the signature is over: the first two parts.
    pub(crate) message: &'a [u8],
    /// The third part; none if it is not base64url, with which nothing can be verified.
    pub(crate) signature: Option<Vec<u8>>,
}

/// What a token says of its signature. Keys that it brings along or points to (`jwk`, `jku`,
/// `x5c`, `x5u`) are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    /// What must be understood of the rest. We understand none of it.
    pub(crate) crit: Option<IgnoredAny>,
}

/// What a token says of itself, as far as it is checked.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Claims {
    pub(crate) exp: Option<Date>,
    pub(crate) nbf: Option<Date>,
    pub(crate) iss: Option<String>,
    pub(crate) aud: Option<Audience>,
}

/// Seconds since the epoch, which may have a fraction.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Date(pub(crate) f64);

/// For whom a token is: one or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

impl<'a> Token<'a> {
    /// Takes a token apart; none if it is not of the form of one.
    pub(crate) fn parse(token: &'a [u8]) -> Option<Self> {
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let message = token.get(..header.len() + 1 + payload.len())?;
        Some(Self {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            payload: decode(payload)?,
            message,
            signature: decode(signature),
        })
    }

    /// The claims; none if they are no object, or if one that is checked has the wrong type or
    /// occurs twice.
    pub(crate) fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&self.payload).ok()
    }
}

/// base64url as tokens write it: no padding, no line breaks, no bits left over.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(core::str::from_utf8(text).ok()?).ok()
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Date;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a number of seconds")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Date, E> {
                Ok(Date(seconds as f64))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Date, E> {
                Ok(Date(seconds as f64))
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Date, E> {
                Ok(Date(seconds))
            }
        }
        deserializer.deserialize_any(Number)
    }
}
