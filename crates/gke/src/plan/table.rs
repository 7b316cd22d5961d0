//! The routes of some listeners as a table of hosts: for whoever compiles them, where
//! [`GatewayPlan::route`] answers for one request.

use std::cmp::Reverse;

use super::GatewayPlan;
use super::route::specificity;
use crate::model::{Gateway, Listener, ParentRef, Route, RouteMatch, RouteRule};

/// A host and what is tried for it.
#[derive(Clone, Debug)]
pub struct HostTable<'p> {
    /// In lower case, perhaps with `*.` before it; nothing for any host.
    pub host: Option<String>,
    /// In the order of the Gateway API's precedence: the first that matches serves. Without any,
    /// the host is taken all the same, and no other table is asked.
    pub entries: Vec<TableEntry<'p>>,
}

/// One match of a rule.
#[derive(Clone, Copy, Debug)]
pub struct TableEntry<'p> {
    /// The route.
    pub route: &'p Route,
    /// The index of the rule in the route.
    pub rule: usize,
    /// The index of the match in the rule.
    pub matched: usize,
}

impl<'p> TableEntry<'p> {
    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &'p RouteRule {
        &self.route.rules[self.rule]
    }

    /// The match.
    #[must_use]
    pub fn one(&self) -> &'p RouteMatch {
        &self.rule().matches[self.matched]
    }
}

impl GatewayPlan {
    /// The hosts that some listeners serve, exact ones before wildcards, those by length, any host
    /// last.
    #[must_use]
    pub fn hosts(&self, listeners: &[&Listener]) -> Vec<HostTable<'_>> {
        let mut tables: Vec<HostTable<'_>> = Vec::new();
        for route in &self.routes {
            for host in hosts_of(&self.gateway, listeners, route) {
                let known = tables.iter().position(|table| table.host == host);
                let place = known.unwrap_or_else(|| {
                    tables.push(HostTable {
                        host,
                        entries: Vec::new(),
                    });
                    tables.len() - 1
                });
                let rules = route.rules.iter().enumerate();
                tables[place]
                    .entries
                    .extend(rules.flat_map(|(rule, content)| {
                        (0..content.matches.len()).map(move |matched| TableEntry {
                            route,
                            rule,
                            matched,
                        })
                    }));
            }
        }
        for table in &mut tables {
            table.entries.sort_by_key(|entry| {
                let id = &entry.route.id;
                (
                    Reverse(specificity(entry.one())),
                    (&id.namespace, &id.name),
                    entry.rule,
                    entry.matched,
                )
            });
        }
        tables.sort_by_key(|table| {
            let host = table.host.as_deref();
            let length = host.map_or(0, str::len);
            (
                host.is_none_or(|host| host.starts_with('*')),
                Reverse(length),
            )
        });
        tables
    }
}

/// The hosts for which a route is served at some listeners; `None` is any host.
fn hosts_of(gateway: &Gateway, listeners: &[&Listener], route: &Route) -> Vec<Option<String>> {
    let mut hosts = Vec::new();
    for listener in listeners {
        for parent in &route.parents {
            if attaches(gateway, listener, parent) {
                hosts.extend(hostnames(listener, route));
            }
        }
    }
    hosts.sort();
    hosts.dedup();
    hosts
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
    use super::narrower;

    #[test]
    fn hostnames_meet_in_the_narrower() {
        let check = |a, b, expected| assert_eq!(narrower(a, b), expected, "{a} {b}");
        check("*.example.com", "a.example.com", Some("a.example.com"));
        check("a.example.com", "*.example.com", Some("a.example.com"));
        check("*.example.com", "*.b.example.com", Some("*.b.example.com"));
        check("a.example.com", "b.example.com", None);
        check("*.example.com", "example.com", None);
    }
}
