//! Hostnames: which routes a listener takes, and for which hosts.

use gatewright_gke::{Gateway, Listener, ParentRef, Route};

/// Whether a parent that a route names is this listener.
pub(super) fn is_parent(gateway: &Gateway, listener: &Listener, parent: &ParentRef) -> bool {
    parent.is_gateway
        && parent.namespace == gateway.id.namespace
        && parent.name.value == gateway.id.name
        && parent.section.as_ref().is_none_or(|s| *s == listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

/// The hosts for which a route is served at a listener, in lower case; `None` is any host.
pub(super) fn of(listener: &Listener, route: &Route) -> Vec<Option<String>> {
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
    use super::*;

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
