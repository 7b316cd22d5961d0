//! The routes of some listeners as a table of hosts: for whoever compiles them, where
//! [`GatewayPlan::route`] answers for one request.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::GatewayPlan;
use super::route::specificity;
use crate::controller::{attached, narrower};
use crate::model::{Gateway, Listener, Route, RouteMatch, RouteRule};

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
        let mut by_host: HashMap<Option<String>, Vec<TableEntry<'_>>> = HashMap::new();
        for route in &self.routes {
            for host in hosts_of(&self.gateway, listeners, route) {
                let rules = route.rules.iter().enumerate();
                let entries = rules.flat_map(|(rule, content)| {
                    (0..content.matches.len()).map(move |matched| TableEntry {
                        route,
                        rule,
                        matched,
                    })
                });
                by_host.entry(host).or_default().extend(entries);
            }
        }
        let tables = by_host.into_iter();
        let mut tables: Vec<_> = tables
            .map(|(host, entries)| HostTable { host, entries })
            .collect();
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
        tables.sort_by(|a, b| order(a).cmp(&order(b)));
        tables
    }
}

/// Exact hosts before wildcards, the longer first, any host last; by name where that is the same, so
/// that a table of the same routes is the same.
fn order<'t>(table: &'t HostTable<'_>) -> (bool, Reverse<usize>, Option<&'t str>) {
    let host = table.host.as_deref();
    let is_wide = host.is_none_or(|host| host.starts_with('*'));
    (is_wide, Reverse(host.map_or(0, str::len)), host)
}

/// The hosts for which a route is served at some listeners; `None` is any host.
fn hosts_of(gateway: &Gateway, listeners: &[&Listener], route: &Route) -> Vec<Option<String>> {
    let here = |one: &&Listener| listeners.iter().any(|listener| listener.name == one.name);
    let mut hosts: Vec<_> = attached(gateway, route)
        .filter(here)
        .flat_map(|listener| hostnames(listener, route))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
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

#[cfg(test)]
mod tests {
    use crate::controller::narrower;

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
