//! Manifests as objects of a mesh: Istio's WasmPlugin and EnvoyFilter, Envoy Gateway's
//! EnvoyExtensionPolicy, beside the Gateway API objects themselves.

use gatewright_gke::{
    Backend, BodySendMode, Chain, Event, Extension, ExtensionKind, ExtensionPlan, GatewayPlan,
    Object, Report,
};
use serde_json::{Map, Value, json};

use super::{Notes, PluginFiles, extensions};

/// Which mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mesh {
    /// Istio: WasmPlugin for plugins, EnvoyFilter for callouts.
    Istio,
    /// Envoy Gateway: an EnvoyExtensionPolicy.
    EnvoyGateway,
}

impl Mesh {
    /// The class of its Gateways.
    const fn class(self) -> &'static str {
        match self {
            Self::Istio => "istio",
            Self::EnvoyGateway => "eg",
        }
    }
}

/// Translates everything that is programmed on a Gateway: the objects, in the order to apply them,
/// and what could not be carried over.
#[must_use]
pub fn mesh(report: &Report, to: Mesh, plugins: &dyn PluginFiles) -> (Vec<Value>, Vec<String>) {
    let mut notes = Notes::default();
    let mut objects = Vec::new();
    for object in &report.objects {
        match object.id.kind.as_str() {
            "Gateway" => objects.push(gateway(object, to)),
            "HTTPRoute" | "ReferenceGrant" => objects.push(object.node.to_json()),
            _ => {}
        }
    }
    for plan in &report.plan.gateways {
        let id = &plan.gateway.id;
        if report.object("Gateway", &id.namespace, &id.name).is_none() {
            objects.insert(0, made_gateway(plan, to));
        }
        for (refused, reason) in &plan.refused {
            notes.add(format!("{refused} is not exported: {reason}"));
        }
        if let Some(routing) = &plan.routing {
            notes.add(format!(
                "{} is left out: neither mesh chooses a route anew after a callout",
                routing.set.id
            ));
        }
        if let Some(traffic) = &plan.traffic {
            let translation = Translation {
                plan: traffic,
                gateway: plan,
                plugins,
            };
            match to {
                Mesh::Istio => translation.istio(&mut objects, &mut notes),
                Mesh::EnvoyGateway => translation.envoy_gateway(&mut objects, &mut notes),
            }
        }
    }
    (objects, notes.0)
}

/// A Gateway with the class of the mesh.
fn gateway(object: &Object, to: Mesh) -> Value {
    let mut gateway = object.node.to_json();
    gateway["spec"]["gatewayClassName"] = json!(to.class());
    if let Some(content) = gateway.as_object_mut() {
        content.remove("status");
    }
    gateway
}

/// A Gateway that the manifests leave out.
fn made_gateway(plan: &GatewayPlan, to: Mesh) -> Value {
    let id = &plan.gateway.id;
    let listeners: Vec<_> = plan
        .gateway
        .listeners
        .iter()
        .map(|listener| {
            let mut made = json!({
                "name": listener.name,
                "port": listener.port,
                "protocol": listener.protocol,
            });
            if let Some(hostname) = &listener.hostname {
                made["hostname"] = json!(hostname);
            }
            if listener.protocol == "HTTPS" {
                // The name is for whoever applies it to fill.
                let secret = json!({"name": format!("{}-tls", id.name)});
                made["tls"] = json!({"mode": "Terminate", "certificateRefs": [secret]});
            }
            made
        })
        .collect();
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": id.name, "namespace": id.namespace},
        "spec": {"gatewayClassName": to.class(), "listeners": listeners},
    })
}

struct Translation<'a> {
    plan: &'a ExtensionPlan,
    gateway: &'a GatewayPlan,
    plugins: &'a dyn PluginFiles,
}

impl Translation<'_> {
    fn target(&self) -> Value {
        json!({
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "name": self.gateway.gateway.id.name,
        })
    }

    fn metadata(&self, chain: &Chain, extension: &Extension) -> Value {
        let id = &self.plan.set.id;
        let name = format!("{}-{}-{}", id.name, chain.name.value, extension.name.value);
        json!({"name": name, "namespace": id.namespace})
    }

    /// The chain that every request takes, if no condition comes before it: the one that a mesh
    /// without conditions can run. The others are noted.
    fn unconditional(&self, notes: &mut Notes) -> Option<&Chain> {
        let id = &self.plan.set.id;
        let mut found = None;
        for chain in &self.plan.set.chains {
            let name = &chain.name.value;
            let always =
                chain.expressions.iter().any(|expression| {
                    expression.matcher.is_none() && expression.backends.is_empty()
                }) || chain.expressions.is_empty();
            if found.is_some() {
                notes.add(format!(
                    "chain `{name}` of {id} is left out: the chain before it takes every request"
                ));
            } else if always && chain.name.value == self.plan.set.chains[0].name.value {
                found = Some(chain);
            } else {
                notes.add(format!(
                    "chain `{name}` of {id} is left out: a plugin of the mesh runs for every \
                     request, and this one is for some; `gatewright export envoy` keeps conditions"
                ));
            }
        }
        found
    }

    fn istio(&self, objects: &mut Vec<Value>, notes: &mut Notes) {
        let id = &self.plan.set.id;
        let only_callouts = |chain: &Chain| {
            chain
                .extensions
                .iter()
                .all(|one| matches!(one.backend.value, Backend::Service { .. }))
        };
        // Callouts go through an EnvoyFilter, which knows conditions.
        if self.plan.set.chains.iter().all(only_callouts) {
            let steps = |chain: &Chain, extension: &Extension, notes: &mut Notes| {
                let Backend::Service { name, port } = &extension.backend.value else {
                    return Vec::new();
                };
                let cluster = format!("outbound|{port}||{name}.{}.svc.cluster.local", id.namespace);
                extensions::callout(self.plan, chain, extension, &cluster, notes)
            };
            if let Some(filter) = extensions::filter(self.plan, notes, steps) {
                objects.push(self.envoy_filter(&filter));
            }
            return;
        }
        let Some(chain) = self.unconditional(notes) else {
            return;
        };
        let last = chain.extensions.len();
        for (place, extension) in chain.extensions.iter().enumerate() {
            let name = &extension.name.value;
            let Backend::Plugin { .. } = &extension.backend.value else {
                notes.add(format!("extension `{name}` of {id} is left out: Istio orders no callout between plugins; give it a chain of its own"));
                continue;
            };
            let Some((plugin, version)) = self.plan.plugin(extension) else {
                notes.add(format!("extension `{name}` of {id} is left out: its plugin has no version with a weight"));
                continue;
            };
            let mut spec = json!({
                "targetRefs": [self.target()],
                "url": format!("oci://{}", bare(&version.image.value)),
                "pluginName": plugin.id.name,
                "failStrategy": if extension.fail_open { "FAIL_OPEN" } else { "FAIL_CLOSE" },
                // The higher runs first.
                "priority": (last - place) * 10,
            });
            if let Some(uri) = &version.config_uri {
                match self.configuration(&uri.value) {
                    Ok(config) => spec["pluginConfig"] = config,
                    Err(reason) => notes.add(format!(
                        "the configuration of extension `{name}` of {id} is left out: {reason}"
                    )),
                }
            }
            self.events(extension, notes);
            objects.push(json!({
                "apiVersion": "extensions.istio.io/v1alpha1",
                "kind": "WasmPlugin",
                "metadata": self.metadata(chain, extension),
                "spec": spec,
            }));
        }
    }

    fn envoy_filter(&self, filter: &Value) -> Value {
        let id = &self.plan.set.id;
        json!({
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": id.name, "namespace": id.namespace},
            "spec": {
                "targetRefs": [self.target()],
                "configPatches": [{
                    "applyTo": "HTTP_FILTER",
                    "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": {
                        "name": "envoy.filters.network.http_connection_manager",
                        "subFilter": {"name": "envoy.filters.http.router"},
                    }}}},
                    "patch": {"operation": "INSERT_BEFORE", "value": filter},
                }],
            },
        })
    }

    /// A mesh takes a configuration as an object only.
    fn configuration(&self, uri: &str) -> Result<Value, String> {
        let bytes = self.plugins.configuration(uri)?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|_| "a mesh takes JSON only, and it is something else")?;
        if value.is_object() {
            Ok(value)
        } else {
            Err("a mesh takes a JSON object only, and it is another value".to_owned())
        }
    }

    fn events(&self, extension: &Extension, notes: &mut Notes) {
        if extension.events.is_some() {
            notes.add(format!(
                "extension `{}` of {}: `supportedEvents` is not carried over; a mesh calls a \
                 plugin for every event",
                extension.name.value, self.plan.set.id
            ));
        }
    }

    fn envoy_gateway(&self, objects: &mut Vec<Value>, notes: &mut Notes) {
        let id = &self.plan.set.id;
        let Some(chain) = self.unconditional(notes) else {
            return;
        };
        let (mut wasm, mut callouts) = (Vec::new(), Vec::new());
        for extension in &chain.extensions {
            let name = &extension.name.value;
            match &extension.backend.value {
                Backend::Plugin { .. } => {
                    let Some((plugin, version)) = self.plan.plugin(extension) else {
                        notes.add(format!("extension `{name}` of {id} is left out: its plugin has no version with a weight"));
                        continue;
                    };
                    let image = json!({"url": bare(&version.image.value)});
                    let mut step = json!({
                        "name": plugin.id.name,
                        "code": {"type": "Image", "image": image},
                        "failOpen": extension.fail_open,
                    });
                    if let Some(uri) = &version.config_uri {
                        match self.configuration(&uri.value) {
                            Ok(config) => step["config"] = config,
                            Err(reason) => notes.add(format!("the configuration of extension `{name}` of {id} is left out: {reason}")),
                        }
                    }
                    self.events(extension, notes);
                    wasm.push(step);
                }
                Backend::Service {
                    name: service,
                    port,
                } => {
                    callouts.push(callout(extension, service, *port));
                    if !extension.metadata.is_empty() {
                        notes.add(format!(
                            "the metadata of extension `{name}` of {id} is not carried over"
                        ));
                    }
                    if extension.forward_headers.is_some() {
                        notes.add(format!(
                            "`forwardHeaders` of extension `{name}` of {id} is not carried over"
                        ));
                    }
                }
                _ => notes.add(format!(
                    "extension `{name}` of {id} is left out: a mesh has no such backend"
                )),
            }
        }
        if !wasm.is_empty() && !callouts.is_empty() {
            notes.add(format!(
                "the order between plugins and callouts of {id} is Envoy Gateway's own"
            ));
        }
        if wasm.is_empty() && callouts.is_empty() {
            return;
        }
        let mut spec = json!({"targetRefs": [self.target()]});
        for (key, steps) in [("wasm", wasm), ("extProc", callouts)] {
            if !steps.is_empty() {
                spec[key] = Value::Array(steps);
            }
        }
        objects.push(json!({
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyExtensionPolicy",
            "metadata": {"name": id.name, "namespace": id.namespace},
            "spec": spec,
        }));
    }
}

/// A callout as Envoy Gateway has it: a half that is absent is not sent.
fn callout(extension: &Extension, service: &str, port: u16) -> Value {
    let events = extension.shown(ExtensionKind::Traffic);
    let mut mode = Map::new();
    for (half, headers, body, send) in [
        (
            "request",
            Event::RequestHeaders,
            Event::RequestBody,
            extension.request_body,
        ),
        (
            "response",
            Event::ResponseHeaders,
            Event::ResponseBody,
            extension.response_body,
        ),
    ] {
        let body = events.contains(&body).then_some(match send {
            Some(BodySendMode::FullDuplexStreamed) => "FullDuplexStreamed",
            _ => "Streamed",
        });
        match body {
            Some(body) => mode.insert(half.to_owned(), json!({"body": body})),
            None if events.contains(&headers) => mode.insert(half.to_owned(), json!({})),
            None => None,
        };
    }
    json!({
        "backendRefs": [{"name": service, "port": port}],
        "processingMode": mode,
        "messageTimeout": format!("{}ms", extension.timeout_ms),
        "failOpen": extension.fail_open,
    })
}

/// An image's reference without scheme.
fn bare(image: &str) -> &str {
    image.strip_prefix("https://").unwrap_or(image)
}
