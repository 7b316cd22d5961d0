//! Services as clusters.

use std::collections::BTreeMap;

use gatewright_gke::Report;
use serde_json::{Value, json};

use super::{Endpoint, address, typed};

/// Envoy's name for how a cluster speaks HTTP.
pub(super) const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/// The clusters that something refers to.
pub(super) struct Clusters<'a> {
    report: &'a Report,
    services: &'a BTreeMap<String, Endpoint>,
    made: BTreeMap<String, (Speaks, Value)>,
}

/// How a Service's port is spoken to, by its `appProtocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    /// HTTP/2 without TLS.
    H2c,
    /// HTTP/2 over TLS: what the load balancer means by `HTTP2`.
    Http2,
    Https,
}

impl Speaks {
    pub(super) fn of(report: &Report, namespace: &str, name: &str, port: u16) -> Self {
        let service = report.model.service(namespace, name);
        let protocol = service
            .and_then(|service| service.port(port)?.app_protocol.as_ref())
            .map(|protocol| protocol.value.as_str());
        match protocol {
            Some("HTTP2") => Self::Http2,
            Some("kubernetes.io/h2c" | "H2C") => Self::H2c,
            Some("HTTPS") => Self::Https,
            _ => Self::Http1,
        }
    }

    const fn without_tls(self) -> Self {
        match self {
            Self::Http1 | Self::Https => Self::Http1,
            Self::H2c | Self::Http2 => Self::H2c,
        }
    }
}

impl<'a> Clusters<'a> {
    pub(super) fn new(report: &'a Report, services: &'a BTreeMap<String, Endpoint>) -> Self {
        Self {
            report,
            services,
            made: BTreeMap::new(),
        }
    }

    /// The name of the cluster for a Service's port, which is made if it is new.
    pub(super) fn name(&mut self, namespace: &str, name: &str, port: u16) -> String {
        let speaks = Speaks::of(self.report, namespace, name, port);
        self.cluster(namespace, name, port, speaks)
    }

    /// The same for a callout, which speaks gRPC: over TLS, unless its port's `appProtocol` says
    /// H2C.
    pub(super) fn callout(&mut self, namespace: &str, name: &str, port: u16) -> String {
        let speaks = match Speaks::of(self.report, namespace, name, port) {
            Speaks::H2c => Speaks::H2c,
            Speaks::Http1 | Speaks::Http2 | Speaks::Https => Speaks::Http2,
        };
        self.cluster(namespace, name, port, speaks)
    }

    fn cluster(&mut self, namespace: &str, name: &str, port: u16, speaks: Speaks) -> String {
        let (host, at, speaks) = match self.services.get(&format!("{namespace}/{name}")) {
            Some(endpoint) => {
                let speaks = match endpoint.plaintext {
                    true => speaks.without_tls(),
                    false => speaks,
                };
                (endpoint.host.clone(), endpoint.port, speaks)
            }
            None => (
                format!("{name}.{namespace}.svc.cluster.local"),
                port,
                speaks,
            ),
        };
        // A Service may be both a backend and a callout, and then be spoken to in two ways.
        let mut cluster = format!("{namespace}/{name}:{port}");
        if let Some((known, _)) = self.made.get(&cluster)
            && *known != speaks
        {
            cluster.push_str("/callout");
        }
        self.made
            .entry(cluster.clone())
            .or_insert_with_key(|cluster| (speaks, make(cluster, &host, at, speaks)));
        cluster
    }

    pub(super) fn finish(self) -> Vec<Value> {
        self.made.into_values().map(|(_, made)| made).collect()
    }
}

fn make(name: &str, host: &str, port: u16, speaks: Speaks) -> Value {
    let options = match speaks {
        Speaks::Http1 | Speaks::Https => json!({"http_protocol_options": {}}),
        Speaks::H2c | Speaks::Http2 => json!({"http2_protocol_options": {}}),
    };
    let mut cluster = json!({
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            PROTOCOL: typed(PROTOCOL, json!({"explicit_http_config": options})),
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(host, port)}},
        ]}]},
    });
    let alpn = match speaks {
        Speaks::Http1 | Speaks::H2c => return cluster,
        Speaks::Http2 => "h2",
        Speaks::Https => "http/1.1",
    };
    // As in the load balancer, the certificate of a backend is not looked at.
    let context = json!({"common_tls_context": {"alpn_protocols": [alpn]}});
    cluster["transport_socket"] = json!({"name": "tls", "typed_config": typed(TLS, context)});
    cluster
}

#[cfg(test)]
mod tests {
    use gatewright_gke::{Input, Options, check};

    use super::*;

    const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: plain}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: tls}
spec: {ports: [{port: 443, appProtocol: HTTP2}]}
---
apiVersion: v1
kind: Service
metadata: {name: h2c}
spec: {ports: [{port: 80, appProtocol: kubernetes.io/h2c}]}
";

    /// Whether a cluster is spoken to over TLS, and whether in HTTP/2.
    fn speaks(cluster: &Value) -> (bool, bool) {
        let options = &cluster["typed_extension_protocol_options"][PROTOCOL];
        let http = &options["explicit_http_config"];
        let is_http2 = http.get("http2_protocol_options").is_some();
        (cluster.get("transport_socket").is_some(), is_http2)
    }

    #[test]
    fn callouts_speak_http2_over_tls_unless_somebody_says_otherwise() {
        let input = Input {
            name: "services.yaml",
            bytes: SERVICES.as_bytes(),
        };
        let report = check(&[input], &Options::default());
        let check = |name: &str, port, plaintext: bool, expected: [(bool, bool); 2]| {
            let mut services = BTreeMap::new();
            let endpoint = Endpoint {
                host: "127.0.0.1".to_owned(),
                port: 1,
                plaintext: true,
            };
            services.extend(plaintext.then(|| (format!("default/{name}"), endpoint)));
            let mut clusters = Clusters::new(&report, &services);
            let names = [
                clusters.name("default", name, port),
                clusters.callout("default", name, port),
            ];
            let made = names.map(|name| speaks(&clusters.made[&name].1));
            assert_eq!(made, expected, "{name}, without TLS: {plaintext}");
        };
        let (http1, h2c, http2) = ((false, false), (false, true), (true, true));
        check("plain", 80, false, [http1, http2]);
        check("plain", 80, true, [http1, h2c]);
        check("tls", 443, false, [http2, http2]);
        check("tls", 443, true, [h2c, h2c]);
        check("h2c", 80, false, [h2c, h2c]);
    }
}
