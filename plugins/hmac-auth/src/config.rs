//! The configuration as users write it, checked.

use crate::mac::{Hash, Mac, from_hex};
use crate::scheme::{Cookie, Header, Query, Scheme};
use gatewright::{ConfigError, is_header_name};
use serde::Deserialize;

/// RFC 2104, section 3, advises the length of the hash. This is near half of it, which the secrets in
/// Google's samples just reach.
const MIN_SECRET_BYTES: usize = 15;

/// A secret, and the one place where requests have their MAC.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// As text, of at least 15 bytes.
    secret: Option<String>,
    /// As hexadecimal digits.
    #[cfg_attr(test, schemars(length(min = 30)))]
    secret_hex: Option<String>,
    /// `md5` is only for clients that know no other.
    #[serde(default)]
    hash: Hash,
    /// In a cookie.
    cookie: Option<CookieField>,
    /// In a parameter of the query.
    query: Option<QueryField>,
    /// In the header `Authorization`.
    header: Option<HeaderField>,
}

/// A cookie with the client's address, an end and their MAC.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct CookieField {
    /// Its name.
    #[serde(default = "authorization")]
    name: String,
}

/// A parameter with the MAC of the path and the rest of the query.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct QueryField {
    /// Its name.
    #[serde(default = "token")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    parameter: String,
    /// The parameter that says when the URL ends, if one must.
    expires: Option<String>,
}

/// `Authorization: HMAC timestamp:mac`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct HeaderField {
    /// How far the timestamp may be from now.
    #[serde(default = "five_minutes")]
    #[cfg_attr(test, schemars(range(min = 1, max = 86400)))]
    validity_seconds: u64,
    /// What stands between method, path and timestamp.
    #[serde(default = "line_break")]
    separator: String,
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn token() -> String {
    "token".to_owned()
}

const fn five_minutes() -> u64 {
    300
}

/// Neither a method nor a path can contain it, so no two requests sign alike.
fn line_break() -> String {
    "\n".to_owned()
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) mac: Mac,
    pub(crate) scheme: Scheme,
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let wrong = |field: &str, message: &str| ConfigError::new(message).field(field);
        let (field, secret) = match (self.secret, self.secret_hex) {
            (Some(secret), None) => ("secret", secret.into_bytes()),
            (None, Some(hex)) => match from_hex(hex.as_bytes()) {
                Some(secret) => ("secret_hex", secret),
                None => return Err(wrong("secret_hex", "must be pairs of hexadecimal digits")),
            },
            _ => return Err(wrong("", "must have one of `secret` and `secret_hex`")),
        };
        if secret.len() < MIN_SECRET_BYTES {
            return Err(wrong(
                field,
                "must have at least 15 bytes; 32 random ones are good",
            ));
        }
        let scheme = match (self.cookie, self.query, self.header) {
            (Some(CookieField { name }), None, None) => {
                if !is_header_name(&name) {
                    return Err(wrong("cookie.name", "must be a cookie's name"));
                }
                Scheme::Cookie(Cookie { name })
            }
            (None, Some(QueryField { parameter, expires }), None) => {
                if parameter.is_empty() || expires.as_ref() == Some(&parameter) {
                    let message = "must name a parameter, another than `expires` does";
                    return Err(wrong("query.parameter", message));
                }
                Scheme::Query(Query { parameter, expires })
            }
            (None, None, Some(header)) => {
                if !(1..=86_400).contains(&header.validity_seconds) {
                    return Err(wrong("header.validity_seconds", "must be from 1 to 86400"));
                }
                Scheme::Header(Header {
                    validity: header.validity_seconds,
                    separator: header.separator,
                })
            }
            _ => return Err(wrong("", "must have one of `cookie`, `query` and `header`")),
        };
        let mac = Mac::new(self.hash, &secret).ok_or_else(|| wrong(field, "is no secret"))?;
        Ok(Settings { mac, scheme })
    }
}
