//! What an extension calls: Services with all that a callout needs, plugins, Google APIs.

use super::extension::{Judge, refused};
use crate::model::{Backend, Extension, ExtensionKind, ExtensionSet};
use crate::place::Place;
use crate::rule::Rule;

impl Judge<'_, '_, '_> {
    pub(super) fn backend(&mut self, set: &ExtensionSet, extension: &Extension, path: &str) {
        let namespace = &set.id.namespace;
        let place = extension.backend.place;
        match &extension.backend.value {
            Backend::Service { name, port } => self.service(namespace, name, *port, place, path),
            Backend::Plugin { name } if set.kind == ExtensionKind::Routing => self.refuse(
                Rule::WasmOnRouting,
                place,
                format!("{path}.backendRef"),
                format!("GCPWasmPlugin {namespace}/{name} cannot be used by a GCPRoutingExtension"),
                "use a GCPTrafficExtension, or a Service",
            ),
            Backend::Plugin { name } => {
                if self.controller.model.plugin(namespace, name).is_none() {
                    let message = format!(
                        "error cause: invalid-wasm-plugin: GCPWasmPlugin {namespace}/{name} in {} {namespace}/{} does not exist",
                        set.id.kind, set.id.name
                    );
                    self.refuse(
                        Rule::WasmPluginNotFound,
                        place,
                        format!("{path}.backendRef"),
                        message,
                        "create the GCPWasmPlugin in the extension's namespace, or name one that exists",
                    );
                }
            }
            Backend::GoogleApi { name } if set.kind == ExtensionKind::Routing => self.refuse(
                Rule::GoogleApiOnRouting,
                place,
                format!("{path}.googleAPIServiceName"),
                format!("googleAPIServiceName {name} cannot be used by a GCPRoutingExtension"),
                "use a GCPTrafficExtension, or a Service",
            ),
            Backend::GoogleApi { .. } | Backend::Other { .. } | Backend::Missing => {}
        }
    }

    fn service(
        &mut self,
        namespace: &str,
        name: &str,
        port: u16,
        place: Option<Place>,
        path: &str,
    ) {
        let model = self.controller.model;
        let path = format!("{path}.backendRef");
        let Some(service) = model.service(namespace, name) else {
            let what =
                format!("spec.service: service \"{name}\" not found in namespace \"{namespace}\"");
            self.refuse(
                Rule::ServiceNotFound,
                place,
                path,
                refused(self.id, &what),
                "the Service has to exist in the extension's namespace",
            );
            return;
        };
        let Some(port) = service.port(port) else {
            let has: Vec<String> = service
                .ports
                .iter()
                .map(|port| port.port.to_string())
                .collect();
            let what =
                format!("spec.service: service \"{name}\" not found in namespace \"{namespace}\"");
            self.refuse(
                Rule::ServicePortNotFound,
                place,
                format!("{path}.port"),
                refused(self.id, &what),
                &format!(
                    "the Service exists but has no port {port}; it has {}",
                    if has.is_empty() {
                        "none".to_owned()
                    } else {
                        has.join(", ")
                    }
                ),
            );
            return;
        };
        let protocol = port
            .app_protocol
            .as_ref()
            .map(|protocol| protocol.value.as_str());
        if protocol != Some("HTTP2") {
            let port_place = port
                .app_protocol
                .as_ref()
                .and_then(|p| p.place)
                .or(port.place);
            self.refuse(
                Rule::ServiceProtocol,
                port_place.or(place),
                path.clone(),
                format!(
                    "Service {namespace}/{name} port {} has appProtocol {}, callouts need HTTP2",
                    port.port,
                    protocol.unwrap_or("unset")
                ),
                "write `appProtocol: HTTP2` at the Service's port",
            );
        }
        for policy in model.policies.iter().filter(|policy| {
            policy.id.namespace == namespace
                && policy.service == name
                && !policy.excludes.is_empty()
        }) {
            self.refuse(
                Rule::ServicePolicy,
                place,
                path.clone(),
                format!(
                    "Service {namespace}/{name} has {} by GCPBackendPolicy {}, which a callout must not have",
                    policy.excludes.join(" and "),
                    policy.id.name
                ),
                "take the policy off the callout's Service",
            );
        }
        let selected = model.workloads.iter().any(|workload| {
            workload.id.namespace == namespace && workload.is_selected_by(&service.selector)
        });
        if !selected {
            let what = format!("spec.service: no network endpoints found for service \"{name}\"");
            let labels: Vec<String> = service
                .selector
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            self.refuse(
                Rule::NoNetworkEndpoints,
                place,
                path,
                refused(self.id, &what),
                &format!(
                    "no Deployment among these manifests has running Pods with the labels {}",
                    if labels.is_empty() {
                        "of the (empty) selector".to_owned()
                    } else {
                        labels.join(",")
                    }
                ),
            );
        }
    }

    pub(super) fn limits(&mut self, extension: &Extension, path: &str) {
        const KIB: usize = 1024;
        let size: usize = extension
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if size >= KIB {
            self.refuse(
                Rule::MetadataTooLarge,
                extension.places.metadata,
                format!("{path}.metadata"),
                format!("the metadata has {size} bytes; it has to stay below {KIB}"),
                "shorten it",
            );
        }
    }
}
