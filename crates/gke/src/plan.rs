//! Which route, chain, extension and backend serve a request on which Gateway, and why not others.
//!
//! Hosts select first, as in a URL map: the most specific hostname that any route has decides, and
//! routes with other hostnames are out, whatever their paths. Then the Gateway API's precedence:
//! exact path, longest prefix, method, number of headers, number of query parameters, the route's
//! name, the order of rules.

mod explain;
mod route;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::condition::{Condition, Language, Verdict};
use crate::controller::attached;
use crate::finding::ObjectId;
use crate::model::{
    Backend, BackendRef, Chain, Extension, ExtensionKind, ExtensionSet, Gateway, Model, Plugin,
    PluginVersion, Route,
};
use crate::status::Status;

pub use table::{HostTable, TableEntry};

/// A request as conditions and routes see it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Such as `GET`.
    pub method: &'r [u8],
    /// `http` or `https`.
    pub scheme: &'r [u8],
    /// The host, without port.
    pub host: &'r [u8],
    /// The path, without query.
    pub path: &'r [u8],
    /// The query, without `?`, undecoded.
    pub query: &'r [u8],
    /// Headers in order, pseudo headers left out.
    pub headers: &'r [(&'r [u8], &'r [u8])],
    /// The client and its connection.
    pub client: Client<'r>,
}

/// Where a request comes from, as conditions may ask.
#[derive(Clone, Copy, Debug)]
pub struct Client<'r> {
    /// The address, without port.
    pub address: &'r [u8],
    /// The port.
    pub port: u16,
    /// The name that TLS was begun with; empty without.
    pub sni: &'r [u8],
    /// Such as `TLSv1.3`; nothing without TLS.
    pub tls_version: Option<&'r [u8]>,
}

impl Default for Client<'_> {
    /// A client on this machine, without TLS.
    fn default() -> Self {
        Self {
            address: b"127.0.0.1",
            port: 0,
            sni: b"",
            tls_version: None,
        }
    }
}

impl Request<'_> {
    /// The values of a header, its name in any case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }
}

/// Everything that serves requests, by Gateway.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One entry a Gateway, in the order of the manifests.
    pub gateways: Vec<GatewayPlan>,
}

/// What one Gateway does.
#[derive(Clone, Debug)]
pub struct GatewayPlan {
    /// The Gateway.
    pub gateway: Gateway,
    /// The routes that are attached.
    pub routes: Vec<Route>,
    /// The routing extension that is programmed.
    pub routing: Option<ExtensionPlan>,
    /// The traffic extension that is programmed.
    pub traffic: Option<ExtensionPlan>,
    /// Extensions that name the Gateway and are not programmed, with the controller's reason.
    pub refused: Vec<(ObjectId, String)>,
}

/// An extension with its conditions compiled and its plugins at hand.
#[derive(Clone, Debug)]
pub struct ExtensionPlan {
    /// The extension.
    pub set: ExtensionSet,
    /// A condition for each chain, in their order.
    pub conditions: Vec<Condition>,
    /// The plugins that its extensions name.
    pub plugins: Vec<Plugin>,
}

/// What happens to a request on a Gateway.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// The routing extension's chains, as far as they were asked.
    pub routing: Vec<Asked<'p>>,
    /// The route and rule that match.
    pub route: Option<RouteChoice<'p>>,
    /// The traffic extension's chains, as far as they were asked.
    pub traffic: Vec<Asked<'p>>,
}

/// A chain whose condition was asked; the first that holds is the last one.
#[derive(Clone, Debug)]
pub struct Asked<'p> {
    /// The chain.
    pub chain: &'p Chain,
    /// What came out.
    pub verdict: Verdict,
}

/// A route's rule that serves a request.
#[derive(Clone, Debug)]
pub struct RouteChoice<'p> {
    /// The route.
    pub route: &'p Route,
    /// Index of the rule.
    pub rule: usize,
    /// Index of the match in the rule.
    pub matched: usize,
    /// The backends that share the traffic: those with a weight.
    pub backends: Vec<&'p BackendRef>,
}

impl Plan {
    pub(crate) fn new(
        model: &Model,
        statuses: &BTreeMap<ObjectId, Status>,
        language: Option<&dyn Language>,
    ) -> Self {
        let gateways = model
            .gateways
            .iter()
            .map(|gateway| GatewayPlan::new(gateway, model, statuses, language))
            .collect();
        Self { gateways }
    }

    /// The Gateway of that namespace and name.
    #[must_use]
    pub fn gateway(&self, namespace: &str, name: &str) -> Option<&GatewayPlan> {
        self.gateways
            .iter()
            .find(|plan| plan.gateway.id.namespace == namespace && plan.gateway.id.name == name)
    }
}

impl GatewayPlan {
    fn new(
        gateway: &Gateway,
        model: &Model,
        statuses: &BTreeMap<ObjectId, Status>,
        language: Option<&dyn Language>,
    ) -> Self {
        let mut plan = Self {
            gateway: gateway.clone(),
            routes: Vec::new(),
            routing: None,
            traffic: None,
            refused: Vec::new(),
        };
        for route in &model.routes {
            if attached(gateway, route).next().is_some() {
                plan.routes.push(route.clone());
            }
        }
        for set in &model.extensions {
            let ancestor = statuses.get(&set.id).and_then(|status| {
                status.ancestors.iter().find(|ancestor| {
                    ancestor.namespace == gateway.id.namespace && ancestor.name == gateway.id.name
                })
            });
            let Some(ancestor) = ancestor else { continue };
            if !ancestor.is_programmed() {
                let refusal = ancestor
                    .conditions
                    .iter()
                    .find(|condition| !condition.status);
                let reason = refusal.map(|c| format!("{}: {}", c.reason, c.message));
                plan.refused
                    .push((set.id.clone(), reason.unwrap_or_default()));
                continue;
            }
            let extension = ExtensionPlan::new(set, model, language);
            match set.kind {
                ExtensionKind::Traffic => plan.traffic = Some(extension),
                ExtensionKind::Routing => plan.routing = Some(extension),
            }
        }
        plan
    }

    /// Decides what happens to a request: routing extension, route, traffic extension. The routing
    /// extension is taken to change nothing.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision<'_> {
        self.decide_rerouted(request, request)
    }

    /// Decides what happens to a request of which the chain of the routing extension, if one runs,
    /// makes another: with that one the route is found and the traffic extension is asked.
    #[must_use]
    pub fn decide_rerouted(&self, request: &Request<'_>, made: &Request<'_>) -> Decision<'_> {
        let routing = self
            .routing
            .as_ref()
            .map_or_else(Vec::new, |extension| extension.ask(request, None));
        let runs = routing.last().is_some_and(|asked| asked.verdict.holds());
        let request = if runs { made } else { request };
        let route = self.route(request);
        let backend = route
            .as_ref()
            .and_then(|choice| choice.backends.first())
            .map(|backend| (backend.name.value.as_str(), backend.port));
        let traffic = match (&self.traffic, &route) {
            (Some(extension), Some(_)) => extension.ask(request, backend),
            _ => Vec::new(),
        };
        Decision {
            routing,
            route,
            traffic,
        }
    }
}

impl ExtensionPlan {
    fn new(set: &ExtensionSet, model: &Model, language: Option<&dyn Language>) -> Self {
        let conditions = set
            .chains
            .iter()
            .map(|chain| Condition::new(chain, set.kind, language))
            .collect();
        let mut plugins: Vec<Plugin> = Vec::new();
        for (_, _, extension) in set.all() {
            if let Backend::Plugin { name } = &extension.backend.value
                && let Some(plugin) = model.plugin(&set.id.namespace, name)
                && !plugins.iter().any(|known| known.id == plugin.id)
            {
                plugins.push(plugin.clone());
            }
        }
        Self {
            set: set.clone(),
            conditions,
            plugins,
        }
    }

    /// Asks the chains in order up to the first that holds.
    #[must_use]
    pub fn ask(
        &self,
        request: &Request<'_>,
        backend: Option<(&str, Option<u16>)>,
    ) -> Vec<Asked<'_>> {
        let mut asked = Vec::new();
        for (chain, condition) in self.set.chains.iter().zip(&self.conditions) {
            let verdict = condition.evaluate(request, backend);
            let holds = verdict.holds();
            asked.push(Asked { chain, verdict });
            if holds {
                break;
            }
        }
        asked
    }

    /// The index of the first chain whose condition holds: what [`ask`](Self::ask) ends with,
    /// without the reasons.
    #[must_use]
    pub fn first(
        &self,
        request: &Request<'_>,
        backend: Option<(&str, Option<u16>)>,
    ) -> Option<usize> {
        let mut conditions = self.conditions.iter();
        conditions.position(|condition| condition.holds(request, backend))
    }

    /// The plugin of an extension and the version that serves.
    #[must_use]
    pub fn plugin(&self, extension: &Extension) -> Option<(&Plugin, &PluginVersion)> {
        let Backend::Plugin { name } = &extension.backend.value else {
            return None;
        };
        let plugin = self.plugins.iter().find(|plugin| plugin.id.name == *name)?;
        Some((plugin, plugin.serving()?))
    }
}

impl<'p> Decision<'p> {
    /// The chain of the traffic extension that runs.
    #[must_use]
    pub fn traffic_chain(&self) -> Option<&'p Chain> {
        self.traffic
            .last()
            .filter(|asked| asked.verdict.holds())
            .map(|asked| asked.chain)
    }

    /// The chain of the routing extension that runs.
    #[must_use]
    pub fn routing_chain(&self) -> Option<&'p Chain> {
        self.routing
            .last()
            .filter(|asked| asked.verdict.holds())
            .map(|asked| asked.chain)
    }
}
