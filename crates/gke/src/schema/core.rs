//! Kubernetes' own kinds, as far as a load balancer looks at them; deeper down anything goes.

use super::{Field, Schema, Shape, optional, required};
use crate::rule::Rule;

const FIELD: Rule = Rule::FieldValue;

fn texts(names: &[&'static str]) -> Vec<Field> {
    names
        .iter()
        .map(|name| optional(name, Schema::text(FIELD)))
        .collect()
}

fn opens(names: &[&'static str]) -> Vec<Field> {
    names
        .iter()
        .map(|name| optional(name, Schema::open()))
        .collect()
}

fn labels() -> Schema {
    Schema::map(FIELD, None, Schema::text(FIELD))
}

/// `metadata` of every object.
pub(super) fn metadata() -> Schema {
    let mut fields = texts(&[
        "creationTimestamp",
        "deletionTimestamp",
        "generateName",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    ]);
    fields.extend(opens(&[
        "deletionGracePeriodSeconds",
        "finalizers",
        "generation",
        "managedFields",
        "ownerReferences",
    ]));
    fields.push(optional("annotations", labels()));
    fields.push(optional("labels", labels()));
    Schema::object(fields)
}

pub(super) fn service_spec() -> Schema {
    let port = Schema::object(vec![
        optional("appProtocol", Schema::text(FIELD)),
        optional("name", Schema::text(FIELD)),
        optional("nodePort", Schema::open()),
        required("port", Schema::integer(FIELD, 1, 65535)),
        optional("protocol", Schema::one_of(FIELD, &["SCTP", "TCP", "UDP"])),
        optional("targetPort", Schema::new(FIELD, Shape::IntegerOrText)),
    ]);
    let mut fields = opens(&[
        "allocateLoadBalancerNodePorts",
        "clusterIPs",
        "externalIPs",
        "healthCheckNodePort",
        "ipFamilies",
        "loadBalancerSourceRanges",
        "publishNotReadyAddresses",
        "sessionAffinityConfig",
        "trafficDistribution",
    ]);
    fields.extend(texts(&[
        "clusterIP",
        "externalName",
        "externalTrafficPolicy",
        "internalTrafficPolicy",
        "ipFamilyPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
        "sessionAffinity",
        "type",
    ]));
    fields.push(optional("ports", Schema::list(FIELD, 0, None, port)));
    fields.push(optional("selector", labels()));
    Schema::object(fields)
}

pub(super) fn deployment_spec() -> Schema {
    let selector = Schema::object(vec![
        optional("matchExpressions", Schema::open()),
        optional("matchLabels", labels()),
    ]);
    let template = Schema::object(vec![
        optional("metadata", metadata()),
        optional("spec", Schema::open()),
    ]);
    let mut fields = opens(&["paused", "strategy"]);
    for name in [
        "minReadySeconds",
        "progressDeadlineSeconds",
        "replicas",
        "revisionHistoryLimit",
    ] {
        fields.push(optional(
            name,
            Schema::new(
                FIELD,
                Shape::Integer {
                    min: Some(0),
                    max: None,
                    format: Some("int32"),
                },
            ),
        ));
    }
    fields.push(required("selector", selector));
    fields.push(required("template", template));
    Schema::object(fields)
}

pub(super) fn secret_fields() -> Vec<Field> {
    vec![
        optional("data", labels()),
        optional("immutable", Schema::boolean()),
        optional("stringData", labels()),
        optional("type", Schema::text(FIELD)),
    ]
}

pub(super) fn backend_policy_spec() -> Schema {
    let target = Schema::object(texts(&["group", "kind", "name", "namespace"]));
    Schema::object(vec![
        optional("default", Schema::open()),
        optional("targetRef", target),
    ])
}
