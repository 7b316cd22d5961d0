//! Extensions: targets, classes, backends, and the limits that only the load balancer has.

use std::collections::BTreeMap;

use super::Controller;
use crate::condition;
use crate::finding::ObjectId;
use crate::model::{Backend, ExtensionKind, ExtensionSet, GatewayClass, Target};
use crate::place::Place;
use crate::report::Sink;
use crate::rule::Rule;
use crate::status::{Ancestor, ConditionType, Refusal, Status};

/// The documentation's words in front of what is wrong with a reference.
pub(super) fn refused(id: &ObjectId, what: &str) -> String {
    format!(
        "error: failed to create resource: {}.networking.gke.io \"{}\" is invalid: {what}",
        id.kind, id.name
    )
}

fn kind_of(rule: Rule) -> ConditionType {
    match rule {
        Rule::ServiceNotFound
        | Rule::ServicePortNotFound
        | Rule::NoNetworkEndpoints
        | Rule::WasmPluginNotFound => ConditionType::ResolvedRefs,
        _ => ConditionType::Accepted,
    }
}

/// Collects refusals while it reports them.
pub(super) struct Judge<'a, 'c, 's> {
    pub(super) controller: &'a Controller<'c>,
    pub(super) id: &'a ObjectId,
    sink: &'s mut Sink,
    refusals: Vec<Refusal>,
}

impl Judge<'_, '_, '_> {
    pub(super) fn refuse(
        &mut self,
        rule: Rule,
        place: Option<Place>,
        path: String,
        message: String,
        help: &str,
    ) {
        self.refusals.push(Refusal {
            kind: kind_of(rule),
            reason: rule.code(),
            message: message.clone(),
        });
        let finding = self.controller.finding(rule, self.id, place, path, message);
        self.sink.push(finding.help(help));
    }
}

impl Controller<'_> {
    /// Reconciles one extension and returns its status.
    pub(super) fn extension(&self, set: &ExtensionSet, sink: &mut Sink) -> Status {
        let mut judge = Judge {
            controller: self,
            id: &set.id,
            sink,
            refusals: Vec::new(),
        };
        judge.conditions(set);
        for (chain, index, extension) in set.all() {
            let path = format!("spec.extensionChains[{chain}].extensions[{index}]");
            judge.backend(set, extension, &path);
            judge.limits(extension, &path);
            if set.kind == ExtensionKind::Routing {
                judge.routing(extension, &path);
            }
        }
        if set.kind == ExtensionKind::Routing {
            judge.routing_chains(set);
        }
        let common = std::mem::take(&mut judge.refusals);
        let mut status = Status::default();
        for (index, target) in set.targets.iter().enumerate() {
            judge.target(set, target, index);
            judge.refusals.extend(common.iter().cloned());
            let refusals = std::mem::take(&mut judge.refusals);
            let ancestor = Ancestor::new(&set.id.namespace, &target.name.value, &refusals);
            status.ancestors.push(ancestor);
        }
        status
    }

    /// Plugins have no targets of their own: their Gateways are those of the traffic extensions
    /// that name them and are programmed.
    pub(super) fn plugins(
        &self,
        statuses: &BTreeMap<ObjectId, Status>,
    ) -> BTreeMap<ObjectId, Status> {
        let mut plugins = BTreeMap::new();
        for plugin in &self.model.plugins {
            let mut status = Status::default();
            for set in &self.model.extensions {
                let uses = set.id.namespace == plugin.id.namespace
                    && set.all().any(|(_, _, extension)| {
                        matches!(&extension.backend.value, Backend::Plugin { name } if *name == plugin.id.name)
                    });
                let ancestors = statuses.get(&set.id).filter(|_| uses);
                for ancestor in ancestors.into_iter().flat_map(|status| &status.ancestors) {
                    let known = status.ancestors.iter().any(|a: &Ancestor| {
                        a.namespace == ancestor.namespace && a.name == ancestor.name
                    });
                    if ancestor.is_programmed() && !known {
                        status.ancestors.push(Ancestor::new(
                            &ancestor.namespace,
                            &ancestor.name,
                            &[],
                        ));
                    }
                }
            }
            plugins.insert(plugin.id.clone(), status);
        }
        plugins
    }
}

impl Judge<'_, '_, '_> {
    /// The Gateway, its class, and who else is attached to it.
    fn target(&mut self, set: &ExtensionSet, target: &Target, index: usize) {
        let path = format!("spec.targetRefs[{index}]");
        let place = target.name.place;
        let (namespace, name) = (&set.id.namespace, &target.name.value);
        if target.kind != "Gateway" || target.group != "gateway.networking.k8s.io" {
            self.refuse(
                Rule::TargetNotGateway,
                place,
                path,
                format!(
                    "the target is a {:?} of {:?} and no Gateway",
                    target.kind, target.group
                ),
                "write `group: gateway.networking.k8s.io` and `kind: Gateway`",
            );
            return;
        }
        let Some(gateway) = self.controller.model.gateway(namespace, name) else {
            let what = format!(
                "spec.gatewayRef: gateway \"{name}\" not found in namespace \"{namespace}\""
            );
            self.refuse(
                Rule::GatewayNotFound,
                place,
                path,
                refused(self.id, &what),
                "the Gateway has to exist in the extension's namespace; if it is not among these manifests, name it with --gateway NAME=CLASS",
            );
            return;
        };
        let class = &gateway.class_name.value;
        let supported = match (gateway.class, set.kind) {
            (GatewayClass::RegionalExternal | GatewayClass::RegionalInternal, _)
            | (GatewayClass::GlobalExternal, ExtensionKind::Traffic)
            // A class that is not GKE's is reported by itself.
            | (GatewayClass::Unknown, _) => true,
            (
                GatewayClass::GlobalExternal | GatewayClass::Classic | GatewayClass::OtherGke,
                _,
            ) => false,
        };
        if !supported {
            let help = match set.kind {
                ExtensionKind::Routing => {
                    "GCPRoutingExtension works on gke-l7-regional-external-managed and gke-l7-rilb"
                }
                ExtensionKind::Traffic => {
                    "GCPTrafficExtension works on gke-l7-global-external-managed, gke-l7-regional-external-managed and gke-l7-rilb"
                }
            };
            self.refuse(
                Rule::GatewayClassUnsupported,
                place,
                path.clone(),
                format!("{} does not support Gateways of class {class}", set.id.kind),
                help,
            );
        }
        for (chain, index, extension) in set.all() {
            let at = format!("spec.extensionChains[{chain}].extensions[{index}]");
            if gateway.class.is_regional()
                && set.kind == ExtensionKind::Traffic
                && matches!(extension.backend.value, Backend::Plugin { .. })
            {
                self.refuse(
                    Rule::WasmOnRegional,
                    extension.backend.place,
                    format!("{at}.backendRef"),
                    format!("GCPWasmPlugin is not supported on Gateways of class {class}"),
                    "plugins run on gke-l7-global-external-managed only",
                );
            }
            if gateway.class == GatewayClass::GlobalExternal && extension.observability {
                self.refuse(
                    Rule::ObservabilityOnGlobal,
                    extension.places.observability,
                    format!("{at}.observabilityMode"),
                    format!("observabilityMode is not supported on Gateways of class {class}"),
                    "remove it or use a regional class",
                );
            }
        }
        self.conflict(set, name, place, path);
    }

    fn conflict(&mut self, set: &ExtensionSet, gateway: &str, place: Option<Place>, path: String) {
        let first = self.controller.model.extensions.iter().find(|other| {
            other.kind == set.kind
                && other.id.namespace == set.id.namespace
                && other
                    .targets
                    .iter()
                    .any(|target| target.name.value == gateway)
        });
        if let Some(first) = first.filter(|first| first.id != set.id) {
            let message = format!(
                "Gateway {}/{gateway} already has the {} {}",
                set.id.namespace, set.id.kind, first.id.name
            );
            self.refuse(
                Rule::Conflicted,
                place,
                path,
                message,
                "a load balancer takes one extension of each kind: put the chains of both into one object. Which of two wins is not documented; here it is the first",
            );
        }
    }

    /// The expressions, one by one and together.
    fn conditions(&mut self, set: &ExtensionSet) {
        const LIMIT: usize = 512;
        let controller = self.controller;
        if let Some(message) =
            condition::check(set, controller.files, controller.language, self.sink)
        {
            self.refusals.push(Refusal {
                kind: ConditionType::Accepted,
                reason: Rule::InvalidCelExpression.code(),
                message,
            });
        }
        for (index, chain) in set.chains.iter().enumerate() {
            let texts = chain.expressions.iter().filter_map(|e| e.matcher.as_ref());
            let lengths: Vec<usize> = texts.map(|text| text.value.chars().count()).collect();
            // `(a) || (b)`: how the controller joins them is not published.
            let joined = match lengths.len() {
                0 | 1 => lengths.iter().sum(),
                n => lengths.iter().sum::<usize>() + 2 * n + 4 * (n - 1),
            };
            let place = chain
                .expressions
                .first()
                .and_then(|e| e.matcher.as_ref()?.place);
            let path = format!("spec.extensionChains[{index}].matchCondition");
            if joined > LIMIT {
                self.refuse(
                    Rule::ConditionTooLong,
                    place,
                    path,
                    format!(
                        "the expressions joined by || have {joined} characters, more than {LIMIT}"
                    ),
                    "shorten them or split the chain",
                );
            } else if joined * 10 > LIMIT * 9 {
                let message =
                    format!("the expressions joined by || have {joined} of {LIMIT} characters");
                let finding =
                    controller.finding(Rule::NearConditionLimit, self.id, place, path, message);
                self.sink.push(finding.help(
                    "the text that the controller writes between the expressions is not published; leave some room",
                ));
            }
        }
    }
}
