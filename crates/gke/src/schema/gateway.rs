//! The Gateway API's own kinds, in the fields that decide where a request goes.

use super::{DNS_NAME, Field, KIND_NAME, Schema, Shape, optional, required};
use crate::rule::Rule;

const SECTION: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const HOSTNAME: &str = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const HEADER: &str = r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$";
const PROTOCOL: &str = r"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$";

const FIELD: Rule = Rule::FieldValue;

#[cfg(test)]
pub(super) fn patterns() -> Vec<String> {
    [SECTION, NAMESPACE, HOSTNAME, HEADER, PROTOCOL]
        .map(str::to_owned)
        .to_vec()
}

fn group(default: &str) -> Schema {
    Schema::sized(FIELD, 0, 253)
        .matching(DNS_NAME)
        .default_text(default)
}

fn kind(default: &str) -> Schema {
    Schema::sized(FIELD, 1, 63)
        .matching(KIND_NAME)
        .default_text(default)
}

fn name() -> Schema {
    Schema::sized(FIELD, 1, 253)
}

fn namespace() -> Schema {
    Schema::sized(FIELD, 1, 63).matching(NAMESPACE)
}

fn port() -> Schema {
    Schema::integer(FIELD, 1, 65535)
}

fn hostname() -> Schema {
    Schema::sized(FIELD, 1, 253).matching(HOSTNAME)
}

pub(super) fn gateway_spec() -> Schema {
    let listener = Schema::object(vec![
        optional("allowedRoutes", Schema::open()),
        optional("hostname", hostname()),
        required("name", Schema::sized(FIELD, 1, 253).matching(SECTION)),
        required("port", port()),
        required("protocol", Schema::sized(FIELD, 1, 255).matching(PROTOCOL)),
        optional("tls", Schema::open()),
    ]);
    let address = Schema::object(vec![
        optional("type", Schema::text(FIELD).default_text("IPAddress")),
        optional("value", Schema::text(FIELD)),
    ]);
    Schema::object(vec![
        optional("addresses", Schema::list(FIELD, 0, Some(16), address)),
        optional("allowedListeners", Schema::open()),
        optional("backendTLS", Schema::open()),
        required("gatewayClassName", name()),
        optional("infrastructure", Schema::open()),
        required("listeners", Schema::list(FIELD, 1, Some(64), listener)),
        optional("tls", Schema::open()),
    ])
}

pub(super) fn grant_spec() -> Schema {
    let from = Schema::object(vec![
        required("group", Schema::sized(FIELD, 0, 253).matching(DNS_NAME)),
        required("kind", Schema::sized(FIELD, 1, 63).matching(KIND_NAME)),
        required("namespace", namespace()),
    ]);
    let to = Schema::object(vec![
        required("group", Schema::sized(FIELD, 0, 253).matching(DNS_NAME)),
        required("kind", Schema::sized(FIELD, 1, 63).matching(KIND_NAME)),
        optional("name", name()),
    ]);
    Schema::object(vec![
        required("from", Schema::list(FIELD, 1, Some(16), from)),
        required("to", Schema::list(FIELD, 1, Some(16), to)),
    ])
}

pub(super) fn route_spec() -> Schema {
    let parent = Schema::object(vec![
        optional("group", group("gateway.networking.k8s.io")),
        optional("kind", kind("Gateway")),
        required("name", name()),
        optional("namespace", namespace()),
        optional("port", port()),
        optional(
            "sectionName",
            Schema::sized(FIELD, 1, 253).matching(SECTION),
        ),
    ]);
    Schema::object(vec![
        optional("hostnames", Schema::list(FIELD, 0, Some(16), hostname())),
        optional("parentRefs", Schema::list(FIELD, 0, Some(32), parent)),
        optional("rules", Schema::list(FIELD, 0, Some(16), rule())),
        optional("useDefaultGateways", Schema::text(FIELD)),
    ])
}

fn rule() -> Schema {
    let exact_or_regex =
        || Schema::one_of(FIELD, &["Exact", "RegularExpression"]).default_text("Exact");
    let named = |max: usize| {
        Schema::object(vec![
            required("name", Schema::sized(FIELD, 1, 256).matching(HEADER)),
            optional("type", exact_or_regex()),
            required("value", Schema::sized(FIELD, 1, max)),
        ])
    };
    let path = Schema::object(vec![
        optional(
            "type",
            Schema::one_of(FIELD, &["Exact", "PathPrefix", "RegularExpression"])
                .default_text("PathPrefix"),
        ),
        optional("value", Schema::sized(FIELD, 0, 1024).default_text("/")),
    ]);
    let one_match = Schema::object(vec![
        optional("headers", Schema::list(FIELD, 0, Some(16), named(4096))),
        optional(
            "method",
            Schema::one_of(
                FIELD,
                &[
                    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
                ],
            ),
        ),
        optional("path", path),
        optional("queryParams", Schema::list(FIELD, 0, Some(16), named(1024))),
    ]);
    let filters = || Schema::list(FIELD, 0, Some(16), filter());
    let backend = Schema::object(vec![
        optional("filters", filters()),
        optional("group", group("")),
        optional("kind", kind("Service")),
        required("name", name()),
        optional("namespace", namespace()),
        optional("port", port()),
        optional("weight", {
            let mut weight = Schema::integer(FIELD, 0, 1_000_000);
            weight.default = Some(crate::node::Value::Int(1));
            weight
        }),
    ]);
    Schema::object(vec![
        optional("backendRefs", Schema::list(FIELD, 0, Some(16), backend)),
        optional("filters", filters()),
        optional("matches", Schema::list(FIELD, 0, Some(64), one_match)),
        optional("name", Schema::sized(FIELD, 1, 253).matching(SECTION)),
        optional("retry", Schema::open()),
        optional("sessionPersistence", Schema::open()),
        optional("timeouts", Schema::open()),
    ])
}

fn filter() -> Schema {
    let header = || {
        Schema::list(
            FIELD,
            0,
            Some(16),
            Schema::object(vec![
                required("name", Schema::sized(FIELD, 1, 256).matching(HEADER)),
                required("value", Schema::sized(FIELD, 1, 4096)),
            ]),
        )
    };
    let headers = || -> Vec<Field> {
        vec![
            optional("add", header()),
            optional(
                "remove",
                Schema::list(FIELD, 0, Some(16), Schema::text(FIELD)),
            ),
            optional("set", header()),
        ]
    };
    let path = || {
        Schema::object(vec![
            optional("replaceFullPath", Schema::sized(FIELD, 0, 1024)),
            optional("replacePrefixMatch", Schema::sized(FIELD, 0, 1024)),
            required(
                "type",
                Schema::one_of(FIELD, &["ReplaceFullPath", "ReplacePrefixMatch"]),
            ),
        ])
    };
    Schema::object(vec![
        optional("cors", Schema::open()),
        optional("extensionRef", Schema::open()),
        optional("externalAuth", Schema::open()),
        optional("requestHeaderModifier", Schema::object(headers())),
        optional("requestMirror", Schema::open()),
        optional(
            "requestRedirect",
            Schema::object(vec![
                optional("hostname", hostname()),
                optional("path", path()),
                optional("port", port()),
                optional("scheme", Schema::one_of(FIELD, &["http", "https"])),
                optional(
                    "statusCode",
                    Schema::new(
                        FIELD,
                        Shape::Integer {
                            min: None,
                            max: None,
                            format: None,
                        },
                    ),
                ),
            ]),
        ),
        optional("responseHeaderModifier", Schema::object(headers())),
        required(
            "type",
            Schema::one_of(
                FIELD,
                &[
                    "RequestHeaderModifier",
                    "ResponseHeaderModifier",
                    "RequestMirror",
                    "RequestRedirect",
                    "URLRewrite",
                    "ExtensionRef",
                ],
            ),
        ),
        optional(
            "urlRewrite",
            Schema::object(vec![
                optional("hostname", hostname()),
                optional("path", path()),
            ]),
        ),
    ])
}
