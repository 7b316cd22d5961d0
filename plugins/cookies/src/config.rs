//! The configuration as users write it, checked.

use crate::session::{Kind, Session};
use gatewright::{ConfigError, SameSite, is_header_name};
use serde::Deserialize;

/// A session for clients that have none, and cookies that do not pass.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// A cookie that clients get who have none.
    session: Option<SessionField>,
    /// Cookies that backends do not see; `["*"]` is all.
    remove_request: Vec<String>,
    /// Cookies that backends do not set; a session's own is set after.
    remove_response: Vec<String>,
}

/// The cookie of a session.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct SessionField {
    /// Its name.
    name: String,
    /// How an id is written.
    #[serde(default = "hex")]
    id: Kind,
    /// Where it is sent.
    #[serde(default = "root")]
    path: String,
    /// To which hosts it is sent; to this one if none is named.
    domain: Option<String>,
    /// How long it lasts; until the browser closes, if there is none.
    max_age_seconds: Option<u32>,
    /// Whether scripts do not see it.
    #[serde(default = "yes")]
    http_only: bool,
    /// Whether it is sent over TLS only.
    #[serde(default = "yes")]
    secure: bool,
    /// Whether it is sent from pages of other sites.
    #[serde(default)]
    same_site: SameSiteField,
    /// Whether ids are logged; whoever reads the log can then take a session over.
    #[serde(default)]
    log: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "lowercase")]
enum SameSiteField {
    Strict,
    #[default]
    Lax,
    None,
    /// The attribute is not written.
    Unset,
}

const fn hex() -> Kind {
    Kind::Hex
}

fn root() -> String {
    "/".to_owned()
}

const fn yes() -> bool {
    true
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) session: Option<Session>,
    pub(crate) remove_request: Removal,
    pub(crate) remove_response: Removal,
}

/// Which cookies go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    None,
    All,
    Named(Vec<String>),
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        Ok(Settings {
            session: self.session.map(SessionField::session).transpose()?,
            remove_request: removal("remove_request", self.remove_request)?,
            remove_response: removal("remove_response", self.remove_response)?,
        })
    }
}

fn removal(field: &str, names: Vec<String>) -> Result<Removal, ConfigError> {
    match names.as_slice() {
        [] => Ok(Removal::None),
        [all] if all == "*" => Ok(Removal::All),
        _ => match names
            .iter()
            .position(|name| name == "*" || !is_header_name(name))
        {
            Some(index) => {
                let place = [field, "[", &index.to_string(), "]"].concat();
                Err(ConfigError::new("must be a cookie's name; `*` stands alone").field(place))
            }
            None => Ok(Removal::Named(names)),
        },
    }
}

impl SessionField {
    fn session(self) -> Result<Session, ConfigError> {
        let wrong = |field: &str, message: &str| {
            Err(ConfigError::new(message).field(["session.", field].concat()))
        };
        if !is_header_name(&self.name) {
            return wrong("name", "must be a cookie's name");
        }
        if !self.path.starts_with('/') || !is_attribute(&self.path) {
            return wrong("path", "must begin with `/` and contain no `;`");
        }
        if !self.domain.as_deref().is_none_or(is_attribute) {
            return wrong("domain", "must be a domain");
        }
        if self.same_site == SameSiteField::None && !self.secure {
            return wrong("same_site", "is `none`, for which browsers demand `secure`");
        }
        Ok(Session {
            name: self.name,
            kind: self.id,
            path: self.path,
            domain: self.domain,
            max_age: self.max_age_seconds,
            http_only: self.http_only,
            secure: self.secure,
            same_site: match self.same_site {
                SameSiteField::Strict => Some(SameSite::Strict),
                SameSiteField::Lax => Some(SameSite::Lax),
                SameSiteField::None => Some(SameSite::None),
                SameSiteField::Unset => None,
            },
            log: self.log,
        })
    }
}

fn is_attribute(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b';')
}
