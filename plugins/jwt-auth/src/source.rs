//! Where a token is in a request, and which of its claims go on as headers.

use gatewright::{Cookies, HeaderList, PathAndQuery, is_header_name, is_header_value};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A place in which a request may have its token.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Source {
    /// A header, after a scheme such as `Bearer` if one is given.
    Header {
        header: String,
        scheme: Option<String>,
    },
    /// A parameter of the query.
    Query { query: String },
    /// A cookie.
    Cookie { cookie: String },
}

impl Source {
    /// Where RFC 6750 has it.
    pub(crate) fn bearer() -> Self {
        Self::Header {
            header: "authorization".to_owned(),
            scheme: Some("Bearer".to_owned()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Header { header, .. } if !is_header_name(header) => Err("must name a header"),
            Self::Query { query } if query.is_empty() => Err("must name a parameter"),
            Self::Cookie { cookie } if !is_header_name(cookie) => Err("must name a cookie"),
            _ => Ok(()),
        }
    }

    /// Every token that is in this place. A place with two is ambiguous: the one that is checked
    /// might not be the one that a backend reads.
    pub(crate) fn tokens(&self, headers: &HeaderList) -> Vec<Vec<u8>> {
        match self {
            Self::Header { header, scheme } => headers
                .get_all(header)
                .filter_map(|value| after_scheme(value, scheme.as_deref()))
                .map(<[u8]>::to_vec)
                .collect(),
            Self::Query { query } => path(headers)
                .param_all(query)
                .map(|value| value.into_owned())
                .collect(),
            Self::Cookie { cookie } => headers
                .cookies()
                .iter()
                .filter(|(name, _)| *name == cookie.as_bytes())
                .map(|(_, value)| value.to_vec())
                .collect(),
        }
    }

    /// Takes the token out, so that no backend can log it.
    pub(crate) fn remove(&self, headers: &mut HeaderList) {
        match self {
            Self::Header { header, scheme } => {
                // Credentials of another scheme are not ours to take.
                let ours = |value| after_scheme(value, scheme.as_deref()).is_some();
                if headers.get_all(header).any(ours) {
                    headers.remove(header);
                }
            }
            Self::Query { query } => {
                let mut path = path(headers);
                if path.remove_param(query) {
                    headers.set(":path", path);
                }
            }
            Self::Cookie { cookie } => {
                let mut cookies: Cookies = headers.cookies();
                if !cookies.remove(cookie) {
                } else if cookies.is_empty() {
                    headers.remove("cookie");
                } else {
                    headers.set("cookie", cookies.to_header());
                }
            }
        }
    }
}

fn path(headers: &HeaderList) -> PathAndQuery {
    headers.get(":path").unwrap_or_default().into()
}

/// What follows the scheme, whose case does not matter; all of it where there is none to follow.
fn after_scheme<'a>(value: &'a [u8], scheme: Option<&str>) -> Option<&'a [u8]> {
    let Some(scheme) = scheme else {
        return Some(value.trim_ascii());
    };
    let (first, rest) = value.trim_ascii_start().split_at_checked(scheme.len())?;
    let is_ours = first.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first() == Some(&b' ');
    is_ours.then(|| rest.trim_ascii())
}

/// A claim that goes on as a header.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Forward {
    /// Text, an integer or a boolean.
    claim: String,
    /// The header, of which nothing that a client sent passes.
    header: String,
}

impl Forward {
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if is_header_name(&self.header) {
            Ok(())
        } else {
            Err("must be a header name")
        }
    }
}

/// Writes claims into headers. What a client sent under these names goes, also where the token has
/// no such claim: nobody behind us can tell who wrote a header.
pub(crate) fn forward(forwards: &[Forward], claims: &[u8], headers: &mut HeaderList) {
    if forwards.is_empty() {
        return;
    }
    let claims: BTreeMap<String, Value> = serde_json::from_slice(claims).unwrap_or_default();
    for forward in forwards {
        headers.remove(&forward.header);
        let text = match claims.get(&forward.claim) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(true)) => "true".to_owned(),
            Some(Value::Bool(false)) => "false".to_owned(),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(number) => number.to_string(),
                None => continue,
            },
            _ => continue,
        };
        // A header cannot hold it, and changing it would make it another claim.
        if is_header_value(&text) {
            headers.set(&forward.header, text);
        }
    }
}
