//! The same extensions as resources of the Network Services API, for people who outgrow GKE.
//!
//! What the API has and the CRD lacks is filled in where there is one right value; what cannot be
//! known, such as the forwarding rule, is a parameter, and what is lost is a note.

mod expression;
mod terraform;

use serde_json::{Map, Value as Json, json};

use crate::check::Report;
use crate::model::{
    Backend, BodySendMode, Chain, Extension, ExtensionKind, ExtensionSet, Gateway, GatewayClass,
    Plugin, Target,
};
use crate::plan::ExtensionPlan;

pub use expression::to_load_balancer;

/// Where the resources go.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions<'a> {
    /// The project.
    pub project: &'a str,
    /// The region of regional Gateways' resources.
    pub region: &'a str,
    /// The forwarding rule to attach to; by default one named like the Gateway.
    pub forwarding_rule: Option<&'a str>,
}

/// A resource and where the REST API creates it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// `lbTrafficExtensions`, `lbRouteExtensions` or `wasmPlugins`.
    pub collection: &'static str,
    /// `projects/…/locations/…`.
    pub parent: String,
    /// The id, the last part of the name.
    pub id: String,
    /// The body of the request that creates it.
    pub body: Json,
}

/// Resources and what to know about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// The resources, plugins before the extensions that use them.
    pub resources: Vec<Resource>,
    /// What was filled in or could not be said.
    pub notes: Vec<String>,
}

/// Translates every extension that is programmed on a Gateway, and its plugins.
#[must_use]
pub fn export(report: &Report, options: &ExportOptions<'_>) -> Export {
    let mut export = Export::default();
    for plan in &report.plan.gateways {
        for extension in [&plan.routing, &plan.traffic].into_iter().flatten() {
            let translation = Translation {
                gateway: &plan.gateway,
                options,
                location: if plan.gateway.class.is_regional() {
                    options.region
                } else {
                    "global"
                },
            };
            for plugin in &extension.plugins {
                let resource = translation.plugin(plugin, &mut export.notes);
                if !export.resources.contains(&resource) {
                    export.resources.push(resource);
                }
            }
            let resource = translation.extension(extension, &mut export.notes);
            export.resources.push(resource);
        }
        for (id, reason) in &plan.refused {
            export.notes.push(format!("{id} is not exported: {reason}"));
        }
    }
    export
}

impl Export {
    /// The resources as one JSON document: for each the URL's parts and the body.
    #[must_use]
    pub fn rest(&self) -> String {
        let resources: Vec<Json> = self
            .resources
            .iter()
            .map(|resource| {
                let parameter = match resource.collection {
                    "lbTrafficExtensions" => "lbTrafficExtensionId",
                    "lbRouteExtensions" => "lbRouteExtensionId",
                    _ => "wasmPluginId",
                };
                json!({
                    "method": "POST",
                    "path": format!("v1/{}/{}?{parameter}={}", resource.parent, resource.collection, resource.id),
                    "body": resource.body,
                })
            })
            .collect();
        format!(
            "{:#}\n",
            json!({"requests": resources, "notes": self.notes})
        )
    }

    /// The resources as Terraform of the Google provider.
    #[must_use]
    pub fn terraform(&self) -> String {
        terraform::render(self)
    }
}

struct Translation<'a> {
    gateway: &'a Gateway,
    options: &'a ExportOptions<'a>,
    location: &'a str,
}

impl Translation<'_> {
    fn parent(&self) -> String {
        format!(
            "projects/{}/locations/{}",
            self.options.project, self.location
        )
    }

    fn plugin(&self, plugin: &Plugin, notes: &mut Vec<String>) -> Resource {
        let parent = self.parent();
        let id = plugin.id.name.clone();
        let mut versions = Map::new();
        for version in &plugin.versions {
            let mut body = json!({"imageUri": version.image.value});
            if let Some(description) = &version.description {
                body["description"] = description.clone().into();
            }
            if let Some(config) = &version.config_uri {
                body["pluginConfigUri"] = config.value.clone().into();
            }
            versions.insert(version.name.clone(), body);
        }
        notes.push(format!(
            "{}: a version cannot be changed once it is made; a new image needs a new version's name",
            plugin.id
        ));
        let mut body = json!({
            "name": format!("{parent}/wasmPlugins/{id}"),
            "mainVersionId": plugin.serving().map(|version| version.name.clone()),
            "logConfig": {"enable": plugin.log.enabled},
            "versions": versions,
        });
        if plugin.log.enabled {
            body["logConfig"]["sampleRate"] = (f64::from(plugin.log.sample_rate) / 1e6).into();
            body["logConfig"]["minLogLevel"] = plugin.log.min_level.clone().into();
        }
        if let Some(key) = &plugin.kms_key {
            body["kmsKeyName"] = key.clone().into();
        }
        Resource {
            collection: "wasmPlugins",
            parent,
            id,
            body,
        }
    }

    fn extension(&self, plan: &ExtensionPlan, notes: &mut Vec<String>) -> Resource {
        let set = &plan.set;
        let parent = self.parent();
        let collection = match set.kind {
            ExtensionKind::Traffic => "lbTrafficExtensions",
            ExtensionKind::Routing => "lbRouteExtensions",
        };
        let scheme = match self.gateway.class {
            GatewayClass::RegionalInternal => "INTERNAL_MANAGED",
            _ => "EXTERNAL_MANAGED",
        };
        let scope = match self.location {
            "global" => "global".to_owned(),
            region => format!("regions/{region}"),
        };
        let compute = format!(
            "https://www.googleapis.com/compute/v1/projects/{}/{scope}",
            self.options.project
        );
        let rule = self.options.forwarding_rule.map_or_else(
            || {
                notes.push(format!(
                    "{}: the forwarding rule is assumed to be named {} like the Gateway",
                    set.id, self.gateway.id.name
                ));
                self.gateway.id.name.clone()
            },
            str::to_owned,
        );
        // One object can attach to several Gateways, and a resource's id has to be its own.
        let id = match attached(set) {
            1 => set.id.name.clone(),
            _ => format!("{}-{}", set.id.name, self.gateway.id.name),
        };
        let chains: Vec<Json> = set
            .chains
            .iter()
            .map(|chain| self.chain(set, chain, &compute, notes))
            .collect();
        Resource {
            collection,
            body: json!({
                "name": format!("{parent}/{collection}/{id}"),
                "loadBalancingScheme": scheme,
                "forwardingRules": [format!("{compute}/forwardingRules/{rule}")],
                "extensionChains": chains,
            }),
            parent,
            id,
        }
    }

    fn chain(
        &self,
        set: &ExtensionSet,
        chain: &Chain,
        compute: &str,
        notes: &mut Vec<String>,
    ) -> Json {
        let name = &chain.name.value;
        let mut alternatives = Vec::new();
        for expression in &chain.expressions {
            if !expression.backends.is_empty() {
                notes.push(format!(
                    "{} chain {name}: backendRefs of an expression are not translated",
                    set.id
                ));
            }
            if let Some(matcher) = &expression.matcher {
                alternatives.push(to_load_balancer(&matcher.value));
            }
        }
        let condition = match alternatives.as_slice() {
            [] => {
                notes.push(format!(
                    "{} chain {name}: the API needs a condition; `true` matches every request",
                    set.id
                ));
                "true".to_owned()
            }
            [one] => one.clone(),
            several => several
                .iter()
                .map(|one| format!("({one})"))
                .collect::<Vec<_>>()
                .join(" || "),
        };
        let extensions: Vec<Json> = chain
            .extensions
            .iter()
            .map(|extension| self.one(set, extension, compute, notes))
            .collect();
        json!({
            "name": name,
            "matchCondition": {"celExpression": condition},
            "extensions": extensions,
        })
    }

    fn one(
        &self,
        set: &ExtensionSet,
        extension: &Extension,
        compute: &str,
        notes: &mut Vec<String>,
    ) -> Json {
        let name = &extension.name.value;
        let callout = !matches!(extension.backend.value, Backend::Plugin { .. });
        let service = match &extension.backend.value {
            Backend::Plugin { name } => format!("{}/wasmPlugins/{name}", self.parent()),
            Backend::GoogleApi { name } => name.clone(),
            Backend::Service {
                name: service,
                port,
            } => {
                let backend = format!("{service}-{port}");
                notes.push(format!(
                    "{} extension {name}: the backend service is assumed to be named {backend}",
                    set.id
                ));
                format!("{compute}/backendServices/{backend}")
            }
            Backend::Other { kind, name: target } => {
                notes.push(format!(
                    "{} extension {name}: {kind} {target} is not translated",
                    set.id
                ));
                String::new()
            }
            Backend::Missing => String::new(),
        };
        let mut body = json!({"name": name, "service": service, "failOpen": extension.fail_open});
        if let Some(authority) = &extension.authority {
            body["authority"] = authority.clone().into();
        }
        if callout {
            body["timeout"] = seconds(extension.timeout_ms).into();
        }
        match extension.events.as_deref() {
            None | Some([]) => {
                // The API needs events of a traffic extension; the CRD of 1.33 does not.
                if set.kind == ExtensionKind::Traffic {
                    notes.push(format!(
                        "{} extension {name}: supportedEvents is empty, which the API refuses",
                        set.id
                    ));
                }
            }
            Some(events) => {
                let names: Vec<String> = events
                    .iter()
                    .map(|event| snake(event.as_str()).to_ascii_uppercase())
                    .collect();
                body["supportedEvents"] = names.into();
            }
        }
        if let Some(headers) = &extension.forward_headers {
            body["forwardHeaders"] = headers.clone().into();
        }
        if !extension.metadata.is_empty() {
            let metadata = extension.metadata.iter();
            body["metadata"] = metadata
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
        }
        for (field, mode) in [
            ("requestBodySendMode", extension.request_body),
            ("responseBodySendMode", extension.response_body),
        ] {
            match mode {
                Some(BodySendMode::Streamed) => body[field] = "BODY_SEND_MODE_STREAMED".into(),
                Some(BodySendMode::FullDuplexStreamed) => {
                    body[field] = "BODY_SEND_MODE_FULL_DUPLEX_STREAMED".into()
                }
                None => {}
            }
        }
        if extension.observability {
            body["observabilityMode"] = true.into();
        }
        body
    }
}

fn attached(set: &ExtensionSet) -> usize {
    let mut names: Vec<&str> = set
        .targets
        .iter()
        .map(|target: &Target| target.name.value.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// Milliseconds as the API's durations: `1s`, `0.250s`.
fn seconds(milliseconds: u64) -> String {
    match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        rest => format!("{}.{rest:03}s", milliseconds / 1000),
    }
}

/// `camelCase` as `snake_case`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{
        APP, GLOBAL, INTERNAL, PLUGIN, ROUTING, TRAFFIC_WITH_PLUGIN, TWO_VERSIONS, documented,
    };

    const OPTIONS: ExportOptions<'static> = ExportOptions {
        project: "shop",
        region: "us-central1",
        forwarding_rule: None,
    };

    #[test]
    fn the_documented_plugin_becomes_a_plugin_and_a_traffic_extension() {
        let report = documented(
            &[TWO_VERSIONS, TRAFFIC_WITH_PLUGIN],
            "external-http",
            GLOBAL,
        );
        let export = export(&report, &OPTIONS);
        let image = "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main";
        assert_eq!(
            export.resources[0].body,
            json!({
                "name": "projects/shop/locations/global/wasmPlugins/gcp-wasm-plugin",
                "mainVersionId": "wasm-plugin-version-v1",
                "logConfig": {"enable": true, "sampleRate": 1.0, "minLogLevel": "INFO"},
                "versions": {
                    "wasm-plugin-version-v1": {"description": "Serving Wasm Plugin version", "imageUri": image},
                    "wasm-plugin-version-v2": {"description": "Non serving Wasm Plugin version", "imageUri": image},
                },
            })
        );
        assert_eq!(
            export.resources[1].body,
            json!({
                "name": "projects/shop/locations/global/lbTrafficExtensions/gcp-traffic-extension-with-plugin",
                "loadBalancingScheme": "EXTERNAL_MANAGED",
                "forwardingRules": ["https://www.googleapis.com/compute/v1/projects/shop/global/forwardingRules/external-http"],
                "extensionChains": [{
                    "name": "chain1",
                    "matchCondition": {"celExpression": "request.path.contains(\"serviceextensions\")"},
                    "extensions": [{
                        "name": "ext1",
                        "service": "projects/shop/locations/global/wasmPlugins/gcp-wasm-plugin",
                        "failOpen": false,
                        "supportedEvents": ["REQUEST_HEADERS", "RESPONSE_HEADERS"],
                    }],
                }],
            })
        );
        assert_eq!(export.resources.len(), 2);
    }

    #[test]
    fn a_callout_on_a_regional_gateway_has_a_timeout_and_a_regional_backend() {
        let report = documented(&[APP, ROUTING], "internal-http", INTERNAL);
        let export = export(&report, &OPTIONS);
        let body = &export.resources[0].body;
        assert_eq!(export.resources[0].collection, "lbRouteExtensions");
        assert_eq!(body["loadBalancingScheme"], "INTERNAL_MANAGED");
        assert_eq!(
            body["extensionChains"][0]["extensions"][0],
            json!({
                "name": "ext1",
                "authority": "myext.com",
                "service": "https://www.googleapis.com/compute/v1/projects/shop/regions/us-central1/backendServices/extension-service-443",
                "timeout": "1s",
                "failOpen": false,
            })
        );
    }

    #[test]
    fn rest_names_the_call_and_terraform_the_resources() {
        let report = documented(&[PLUGIN, TRAFFIC_WITH_PLUGIN], "external-http", GLOBAL);
        let export = export(&report, &OPTIONS);
        let rest: Json = serde_json::from_str(&export.rest()).unwrap();
        assert_eq!(
            rest["requests"][1]["path"],
            "v1/projects/shop/locations/global/lbTrafficExtensions?lbTrafficExtensionId=gcp-traffic-extension-with-plugin"
        );
        let terraform = export.terraform();
        for needle in [
            "resource \"google_network_services_wasm_plugin\" \"gcp_wasm_plugin\" {",
            "  main_version_id = \"wasm-plugin-version\"",
            "  versions {\n    version_name = \"wasm-plugin-version\"\n",
            "resource \"google_network_services_lb_traffic_extension\" \"gcp_traffic_extension_with_plugin\" {",
            "      cel_expression = \"request.path.contains(\\\"serviceextensions\\\")\"",
            "      service          = google_network_services_wasm_plugin.gcp_wasm_plugin.id",
        ] {
            assert!(terraform.contains(needle), "{needle}\n{terraform}");
        }
    }

    #[test]
    fn durations_are_seconds_with_three_digits() {
        assert_eq!(seconds(1000), "1s");
        assert_eq!(seconds(250), "0.250s");
        assert_eq!(seconds(1010), "1.010s");
    }
}
