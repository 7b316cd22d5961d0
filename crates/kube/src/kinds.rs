//! The kinds that there are, as a table: how they are called, where they are served, and what a
//! server does with each.

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A namespace of names.
    Namespace,
    /// What happened to an object.
    Event,
    /// A Pod; those of Deployments are made here.
    Pod,
    /// Secrets, such as certificates.
    Secret,
    /// A Service.
    Service,
    /// A Deployment.
    Deployment,
    /// The classes of Gateways that GKE has.
    GatewayClass,
    /// A Gateway.
    Gateway,
    /// A route.
    HttpRoute,
    /// What a namespace lets others refer to.
    ReferenceGrant,
    /// Policies on Services.
    GcpBackendPolicy,
    /// Routing extensions.
    GcpRoutingExtension,
    /// Traffic extensions.
    GcpTrafficExtension,
    /// Plugins.
    GcpWasmPlugin,
}

/// What is known of a kind.
#[derive(Debug)]
pub struct Info {
    /// The kind.
    pub kind: Kind,
    /// Its name, as `kind:` has it.
    pub name: &'static str,
    /// The collection's name in paths.
    pub plural: &'static str,
    /// The group; empty for the core.
    pub group: &'static str,
    /// The versions, the preferred one first.
    pub versions: &'static [&'static str],
    /// Other names that `kubectl` takes.
    pub short: &'static [&'static str],
    /// Whether objects lie in namespaces.
    pub namespaced: bool,
    /// Whether the status is a resource of its own, which a change of the object leaves alone.
    pub status: bool,
    /// Whether the API server knows the kind by its own types and not by a CRD: such kinds take
    /// strategic merge patches.
    pub built_in: bool,
    /// Groups of kinds that the kind is in, such as `all`.
    pub categories: &'static [&'static str],
}

const GATEWAY: &str = "gateway.networking.k8s.io";
const GKE: &str = "networking.gke.io";

macro_rules! kinds {
    ($($kind:ident $name:literal $plural:literal $group:expr, $versions:expr, $short:expr, $namespaced:literal $status:literal $built_in:literal $categories:expr;)*) => {
        const ALL: &[Info] = &[$(Info {
            kind: Kind::$kind,
            name: $name,
            plural: $plural,
            group: $group,
            versions: &$versions,
            short: &$short,
            namespaced: $namespaced,
            status: $status,
            built_in: $built_in,
            categories: &$categories,
        },)*];

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];
        }
    };
}

kinds! {
    // kind, name, plural, group, versions, short names; in namespaces, status, built in; categories
    Namespace "Namespace" "namespaces" "", ["v1"], ["ns"], false true true [];
    Event "Event" "events" "", ["v1"], ["ev"], true false true [];
    Pod "Pod" "pods" "", ["v1"], ["po"], true true true ["all"];
    Secret "Secret" "secrets" "", ["v1"], [], true false true [];
    Service "Service" "services" "", ["v1"], ["svc"], true true true ["all"];
    Deployment "Deployment" "deployments" "apps", ["v1"], ["deploy"], true true true ["all"];
    GatewayClass "GatewayClass" "gatewayclasses" GATEWAY, ["v1", "v1beta1"], ["gc"], false true false ["gateway-api"];
    Gateway "Gateway" "gateways" GATEWAY, ["v1", "v1beta1"], ["gtw"], true true false ["gateway-api"];
    HttpRoute "HTTPRoute" "httproutes" GATEWAY, ["v1", "v1beta1"], [], true true false ["gateway-api"];
    ReferenceGrant "ReferenceGrant" "referencegrants" GATEWAY, ["v1beta1"], ["refgrant"], true false false ["gateway-api"];
    GcpBackendPolicy "GCPBackendPolicy" "gcpbackendpolicies" GKE, ["v1"], [], true true false [];
    GcpRoutingExtension "GCPRoutingExtension" "gcproutingextensions" GKE, ["v1"], [], true true false [];
    GcpTrafficExtension "GCPTrafficExtension" "gcptrafficextensions" GKE, ["v1"], [], true true false [];
    GcpWasmPlugin "GCPWasmPlugin" "gcpwasmplugins" GKE, ["v1"], [], true true false [];
}

impl Kind {
    /// What is known of it.
    #[must_use]
    pub fn info(self) -> &'static Info {
        // The table has the order of the enum, which a test holds it to.
        &ALL[self as usize]
    }

    /// The kind of that name in `kind:`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|info| info.name == name).map(|i| i.kind)
    }

    /// The kind that is served under a group, version and collection.
    #[must_use]
    pub fn served(group: &str, version: &str, plural: &str) -> Option<Self> {
        ALL.iter()
            .find(|info| {
                info.group == group && info.plural == plural && info.versions.contains(&version)
            })
            .map(|info| info.kind)
    }

    /// The groups in the order of the table, each once, with their versions, the preferred first.
    #[must_use]
    pub fn groups() -> Vec<(&'static str, Vec<&'static str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for info in ALL {
            let at = match groups.iter().position(|(group, _)| *group == info.group) {
                Some(at) => at,
                None => {
                    groups.push((info.group, Vec::new()));
                    groups.len() - 1
                }
            };
            for version in info.versions {
                if !groups[at].1.contains(version) {
                    groups[at].1.push(version);
                }
            }
        }
        groups
    }

    /// The kinds that are served under a group and version.
    pub fn of_version(group: &str, version: &str) -> impl Iterator<Item = &'static Info> {
        ALL.iter()
            .filter(move |info| info.group == group && info.versions.contains(&version))
    }
}

impl Info {
    /// `group/version`, or the version alone for the core.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        group_version(self.group, version)
    }

    /// The collection with its group, as messages call it: `gateways.gateway.networking.k8s.io`.
    #[must_use]
    pub fn resource(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The kind with its group, as messages call it: `Gateway.gateway.networking.k8s.io`.
    #[must_use]
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.name.to_owned(),
            group => format!("{}.{group}", self.name),
        }
    }
}

/// `group/version`, or the version alone for the core.
#[must_use]
pub fn group_version(group: &str, version: &str) -> String {
    match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_enum() {
        for kind in Kind::ALL {
            assert_eq!(kind.info().kind, *kind);
            assert_eq!(Kind::from_name(kind.info().name), Some(*kind));
        }
    }

    #[test]
    fn versions_of_a_group_are_listed_once_with_the_preferred_first() {
        let groups = Kind::groups();
        assert_eq!(groups[0], ("", vec!["v1"]));
        let gateway = groups.iter().find(|(group, _)| *group == GATEWAY);
        assert_eq!(gateway.map(|g| g.1.clone()), Some(vec!["v1", "v1beta1"]));
    }
}
