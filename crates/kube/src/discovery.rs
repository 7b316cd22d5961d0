//! What the API says of itself: versions, groups, resources, and the classes that GKE brings.

use gatewright_gke::Profile;
use serde_json::{Value, json};

use crate::kinds::{Info, Kind, group_version};

/// The media type of everything at once.
pub(crate) const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// What can be done with objects.
const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// `/version`: the Kubernetes that the profile is of.
#[must_use]
pub(crate) fn version(profile: Profile) -> Value {
    let minor = match profile {
        Profile::Gke133 => "33",
        Profile::Gke202604 => "35",
    };
    json!({
        "major": "1",
        "minor": minor,
        "gitVersion": format!("v1.{minor}.3-gke.gatewright"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": std::env::consts::OS,
    })
}

/// `/api`.
#[must_use]
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
#[must_use]
pub(crate) fn groups() -> Value {
    let groups: Vec<_> = Kind::groups()
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| api_group(group, &versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
#[must_use]
pub(crate) fn group(name: &str) -> Option<Value> {
    let mut groups = Kind::groups().into_iter();
    let (_, versions) = groups.find(|(group, _)| *group == name && !group.is_empty())?;
    let mut group = api_group(name, &versions);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Some(group)
}

fn api_group(group: &str, versions: &[&str]) -> Value {
    let each: Vec<_> = versions
        .iter()
        .map(|version| json!({"groupVersion": group_version(group, version), "version": version}))
        .collect();
    json!({"name": group, "preferredVersion": each.first(), "versions": each})
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`.
#[must_use]
pub(crate) fn resources(group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for info in Kind::of_version(group, version) {
        let mut resource = json!({
            "name": info.plural,
            "singularName": singular(info),
            "namespaced": info.namespaced,
            "kind": info.name,
            "verbs": VERBS,
        });
        if !info.short.is_empty() {
            resource["shortNames"] = info.short.into();
        }
        if !info.categories.is_empty() {
            resource["categories"] = info.categories.into();
        }
        resources.push(resource);
        if info.status {
            resources.push(json!({
                "name": format!("{}/status", info.plural),
                "singularName": "",
                "namespaced": info.namespaced,
                "kind": info.name,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version(group, version),
            "resources": resources,
        })
    })
}

/// Everything of `/api` or `/apis` at once, as newer clients ask for it.
#[must_use]
pub(crate) fn aggregated(core: bool) -> Value {
    let items: Vec<_> = Kind::groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<_> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<_> = Kind::of_version(group, version)
                        .map(|info| aggregated_resource(info, version))
                        .collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(info: &Info, version: &str) -> Value {
    let kind = json!({"group": info.group, "version": version, "kind": info.name});
    let mut resource = json!({
        "resource": info.plural,
        "responseKind": kind,
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": singular(info),
        "verbs": VERBS,
        "shortNames": info.short,
        "categories": info.categories,
    });
    if info.status {
        resource["subresources"] = json!([{
            "subresource": "status",
            "responseKind": kind,
            "verbs": ["get", "patch", "update"],
        }]);
    }
    resource
}

fn singular(info: &Info) -> String {
    info.name.to_ascii_lowercase()
}

/// The classes of Gateways that GKE brings.
#[must_use]
pub(crate) fn classes() -> Vec<Value> {
    [
        (
            "gke-l7-global-external-managed",
            "GKE: global external Application Load Balancer",
        ),
        (
            "gke-l7-regional-external-managed",
            "GKE: regional external Application Load Balancer",
        ),
        (
            "gke-l7-rilb",
            "GKE: regional internal Application Load Balancer",
        ),
        ("gke-l7-gxlb", "GKE: classic Application Load Balancer"),
    ]
    .into_iter()
    .map(|(name, description)| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": name},
            "spec": {"controllerName": "networking.gke.io/gateway", "description": description},
            "status": {"conditions": [{
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": "",
                "observedGeneration": 1,
                "lastTransitionTime": "1970-01-01T00:00:00Z",
            }]},
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_discovered_both_ways() {
        let listed: usize = Kind::groups()
            .iter()
            .flat_map(|(group, versions)| versions.iter().map(move |version| (group, version)))
            .map(|(group, version)| {
                let list = resources(group, version).unwrap();
                let all = list["resources"].as_array().unwrap().clone();
                all.iter()
                    .filter(|r| !r["name"].as_str().unwrap().contains('/'))
                    .count()
            })
            .sum();
        let versions: usize = Kind::ALL
            .iter()
            .map(|kind| kind.info().versions.len())
            .sum();
        assert_eq!(listed, versions);
        let text = aggregated(false).to_string() + &aggregated(true).to_string();
        for kind in Kind::ALL {
            assert!(text.contains(kind.info().plural), "{kind:?}");
        }
        assert!(resources("apps", "v2").is_none() && group("pizza").is_none());
    }
}
