//! The annotations with which the controller links a Gateway to what it made in Google Cloud.

use crate::check::Report;
use crate::describe::fingerprint;
use crate::finding::ObjectId;
use crate::model::{Backend, ExtensionSet, Gateway, Plugin, PluginVersion};

/// Where the made-up cloud resources are.
#[derive(Clone, Copy, Debug)]
pub struct Cloud<'a> {
    /// The project's number.
    pub project: &'a str,
    /// The region of regional Gateways.
    pub region: &'a str,
    /// The prefix of generated names.
    pub prefix: &'a str,
    /// The Gateway's address where the manifest asks for none.
    pub address: &'a str,
}

impl Default for Cloud<'_> {
    fn default() -> Self {
        Self {
            project: "1234567890",
            region: "us-central1",
            prefix: "gwr-local",
            address: "127.0.0.1",
        }
    }
}

impl Cloud<'_> {
    fn location(&self, gateway: &Gateway) -> String {
        if gateway.class.is_regional() {
            self.region.to_owned()
        } else {
            "global".to_owned()
        }
    }

    /// `prefix-NAME-suffix`: the suffix tells content apart, as names cannot be used again.
    pub(crate) fn name(&self, name: &str, content: &str) -> String {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let id = ObjectId {
            kind: content.to_owned(),
            namespace: self.prefix.to_owned(),
            name: name.to_owned(),
        };
        let mut number = fingerprint(&id);
        let mut suffix = String::new();
        for _ in 0..12 {
            suffix.push(char::from(LETTERS[(number & 31) as usize]));
            number >>= 5;
        }
        format!("{}-{name}-{suffix}", self.prefix)
    }

    /// The generated name of a plugin's version, which changes with its content.
    #[must_use]
    pub fn version_name(&self, version: &PluginVersion) -> String {
        let config = version
            .config_uri
            .as_ref()
            .map_or("", |uri| uri.value.as_str());
        self.name(&version.name, &format!("{} {config}", version.image.value))
    }
}

/// The annotations of a Gateway, sorted by key; empty where there is nothing to link.
#[must_use]
pub fn annotations(
    report: &Report,
    gateway: &Gateway,
    time: &str,
    cloud: &Cloud<'_>,
) -> Vec<(String, String)> {
    let location = cloud.location(gateway);
    let project = cloud.project;
    let base = if location == "global" {
        format!("/projects/{project}/global")
    } else {
        format!("/projects/{project}/regions/{location}")
    };
    let own = format!("{}-{}", gateway.id.namespace, gateway.id.name);
    let compute =
        |collection: &str| format!("{base}/{collection}/{}", cloud.name(&own, collection));
    let services = |collection: &str, name: &str| {
        format!("projects/{project}/locations/{location}/{collection}/{name}")
    };
    let plan = report.plan.gateway(&gateway.id.namespace, &gateway.id.name);
    let traffic = plan.and_then(|plan| plan.traffic.as_ref());
    let routing = plan.and_then(|plan| plan.routing.as_ref());
    let extension = |collection: &str, there: bool| match there {
        true => services(collection, &cloud.name(&own, collection)),
        false => String::new(),
    };
    let backends = backend_services(report, gateway);
    let listed = |collection: &str| {
        let all: Vec<String> = backends
            .iter()
            .map(|name| format!("{base}/{collection}/{}", cloud.name(name, collection)))
            .collect();
        all.join(", ")
    };
    let plugins: Vec<&Plugin> = traffic
        .iter()
        .flat_map(|extension| &extension.plugins)
        .collect();
    let plugin_name = |plugin: &Plugin| {
        cloud.name(
            &format!("{}-{}", plugin.id.namespace, plugin.id.name),
            "wasmPlugins",
        )
    };
    let plugin_paths: Vec<String> = plugins
        .iter()
        .map(|plugin| services("wasmPlugins", &plugin_name(plugin)))
        .collect();
    let versions: Vec<String> = plugins
        .iter()
        .flat_map(|plugin| {
            plugin.versions.iter().map(|version| {
                let path = services("wasmPlugins", &plugin_name(plugin));
                format!("{path}/versions/{}", cloud.version_name(version))
            })
        })
        .collect();
    let proxy = |protocol: &str, collection: &str| {
        let has = gateway
            .listeners
            .iter()
            .any(|listener| listener.protocol == protocol);
        if has {
            compute(collection)
        } else {
            String::new()
        }
    };
    let firewall = format!("{}-l7-{}-{location}", cloud.prefix, gateway.id.namespace);
    let mut all = vec![
        ("addresses", compute("addresses")),
        ("backend-services", listed("backendServices")),
        (
            "firewalls",
            format!("/projects/{project}/global/firewalls/{firewall}"),
        ),
        ("forwarding-rules", compute("forwardingRules")),
        ("health-checks", listed("healthChecks")),
        ("last-reconcile-time", time.to_owned()),
        (
            "lb-route-extensions",
            extension("lbRouteExtensions", routing.is_some()),
        ),
        (
            "lb-traffic-extensions",
            extension("lbTrafficExtensions", traffic.is_some()),
        ),
        ("ssl-certificates", String::new()),
        ("target-http-proxies", proxy("HTTP", "targetHttpProxies")),
        ("target-https-proxies", proxy("HTTPS", "targetHttpsProxies")),
        ("url-maps", compute("urlMaps")),
    ];
    if !plugins.is_empty() {
        all.push(("wasm-plugin-versions", versions.join(", ")));
        all.push(("wasm-plugins", plugin_paths.join(", ")));
    }
    all.into_iter()
        .map(|(key, value)| (format!("networking.gke.io/{key}"), value))
        .collect()
}

/// Names of the backend services: `namespace-service-port` of routes and callouts, and the one
/// that answers 404.
fn backend_services(report: &Report, gateway: &Gateway) -> Vec<String> {
    let mut names = vec![format!("{}-gw-serve404-80", gateway.id.namespace)];
    let Some(plan) = report.plan.gateway(&gateway.id.namespace, &gateway.id.name) else {
        return names;
    };
    for backend in plan
        .routes
        .iter()
        .flat_map(|route| &route.rules)
        .flat_map(|rule| &rule.backends)
    {
        let port = backend.port.unwrap_or(0);
        names.push(format!(
            "{}-{}-{port}",
            backend.namespace, backend.name.value
        ));
    }
    let sets: Vec<&ExtensionSet> = [&plan.routing, &plan.traffic]
        .into_iter()
        .flatten()
        .map(|extension| &extension.set)
        .collect();
    for set in sets {
        for (_, _, extension) in set.all() {
            if let Backend::Service { name, port } = &extension.backend.value {
                names.push(format!("{}-{name}-{port}", set.id.namespace));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}
