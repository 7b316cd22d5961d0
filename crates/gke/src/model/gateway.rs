//! Gateways and HTTPRoutes.

use super::{Reader, Spot};
use crate::check::Object;
use crate::finding::ObjectId;
use crate::place::Place;

/// GKE's Gateway classes, as far as extensions tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GatewayClass {
    /// `gke-l7-global-external-managed`.
    GlobalExternal,
    /// `gke-l7-regional-external-managed`.
    RegionalExternal,
    /// `gke-l7-rilb`.
    RegionalInternal,
    /// `gke-l7-gxlb`, the classic load balancer, without extensions and filters.
    Classic,
    /// Another class of GKE's, without extensions.
    OtherGke,
    /// None of GKE's.
    Unknown,
}

impl GatewayClass {
    /// The class of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "gke-l7-global-external-managed" => Self::GlobalExternal,
            "gke-l7-regional-external-managed" => Self::RegionalExternal,
            "gke-l7-rilb" => Self::RegionalInternal,
            "gke-l7-gxlb" => Self::Classic,
            "gke-l7-global-external-managed-mc"
            | "gke-l7-regional-external-managed-mc"
            | "gke-l7-rilb-mc"
            | "gke-l7-gxlb-mc"
            | "gke-l7-cross-regional-internal-managed-mc"
            | "gke-td" => Self::OtherGke,
            _ => Self::Unknown,
        }
    }

    /// Whether its load balancers belong to a region.
    #[must_use]
    pub fn is_regional(self) -> bool {
        matches!(self, Self::RegionalExternal | Self::RegionalInternal)
    }
}

/// A Gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Which object.
    pub id: ObjectId,
    /// The class.
    pub class: GatewayClass,
    /// `gatewayClassName`.
    pub class_name: Spot<String>,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The first requested address.
    pub address: Option<String>,
}

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `name`.
    pub name: String,
    /// `port`.
    pub port: u16,
    /// `protocol`, such as `HTTPS`.
    pub protocol: String,
    /// `hostname`; nothing means any.
    pub hostname: Option<String>,
    /// Whether routes of other namespaces may attach: `All`, or by a selector.
    pub other_namespaces: bool,
}

impl Gateway {
    pub(super) fn read(object: &Object) -> Self {
        let spec = Reader::new(object).field("spec");
        let class_name = spec
            .map(|spec| spec.spot_or_default("gatewayClassName"))
            .unwrap_or_default();
        Self {
            id: object.id.clone(),
            class: GatewayClass::from_name(&class_name.value),
            class_name,
            listeners: spec
                .into_iter()
                .flat_map(|spec| spec.list("listeners").collect::<Vec<_>>())
                .map(|listener| Listener {
                    name: listener.text_or("name", ""),
                    port: listener.port("port").unwrap_or(0),
                    protocol: listener.text_or("protocol", ""),
                    hostname: listener.text("hostname"),
                    other_namespaces: listener
                        .at(&["allowedRoutes", "namespaces"])
                        .and_then(|namespaces| namespaces.text("from"))
                        .is_some_and(|from| from != "Same"),
                })
                .collect(),
            address: spec.and_then(|spec| spec.list("addresses").next()?.text("value")),
        }
    }
}

/// What a ReferenceGrant allows.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) namespace: String,
    pub(crate) from: Vec<(String, String)>,
    pub(crate) to: Vec<(String, Option<String>)>,
}

impl Grant {
    pub(super) fn read(object: &Object) -> Self {
        let spec = Reader::new(object).field("spec");
        let list = |name: &str| {
            spec.map(|spec| spec.list(name).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        Self {
            namespace: object.id.namespace.clone(),
            from: list("from")
                .iter()
                .map(|from| (from.text_or("kind", ""), from.text_or("namespace", "")))
                .collect(),
            to: list("to")
                .iter()
                .map(|to| (to.text_or("kind", ""), to.text("name")))
                .collect(),
        }
    }
}

/// An HTTPRoute.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which object.
    pub id: ObjectId,
    /// Where its first key stands.
    pub place: Option<Place>,
    /// `parentRefs`.
    pub parents: Vec<ParentRef>,
    /// `hostnames`; none means all of the listener's.
    pub hostnames: Vec<String>,
    /// The rules.
    pub rules: Vec<RouteRule>,
}

/// An item of `parentRefs`.
#[derive(Clone, Debug)]
pub struct ParentRef {
    /// Whether it names a Gateway of the Gateway API.
    pub is_gateway: bool,
    /// Namespace, the route's own by default.
    pub namespace: String,
    /// Name.
    pub name: Spot<String>,
    /// `sectionName`: the listener.
    pub section: Option<String>,
    /// `port` of the listener.
    pub port: Option<u16>,
}

/// A rule of a route.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// The matches, of which one must hold; at least one.
    pub matches: Vec<RouteMatch>,
    /// The backends with their weights.
    pub backends: Vec<BackendRef>,
    /// Kinds of filters, such as `URLRewrite`, with the content as JSON.
    pub filters: Vec<Filter>,
    /// Whether the rule has timeouts, and where.
    pub timeouts: Option<Place>,
}

/// A filter of a rule.
#[derive(Clone, Debug)]
pub struct Filter {
    /// `type`.
    pub kind: String,
    /// The whole filter.
    pub content: serde_json::Value,
    /// Where it stands.
    pub place: Option<Place>,
}

/// A condition on path, method, headers and query: all must hold.
#[derive(Clone, Debug)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// The method.
    pub method: Option<Spot<String>>,
    /// Headers.
    pub headers: Vec<NamedMatch>,
    /// Query parameters.
    pub query: Vec<NamedMatch>,
}

/// A condition on the path.
#[derive(Clone, Debug)]
pub struct PathMatch {
    /// How it compares.
    pub kind: PathKind,
    /// With what.
    pub value: Spot<String>,
}

/// How a path compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// The same path.
    Exact,
    /// The same first segments.
    Prefix,
    /// A regular expression.
    Regex,
}

/// A condition on a header or a query parameter.
#[derive(Clone, Debug)]
pub struct NamedMatch {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// How it compares.
    pub kind: MatchKind,
    /// Where it stands.
    pub place: Option<Place>,
}

/// How a value compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKind {
    /// The same value.
    Exact,
    /// A regular expression.
    Regex,
}

/// A backend of a rule.
#[derive(Clone, Debug)]
pub struct BackendRef {
    /// Whether it names a Service.
    pub is_service: bool,
    /// Namespace, the route's own by default.
    pub namespace: String,
    /// Name.
    pub name: Spot<String>,
    /// Port.
    pub port: Option<u16>,
    /// Weight, 1 by default.
    pub weight: i64,
}

impl Route {
    pub(super) fn read(object: &Object) -> Self {
        let spec = Reader::new(object).field("spec");
        let namespace = &object.id.namespace;
        let list = |name: &str| {
            spec.map(|spec| spec.list(name).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        Self {
            id: object.id.clone(),
            place: object.place,
            parents: list("parentRefs")
                .into_iter()
                .map(|parent| ParentRef {
                    is_gateway: parent.text_or("kind", "Gateway") == "Gateway"
                        && parent.text_or("group", "gateway.networking.k8s.io")
                            == "gateway.networking.k8s.io",
                    namespace: parent.text_or("namespace", namespace),
                    name: parent.spot_or_default("name"),
                    section: parent.text("sectionName"),
                    port: parent.port("port"),
                })
                .collect(),
            hostnames: spec.map(|spec| spec.texts("hostnames")).unwrap_or_default(),
            rules: list("rules")
                .into_iter()
                .map(|rule| RouteRule::read(rule, namespace))
                .collect(),
        }
    }
}

impl RouteRule {
    fn read(rule: Reader<'_>, namespace: &str) -> Self {
        let mut matches: Vec<RouteMatch> = rule.list("matches").map(RouteMatch::read).collect();
        if matches.is_empty() {
            matches.push(RouteMatch {
                path: PathMatch::everything(rule.place()),
                method: None,
                headers: Vec::new(),
                query: Vec::new(),
            });
        }
        Self {
            matches,
            backends: rule
                .list("backendRefs")
                .map(|backend| BackendRef {
                    is_service: backend.text_or("kind", "Service") == "Service"
                        && backend.text_or("group", "").is_empty(),
                    namespace: backend.text_or("namespace", namespace),
                    name: backend.spot_or_default("name"),
                    port: backend.port("port"),
                    weight: backend.int("weight").unwrap_or(1),
                })
                .collect(),
            filters: rule
                .list("filters")
                .map(|filter| Filter {
                    kind: filter.text_or("type", ""),
                    content: filter.node().to_json(),
                    place: filter.place(),
                })
                .collect(),
            timeouts: rule.field("timeouts").and_then(Reader::place),
        }
    }
}

impl PathMatch {
    fn everything(place: Option<Place>) -> Self {
        Self {
            kind: PathKind::Prefix,
            value: Spot {
                value: "/".to_owned(),
                place,
            },
        }
    }
}

impl RouteMatch {
    fn read(reader: Reader<'_>) -> Self {
        let named = |name: &str| {
            reader
                .list(name)
                .map(|item| NamedMatch {
                    name: item.text_or("name", ""),
                    value: item.text_or("value", ""),
                    kind: match item.text_or("type", "Exact").as_str() {
                        "RegularExpression" => MatchKind::Regex,
                        _ => MatchKind::Exact,
                    },
                    place: item.place(),
                })
                .collect()
        };
        let path = reader.field("path").map(|path| PathMatch {
            kind: match path.text_or("type", "PathPrefix").as_str() {
                "Exact" => PathKind::Exact,
                "RegularExpression" => PathKind::Regex,
                _ => PathKind::Prefix,
            },
            value: path.spot("value").unwrap_or(Spot {
                value: "/".to_owned(),
                place: path.place(),
            }),
        });
        Self {
            path: path.unwrap_or_else(|| PathMatch::everything(reader.place())),
            method: reader.spot("method"),
            headers: named("headers"),
            query: named("queryParams"),
        }
    }
}
