//! Envoy's configuration: a bootstrap, and the file of listeners that it reads.
//!
//! What Envoy adds of its own accord is switched off where it has a switch: request ids, the
//! `server` header, timing headers, route timeouts, retries. What has none is in
//! [`edge`](crate::edge). Every address is loopback with port 0, so Envoy chooses free ports.

use std::path::Path;

use base64::Engine as _;
use gatewright_harness::FailurePolicy;
use serde_json::{Value, json};

/// Envoy's name for what becomes of an exchange when its plugin fails.
const fn name_of(policy: FailurePolicy) -> &'static str {
    match policy {
        FailurePolicy::Closed => "FAIL_CLOSED",
        FailurePolicy::Open => "FAIL_OPEN",
        FailurePolicy::Reload => "FAIL_RELOAD",
    }
}

/// A listener with one plugin in front of the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// The name of listener, plugin and VM: no case shares a VM with another.
    pub(crate) name: &'a str,
    /// The plugin's file.
    pub(crate) wasm: &'a Path,
    /// Its configuration.
    pub(crate) config: &'a [u8],
    /// What happens when it fails.
    pub(crate) policy: FailurePolicy,
}

/// The cluster of the upstream.
pub(crate) const UPSTREAM: &str = "upstream";
/// The listener that answers at once, without a plugin.
pub(crate) const PROBE: &str = "probe";

const HCM: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

fn loopback(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// The bootstrap: the admin interface, and clusters by name and port.
pub(crate) fn bootstrap(clusters: &[(&str, u16)], listeners: &Path) -> Value {
    let clusters: Vec<_> = clusters
        .iter()
        .map(|(name, port)| cluster(name, *port))
        .collect();
    json!({
        "node": {"id": "gatewright", "cluster": "gatewright"},
        "admin": {"address": loopback(0)},
        "dynamic_resources": {"lds_config": {
            "path_config_source": {"path": listeners},
            "resource_api_version": "V3",
        }},
        "static_resources": {"clusters": clusters},
    })
}

/// A cluster with one endpoint. A connection carries one request, so that each is told apart.
fn cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {PROTOCOL: {
            "@type": format!("type.googleapis.com/{PROTOCOL}"),
            "common_http_protocol_options": {"max_requests_per_connection": 1},
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": loopback(port)}},
        ]}]},
    })
}

/// The file of listeners: the probe, and one for each entry.
pub(crate) fn listeners(entries: &[Entry<'_>]) -> Value {
    let probe = listener(
        PROBE,
        &json!({"direct_response": {"status": 200}}),
        Vec::new(),
    );
    let others = entries.iter().map(|entry| {
        let route = json!({"route": {"cluster": UPSTREAM, "timeout": "0s"}});
        listener(entry.name, &route, vec![wasm(entry)])
    });
    let resources: Vec<_> = std::iter::once(probe).chain(others).collect();
    json!({"version_info": "1", "resources": resources})
}

fn listener(name: &str, action: &Value, mut filters: Vec<Value>) -> Value {
    let mut route = json!({"match": {"prefix": "/"}});
    if let (Some(route), Some(action)) = (route.as_object_mut(), action.as_object()) {
        route.extend(action.clone());
    }
    filters.push(json!({
        "name": "router",
        "typed_config": {"@type": ROUTER, "suppress_envoy_headers": true},
    }));
    json!({
        "@type": LISTENER,
        "name": name,
        "address": loopback(0),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": {
            "@type": HCM,
            "stat_prefix": name,
            "generate_request_id": false,
            "server_header_transformation": "PASS_THROUGH",
            "stream_idle_timeout": "0s",
            "http_protocol_options": {"enable_trailers": true},
            "route_config": {
                "name": "route",
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
            },
            "http_filters": filters,
        }}]}],
    })
}

fn wasm(entry: &Entry<'_>) -> Value {
    let config = base64::engine::general_purpose::STANDARD.encode(entry.config);
    json!({"name": "wasm", "typed_config": {"@type": WASM, "config": {
        "name": entry.name,
        "failure_policy": name_of(entry.policy),
        "vm_config": {
            "vm_id": entry.name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": entry.wasm}},
        },
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.BytesValue",
            "value": config,
        },
    }}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_listener_and_a_vm_of_its_own() {
        let entry = |name| Entry {
            name,
            wasm: Path::new("p.wasm"),
            config: b"\xff",
            policy: FailurePolicy::Reload,
        };
        let file = listeners(&[entry("a"), entry("b")]);
        let names: Vec<_> = (0..3).map(|at| &file["resources"][at]["name"]).collect();
        assert_eq!(names, ["probe", "a", "b"]);
        let text = file.to_string();
        for part in [
            "\"vm_id\":\"a\"",
            "\"vm_id\":\"b\"",
            "\"/w==\"",
            "FAIL_RELOAD",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
