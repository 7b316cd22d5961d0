//! What the controller writes into an object's status, as JSON.

use serde_json::{Value as Json, json};

use crate::check::{Object, Report};
use crate::controller;
use crate::describe::DescribeOptions;
use crate::finding::{Finding, Severity};
use crate::model::{Gateway, Listener, Route};
use crate::rule::Rule;
use crate::status::{ConditionType, Era, Status};

/// Who writes.
const CONTROLLER: &str = "networking.gke.io/gateway";

/// The status of an object, if the controller writes one: conditions of extensions and plugins by
/// ancestor, addresses and listeners of Gateways, conditions of routes by parent.
///
/// Every condition has the time of the options and observes the first generation.
#[must_use]
pub fn written(report: &Report, object: &Object, options: &DescribeOptions<'_>) -> Option<Json> {
    let (namespace, name) = (&object.id.namespace, &object.id.name);
    match object.id.kind.as_str() {
        "Gateway" => {
            let gateway = report.model.gateway(namespace, name)?;
            Some(of_gateway(report, gateway, options))
        }
        "HTTPRoute" => {
            let mut routes = report.model.routes.iter();
            let route = routes.find(|route| route.id == object.id)?;
            of_route(report, route, options)
        }
        _ => of_extension(report.statuses.get(&object.id)?, options),
    }
}

/// A condition in the fields' order of kubectl, which sorts them anyway.
fn condition(
    kind: &str,
    refusal: Option<(&str, &str)>,
    success: &str,
    options: &DescribeOptions<'_>,
) -> Json {
    let (reason, message) = refusal.unwrap_or((success, ""));
    let mut condition = json!({
        "lastTransitionTime": options.time,
        "message": message,
        "reason": reason,
        "status": if refusal.is_none() { "True" } else { "False" },
        "type": kind,
    });
    if options.era == Era::August2025 {
        condition["observedGeneration"] = 1.into();
    }
    condition
}

fn of_extension(status: &Status, options: &DescribeOptions<'_>) -> Option<Json> {
    if status.ancestors.is_empty() {
        return None;
    }
    let ancestors: Vec<Json> = status
        .ancestors
        .iter()
        .map(|ancestor| {
            let conditions: Vec<Json> = ancestor
                .conditions
                .iter()
                // In March 2025 a reference that resolved was not worth a condition.
                .filter(|c| {
                    options.era == Era::August2025
                        || c.kind != ConditionType::ResolvedRefs
                        || !c.status
                })
                .map(|c| {
                    let refusal = (!c.status).then_some((c.reason, c.message.as_str()));
                    condition(c.kind.as_str(), refusal, c.reason, options)
                })
                .collect();
            json!({
                "ancestorRef": {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "name": ancestor.name,
                    "namespace": ancestor.namespace,
                },
                "conditions": conditions,
                "controllerName": CONTROLLER,
            })
        })
        .collect();
    Some(json!({ "ancestors": ancestors }))
}

fn of_gateway(report: &Report, gateway: &Gateway, options: &DescribeOptions<'_>) -> Json {
    let address = gateway.address.as_deref().unwrap_or(options.cloud.address);
    let each = gateway.listeners.iter().map(|listener| {
        json!({
            "attachedRoutes": attached(report, gateway, listener),
            "conditions": [
                condition("Accepted", None, "Accepted", options),
                condition("Programmed", None, "Programmed", options),
                condition("ResolvedRefs", None, "ResolvedRefs", options),
            ],
            "name": listener.name,
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        })
    });
    json!({
        "addresses": [{"type": "IPAddress", "value": address}],
        "conditions": [
            condition("Accepted", None, "Accepted", options),
            condition("Programmed", None, "Programmed", options),
        ],
        "listeners": each.collect::<Vec<_>>(),
    })
}

/// How many routes a listener takes.
fn attached(report: &Report, gateway: &Gateway, listener: &Listener) -> usize {
    let takes = |route: &&Route| {
        controller::attached(gateway, route).any(|taken| taken.name == listener.name)
    };
    report.model.routes.iter().filter(takes).count()
}

/// Nothing where no parent exists: then there is no controller that would write.
fn of_route(report: &Report, route: &Route, options: &DescribeOptions<'_>) -> Option<Json> {
    let errors: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|f| f.object.as_ref() == Some(&route.id) && f.severity == Severity::Error)
        .collect();
    let parents: Vec<Json> = route
        .parents
        .iter()
        .enumerate()
        .filter(|(_, parent)| {
            let gateway = report.model.gateway(&parent.namespace, &parent.name.value);
            parent.is_gateway && gateway.is_some()
        })
        .map(|(index, parent)| {
            let own = format!("spec.parentRefs[{index}]");
            let refusal = |rules: &[Rule]| {
                let mut about = errors.iter().filter(|error| {
                    rules.contains(&error.rule)
                        && (error.path == own || !error.path.starts_with("spec.parentRefs"))
                });
                about
                    .next()
                    .map(|error| (error.code(), error.message.as_str()))
            };
            let accepted = refusal(&[
                Rule::RouteParentNotFound,
                Rule::RouteHostnames,
                Rule::RouteUnsupported,
            ]);
            let resolved = refusal(&[Rule::RouteBackendNotFound, Rule::RouteNotPermitted]);
            let mut reference = json!({
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": parent.name.value,
            });
            if parent.namespace != route.id.namespace {
                reference["namespace"] = parent.namespace.clone().into();
            }
            if let Some(section) = &parent.section {
                reference["sectionName"] = section.clone().into();
            }
            json!({
                "conditions": [
                    condition("Accepted", accepted, "Accepted", options),
                    condition("ResolvedRefs", resolved, "ResolvedRefs", options),
                ],
                "controllerName": CONTROLLER,
                "parentRef": reference,
            })
        })
        .collect();
    (!parents.is_empty()).then(|| json!({ "parents": parents }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Cloud;
    use crate::fixtures::{GLOBAL, ROUTE, documented};

    const OPTIONS: DescribeOptions<'static> = DescribeOptions {
        era: Era::August2025,
        time: "2025-08-08T20:16:13Z",
        reconciled: true,
        cloud: Cloud {
            project: "1",
            region: "r",
            prefix: "p",
            address: "127.0.0.7",
        },
    };

    fn status(kind: &str, name: &str) -> Json {
        let report = documented(&[ROUTE], "external-http", GLOBAL);
        let object = report.object(kind, "default", name).unwrap();
        written(&report, object, &OPTIONS).unwrap()
    }

    #[test]
    fn a_gateway_has_its_address_and_counts_its_routes() {
        let status = status("Gateway", "external-http");
        assert_eq!(status["addresses"][0]["value"], "127.0.0.7");
        assert_eq!(status["conditions"][1]["type"], "Programmed");
        assert_eq!(status["listeners"][1]["name"], "https");
        assert_eq!(status["listeners"][1]["attachedRoutes"], 1);
    }

    #[test]
    fn a_route_is_accepted_and_its_missing_backends_are_told() {
        let status = status("HTTPRoute", "store");
        let conditions = &status["parents"][0]["conditions"];
        assert_eq!(conditions[0]["status"], "True");
        assert_eq!(conditions[1]["type"], "ResolvedRefs");
    }
}
