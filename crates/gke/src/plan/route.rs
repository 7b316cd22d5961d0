//! HTTPRoute matching by the precedence of the Gateway API.

use std::cmp::Reverse;

use super::{GatewayPlan, Request, RouteChoice};
use crate::model::{MatchKind, NamedMatch, PathKind, Route, RouteMatch};

/// How specific a hostname is: exact ones before wildcards, longer before shorter, none last.
type Host = (bool, usize);

impl GatewayPlan {
    /// The rule that serves a request.
    #[must_use]
    pub fn route(&self, request: &Request<'_>) -> Option<RouteChoice<'_>> {
        let hosts: Vec<(&Route, Host)> = self
            .routes
            .iter()
            .filter_map(|route| Some((route, best_host(route, request.host)?)))
            .collect();
        let best = hosts.iter().map(|(_, host)| *host).max()?;
        let mut choices = Vec::new();
        for (route, _) in hosts.into_iter().filter(|(_, host)| *host == best) {
            for (rule, content) in route.rules.iter().enumerate() {
                for (matched, one) in content.matches.iter().enumerate() {
                    if matches(one, request) {
                        let order = (
                            Reverse(specificity(one)),
                            (&route.id.namespace, &route.id.name),
                            rule,
                            matched,
                        );
                        choices.push((order, route, rule, matched));
                    }
                }
            }
        }
        let (_, route, rule, matched) = choices.into_iter().min_by(|a, b| a.0.cmp(&b.0))?;
        let backends = route.rules.get(rule).map(|rule| rule.backends.as_slice());
        Some(RouteChoice {
            route,
            rule,
            matched,
            backends: backends
                .unwrap_or_default()
                .iter()
                .filter(|backend| backend.weight > 0)
                .collect(),
        })
    }
}

/// The most specific hostname of a route that the host belongs to.
fn best_host(route: &Route, host: &[u8]) -> Option<Host> {
    if route.hostnames.is_empty() {
        return Some((false, 0));
    }
    let belongs = |name: &str| match name.strip_prefix('*') {
        Some(suffix) => {
            host.len() > suffix.len()
                && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix.as_bytes())
        }
        None => host.eq_ignore_ascii_case(name.as_bytes()),
    };
    route
        .hostnames
        .iter()
        .filter(|name| belongs(name))
        .map(|name| (!name.starts_with('*'), name.len()))
        .max()
}

/// Exact paths first, then prefixes by length, then method, headers and query parameters.
pub(super) fn specificity(one: &RouteMatch) -> (bool, usize, bool, usize, usize) {
    (
        one.path.kind == PathKind::Exact,
        one.path.value.value.len(),
        one.method.is_some(),
        one.headers.len(),
        one.query.len(),
    )
}

fn matches(one: &RouteMatch, request: &Request<'_>) -> bool {
    let path = one.path.value.value.as_bytes();
    let path_matches = match one.path.kind {
        PathKind::Exact => request.path == path,
        PathKind::Prefix => prefix(path, request.path),
        // Not supported on GKE, which was reported; such a match takes nothing.
        PathKind::Regex => false,
    };
    path_matches
        && one
            .method
            .as_ref()
            .is_none_or(|method| method.value.as_bytes() == request.method)
        && one.headers.iter().all(|header| {
            let values: Vec<&[u8]> = request.header(&header.name).collect();
            !values.is_empty() && is(header, &values.join(&b","[..]))
        })
        && one.query.iter().all(|parameter| {
            query_value(request.query, parameter.name.as_bytes())
                .is_some_and(|value| is(parameter, value))
        })
}

fn is(wanted: &NamedMatch, value: &[u8]) -> bool {
    wanted.kind == MatchKind::Exact && wanted.value.as_bytes() == value
}

/// Whether whole segments of the path begin with the prefix: `/de` takes `/de/x`, not `/deu`.
fn prefix(prefix: &[u8], path: &[u8]) -> bool {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The first value of a query parameter, undecoded.
fn query_value<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let rest = pair.strip_prefix(name)?;
        match rest {
            [] => Some(rest),
            [b'=', value @ ..] => Some(value),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_segments() {
        let check = |p: &str, path: &str, expected| {
            assert_eq!(
                prefix(p.as_bytes(), path.as_bytes()),
                expected,
                "{p} {path}"
            );
        };
        check("/", "/anything", true);
        check("/de", "/de", true);
        check("/de", "/de/x", true);
        check("/de/", "/de", true);
        check("/de", "/deu", false);
        check("/", "", true);
    }

    #[test]
    fn query_parameters_are_found_by_whole_name() {
        let check = |query: &str, expected: Option<&str>| {
            assert_eq!(
                query_value(query.as_bytes(), b"a"),
                expected.map(str::as_bytes),
                "{query}"
            );
        };
        check("a=1&a=2", Some("1"));
        check("ab=1&a=2", Some("2"));
        check("a", Some(""));
        check("", None);
    }
}
