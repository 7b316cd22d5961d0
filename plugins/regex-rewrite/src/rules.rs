//! What becomes of a path: a pure function.

use gatewright::PathAndQuery;
use regex::bytes::Regex;
use std::borrow::Cow;

/// A longer path is left alone: the time that a match takes grows with it.
const MAX_PATH: usize = 8 * 1024;

/// One pattern and what takes the place of what it matches.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) pattern: Regex,
    /// With `$1`, `${name}` and `$$`.
    pub(crate) replacement: String,
    /// Whether every match is replaced, or the first.
    pub(crate) all: bool,
    /// Whether the query is matched along with the path.
    pub(crate) query: bool,
    /// Whether no later rule is tried after this one has matched.
    pub(crate) last: bool,
}

/// The path as the rules leave it, one after the other; none if none matches, or if what comes out
/// is no path.
pub(crate) fn rewrite(rules: &[Rule], path: &PathAndQuery) -> Option<Vec<u8>> {
    if path.as_bytes().len() > MAX_PATH {
        return None;
    }
    let mut current = path.clone();
    for rule in rules {
        let subject = if rule.query {
            current.as_bytes()
        } else {
            current.path()
        };
        let limit = if rule.all { 0 } else { 1 };
        let Cow::Owned(replaced) =
            rule.pattern
                .replacen(subject, limit, rule.replacement.as_bytes())
        else {
            continue;
        };
        if rule.query {
            current = PathAndQuery::from(replaced);
        } else {
            current.set_path(replaced);
        }
        if rule.last {
            break;
        }
    }
    let is_path = current.as_bytes().starts_with(b"/");
    (is_path && current != *path).then(|| current.into_bytes())
}
