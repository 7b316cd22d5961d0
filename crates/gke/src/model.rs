//! The objects as types: what the controller, the plan and the translation look at.
//!
//! Reading is lenient: a field that is missing or of the wrong type was reported before and is
//! taken as absent, so that a faulty manifest still gets all its other findings.

mod extension;
mod gateway;
mod plugin;
mod service;

pub use extension::{
    Backend, BodySendMode, Chain, Event, Expression, Extension, ExtensionKind, ExtensionSet, Target,
};
pub use gateway::{
    BackendRef, Filter, Gateway, GatewayClass, Listener, MatchKind, NamedMatch, ParentRef,
    PathKind, PathMatch, Route, RouteMatch, RouteRule,
};
pub use plugin::{LogConfig, Plugin, PluginVersion};
pub use service::{BackendPolicy, SecretRef, Service, ServicePort, Workload};

use std::collections::HashMap;

use crate::check::Object;
use crate::node::Node;
use crate::place::Place;
use crate::schema::Kind;

/// All objects of a set of manifests, by kind.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Model {
    /// Gateways, those from the options last.
    pub gateways: Vec<Gateway>,
    /// HTTPRoutes.
    pub routes: Vec<Route>,
    /// Traffic and routing extensions.
    pub extensions: Vec<ExtensionSet>,
    /// Wasm plugins.
    pub plugins: Vec<Plugin>,
    /// Services.
    pub services: Vec<Service>,
    /// Deployments and whatever else has Pods.
    pub workloads: Vec<Workload>,
    /// Names of Secrets as namespace and name.
    pub secrets: Vec<(String, String)>,
    /// Policies on Services.
    pub policies: Vec<BackendPolicy>,
    pub(crate) grants: Vec<gateway::Grant>,
}

impl Model {
    pub(crate) fn new(objects: &[Object], workloads: Vec<Workload>) -> Self {
        let mut model = Self {
            workloads,
            ..Self::default()
        };
        // Of two documents for one object the later wins, as when both are applied in order.
        let last: HashMap<_, _> = objects
            .iter()
            .enumerate()
            .map(|(index, object)| (&object.id, index))
            .collect();
        for (index, object) in objects.iter().enumerate() {
            if last.get(&object.id) != Some(&index) {
                continue;
            }
            match object.kind {
                Kind::GcpTrafficExtension => model
                    .extensions
                    .push(ExtensionSet::read(object, ExtensionKind::Traffic)),
                Kind::GcpRoutingExtension => model
                    .extensions
                    .push(ExtensionSet::read(object, ExtensionKind::Routing)),
                Kind::GcpWasmPlugin => model.plugins.push(Plugin::read(object)),
                Kind::Gateway => model.gateways.push(Gateway::read(object)),
                Kind::HttpRoute => model.routes.push(Route::read(object)),
                Kind::ReferenceGrant => model.grants.push(gateway::Grant::read(object)),
                Kind::Service => model.services.push(Service::read(object)),
                // Deployments came with the workloads.
                Kind::Deployment => {}
                Kind::Secret => model
                    .secrets
                    .push((object.id.namespace.clone(), object.id.name.clone())),
                Kind::GcpBackendPolicy => model.policies.push(BackendPolicy::read(object)),
            }
        }
        model
    }

    /// The Gateway of that namespace and name.
    #[must_use]
    pub fn gateway(&self, namespace: &str, name: &str) -> Option<&Gateway> {
        self.gateways
            .iter()
            .find(|gateway| gateway.id.namespace == namespace && gateway.id.name == name)
    }

    /// The Service of that namespace and name.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.id.namespace == namespace && service.id.name == name)
    }

    /// The images behind a Service: those of whatever its selector finds.
    #[must_use]
    pub fn images(&self, namespace: &str, name: &str) -> Vec<&str> {
        let selector = self.service(namespace, name).map(|s| &s.selector[..]);
        self.workloads
            .iter()
            .filter(|workload| {
                workload.id.namespace == namespace
                    && workload.is_selected_by(selector.unwrap_or_default())
            })
            .flat_map(|workload| workload.images.iter().map(String::as_str))
            .collect()
    }

    /// The plugin of that namespace and name.
    #[must_use]
    pub fn plugin(&self, namespace: &str, name: &str) -> Option<&Plugin> {
        self.plugins
            .iter()
            .find(|plugin| plugin.id.namespace == namespace && plugin.id.name == name)
    }
}

/// A value and its place, for findings about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot<T> {
    /// The value.
    pub value: T,
    /// Where it stands; nothing for defaults and objects from the options.
    pub place: Option<Place>,
}

/// Reads fields of one object, with the object's file for places.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    node: &'a Node,
    file: Option<usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(object: &'a Object) -> Self {
        Self {
            node: &object.node,
            file: object.place.map(|place| place.file),
        }
    }

    pub(crate) fn of(node: &'a Node, file: usize) -> Self {
        Self {
            node,
            file: Some(file),
        }
    }

    pub(crate) fn place(self) -> Option<Place> {
        let span = crate::api::first_key(self.node);
        self.file.map(|file| Place { file, span })
    }

    pub(crate) fn field(self, name: &str) -> Option<Self> {
        self.node.get(name).map(|node| Self { node, ..self })
    }

    pub(crate) fn at(self, names: &[&str]) -> Option<Self> {
        names
            .iter()
            .try_fold(self, |reader, name| reader.field(name))
    }

    pub(crate) fn list(self, name: &str) -> impl Iterator<Item = Self> {
        let items = self.node.get(name).map(Node::items).unwrap_or_default();
        items.iter().map(move |node| Self { node, ..self })
    }

    pub(crate) fn text(self, name: &str) -> Option<String> {
        self.node.str_at(name).map(str::to_owned)
    }

    pub(crate) fn text_or(self, name: &str, default: &str) -> String {
        self.node.str_at(name).unwrap_or(default).to_owned()
    }

    pub(crate) fn spot(self, name: &str) -> Option<Spot<String>> {
        let node = self.node.get(name)?;
        Some(Spot {
            value: node.as_str()?.to_owned(),
            place: Self { node, ..self }.place(),
        })
    }

    pub(crate) fn spot_or_default(self, name: &str) -> Spot<String> {
        self.spot(name).unwrap_or(Spot {
            value: String::new(),
            place: self.place(),
        })
    }

    pub(crate) fn port(self, name: &str) -> Option<u16> {
        self.node
            .get(name)
            .and_then(Node::as_int)
            .and_then(|port| u16::try_from(port).ok())
    }

    pub(crate) fn int(self, name: &str) -> Option<i64> {
        self.node.get(name).and_then(Node::as_int)
    }

    pub(crate) fn flag(self, name: &str) -> Option<bool> {
        self.node.get(name).and_then(Node::as_bool)
    }

    pub(crate) fn texts(self, name: &str) -> Vec<String> {
        self.list(name)
            .filter_map(|item| item.node.as_str().map(str::to_owned))
            .collect()
    }

    pub(crate) fn map(self, name: &str) -> Vec<(String, String)> {
        self.node
            .get(name)
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), entry.value.as_str()?.to_owned())))
            .collect()
    }

    pub(crate) fn node(self) -> &'a Node {
        self.node
    }
}
