//! From a report to a snapshot.

mod plugins;

use std::collections::BTreeMap;

use gatewright_gke::{
    Backend as ExtensionBackend, Extension, ExtensionKind, ExtensionPlan, Gateway, GatewayPlan,
    Listener, ObjectId, Report,
};

use super::callouts::Around;
use super::status::status;
use super::{
    Attached, Backend, BackendTo, CalloutUse, Made, PluginSource, PluginUse, Problem, Protocol,
    Rule, Run, Site, Snapshot, Step,
};
use crate::filters::Filters;
use crate::router::{Router, RuleAt};
use crate::services::{ServiceAt, Services};
use crate::tls;

/// What is gathered on the way.
struct Builder<'b> {
    report: &'b Report,
    source: &'b dyn PluginSource,
    services: &'b Services,
    plugins: Vec<PluginUse>,
    callouts: Vec<CalloutUse>,
    backends: Vec<Backend>,
    problems: Vec<Problem>,
}

pub(super) fn build(report: &Report, source: &dyn PluginSource, services: &Services) -> Made {
    let mut builder = Builder {
        report,
        source,
        services,
        plugins: Vec::new(),
        callouts: Vec::new(),
        backends: Vec::new(),
        problems: Vec::new(),
    };
    let mut sites = Vec::new();
    for plan in &report.plan.gateways {
        sites.extend(builder.gateway(plan));
    }
    Made {
        snapshot: Snapshot {
            sites,
            plugins: builder.plugins,
            callouts: builder.callouts,
            backends: builder.backends,
            status: status(report),
        },
        problems: builder.problems,
    }
}

impl Builder<'_> {
    fn problem(&mut self, object: &ObjectId, message: String) {
        self.say(object, message, true);
    }

    /// Something that is worth knowing.
    fn note(&mut self, object: &ObjectId, message: String) {
        self.say(object, message, false);
    }

    fn say(&mut self, object: &ObjectId, message: String, is_error: bool) {
        let problem = Problem {
            object: object.clone(),
            message,
            is_error,
        };
        // A plugin in two chains has its problem once.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn gateway(&mut self, plan: &GatewayPlan) -> Vec<Site> {
        let gateway = &plan.gateway;
        let mut ports: BTreeMap<(u16, bool), Vec<&Listener>> = BTreeMap::new();
        for listener in &gateway.listeners {
            match listener.protocol.as_str() {
                "HTTP" => ports
                    .entry((listener.port, false))
                    .or_default()
                    .push(listener),
                "HTTPS" => ports
                    .entry((listener.port, true))
                    .or_default()
                    .push(listener),
                other => {
                    let (name, id) = (&listener.name, &gateway.id);
                    self.problem(id, format!("listener `{name}`: protocol {other} is not served; there are HTTP and HTTPS"));
                }
            }
        }
        let mut sites = Vec::new();
        for ((port, is_tls), listeners) in ports {
            sites.extend(self.site(plan, port, is_tls, &listeners));
        }
        sites
    }

    fn site(
        &mut self,
        plan: &GatewayPlan,
        port: u16,
        is_tls: bool,
        listeners: &[&Listener],
    ) -> Option<Site> {
        let gateway = &plan.gateway;
        let (router, at) = Router::new(plan, listeners);
        let mut hosts: Vec<String> = listeners
            .iter()
            .filter_map(|listener| listener.hostname.clone())
            .chain(
                at.iter()
                    .flat_map(|rule| rule.route.hostnames.iter().cloned()),
            )
            .collect();
        let example = hosts.iter().find(|host| !host.starts_with('*')).cloned();
        hosts.sort();
        hosts.dedup();
        let tls = if is_tls {
            let names: Vec<_> = listeners.iter().map(|l| l.name.as_str()).collect();
            let authority = self.services.authority.as_deref();
            let bind = self.services.bind;
            match tls::configure(self.report, gateway, &names, &hosts, bind, authority) {
                Ok(tls) => Some(tls),
                Err(error) => {
                    self.problem(&gateway.id, format!("port {port} is not served: {error}"));
                    return None;
                }
            }
        } else {
            None
        };
        let rules = at.iter().map(|rule| self.rule(*rule)).collect();
        let routing = plan.routing.as_ref();
        let routing = routing.map(|plan| self.attached(gateway, plan));
        let traffic = plan.traffic.as_ref();
        let traffic = traffic.map(|plan| self.attached(gateway, plan));
        Some(Site {
            gateway: format!("{}/{}", gateway.id.namespace, gateway.id.name),
            port,
            address: self.services.address(&gateway.id.name, port),
            tls,
            router,
            rules,
            routing,
            traffic,
            example,
        })
    }

    fn rule(&mut self, at: RuleAt<'_>) -> Rule {
        let id = &at.route.id;
        let rule = &at.route.rules[at.index];
        let filters = Filters::new(rule, &id.namespace);
        let mut sum = 0;
        let mut backends = Vec::new();
        for backend in &rule.backends {
            let weight = u64::try_from(backend.weight).unwrap_or(0);
            if weight == 0 {
                continue;
            }
            sum += weight;
            let index = if backend.is_service {
                self.backend(&backend.namespace, &backend.name.value, backend.port)
            } else {
                self.nowhere(
                    &backend.namespace,
                    &backend.name.value,
                    "only Services are served as backends",
                )
            };
            backends.push((index, sum));
        }
        let mirrors = filters
            .mirrors
            .iter()
            .map(|(namespace, name, port)| self.backend(namespace, name, Some(*port)))
            .collect();
        Rule {
            name: format!("{}/{}/{}", id.namespace, id.name, at.index),
            paths: rule
                .matches
                .iter()
                .map(|one| one.path.value.value.clone())
                .collect(),
            backends,
            filters,
            mirrors,
        }
    }

    /// The index of a Service's port.
    fn backend(&mut self, namespace: &str, name: &str, port: Option<u16>) -> usize {
        let service = self.report.model.service(namespace, name);
        let protocol = service.and_then(|service| {
            let port = service.ports.iter().find(|p| Some(p.port) == port)?;
            port.app_protocol.as_ref().map(|p| p.value.as_str())
        });
        let to = match self.services.find(namespace, name) {
            ServiceAt::Address(at) => BackendTo::Address {
                at,
                speaks: Protocol::of(protocol),
            },
            ServiceAt::Plaintext(at) => BackendTo::Address {
                at,
                speaks: Protocol {
                    tls: false,
                    ..Protocol::of(protocol)
                },
            },
            ServiceAt::Store => BackendTo::Store,
            ServiceAt::Nowhere(reason) => BackendTo::Nowhere(reason),
        };
        self.place(Backend {
            namespace: namespace.to_owned(),
            service: name.to_owned(),
            port,
            to,
        })
    }

    fn nowhere(&mut self, namespace: &str, name: &str, reason: &str) -> usize {
        self.place(Backend {
            namespace: namespace.to_owned(),
            service: name.to_owned(),
            port: None,
            to: BackendTo::Nowhere(reason.to_owned()),
        })
    }

    fn place(&mut self, backend: Backend) -> usize {
        match self.backends.iter().position(|known| *known == backend) {
            Some(index) => index,
            None => {
                self.backends.push(backend);
                self.backends.len() - 1
            }
        }
    }

    fn attached(&mut self, gateway: &Gateway, plan: &ExtensionPlan) -> Attached {
        let chains = plan
            .set
            .chains
            .iter()
            .map(|chain| {
                let steps = chain.extensions.iter().map(|extension| Step {
                    chain: chain.name.value.clone(),
                    extension: extension.name.value.clone(),
                    fail_open: extension.fail_open,
                    run: self.extension(gateway, plan, &chain.name.value, extension),
                });
                steps.collect()
            })
            .collect();
        Attached {
            plan: plan.clone(),
            name: format!("{}/{}", plan.set.id.namespace, plan.set.id.name),
            chains,
        }
    }

    fn extension(
        &mut self,
        gateway: &Gateway,
        plan: &ExtensionPlan,
        chain: &str,
        extension: &Extension,
    ) -> Run {
        let id = &plan.set.id;
        let (name, policy) = (&extension.name.value, then(extension));
        match &extension.backend.value {
            ExtensionBackend::Plugin { name: plugin } => match self.plugin(plan, extension) {
                Ok(index) => return Run::Plugin(index),
                Err(error) => {
                    let plugin = ObjectId {
                        kind: "GCPWasmPlugin".to_owned(),
                        namespace: id.namespace.clone(),
                        name: plugin.clone(),
                    };
                    self.problem(&plugin, format!("{error}; {policy}"));
                }
            },
            ExtensionBackend::Service { .. } | ExtensionBackend::GoogleApi { .. } => {
                let around = Around {
                    report: self.report,
                    services: self.services,
                    gateway,
                    set: &plan.set,
                    chain,
                };
                match around.callout(extension) {
                    Ok(callout) => {
                        if extension.events.is_none() && plan.set.kind == ExtensionKind::Traffic {
                            self.note(id, format!("extension `{name}` lists no supportedEvents; it is called for RequestHeaders and ResponseHeaders"));
                        }
                        return Run::Callout(self.callout(callout));
                    }
                    Err(error) => {
                        self.problem(id, format!("extension `{name}`: {error}; {policy}"));
                    }
                }
            }
            ExtensionBackend::Other { kind, name: other } => {
                self.problem(
                    id,
                    format!("extension `{name}`: {kind} `{other}` is not served; {policy}"),
                );
            }
            ExtensionBackend::Missing => {
                self.problem(id, format!("extension `{name}` names no backend; {policy}"));
            }
        }
        Run::Nothing
    }

    /// The index of a callout.
    fn callout(&mut self, callout: CalloutUse) -> usize {
        match self.callouts.iter().position(|known| *known == callout) {
            Some(index) => index,
            None => {
                self.callouts.push(callout);
                self.callouts.len() - 1
            }
        }
    }
}

/// What becomes of requests whose extension does not work.
fn then(extension: &Extension) -> &'static str {
    if extension.fail_open {
        "requests go on without it (failOpen)"
    } else {
        "requests of its chain get 500"
    }
}
