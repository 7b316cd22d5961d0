//! The listeners of a Gateway, one for each port.

use std::collections::BTreeMap;

use gatewright_gke::{GatewayPlan, Listener, Node, Report};
use serde_json::{Value, json};

use super::clusters::Clusters;
use super::{Bindings, Notes, address, extensions, routes, typed};

const HCM: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const FILE_LOG: &str = "envoy.extensions.access_loggers.file.v3.FileAccessLog";

pub(super) fn of_gateway(
    report: &Report,
    plan: &GatewayPlan,
    bindings: &Bindings<'_>,
    clusters: &mut Clusters<'_>,
    notes: &mut Notes,
) -> Vec<Value> {
    let id = &plan.gateway.id;
    let mut ports: BTreeMap<(u16, bool), Vec<&Listener>> = BTreeMap::new();
    for listener in &plan.gateway.listeners {
        match listener.protocol.as_str() {
            "HTTP" | "HTTPS" => ports
                .entry((listener.port, listener.protocol == "HTTPS"))
                .or_default()
                .push(listener),
            other => notes.add(format!(
                "listener `{}` of {id} is not exported: its protocol is {other}",
                listener.name
            )),
        }
    }
    let filters = extensions::of_gateway(plan, bindings, clusters, notes);
    // A routing extension comes before the route, and sees requests that have none yet.
    let names: Vec<&str> = filters
        .iter()
        .filter_map(|filter| filter["name"].as_str())
        .filter(|name| name.starts_with("traffic-extension/"))
        .collect();
    if plan.routing.is_some() && !names.is_empty() {
        notes.add(format!(
            "{id}: Envoy decides before the routing extension is called whether a request has a \
             route; one that first gets a route by it is not shown to the traffic extension"
        ));
    }
    let mut made = Vec::new();
    for ((port, is_tls), listeners) in ports {
        let socket = if is_tls {
            match transport_socket(report, plan, &listeners, bindings) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    notes.add(format!("port {port} of {id} is not exported: {error}"));
                    continue;
                }
            }
        } else {
            None
        };
        let at = bindings.ports.get(&port).copied().unwrap_or(port);
        let routes = routes::configuration(plan, &listeners, at, &names, clusters, notes);
        let mut chain = json!({"filters": [manager(id.name.as_str(), port, &filters, &routes)]});
        if let Some(socket) = socket {
            chain["transport_socket"] = socket;
        }
        made.push(json!({
            "name": format!("{}/{}/{port}", id.namespace, id.name),
            "address": address(&bindings.bind.to_string(), at),
            "filter_chains": [chain],
        }));
    }
    made
}

fn manager(gateway: &str, port: u16, extensions: &[Value], routes: &Value) -> Value {
    let mut filters = extensions.to_vec();
    let router = json!({"suppress_envoy_headers": true});
    filters.push(json!({"name": "router", "typed_config": typed(ROUTER, router)}));
    let manager = json!({
        "stat_prefix": format!("{gateway}-{port}"),
        "route_config": routes,
        "http_filters": filters,
        "access_log": [access_log()],
        "via": "1.1 google",
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": false,
        "use_remote_address": true,
        "request_headers_timeout": "10s",
        // So that conditions and routes see the host as the load balancer shows it.
        "strip_matching_host_port": true,
    });
    json!({"name": "http", "typed_config": typed(HCM, manager)})
}

fn access_log() -> Value {
    let log = json!({
        "path": "/dev/stdout",
        "log_format": {"json_format": {
            "time": "%START_TIME%",
            "method": "%REQ(:METHOD)%",
            "authority": "%REQ(:AUTHORITY)%",
            "path": "%REQ(:PATH)%",
            "status": "%RESPONSE_CODE%",
            "route": "%ROUTE_NAME%",
            "cluster": "%UPSTREAM_CLUSTER%",
            "details": "%RESPONSE_CODE_DETAILS%",
            "duration_ms": "%DURATION%",
        }},
    });
    json!({"name": "stdout", "typed_config": typed(FILE_LOG, log)})
}

/// The certificate: a Secret's of the manifests, inline, or the files that the caller names.
fn transport_socket(
    report: &Report,
    plan: &GatewayPlan,
    listeners: &[&Listener],
    bindings: &Bindings<'_>,
) -> Result<Value, String> {
    let names: Vec<&str> = listeners.iter().map(|one| one.name.as_str()).collect();
    let pair = match report.certificate(&plan.gateway.id, &names) {
        Some(secret) => {
            let field = |name: &str| source(&secret.node, name);
            json!({"certificate_chain": field("tls.crt")?, "private_key": field("tls.key")?})
        }
        None => {
            let (certificate, key) = bindings.certificate.as_ref().ok_or(
                "the manifests hold no Secret with its certificate; name the files of one",
            )?;
            json!({
                "certificate_chain": {"filename": certificate},
                "private_key": {"filename": key},
            })
        }
    };
    let context = json!({"common_tls_context": {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [pair],
    }});
    Ok(json!({"name": "tls", "typed_config": typed(TLS, context)}))
}

fn source(secret: &Node, name: &str) -> Result<Value, String> {
    if let Some(text) = secret.at(&["stringData", name]).and_then(Node::as_str) {
        return Ok(json!({"inline_string": text}));
    }
    let encoded = secret.at(&["data", name]).and_then(Node::as_str);
    // Base64 in both.
    encoded
        .map(|encoded| json!({"inline_bytes": encoded.trim()}))
        .ok_or_else(|| format!("its Secret has no `{name}`"))
}
