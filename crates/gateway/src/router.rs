//! The routes of one port, compiled: the plan's table of hosts, whose matches are in the order of
//! precedence, so that the first that fits is the one that serves.
//!
//! What a request gets is what [`GatewayPlan::route`] says, which a test holds against it; that one
//! explains, this one is fast.

mod entry;
mod paths;

use std::collections::{HashMap, HashSet};

use gatewright_gke::{GatewayPlan, Listener, ObjectId, Route, TableEntry};
use http::{HeaderMap, Method};

use entry::Entry;
use paths::Paths;

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
    exact: HashMap<Box<[u8]>, Paths>,
    /// Suffixes with their dot, the longest first.
    wildcards: Vec<Wildcard>,
    any: Paths,
}

/// A suffix and its matches.
type Wildcard = (Box<[u8]>, Paths);

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
        let tables = plan.hosts(listeners);
        let entries = tables.iter().flat_map(|table| &table.entries);
        let served: HashSet<&ObjectId> = entries.map(|entry| &entry.route.id).collect();
        let mut rules = Vec::new();
        let mut first = HashMap::new();
        for route in plan.routes.iter().filter(|r| served.contains(&r.id)) {
            first.insert(&route.id, rules.len());
            rules.extend((0..route.rules.len()).map(|index| RuleAt { route, index }));
        }
        let mut router = Self::default();
        for table in &tables {
            let compiled = |entry: &TableEntry<'_>| {
                let to = Matched {
                    rule: first.get(&entry.route.id)? + entry.rule,
                    matched: entry.matched,
                };
                Entry::new(entry.one(), to)
            };
            // A host that a route has decides, even where none of its rules matches.
            let paths = table.entries.iter().filter_map(compiled).collect();
            match table.host.as_deref() {
                None => router.any = paths,
                Some(host) => match host.strip_prefix('*') {
                    Some(suffix) => router.wildcards.push((suffix.as_bytes().into(), paths)),
                    None => {
                        router.exact.insert(host.as_bytes().into(), paths);
                    }
                },
            }
        }
        (router, rules)
    }

    /// The rule that serves a request.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Option<Matched> {
        let paths = self.exact.get(asked.host).or_else(|| {
            let of_host = |(suffix, _): &&Wildcard| {
                asked.host.len() > suffix.len() && asked.host.ends_with(suffix)
            };
            let wildcard = self.wildcards.iter().find(of_host);
            wildcard.map(|(_, paths)| paths)
        });
        paths.unwrap_or(&self.any).find(asked)
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
}
