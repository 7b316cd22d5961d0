//! The session's cookie: what a valid one is, and how a new one is made.

use gatewright::{HostError, SameSite, SetCookie, random_bytes, random_u64};
use serde::Deserialize;

/// A longer id is not one of ours.
const MAX_ID: usize = 128;

/// How the session's cookie is set.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) max_age: Option<u32>,
    pub(crate) http_only: bool,
    pub(crate) secure: bool,
    pub(crate) same_site: Option<SameSite>,
    pub(crate) log: bool,
}

/// What an id looks like.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// 128 random bits.
    Hex,
    /// 64 random bits, as Google's sample has it.
    Decimal,
}

impl Kind {
    pub(crate) fn generate(self) -> Result<String, HostError> {
        match self {
            Self::Decimal => random_u64().map(|id| id.to_string()),
            Self::Hex => {
                let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
                let bytes: [u8; 16] = random_bytes()?;
                Ok(bytes
                    .into_iter()
                    .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
                    .collect())
            }
        }
    }
}

/// The id of a cookie that a client sent, if it can be one.
pub(crate) fn valid(value: &[u8]) -> Option<String> {
    let is_id = (1..=MAX_ID).contains(&value.len()) && value.iter().all(u8::is_ascii_alphanumeric);
    is_id.then(|| String::from_utf8_lossy(value).into_owned())
}

impl Session {
    pub(crate) fn cookie(&self, id: &str) -> SetCookie {
        let mut cookie = SetCookie::new(&self.name, id).path(&self.path);
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain);
        }
        if let Some(seconds) = self.max_age {
            cookie = cookie.max_age(seconds);
        }
        if self.http_only {
            cookie = cookie.http_only();
        }
        if self.secure {
            cookie = cookie.secure();
        }
        if let Some(same_site) = self.same_site {
            cookie = cookie.same_site(same_site);
        }
        cookie
    }
}
