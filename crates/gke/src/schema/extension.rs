//! `GCPTrafficExtension` and `GCPRoutingExtension`: one spec, which the two kinds share but for
//! one rule of the later profile.

use super::{DNS_NAME, Field, KIND_NAME, LABEL, Schema, Shape, Text, optional, required};
use crate::api::rules::{self, CrdRule};
use crate::profile::{Admits, Profile};
use crate::rule::Rule;

const AUTHORITY: &str = r"^[A-Za-z0-9-_:%\.\[\]]*$";
const HEADER_NAME: &str = r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$";
const METADATA_VALUE: &str = r#"^([A-Za-z0-9\/\-._~%!$&'()*+,;=:"\s\[\]\{\}])*$"#;
const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

const EVENTS: [&str; 6] = [
    "RequestHeaders",
    "RequestBody",
    "ResponseHeaders",
    "ResponseBody",
    "RequestTrailers",
    "ResponseTrailers",
];

/// The words and literals that the CRD admits in a `celMatcher`. The server prints the pattern to
/// the letter, curly quotes included, so it is built to the letter.
pub(super) fn matcher_pattern(admits: &Admits) -> String {
    let literal = |inside: &str| format!(r"[a-zA-Z0-9\/\-._~%!$&'()*+,;=:{inside}\\]*");
    let quoted = literal(r#"\""#);
    format!(
        "{}{}{}",
        r"^(( )|(request.headers)|(request.method)|(request.host)|(request.path)|(request.query)|(request.scheme)|",
        admits.matcher_words,
        format_args!(
            "{}('{quoted}')|(\"{quoted}\")|(\u{201c}{quoted}\u{201d})|(R\"{}\")|[0-9]|(\\()|(\\))|(\\[)|(\\]))+$",
            r"(response.code)|(response.grpc_status)|(response.headers)|(source.address)|(source.port)|(connection.requested_server_name)|(connection.tls_version)|(connection.sha256_peer_certificate_digest)|(endsWith)|(startsWith)|(matches)|(contains)|(lowerAscii)|(upperAscii)|(int)|(==)|(!=)|(&&)|(>=)|(<=)|(>)|(<)|(\|\|)|(!)|(\+)|(\.)|(/)|",
            literal(""),
        )
    )
}

#[cfg(test)]
pub(super) fn patterns() -> Vec<String> {
    let mut all: Vec<String> = [AUTHORITY, HEADER_NAME, METADATA_VALUE, DURATION]
        .map(str::to_owned)
        .to_vec();
    for profile in Profile::ALL {
        all.push(matcher_pattern(profile.admits()));
        all.push(profile.admits().google_api_name.to_owned());
    }
    all
}

pub(super) fn spec(profile: Profile, traffic: bool) -> Schema {
    let admits = profile.admits();
    let has = |rule: &CrdRule| !rule.later_only || admits.only.contains(&rule.rule);
    let mut chains = Schema::list(Rule::ChainsCount, 1, Some(5), chain(admits, &has));
    if traffic {
        chains = chains.validated(rules::TRAFFIC_CHAINS.iter().copied().filter(&has));
    }
    Schema::object(vec![
        required("extensionChains", chains),
        required(
            "targetRefs",
            Schema::list(Rule::TargetRefsCount, 1, Some(10), target_ref()),
        ),
    ])
}

fn target_ref() -> Schema {
    Schema::object(vec![
        required(
            "group",
            Schema::sized(Rule::TargetRefGroup, 0, 253).matching(DNS_NAME),
        ),
        required(
            "kind",
            Schema::sized(Rule::TargetRefKind, 1, 63).matching(KIND_NAME),
        ),
        required("name", Schema::sized(Rule::TargetRefName, 1, 253)),
    ])
}

fn chain(admits: &Admits, has: &dyn Fn(&CrdRule) -> bool) -> Schema {
    let matcher = Schema::new(
        Rule::CelMatcherTokens,
        Shape::Text(Text {
            max: Some(512),
            max_rule: Some(Rule::CelMatcherLength),
            ..Text::default()
        }),
    )
    .matching(&matcher_pattern(admits));
    let backends = Schema::list(
        Rule::CelBackendRefsCount,
        0,
        admits.cel_backend_refs,
        backend_ref(admits, has),
    )
    .validated(rules::CEL_BACKENDS.iter().copied().filter(|rule| has(rule)));
    let expression = Schema::object(vec![
        optional("celMatcher", matcher),
        optional("backendRefs", backends),
    ]);
    Schema::object(vec![
        required(
            "extensions",
            Schema::list(Rule::ExtensionsCount, 1, Some(3), extension(admits, has)),
        ),
        optional(
            "matchCondition",
            Schema::object(vec![optional(
                "celExpressions",
                Schema::list(Rule::CelExpressionsCount, 0, Some(10), expression),
            )]),
        ),
        required(
            "name",
            Schema::sized(Rule::ChainName, 1, 63).matching(LABEL),
        ),
    ])
}

fn backend_ref(admits: &Admits, has: &dyn Fn(&CrdRule) -> bool) -> Schema {
    Schema::object(vec![
        required(
            "group",
            Schema::sized(Rule::BackendGroup, 0, 253)
                .matching(DNS_NAME)
                .values(admits.backend_groups)
                .default_text(""),
        ),
        required(
            "kind",
            Schema::sized(Rule::BackendKind, 1, 63)
                .matching(KIND_NAME)
                .values(admits.backend_kinds)
                .default_text("Service"),
        ),
        required("name", Schema::sized(Rule::BackendName, 1, 253)),
        optional("port", Schema::integer(Rule::BackendPort, 1, 65535)),
    ])
    .validated(rules::BACKEND.iter().copied().filter(|rule| has(rule)))
}

fn extension(admits: &Admits, has: &dyn Fn(&CrdRule) -> bool) -> Schema {
    let mode = || Schema::one_of(Rule::BodySendMode, &["Streamed", "FullDuplexStreamed"]);
    let mut fields: Vec<Field> = vec![
        optional(
            "authority",
            Schema::sized(Rule::Authority, 0, 1000).matching(AUTHORITY),
        ),
        optional("backendRef", backend_ref(admits, has)),
        optional("failOpen", Schema::boolean()),
        optional(
            "forwardHeaders",
            Schema::list(
                Rule::ForwardHeadersCount,
                0,
                Some(50),
                Schema::sized(Rule::ForwardHeader, 1, 256).matching(HEADER_NAME),
            ),
        ),
        optional(
            "googleAPIServiceName",
            Schema::sized(Rule::GoogleApiName, 0, 100).matching(admits.google_api_name),
        ),
        optional(
            "metadata",
            Schema::map(
                Rule::MetadataCount,
                Some(16),
                Schema::sized(Rule::MetadataValue, 1, 1023).matching(METADATA_VALUE),
            )
            .validated(rules::METADATA.iter().copied()),
        ),
        required(
            "name",
            Schema::sized(Rule::ExtensionName, 1, 63).matching(LABEL),
        ),
        optional("requestBodySendMode", mode()),
        optional("responseBodySendMode", mode()),
        optional(
            "supportedEvents",
            Schema::list(
                Rule::EventsCount,
                0,
                Some(6),
                Schema::one_of(Rule::EventName, &EVENTS),
            ),
        ),
        optional(
            "timeout",
            Schema::text(Rule::TimeoutFormat).matching(DURATION),
        ),
    ];
    if admits.observability_mode {
        fields.push(optional("observabilityMode", Schema::boolean()));
    }
    Schema::object(fields).validated(rules::EXTENSION.iter().copied().filter(|rule| has(rule)))
}

/// The status of all three kinds; only its field names count, since the server drops a status
/// that comes with a manifest after decoding it.
pub(super) fn status() -> Schema {
    let text = || Schema::text(Rule::WrongType);
    let condition = Schema::object(
        ["lastTransitionTime", "message", "reason", "status", "type"]
            .into_iter()
            .map(|name| optional(name, text()))
            .chain([optional("observedGeneration", Schema::open())])
            .collect(),
    );
    let reference = Schema::object(
        ["group", "kind", "name", "namespace", "sectionName"]
            .into_iter()
            .map(|name| optional(name, text()))
            .chain([optional("port", Schema::open())])
            .collect(),
    );
    let ancestor = Schema::object(vec![
        optional("ancestorRef", reference),
        optional(
            "conditions",
            Schema::list(Rule::WrongType, 0, None, condition),
        ),
        optional("controllerName", text()),
    ]);
    Schema::object(vec![optional(
        "ancestors",
        Schema::list(Rule::WrongType, 0, None, ancestor),
    )])
}
