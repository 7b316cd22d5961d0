//! The routes of one port, compiled: hosts in a table, matches sorted by precedence, so that the
//! first that fits is the one that serves.
//!
//! What a request gets is what [`GatewayPlan::route`] says, which a test holds against it; that one
//! explains, this one is fast.

use std::cmp::Reverse;
use std::collections::HashMap;

use gatewright_gke::{
    Gateway, GatewayPlan, Listener, MatchKind, ParentRef, PathKind, Route, RouteMatch,
};
use http::{HeaderMap, HeaderName, Method};

/// What routes look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    /// In lower case, without port.
    pub(crate) host: &'r [u8],
    pub(crate) path: &'r [u8],
    pub(crate) query: &'r [u8],
    pub(crate) headers: &'r HeaderMap,
}

/// The rule that serves a request, and the match in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    /// The index of the rule among all rules of the port.
    pub(crate) rule: usize,
    /// The index of the match in the rule.
    pub(crate) matched: usize,
}

/// Matches by host.
#[derive(Debug, Default)]
pub(crate) struct Router {
    exact: HashMap<Box<[u8]>, Vec<Entry>>,
    /// Suffixes with their dot, the longest first.
    wildcards: Vec<Wildcard>,
    any: Vec<Entry>,
}

/// A suffix and its matches.
type Wildcard = (Box<[u8]>, Vec<Entry>);

type Text = Box<[u8]>;

/// One match of a rule.
#[derive(Clone, Debug)]
struct Entry {
    order: Order,
    exact: bool,
    path: Text,
    method: Option<Text>,
    headers: Vec<(HeaderName, Text)>,
    query: Vec<(Text, Text)>,
    to: Matched,
}

/// The Gateway API's precedence: smaller goes first.
type Order = (
    Reverse<(bool, usize, bool, usize, usize)>,
    String,
    String,
    usize,
    usize,
);

/// A rule of a route that is attached to a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleAt<'p> {
    pub(crate) route: &'p Route,
    pub(crate) index: usize,
}

impl Router {
    /// The routes that are attached to some listeners of a port, and the rules that they lead to.
    pub(crate) fn new<'p>(
        plan: &'p GatewayPlan,
        listeners: &[&Listener],
    ) -> (Self, Vec<RuleAt<'p>>) {
        let mut router = Self::default();
        let mut rules = Vec::new();
        for route in &plan.routes {
            let mut hosts: Vec<Option<String>> = Vec::new();
            for listener in listeners {
                for parent in &route.parents {
                    if attaches(&plan.gateway, listener, parent) {
                        hosts.extend(hostnames(listener, route));
                    }
                }
            }
            hosts.sort();
            hosts.dedup();
            if hosts.is_empty() {
                continue;
            }
            let first = rules.len();
            rules.extend((0..route.rules.len()).map(|index| RuleAt { route, index }));
            for (index, rule) in route.rules.iter().enumerate() {
                for (matched, one) in rule.matches.iter().enumerate() {
                    let to = Matched {
                        rule: first + index,
                        matched,
                    };
                    let Some(entry) = Entry::new(route, index, one, to) else {
                        continue;
                    };
                    for host in &hosts {
                        router.at(host.as_deref()).push(entry.clone());
                    }
                }
            }
            // A host that a route has decides, even where none of its rules matches.
            for host in &hosts {
                router.at(host.as_deref());
            }
        }
        for entries in router.exact.values_mut() {
            entries.sort_by(|a, b| a.order.cmp(&b.order));
        }
        for (_, entries) in &mut router.wildcards {
            entries.sort_by(|a, b| a.order.cmp(&b.order));
        }
        router.any.sort_by(|a, b| a.order.cmp(&b.order));
        router
            .wildcards
            .sort_by_key(|(suffix, _)| Reverse(suffix.len()));
        (router, rules)
    }

    fn at(&mut self, host: Option<&str>) -> &mut Vec<Entry> {
        let Some(host) = host else {
            return &mut self.any;
        };
        let Some(suffix) = host.strip_prefix('*') else {
            return self.exact.entry(host.as_bytes().into()).or_default();
        };
        let suffix = suffix.as_bytes();
        let place = match self.wildcards.iter().position(|(s, _)| **s == *suffix) {
            Some(place) => place,
            None => {
                self.wildcards.push((suffix.into(), Vec::new()));
                self.wildcards.len() - 1
            }
        };
        &mut self.wildcards[place].1
    }

    /// The rule that serves a request.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Option<Matched> {
        let entries = self.exact.get(asked.host).or_else(|| {
            let of_host = |(suffix, _): &&Wildcard| {
                asked.host.len() > suffix.len() && asked.host.ends_with(suffix)
            };
            let wildcard = self.wildcards.iter().find(of_host);
            wildcard.map(|(_, entries)| entries)
        });
        let entries = entries.unwrap_or(&self.any);
        let found = entries.iter().find(|entry| entry.fits(asked));
        found.map(|entry| entry.to)
    }
}

impl Entry {
    /// Nothing for a match that GKE does not support, which takes no request.
    fn new(route: &Route, rule: usize, one: &RouteMatch, to: Matched) -> Option<Self> {
        let names = one.headers.iter().chain(&one.query);
        if one.path.kind == PathKind::Regex || names.clone().any(|n| n.kind == MatchKind::Regex) {
            return None;
        }
        let path = one.path.value.value.as_bytes();
        let exact = one.path.kind == PathKind::Exact;
        let order = (
            Reverse((
                exact,
                path.len(),
                one.method.is_some(),
                one.headers.len(),
                one.query.len(),
            )),
            route.id.namespace.clone(),
            route.id.name.clone(),
            rule,
            to.matched,
        );
        let prefix = path.strip_suffix(b"/").unwrap_or(path);
        let mut headers = Vec::new();
        for header in &one.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            headers.push((name, header.value.as_bytes().into()));
        }
        Some(Self {
            order,
            exact,
            path: if exact { path } else { prefix }.into(),
            method: one.method.as_ref().map(|m| m.value.as_bytes().into()),
            headers,
            query: one
                .query
                .iter()
                .map(|q| (q.name.as_bytes().into(), q.value.as_bytes().into()))
                .collect(),
            to,
        })
    }

    fn fits(&self, asked: &Asked<'_>) -> bool {
        let path = if self.exact {
            asked.path == &*self.path
        } else {
            let rest = asked.path.strip_prefix(&*self.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        path && self
            .method
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

fn attaches(gateway: &Gateway, listener: &Listener, parent: &ParentRef) -> bool {
    parent.is_gateway
        && parent.namespace == gateway.id.namespace
        && parent.name.value == gateway.id.name
        && parent.section.as_ref().is_none_or(|s| *s == listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

/// The hosts for which a route is served at a listener, in lower case; `None` is any host.
fn hostnames(listener: &Listener, route: &Route) -> Vec<Option<String>> {
    let of_listener = listener.hostname.as_deref().map(str::to_ascii_lowercase);
    if route.hostnames.is_empty() {
        return vec![of_listener];
    }
    let mut hosts = Vec::new();
    for host in &route.hostnames {
        let host = host.to_ascii_lowercase();
        hosts.extend(match of_listener.as_deref() {
            None => Some(Some(host)),
            Some(listener) => narrower(listener, &host).map(|host| Some(host.to_owned())),
        });
    }
    hosts
}

/// What two hostnames have in common: the narrower, if one is within the other.
fn narrower<'h>(a: &'h str, b: &'h str) -> Option<&'h str> {
    let within = |wide: &str, narrow: &str| match wide.strip_prefix('*') {
        Some(suffix) => {
            let narrow = narrow.strip_prefix('*').unwrap_or(narrow);
            narrow.ends_with(suffix)
        }
        None => wide == narrow,
    };
    if within(a, b) {
        Some(b)
    } else if within(b, a) {
        Some(a)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use gatewright_gke::{Client, Input, Options, Report, Request, check};

    use super::*;

    fn report(routes: &[&str]) -> Report {
        let mut text = String::new();
        for (index, spec) in routes.iter().enumerate() {
            write!(
                text,
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{index}}}\nspec:\n  parentRefs: [{{name: gw}}]\n{spec}\n"
            )
            .expect("a string takes it");
        }
        let options = Options {
            gateways: vec![("gw".into(), "gke-l7-rilb".into())],
            ..Options::default()
        };
        let input = Input {
            name: "routes.yaml",
            bytes: text.as_bytes(),
        };
        check(&[input], &options)
    }

    const ROUTES: &[&str] = &[
        "  hostnames: [store.example.com, '*.example.com']
  rules:
  - backendRefs: [{name: root, port: 80}]
  - matches: [{headers: [{name: Env, value: canary}]}]
    backendRefs: [{name: canary, port: 80}]
  - matches: [{path: {value: /de}}, {path: {type: Exact, value: /fr}}]
    backendRefs: [{name: german, port: 80}]
  - matches: [{path: {value: /de/}, method: POST}]
    backendRefs: [{name: post, port: 80}]
  - matches: [{path: {value: /de}, queryParams: [{name: a, value: '1'}]}]
    backendRefs: [{name: query, port: 80}]",
        "  hostnames: ['*.example.com', other.test]
  rules:
  - matches: [{path: {value: /de/deep}}, {path: {type: RegularExpression, value: '/x.*'}}]
    backendRefs: [{name: deep, port: 80}]",
        "  rules:
  - matches: [{path: {value: /any}}]
    backendRefs: [{name: any, port: 80}]",
    ];

    /// The explaining plan and the fast router agree on every request that can be made of these.
    #[test]
    fn the_router_takes_what_the_plan_takes() {
        let report = report(ROUTES);
        let plan = &report.plan.gateways[0];
        let listeners: Vec<_> = plan.gateway.listeners.iter().collect();
        let (router, rules) = Router::new(plan, &listeners);
        let hosts = [
            "store.example.com",
            "a.example.com",
            "example.com",
            "other.test",
            "z.test",
        ];
        let paths = [
            "/", "/de", "/deu", "/de/", "/de/deep", "/fr", "/fr/", "/any", "/x1", "/any/b",
        ];
        let (mut asked, mut served) = (0, 0);
        for host in hosts {
            for path in paths {
                for query in ["", "a=1", "b=2&a=1", "a=2&a=1"] {
                    for method in [Method::GET, Method::POST] {
                        for env in [&[][..], &["canary"], &["prod"], &["canary", "x"]] {
                            let mut headers = HeaderMap::new();
                            for value in env {
                                headers.append("env", value.parse().expect("a value"));
                            }
                            let found = router.find(&Asked {
                                method: &method,
                                host: host.as_bytes(),
                                path: path.as_bytes(),
                                query: query.as_bytes(),
                                headers: &headers,
                            });
                            let pairs: Vec<_> =
                                env.iter().map(|v| (&b"env"[..], v.as_bytes())).collect();
                            let expected = plan.route(&Request {
                                method: method.as_str().as_bytes(),
                                scheme: b"http",
                                host: host.as_bytes(),
                                path: path.as_bytes(),
                                query: query.as_bytes(),
                                headers: &pairs,
                                client: Client::default(),
                            });
                            let found = found.map(|to| {
                                let at = rules[to.rule];
                                (at.route.id.name.as_str(), at.index, to.matched)
                            });
                            let expected = expected.map(|choice| {
                                (choice.route.id.name.as_str(), choice.rule, choice.matched)
                            });
                            assert_eq!(found, expected, "{method} {host}{path}?{query} {env:?}");
                            asked += 1;
                            served += usize::from(found.is_some());
                        }
                    }
                }
            }
        }
        assert!(asked > 1_500 && served * 3 > asked, "{served} of {asked}");
    }

    #[test]
    fn hostnames_have_in_common_what_is_narrower() {
        let check = |a, b, expected| assert_eq!(narrower(a, b), expected, "{a} {b}");
        check("*.example.com", "a.example.com", Some("a.example.com"));
        check("a.example.com", "*.example.com", Some("a.example.com"));
        check("*.example.com", "*.b.example.com", Some("*.b.example.com"));
        check("a.example.com", "b.example.com", None);
        check("*.example.com", "example.com", None);
    }
}
