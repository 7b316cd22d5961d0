//! One match of a rule, compiled: whether a request fits.

use gatewright_gke::{MatchKind, PathKind, RouteMatch};
use http::{HeaderMap, HeaderName};

use super::{Asked, Matched};

type Text = Box<[u8]>;

/// The path of a match. A prefix is without a slash at its end, and goes as far as one.
#[derive(Clone, Debug)]
pub(super) enum Path {
    Exact(Text),
    Prefix(Text),
}

/// One match of a rule, but for its path.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    method: Option<Text>,
    headers: Vec<(HeaderName, Text)>,
    query: Vec<(Text, Text)>,
    pub(super) to: Matched,
}

impl Entry {
    /// Nothing for a match that GKE does not support, which takes no request.
    pub(super) fn new(one: &RouteMatch, to: Matched) -> Option<(Path, Self)> {
        let names = one.headers.iter().chain(&one.query);
        if one.path.kind == PathKind::Regex || names.clone().any(|n| n.kind == MatchKind::Regex) {
            return None;
        }
        let path = one.path.value.value.as_bytes();
        let path = match one.path.kind {
            PathKind::Exact => Path::Exact(path.into()),
            _ => Path::Prefix(path.strip_suffix(b"/").unwrap_or(path).into()),
        };
        let mut headers = Vec::new();
        for header in &one.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            headers.push((name, header.value.as_bytes().into()));
        }
        let entry = Self {
            method: one.method.as_ref().map(|m| m.value.as_bytes().into()),
            headers,
            query: one
                .query
                .iter()
                .map(|q| (q.name.as_bytes().into(), q.value.as_bytes().into()))
                .collect(),
            to,
        };
        Some((path, entry))
    }

    /// Whether a request of its path fits.
    pub(super) fn fits(&self, asked: &Asked<'_>) -> bool {
        self.method
            .as_ref()
            .is_none_or(|method| **method == *asked.method.as_str().as_bytes())
            && self
                .headers
                .iter()
                .all(|(name, value)| has(asked.headers, name, value))
            && self.query.iter().all(|(name, value)| {
                query_value(asked.query, name).is_some_and(|found| found == &**value)
            })
    }
}

/// Whether a header's values, joined by commas, are this value.
fn has(headers: &HeaderMap, name: &HeaderName, wanted: &[u8]) -> bool {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return false;
    };
    let Some(second) = values.next() else {
        return first.as_bytes() == wanted;
    };
    let mut joined = [first.as_bytes(), second.as_bytes()].join(&b","[..]);
    for value in values {
        joined.push(b',');
        joined.extend_from_slice(value.as_bytes());
    }
    joined == wanted
}

/// The first value of a query parameter, undecoded.
fn query_value<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    query
        .split(|byte| *byte == b'&')
        .find_map(|pair| match pair.strip_prefix(name)? {
            [] => Some(&[][..]),
            [b'=', value @ ..] => Some(value),
            _ => None,
        })
}
