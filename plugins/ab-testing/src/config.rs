//! The configuration as users write it, checked.

use crate::split::{ALL, Hash, Split, User};
use gatewright::{ConfigError, is_header_name};
use serde::Deserialize;

/// Which users go to another path.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The prefix of a path, in any case.
    from: String,
    /// What takes its place.
    to: String,
    /// How many of a million users go to `to`.
    #[cfg_attr(test, schemars(range(max = 1_000_000)))]
    share: u32,
    /// Who the user is; a request that does not say stays.
    user: UserField,
    /// Makes the choice of this test another than that of the next.
    salt: String,
    /// How a user becomes a number.
    hash: Hash,
}

/// Where a request names its user: exactly one of these.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct UserField {
    /// A parameter of the query.
    query: Option<String>,
    /// A cookie.
    cookie: Option<String>,
    /// A header.
    header: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            from: "/v1/".to_owned(),
            to: "/v2/".to_owned(),
            share: ALL / 2,
            user: UserField {
                query: Some("user".to_owned()),
                ..UserField::default()
            },
            salt: String::new(),
            hash: Hash::Fnv1a,
        }
    }
}

impl Config {
    pub(crate) fn split(self) -> Result<Split, ConfigError> {
        let wrong = |field: &str, message: &str| Err(ConfigError::new(message).field(field));
        if !self.from.starts_with('/') {
            return wrong("from", "must begin with `/`");
        }
        if !self.to.starts_with('/') {
            return wrong("to", "must begin with `/`");
        }
        if self.share > ALL {
            return wrong("share", "must be at most 1000000, which is everybody");
        }
        let user = match (self.user.query, self.user.cookie, self.user.header) {
            (Some(name), None, None) if !name.is_empty() => User::Parameter(name),
            (None, Some(name), None) if is_header_name(&name) => User::Cookie(name),
            (None, None, Some(name)) if is_header_name(&name) => User::Header(name),
            _ => return wrong("user", "must name one `query`, `cookie` or `header`"),
        };
        Ok(Split {
            from: self.from,
            to: self.to,
            share: self.share,
            user,
            salt: self.salt,
            hash: self.hash,
        })
    }
}
