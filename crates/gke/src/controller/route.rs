//! HTTPRoutes: parents, backends, and what GKE's Gateways do not support.

use super::Controller;
use crate::finding::Severity;
use crate::model::{
    BackendRef, Gateway, GatewayClass, Listener, MatchKind, ParentRef, PathKind, Route, RouteMatch,
};
use crate::place::Place;
use crate::report::Sink;
use crate::rule::Rule;

/// GKE's words in front of what is wrong with a route.
fn misconfigured(route: &Route, what: &str) -> String {
    format!(
        "Error GWCER104: HTTPRoute \"{}/{}\" is misconfigured, err: {what}",
        route.id.namespace, route.id.name
    )
}

/// The listeners of a Gateway to which a route's reference leads.
fn listeners<'a>(
    gateway: &'a Gateway,
    parent: &'a ParentRef,
    route: &'a Route,
) -> impl Iterator<Item = &'a Listener> {
    gateway.listeners.iter().filter(move |listener| {
        parent
            .section
            .as_ref()
            .is_none_or(|name| *name == listener.name)
            && parent.port.is_none_or(|port| port == listener.port)
            && (route.id.namespace == gateway.id.namespace || listener.other_namespaces)
    })
}

/// The listeners of a Gateway that take a route, by any of its references.
pub(crate) fn attached<'a>(
    gateway: &'a Gateway,
    route: &'a Route,
) -> impl Iterator<Item = &'a Listener> {
    let here = |parent: &&ParentRef| {
        parent.is_gateway
            && parent.namespace == gateway.id.namespace
            && parent.name.value == gateway.id.name
    };
    let parents = route.parents.iter().filter(here);
    parents.flat_map(|parent| listeners(gateway, parent, route))
}

/// What two hostnames have in common: the narrower, if one is within the other.
pub(crate) fn narrower<'h>(a: &'h str, b: &'h str) -> Option<&'h str> {
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

/// Whether a listener's hostname and a route's can be the same host.
fn hostnames_meet(listener: Option<&str>, route: &str) -> bool {
    listener.is_none_or(|listener| narrower(listener, route).is_some())
}

impl Controller<'_> {
    pub(super) fn route(&self, route: &Route, sink: &mut Sink) {
        let mut classes = Vec::new();
        for (index, parent) in route
            .parents
            .iter()
            .enumerate()
            .filter(|(_, p)| p.is_gateway)
        {
            let path = format!("spec.parentRefs[{index}]");
            let name = &parent.name.value;
            let mut refuse = |rule, message: String, help: &str| {
                let finding =
                    self.finding(rule, &route.id, parent.name.place, path.clone(), message);
                sink.push(finding.help(help));
            };
            let Some(gateway) = self.model.gateway(&parent.namespace, name) else {
                refuse(
                    Rule::RouteParentNotFound,
                    format!("Gateway {}/{name} does not exist", parent.namespace),
                    "name a Gateway that exists; if it is not among these manifests, name it with --gateway NAME=CLASS",
                );
                continue;
            };
            classes.push(gateway.class);
            let attached: Vec<&Listener> = listeners(gateway, parent, route).collect();
            if attached.is_empty() {
                refuse(
                    Rule::RouteParentNotFound,
                    format!(
                        "no listener of Gateway {}/{name} takes the route",
                        parent.namespace
                    ),
                    "check sectionName, port, and allowedRoutes of the listeners, which take routes of their own namespace by default",
                );
            } else if !route.hostnames.is_empty()
                && !route.hostnames.iter().any(|host| {
                    attached
                        .iter()
                        .any(|listener| hostnames_meet(listener.hostname.as_deref(), host))
                })
            {
                refuse(
                    Rule::RouteHostnames,
                    format!(
                        "no hostname of the route belongs to a listener of Gateway {}/{name}",
                        parent.namespace
                    ),
                    "let the hostnames of route and listener meet",
                );
            }
        }
        for (index, rule) in route.rules.iter().enumerate() {
            let path = format!("spec.rules[{index}]");
            for (number, backend) in rule.backends.iter().enumerate() {
                self.route_backend(
                    route,
                    backend,
                    format!("{path}.backendRefs[{number}]"),
                    sink,
                );
            }
            let mut unsupported = |place: Option<Place>, path: String, what: &str, help: &str| {
                let message = misconfigured(route, what);
                sink.push(
                    self.finding(Rule::RouteUnsupported, &route.id, place, path, message)
                        .help(help),
                );
            };
            if let Some(place) = rule.timeouts {
                unsupported(
                    Some(place),
                    format!("{path}.timeouts"),
                    "Timeouts are not supported.",
                    "use GCPBackendPolicy's default.timeoutSec",
                );
            }
            for (number, one) in rule.matches.iter().enumerate() {
                unsupported_match(one, &format!("{path}.matches[{number}]"), &mut unsupported);
            }
            for (number, filter) in rule.filters.iter().enumerate() {
                let at = format!("{path}.filters[{number}]");
                if classes.contains(&GatewayClass::Classic) {
                    unsupported(
                        filter.place,
                        at,
                        "classic GXLB (GatewayClass gke-l7-gxlb) does not support rule filters, GFEv3 based External LB (GatewayClass gke-l7-global-external-managed) supports rule filters.",
                        "use gke-l7-global-external-managed",
                    );
                    continue;
                }
                let content = &filter.content;
                if content["urlRewrite"]["path"]["type"] == "ReplaceFullPath" {
                    unsupported(
                        filter.place,
                        at.clone(),
                        "ReplaceFullPath is not supported",
                        "use ReplacePrefixMatch",
                    );
                }
                if !content["requestRedirect"]["port"].is_null() {
                    unsupported(
                        filter.place,
                        at.clone(),
                        "a port in RequestRedirect is not supported",
                        "leave the port out; the scheme implies it",
                    );
                }
                if filter.kind == "ExtensionRef" {
                    unsupported(
                        filter.place,
                        at,
                        "ExtensionRef is not supported",
                        "attach a GCPTrafficExtension to the Gateway",
                    );
                }
            }
        }
    }

    fn route_backend(&self, route: &Route, backend: &BackendRef, path: String, sink: &mut Sink) {
        if !backend.is_service {
            return;
        }
        let (namespace, name) = (&backend.namespace, &backend.name.value);
        let place = backend.name.place;
        if *namespace != route.id.namespace {
            let granted = self.model.grants.iter().any(|grant| {
                grant.namespace == *namespace
                    && grant
                        .from
                        .iter()
                        .any(|(kind, from)| kind == "HTTPRoute" && *from == route.id.namespace)
                    && grant.to.iter().any(|(kind, to)| {
                        kind == "Service" && to.as_ref().is_none_or(|to| to == name)
                    })
            });
            if !granted {
                let message = format!(
                    "Service {namespace}/{name} is in another namespace and no ReferenceGrant there allows HTTPRoutes of {}",
                    route.id.namespace
                );
                let finding =
                    self.finding(Rule::RouteNotPermitted, &route.id, place, path, message);
                sink.push(finding.help(format!("create a ReferenceGrant in {namespace}")));
                return;
            }
        }
        match self.model.service(namespace, name) {
            None => {
                let what = format!("Error GWCER102: services {namespace}/{name} not found");
                let mut finding = self.finding(
                    Rule::RouteBackendNotFound,
                    &route.id,
                    place,
                    path,
                    misconfigured(route, &what),
                );
                // It may well be in the cluster: the route alone is often what is checked.
                finding.severity = Severity::Warning;
                sink.push(finding.help("the Service is not among these manifests; this is what GKE says if the cluster lacks it too"));
            }
            Some(service) if backend.port.is_none_or(|port| service.port(port).is_none()) => {
                let port = backend
                    .port
                    .map_or_else(|| "none".to_owned(), |port| port.to_string());
                let has: Vec<String> = service
                    .ports
                    .iter()
                    .map(|port| port.port.to_string())
                    .collect();
                let message = misconfigured(
                    route,
                    &format!("port {port} of services {namespace}/{name} not found"),
                );
                let finding =
                    self.finding(Rule::RouteBackendNotFound, &route.id, place, path, message);
                sink.push(finding.help(format!("the Service has the ports {}", has.join(", "))));
            }
            Some(_) => {}
        }
    }
}

/// Reports what a class does not support: place, path, GKE's words, help.
type Unsupported<'u> = &'u mut dyn FnMut(Option<Place>, String, &str, &str);

fn unsupported_match(one: &RouteMatch, path: &str, unsupported: Unsupported<'_>) {
    let value = &one.path.value;
    if one.path.kind == PathKind::Regex && value.value.starts_with('/') {
        unsupported(
            value.place,
            format!("{path}.path"),
            "path matches of type RegularExpression are not supported",
            "use PathPrefix or Exact",
        );
    } else if !value.value.starts_with('/') {
        unsupported(
            value.place,
            format!("{path}.path"),
            &format!("Paths must start with a '/' character {:?}", value.value),
            match one.path.kind {
                PathKind::Regex => "regular expressions are not supported; use PathPrefix or Exact",
                PathKind::Exact | PathKind::Prefix => "start the path with /",
            },
        );
    }
    if let Some(method) = &one.method {
        unsupported(
            method.place,
            format!("{path}.method"),
            "method matches are not supported",
            "leave the method out",
        );
    }
    for (kind, matches) in [("header", &one.headers), ("query parameter", &one.query)] {
        for regex in matches.iter().filter(|one| one.kind == MatchKind::Regex) {
            unsupported(
                regex.place,
                path.to_owned(),
                &format!("{kind} matches of type RegularExpression are not supported"),
                "use Exact",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hostnames_meet;

    #[test]
    fn hostnames_meet_through_wildcards_on_either_side() {
        let check = |listener, route, expected| {
            assert_eq!(
                hostnames_meet(listener, route),
                expected,
                "{listener:?} {route}"
            );
        };
        check(None, "a.example", true);
        check(Some("a.example"), "a.example", true);
        check(Some("*.example"), "a.example", true);
        check(Some("a.example"), "*.example", true);
        check(Some("*.b.example"), "*.example", true);
        check(Some("*.example"), "example", false);
        check(Some("a.example"), "b.example", false);
    }
}
