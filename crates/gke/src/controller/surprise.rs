//! What everything accepts and what then does something else than meant.

use std::collections::HashSet;

use super::Controller;
use crate::model::{Backend, Chain, ExtensionKind, ExtensionSet, GatewayClass, Plugin, Spot};
use crate::profile::Profile;
use crate::report::Sink;
use crate::rule::Rule;

impl Controller<'_> {
    pub(super) fn surprises(&self, sink: &mut Sink) {
        for set in &self.model.extensions {
            self.extension_surprises(set, sink);
        }
        for plugin in &self.model.plugins {
            self.plugin_surprises(plugin, sink);
        }
        for gateway in &self.model.gateways {
            if gateway.class == GatewayClass::Unknown {
                let message = format!("{:?} is no class of GKE's", gateway.class_name.value);
                let finding = self.finding(
                    Rule::UnknownGatewayClass,
                    &gateway.id,
                    gateway.class_name.place,
                    "spec.gatewayClassName".to_owned(),
                    message,
                );
                sink.push(finding.help(
                    "extensions work on gke-l7-global-external-managed, gke-l7-regional-external-managed and gke-l7-rilb",
                ));
            }
        }
        for workload in &self.model.workloads {
            for secret in workload.secrets.iter().filter(|secret| !secret.optional) {
                let named = (workload.id.namespace.clone(), secret.name.value.clone());
                if !self.model.secrets.contains(&named) {
                    let message = format!(
                        "Secret {}/{} is not among these manifests",
                        named.0, named.1
                    );
                    let finding = self.finding(
                        Rule::SecretNotFound,
                        &workload.id,
                        secret.name.place,
                        "spec.template.spec.volumes".to_owned(),
                        message,
                    );
                    sink.push(finding.help(format!(
                        "the Pods wait for it; make it with `kubectl create secret tls {}`",
                        named.1
                    )));
                }
            }
        }
    }

    fn extension_surprises(&self, set: &ExtensionSet, sink: &mut Sink) {
        self.repeated(
            set.chains.iter().map(|chain| &chain.name),
            set,
            "chains of this spec",
            sink,
        );
        for chain in &set.chains {
            let names = chain.extensions.iter().map(|extension| &extension.name);
            self.repeated(names, set, "extensions of this chain", sink);
        }
        let always = |chain: &Chain| {
            chain.expressions.is_empty()
                || chain.expressions.iter().any(|expression| {
                    expression.backends.is_empty()
                        && expression.matcher.as_ref().is_none_or(|text| {
                            let squeezed: String =
                                text.value.chars().filter(|c| *c != ' ').collect();
                            squeezed == "1==1"
                        })
                })
        };
        if let Some(first) = set.chains.iter().position(always) {
            for (index, chain) in set.chains.iter().enumerate().skip(first + 1) {
                let message = format!(
                    "chain {:?} never runs: {:?} before it matches every request",
                    chain.name.value, set.chains[first].name.value
                );
                let path = format!("spec.extensionChains[{index}]");
                let finding = self.finding(
                    Rule::UnreachableChain,
                    &set.id,
                    chain.name.place,
                    path,
                    message,
                );
                sink.push(finding.help("the first chain that matches runs, alone; put it last"));
            }
        }
        for (chain, index, extension) in set.all() {
            let path = format!("spec.extensionChains[{chain}].extensions[{index}]");
            let plugin = matches!(extension.backend.value, Backend::Plugin { .. });
            if set.kind == ExtensionKind::Traffic
                && self.profile == Profile::Gke133
                && !plugin
                && !extension.places.lists_events
            {
                let finding = self.finding(
                    Rule::TrafficEventsAbsent,
                    &set.id,
                    extension.name.place,
                    format!("{path}.supportedEvents"),
                    "no supportedEvents: GKE 1.33 stores it, the load balancer's API calls the field required".to_owned(),
                );
                sink.push(
                    finding.help(
                        "list the events, such as RequestHeaders; later GKE refuses it without",
                    ),
                );
            }
            if extension.metadata.len() == 16 {
                let finding = self.finding(
                    Rule::SixteenMetadataKeys,
                    &set.id,
                    extension.places.metadata,
                    format!("{path}.metadata"),
                    "16 keys pass the CRD, and the load balancer's API wants less than 16"
                        .to_owned(),
                );
                sink.push(finding.help("remove one"));
            }
        }
    }

    fn repeated<'a>(
        &self,
        names: impl Iterator<Item = &'a Spot<String>>,
        set: &ExtensionSet,
        among: &str,
        sink: &mut Sink,
    ) {
        let mut seen = HashSet::new();
        for name in names {
            if !name.value.is_empty() && !seen.insert(&name.value) {
                let message = format!("the name {:?} is used twice among the {among}", name.value);
                let finding = self.finding(
                    Rule::RepeatedName,
                    &set.id,
                    name.place,
                    "spec.extensionChains".to_owned(),
                    message,
                );
                sink.push(finding.help("names tell logs and metadata apart; choose another"));
            }
        }
    }

    fn plugin_surprises(&self, plugin: &Plugin, sink: &mut Sink) {
        let used = self.model.extensions.iter().any(|set| {
            set.id.namespace == plugin.id.namespace
                && set.all().any(|(_, _, extension)| {
                    matches!(&extension.backend.value, Backend::Plugin { name } if *name == plugin.id.name)
                })
        });
        if !used {
            let finding = self.finding(
                Rule::UnusedPlugin,
                &plugin.id,
                plugin.place,
                String::new(),
                "no extension among these manifests uses the plugin, so no Gateway gets it"
                    .to_owned(),
            );
            sink.push(finding.help("name it in a GCPTrafficExtension of its namespace"));
        }
        for (index, version) in plugin.versions.iter().enumerate() {
            let path = format!("spec.versions[{index}]");
            if (1..1_000_000).contains(&version.weight.value) {
                let finding = self.finding(
                    Rule::OddWeight,
                    &plugin.id,
                    version.weight.place,
                    format!("{path}.weight"),
                    format!(
                        "the weight {} serves every request: one version has a weight, and any is as good as 1000000",
                        version.weight.value
                    ),
                );
                sink.push(finding.help("write 1000000; traffic is not split between versions"));
            }
            let images = [
                ("image", Some(&version.image)),
                ("pluginConfigURI", version.config_uri.as_ref()),
            ];
            for (field, image) in images {
                let Some(image) = image
                    .filter(|image| !image.value.is_empty() && !image.value.contains("@sha256:"))
                else {
                    continue;
                };
                let finding = self.finding(
                    Rule::ImageTag,
                    &plugin.id,
                    image.place,
                    format!("{path}.{field}"),
                    "the image is named by tag; the digest is read once, when the version is made, and a moved tag changes nothing".to_owned(),
                );
                sink.push(
                    finding.help("name the image by @sha256:… and give a new image a new version"),
                );
            }
        }
    }
}
