//! The CRDs' own validation rules (`x-kubernetes-validations`), in Rust.
//!
//! Messages are the CRDs' to the letter. A rule that reads `supportedEvents` without asking
//! whether it is there fails to evaluate when it is not, and the server then rejects the object
//! with the failure in front of the message.

use super::{Subject, duration, structure};
use crate::node::{Node, Value};
use crate::place::Span;
use crate::profile::Admits;
use crate::report::Sink;
use crate::rule::Rule;
use crate::schema::{Schema, Shape};

/// Whether a rule holds; the error is why it could not be evaluated.
type Outcome = Result<bool, String>;

/// One validation rule of a schema.
#[derive(Clone, Copy)]
pub(crate) struct CrdRule {
    pub(crate) rule: Rule,
    /// Whether only the later profile has it.
    pub(crate) later_only: bool,
    message: fn(&Admits) -> String,
    /// The field to point at, if it is there.
    blames: &'static str,
    holds: fn(&Node, &Admits) -> Outcome,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $list:ident = [$($name:ident $([$later:ident])? $blames:literal $message:expr => $holds:expr;)*];)*) => {
        $(
            $(#[$doc])*
            pub(crate) const $list: &[CrdRule] = &[$(CrdRule {
                rule: Rule::$name,
                later_only: rules!(@later $($later)?),
                message: $message,
                blames: $blames,
                holds: $holds,
            },)*];
        )*
    };
    (@later) => { false };
    (@later later) => { true };
}

rules! {
    /// On every `backendRef`.
    BACKEND = [
        ServiceGroupEmpty "group" |_| "Group must be empty if kind is Service".into()
            => |b, _| Ok(!kind_is(b, "Service") || b.str_at("group") == Some(""));
        ServiceImportGroup [later] "group" |_| "Group must be set to `net.gke.io` if kind is ServiceImport".into()
            => |b, _| Ok(!kind_is(b, "ServiceImport") || b.str_at("group") == Some("net.gke.io"));
        WasmPluginGroup "group" |_| "Group must be set to `networking.gke.io` if kind is GCPWasmPlugin".into()
            => |b, _| Ok(!kind_is(b, "GCPWasmPlugin") || b.str_at("group") == Some("networking.gke.io"));
        ApigeeGroup [later] "group" |_| "Group must be set to `apim.googleapis.com` if kind is ApigeeBackendService".into()
            => |b, _| Ok(!kind_is(b, "ApigeeBackendService") || b.str_at("group") == Some("apim.googleapis.com"));
        ServicePort "kind" |_| "Port has to be set if kind is Service".into()
            => |b, _| Ok(!kind_is(b, "Service") || has(b, "port"));
        ServiceImportPort [later] "kind" |_| "Port has to be set if kind is ServiceImport".into()
            => |b, _| Ok(!kind_is(b, "ServiceImport") || has(b, "port"));
        WasmPluginPort "port" |_| "Port has to be empty if kind is GCPWasmPlugin".into()
            => |b, _| Ok(!kind_is(b, "GCPWasmPlugin") || !has(b, "port"));
    ];
    /// On `celExpressions[].backendRefs`.
    CEL_BACKENDS = [
        CelBackendKind [later] "kind" |_| "Only backendRefs of kind Service or ServiceImport are supported in CEL expression".into()
            => |list, _| Ok(list.items().iter().all(|b| kind_is(b, "Service") || kind_is(b, "ServiceImport")));
    ];
    /// On every extension, in the CRD's order.
    EXTENSION = [
        TimeoutRange "timeout" |_| "timeout must be between 10-10000 milliseconds".into() => timeout_range;
        WasmTimeout "timeout" |_| "Extensions with backendRef kind GCPWasmPlugin do not support timeout".into()
            => |e, _| Ok(!is_plugin(e) || !has(e, "timeout"));
        ServiceAuthority "backendRef" |a| a.authority_message.into()
            => |e, a| Ok(!backend_in(e, a.authority_kinds) || e.str_at("authority").is_some_and(|text| !text.is_empty()));
        ApigeeAuthority [later] "authority" |_| "authority must not be set if the backendRef kind is ApigeeBackendService".into()
            => |e, _| Ok(!backend_in(e, &["ApigeeBackendService"]) || !has(e, "authority"));
        GoogleApiAuthority "authority" |_| "Extension with googleAPIServiceName do not support authority".into()
            => |e, _| Ok(!has(e, "googleAPIServiceName") || !has(e, "authority"));
        WasmAuthority "authority" |_| "Extensions with backendRef kind GCPWasmPlugin do not support authority".into()
            => |e, _| Ok(!is_plugin(e) || !has(e, "authority"));
        OneBackend "googleAPIServiceName" |_| "Exactly one of backendRef or googleAPIServiceName should be set".into()
            => |e, _| Ok(has(e, "backendRef") != has(e, "googleAPIServiceName"));
        WasmEvents "supportedEvents" |_| "Extensions with backendRef kind GCPWasmPlugin support only RequestHeaders, RequestBody, ResponseHeaders and ResponseBody events".into()
            => wasm_events;
        WasmMetadata "metadata" |_| "Extension with backendRef kind GCPWasmPlugin do not support metadata".into()
            => |e, _| Ok(!is_plugin(e) || !has(e, "metadata"));
        RequestModeBackend "requestBodySendMode" |a| format!("requestBodySendMode {}", a.body_mode_message)
            => |e, a| Ok(!has(e, "requestBodySendMode") || backend_in(e, a.body_mode_kinds));
        ResponseModeBackend "responseBodySendMode" |a| format!("responseBodySendMode {}", a.body_mode_message)
            => |e, a| Ok(!has(e, "responseBodySendMode") || backend_in(e, a.body_mode_kinds));
        RequestStreamed "requestBodySendMode" |_| "If requestBodySendMode is set to `Streamed`, then the `supportedEvents` list must contain `RequestBody` event".into()
            => |e, _| needs(e, "requestBodySendMode", "Streamed", &["RequestBody"]);
        ResponseStreamed "responseBodySendMode" |_| "If responseBodySendMode is set to `Streamed`, then the `supportedEvents` list must contain `ResponseBody` event".into()
            => |e, _| needs(e, "responseBodySendMode", "Streamed", &["ResponseBody"]);
        RequestDuplex "requestBodySendMode" |_| "If requestBodySendMode is set to `FullDuplexStreamed`, then the `supportedEvents` list must contain at least both: `RequestBody` and `RequestTrailers\u{201c} events".into()
            => |e, _| needs(e, "requestBodySendMode", "FullDuplexStreamed", &["RequestBody", "RequestTrailers"]);
        ResponseDuplex "responseBodySendMode" |_| "If responseBodySendMode is set to `FullDuplexStreamed`, then the `supportedEvents` list must contain at least both: `ResponseBody` and `ResponseTrailers\u{201c} events".into()
            => |e, _| needs(e, "responseBodySendMode", "FullDuplexStreamed", &["ResponseBody", "ResponseTrailers"]);
        ObservabilityModes [later] "observabilityMode" |_| "If observabilityMode is set to `TRUE`, then the `responseBodySendMode` and `requestBodySendMode` must be not set or set to `Streamed`".into()
            => |e, _| Ok(e.get("observabilityMode").and_then(Node::as_bool) != Some(true)
                || ["responseBodySendMode", "requestBodySendMode"].iter().all(|mode| matches!(e.str_at(mode), None | Some("Streamed"))));
    ];
    /// On the chains of a `GCPTrafficExtension`.
    TRAFFIC_CHAINS = [
        TrafficEvents [later] "supportedEvents" |_| "supportedEvents must be set for GCPTrafficExtension".into() => traffic_events;
    ];
    /// On `metadata` of an extension.
    METADATA = [
        MetadataKeys "" |_| r"Metadata keys must only contain valid characters (matching ^([A-Za-z0-9\/\-._~%!$&'()*+,;=:\s\[\]\{\}]{1,63})$) and must be up to 63 characters long.".into()
            => |m, _| Ok(m.entries().iter().all(|entry| metadata_key(&entry.key)));
    ];
    /// On `logConfig`.
    LOG_CONFIG = [
        SampleRateNeedsLogging "sampleRate" |_| "SampleRate can be specified only if logging is enabled".into()
            => |l, _| Ok(!has(l, "sampleRate") || l.get("enabled").and_then(Node::as_bool) == Some(true));
        LogLevelNeedsLogging "minLogLevel" |_| "MinLogLevel can be specified only if logging is enabled".into()
            => |l, _| Ok(!has(l, "minLogLevel") || l.get("enabled").and_then(Node::as_bool) == Some(true));
    ];
    /// On `versions`.
    VERSIONS = [
        UniqueVersions "name" |_| "Version name must be unique within the GCPWasmPlugin".into()
            => |list, _| Ok(unique(list.items().iter().filter_map(|v| v.str_at("name"))));
        OneServingVersion "weight" |_| "GCPWasmPlugin must contain exactly one version with a non zero weight".into()
            => |list, _| Ok(list.items().iter().filter(|v| !is_zero(v.get("weight"))).count() == 1);
    ];
}

fn has(node: &Node, field: &str) -> bool {
    node.get(field).is_some()
}

fn kind_is(backend: &Node, kind: &str) -> bool {
    backend.str_at("kind") == Some(kind)
}

fn backend_in(extension: &Node, kinds: &[&str]) -> bool {
    extension
        .get("backendRef")
        .is_some_and(|backend| kinds.iter().any(|kind| kind_is(backend, kind)))
}

fn is_plugin(extension: &Node) -> bool {
    backend_in(extension, &["GCPWasmPlugin"])
}

fn is_zero(weight: Option<&Node>) -> bool {
    weight.is_some_and(|weight| {
        matches!(weight.value, Value::Int(0)) || weight.value == Value::Float(0.0)
    })
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().all(|name| seen.insert(name))
}

fn events(extension: &Node) -> Result<Vec<&str>, String> {
    extension
        .get("supportedEvents")
        .map(|list| list.items().iter().filter_map(Node::as_str).collect())
        .ok_or_else(|| "no such key: supportedEvents".to_owned())
}

fn timeout_range(extension: &Node, _: &Admits) -> Outcome {
    const MILLISECOND: i128 = 1_000_000;
    let Some(timeout) = extension.str_at("timeout") else {
        return Ok(true);
    };
    let nanoseconds = duration::parse(timeout)
        .ok_or("type conversion error from 'string' to 'google.protobuf.Duration'")?;
    Ok((10 * MILLISECOND..=10_000 * MILLISECOND).contains(&nanoseconds))
}

fn wasm_events(extension: &Node, _: &Admits) -> Outcome {
    const PLUGIN_EVENTS: [&str; 4] = [
        "RequestHeaders",
        "RequestBody",
        "ResponseHeaders",
        "ResponseBody",
    ];
    if !is_plugin(extension) {
        return Ok(true);
    }
    Ok(events(extension)?
        .iter()
        .all(|event| PLUGIN_EVENTS.contains(event)))
}

fn needs(extension: &Node, mode: &str, value: &str, wanted: &[&str]) -> Outcome {
    if extension.str_at(mode) != Some(value) {
        return Ok(true);
    }
    let events = events(extension)?;
    Ok(wanted.iter().all(|event| events.contains(event)))
}

/// `all` of CEL: one item that fails decides, even beside items that cannot be evaluated.
fn traffic_events(chains: &Node, _: &Admits) -> Outcome {
    let mut failed = None;
    let extensions = chains
        .items()
        .iter()
        .filter_map(|chain| chain.get("extensions"))
        .flat_map(Node::items);
    for extension in extensions {
        match events(extension) {
            Ok(events) if events.is_empty() => return Ok(false),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(true), Err)
}

fn metadata_key(key: &str) -> bool {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || "/-._~%!$&'()*+,;=:{}[]".contains(c)
            || matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r')
    };
    let length = key.chars().count();
    (1..=63).contains(&length) && key.chars().all(allowed)
}

/// Runs the rules of a schema and of all below it: a node's own before those of its fields.
pub(super) fn run(
    subject: &Subject<'_>,
    node: &Node,
    schema: &Schema,
    owner: Span,
    sink: &mut Sink,
) {
    visit(subject, node, schema, owner, &mut String::new(), sink);
}

fn visit(
    subject: &Subject<'_>,
    node: &Node,
    schema: &Schema,
    owner: Span,
    path: &mut String,
    sink: &mut Sink,
) {
    let admits = subject.profile.admits();
    for rule in &schema.validations {
        let error = match (rule.holds)(node, admits) {
            Ok(true) => continue,
            Ok(false) => None,
            Err(error) => Some(error),
        };
        let message = (rule.message)(admits);
        let detail = match &error {
            Some(error) => format!("{error} evaluating rule: {message}"),
            None => message,
        };
        let kind = if matches!(node.value, Value::List(_)) {
            "array"
        } else {
            "object"
        };
        let message = format!("{path}: Invalid value: {kind:?}: {detail}");
        let span = blamed(node, rule.blames).unwrap_or(owner);
        let finding = subject.finding(rule.rule, span, path, message);
        sink.push(super::hints::rule(subject, finding, node, error.is_some()));
    }
    let length = path.len();
    match (&schema.shape, &node.value) {
        (Shape::Object(fields), Value::Map(entries)) => {
            for field in fields {
                if let Some(entry) = entries.iter().find(|entry| entry.key == field.name)
                    && !(length == 0 && field.name == "status")
                {
                    structure::push_field(path, field.name);
                    visit(
                        subject,
                        &entry.value,
                        &field.schema,
                        entry.key_span,
                        path,
                        sink,
                    );
                    path.truncate(length);
                }
            }
        }
        (Shape::List { items, .. }, Value::List(nodes)) => {
            for (index, item) in nodes.iter().enumerate() {
                structure::push_index(path, index);
                visit(subject, item, items, super::first_key(item), path, sink);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// The key that a rule points at; a default has no key of its own.
fn blamed(node: &Node, field: &str) -> Option<Span> {
    node.entries()
        .iter()
        .find(|entry| entry.key == field && entry.key_span != node.span)
        .map(|entry| entry.key_span)
}
