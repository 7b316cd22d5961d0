//! Lists that are more than lists: which are merged item by item, and by which keys.
//!
//! Kubernetes writes this into its types. Only the lists that have such a mark are named here; any
//! other is taken as one value.

use crate::kinds::Kind;

/// How a list is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Items are told apart by these fields; strategic merges use the first alone.
    Keyed(&'static [&'static str]),
    /// Items are texts, each there once.
    Set,
    /// The list is one value.
    Atomic,
}

/// A field of Pods' containers and the keys of its items.
const CONTAINER: &[(&str, &[&str])] = &[
    ("env", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("resizePolicy", &["resourceName"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
];

const POD: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    (
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
    ),
    ("volumes", &["name"]),
];

/// How the list at a path of a kind's objects is merged. Items of lists are left out of the path,
/// as in `spec.template.spec.containers.env`.
#[must_use]
pub fn list_at(kind: Kind, path: &[&str]) -> ListKind {
    match path {
        ["metadata", "finalizers"] => return ListKind::Set,
        ["metadata", "ownerReferences"] => return ListKind::Keyed(&["uid"]),
        _ => {}
    }
    let (pod, rest) = match (kind, path) {
        (Kind::Deployment, ["spec", "template", "spec", rest @ ..]) => (true, rest),
        (Kind::Pod, ["spec", rest @ ..]) => (true, rest),
        _ => (false, path),
    };
    let keys = match (kind, rest) {
        (_, [list]) if pod => find(POD, list),
        (
            _,
            [
                "containers" | "initContainers" | "ephemeralContainers",
                list,
            ],
        ) if pod => find(CONTAINER, list),
        (Kind::Service, ["spec", "ports"]) => Some(&["port", "protocol"][..]),
        (Kind::Gateway, ["spec", "listeners"]) => Some(&["name"][..]),
        (Kind::Gateway, ["status", "listeners"]) => Some(&["name"][..]),
        (Kind::Gateway, ["status", "listeners", "conditions"]) => Some(&["type"][..]),
        (_, ["status", "conditions"] | ["status", "ancestors" | "parents", "conditions"]) => {
            Some(&["type"][..])
        }
        _ => None,
    };
    keys.map_or(ListKind::Atomic, ListKind::Keyed)
}

fn find(table: &[(&str, &'static [&'static str])], list: &str) -> Option<&'static [&'static str]> {
    table
        .iter()
        .find(|(name, _)| *name == list)
        .map(|(_, keys)| *keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_by_their_path() {
        let check = |kind, path: &str, expected| {
            let path: Vec<_> = path.split('.').collect();
            assert_eq!(list_at(kind, &path), expected, "{path:?}");
        };
        check(
            Kind::Service,
            "spec.ports",
            ListKind::Keyed(&["port", "protocol"]),
        );
        check(
            Kind::Deployment,
            "spec.template.spec.containers.env",
            ListKind::Keyed(&["name"]),
        );
        check(Kind::Pod, "spec.containers", ListKind::Keyed(&["name"]));
        check(Kind::Deployment, "spec.containers", ListKind::Atomic);
        check(Kind::Gateway, "spec.listeners", ListKind::Keyed(&["name"]));
        check(
            Kind::GcpTrafficExtension,
            "spec.extensionChains",
            ListKind::Atomic,
        );
        check(Kind::HttpRoute, "metadata.finalizers", ListKind::Set);
    }
}
