//! Services and what stands behind and in front of them.

use super::{Reader, Spot};
use crate::check::Object;
use crate::finding::ObjectId;
use crate::node::Node;
use crate::place::Place;

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Which object.
    pub id: ObjectId,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Labels that its Pods have; none means that it selects no Pods.
    pub selector: Vec<(String, String)>,
    /// `type`, `ClusterIP` by default.
    pub service_type: String,
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// `name`.
    pub name: Option<String>,
    /// `port`.
    pub port: u16,
    /// `targetPort`, the port itself by default.
    pub target: String,
    /// `appProtocol`.
    pub app_protocol: Option<Spot<String>>,
    /// Where it stands.
    pub place: Option<Place>,
}

impl Service {
    pub(super) fn read(object: &Object) -> Self {
        let spec = Reader::new(object).field("spec");
        Self {
            id: object.id.clone(),
            ports: spec
                .into_iter()
                .flat_map(|spec| spec.list("ports").collect::<Vec<_>>())
                .map(|port| {
                    let number = port.port("port").unwrap_or(0);
                    ServicePort {
                        name: port.text("name"),
                        port: number,
                        target: port
                            .text("targetPort")
                            .or_else(|| port.int("targetPort").map(|n| n.to_string()))
                            .unwrap_or_else(|| number.to_string()),
                        app_protocol: port.spot("appProtocol"),
                        place: port.place(),
                    }
                })
                .collect(),
            selector: spec.map(|spec| spec.map("selector")).unwrap_or_default(),
            service_type: spec
                .map(|spec| spec.text_or("type", "ClusterIP"))
                .unwrap_or_default(),
        }
    }

    /// The port of that number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }
}

/// Something that has Pods: a Deployment, or any object with a Pod template, or a Pod.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Which object.
    pub id: ObjectId,
    /// Labels of its Pods.
    pub labels: Vec<(String, String)>,
    /// How many Pods it asks for, one by default.
    pub replicas: i64,
    /// The images of its containers.
    pub images: Vec<String>,
    /// Secrets that its volumes need.
    pub secrets: Vec<SecretRef>,
}

/// A Secret that a volume names.
#[derive(Clone, Debug)]
pub struct SecretRef {
    /// Its name.
    pub name: Spot<String>,
    /// Whether the Pods start without it.
    pub optional: bool,
}

impl Workload {
    /// Reads a workload from any object that has Pods.
    pub(crate) fn read(id: &ObjectId, node: &Node, file: usize) -> Option<Self> {
        let reader = Reader::of(node, file);
        let template = if id.kind == "Pod" {
            reader
        } else {
            reader.at(&["spec", "template"])?
        };
        let labels = template
            .field("metadata")
            .map(|metadata| metadata.map("labels"))
            .unwrap_or_default();
        let volumes = template
            .field("spec")
            .map(|spec| spec.list("volumes").collect::<Vec<_>>())
            .unwrap_or_default();
        let containers = template
            .field("spec")
            .map(|spec| spec.list("containers").collect::<Vec<_>>())
            .unwrap_or_default();
        Some(Self {
            id: id.clone(),
            labels,
            images: containers
                .into_iter()
                .filter_map(|container| Some(container.spot("image")?.value))
                .collect(),
            replicas: reader
                .field("spec")
                .and_then(|spec| spec.int("replicas"))
                .unwrap_or(1),
            secrets: volumes
                .into_iter()
                .filter_map(|volume| {
                    let secret = volume.field("secret")?;
                    Some(SecretRef {
                        name: secret.spot("secretName")?,
                        optional: secret.flag("optional").unwrap_or(false),
                    })
                })
                .collect(),
        })
    }

    /// Whether a Service with that selector sends requests here.
    #[must_use]
    pub fn is_selected_by(&self, selector: &[(String, String)]) -> bool {
        !selector.is_empty()
            && self.replicas > 0
            && selector.iter().all(|label| self.labels.contains(label))
    }
}

/// A `GCPBackendPolicy` on a Service, as far as it excludes extensions.
#[derive(Clone, Debug)]
pub struct BackendPolicy {
    /// Which object.
    pub id: ObjectId,
    /// The Service's name.
    pub service: String,
    /// What it turns on that a callout must not have: `IAP`, `Cloud Armor`, `Cloud CDN`.
    pub excludes: Vec<&'static str>,
}

impl BackendPolicy {
    pub(super) fn read(object: &Object) -> Self {
        let spec = Reader::new(object).field("spec");
        let default = spec.and_then(|spec| spec.field("default"));
        let on = |name: &str| {
            default
                .and_then(|default| default.field(name)?.flag("enabled"))
                .unwrap_or(false)
        };
        let armor = default
            .and_then(|default| default.text("securityPolicy"))
            .is_some_and(|policy| !policy.is_empty());
        Self {
            id: object.id.clone(),
            service: spec
                .and_then(|spec| spec.field("targetRef"))
                .filter(|target| target.text_or("kind", "") == "Service")
                .map(|target| target.text_or("name", ""))
                .unwrap_or_default(),
            excludes: [
                (on("iap"), "IAP"),
                (armor, "Cloud Armor"),
                (on("cdn"), "Cloud CDN"),
            ]
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name))
            .collect(),
        }
    }
}
