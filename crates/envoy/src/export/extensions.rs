//! Extensions as HTTP filters: for each a composite filter that chooses a chain once, by the
//! conditions in their order, and runs it whole.
//!
//! A filter a chain would not do: a plugin of the first chain may change what the condition of
//! the second looks at, and then both would run.

use base64::Engine as _;
use gatewright_gke::cel::to_envoy;
use gatewright_gke::{
    Backend, BodySendMode, Chain, Event, Extension, ExtensionKind, ExtensionPlan, GatewayPlan,
};
use serde_json::{Map, Value, json};

use super::clusters::Clusters;
use super::{Bindings, Notes, typed};

const MATCHER: &str = "envoy.extensions.common.matching.v3.ExtensionWithMatcher";
const COMPOSITE: &str = "envoy.extensions.filters.http.composite.v3.Composite";
const ACTION: &str = "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction";
const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const BYTES: &str = "google.protobuf.BytesValue";
const EXT_PROC: &str = "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor";
const SET_METADATA: &str = "envoy.extensions.filters.http.set_metadata.v3.Config";
const CEL_INPUT: &str = "xds.type.matcher.v3.HttpAttributesCelMatchInput";
const CEL_MATCHER: &str = "xds.type.matcher.v3.CelMatcher";

/// Headers that a callout may not touch: facts of the load balancer's reference.
const FORBIDDEN: &str = "^(?i:x-user-ip|cdn-loop|x-forwarded.*|x-google.*|x-gfe.*|x-amz-.*|\
    connection|keep-alive|transfer-encoding|te|upgrade|proxy-connection|proxy-authenticate|\
    proxy-authorization|trailers)$";

/// The filters of a Gateway's extensions, the routing extension first.
pub(super) fn of_gateway(
    plan: &GatewayPlan,
    bindings: &Bindings<'_>,
    clusters: &mut Clusters<'_>,
    notes: &mut Notes,
) -> Vec<Value> {
    [&plan.routing, &plan.traffic]
        .into_iter()
        .flatten()
        .filter_map(|extension| {
            let step = |chain: &Chain, one: &Extension, notes: &mut Notes| {
                steps(extension, chain, one, bindings, clusters, notes)
            };
            filter(extension, notes, step)
        })
        .collect()
}

/// The composite filter of an extension; nothing if none of its chains can be carried over.
pub(super) fn filter(
    plan: &ExtensionPlan,
    notes: &mut Notes,
    mut steps: impl FnMut(&Chain, &Extension, &mut Notes) -> Vec<Value>,
) -> Option<Value> {
    let mut chains = Map::new();
    let mut matchers = Vec::new();
    let mut otherwise = None;
    for chain in &plan.set.chains {
        let name = &chain.name.value;
        let predicate = match condition(chain) {
            Ok(predicate) => predicate,
            Err(reason) => {
                notes.add(format!(
                    "chain `{name}` of {} is left out, and its requests go to the chains after \
                     it: {reason}",
                    plan.set.id
                ));
                continue;
            }
        };
        let mut filters = Vec::new();
        for extension in &chain.extensions {
            filters.extend(steps(chain, extension, notes));
        }
        let action = json!({"action": {
            "name": "composite-action",
            "typed_config": typed(ACTION, json!({"filter_chain_name": name})),
        }});
        // A chain without a filter still keeps its requests from the chains after it; Envoy takes
        // no empty chain, and no match at all runs nothing.
        if !filters.is_empty() {
            chains.insert(name.clone(), json!({"typed_config": filters}));
        }
        match predicate {
            Some(predicate) if filters.is_empty() => {
                matchers.push((predicate, None));
            }
            Some(predicate) => matchers.push((predicate, Some(action))),
            None => {
                otherwise = (!filters.is_empty()).then_some(action);
                // No later chain is ever asked.
                break;
            }
        }
    }
    if chains.is_empty() {
        return None;
    }
    let matcher = tree(&matchers, otherwise)?;
    let composite = typed(COMPOSITE, json!({"named_filter_chains": chains}));
    let delegate = json!({
        "extension_config": {"name": "chains", "typed_config": composite},
        "xds_matcher": matcher,
    });
    let id = &plan.set.id;
    let kind = match plan.set.kind {
        ExtensionKind::Routing => "routing",
        ExtensionKind::Traffic => "traffic",
    };
    Some(json!({
        "name": format!("{kind}-extension/{}/{}", id.namespace, id.name),
        "typed_config": typed(MATCHER, delegate),
    }))
}

/// The matcher that tries conditions in their order. A condition without an action ends the search
/// with none: the conditions after it only hold where it does not.
fn tree(matchers: &[(Value, Option<Value>)], otherwise: Option<Value>) -> Option<Value> {
    let mut taken: Vec<&Value> = Vec::new();
    let mut list = Vec::new();
    for (predicate, action) in matchers {
        match action {
            None => taken.push(predicate),
            Some(action) => {
                list.push(json!({"predicate": but(&taken, predicate), "on_match": action}));
            }
        }
    }
    let mut matcher = Map::new();
    if let Some(action) = otherwise {
        if taken.is_empty() {
            matcher.insert("on_no_match".to_owned(), action);
        } else {
            let none = json!({"not_matcher": any(&taken)});
            list.push(json!({"predicate": none, "on_match": action}));
        }
    }
    if list.is_empty() && matcher.is_empty() {
        return None;
    }
    if !list.is_empty() {
        matcher.insert("matcher_list".to_owned(), json!({"matchers": list}));
    }
    Some(Value::Object(matcher))
}

fn but(taken: &[&Value], predicate: &Value) -> Value {
    if taken.is_empty() {
        return predicate.clone();
    }
    let none = json!({"not_matcher": any(taken)});
    json!({"and_matcher": {"predicate": [none, predicate]}})
}

fn any(predicates: &[&Value]) -> Value {
    match predicates {
        [only] => (*only).clone(),
        several => json!({"or_matcher": {"predicate": several}}),
    }
}

/// The condition of a chain as a predicate; nothing where there is none.
pub(super) fn condition(chain: &Chain) -> Result<Option<Value>, String> {
    let mut alternatives = Vec::new();
    for expression in &chain.expressions {
        if !expression.backends.is_empty() {
            return Err(
                "Envoy's matchers do not see the backend that `backendRefs` asks for".into(),
            );
        }
        let Some(matcher) = &expression.matcher else {
            return Ok(None);
        };
        let tree = to_envoy(&matcher.value).map_err(|error| error.to_string())?;
        alternatives.push(json!({"single_predicate": {
            "input": {"name": "attributes", "typed_config": typed(CEL_INPUT, json!({}))},
            "custom_match": {
                "name": "cel",
                "typed_config": typed(CEL_MATCHER, json!({"expr_match": {"cel_expr_parsed": tree}})),
            },
        }}));
    }
    let all: Vec<&Value> = alternatives.iter().collect();
    Ok((!all.is_empty()).then(|| any(&all)))
}

/// The filters that an extension of a chain becomes.
fn steps(
    plan: &ExtensionPlan,
    chain: &Chain,
    extension: &Extension,
    bindings: &Bindings<'_>,
    clusters: &mut Clusters<'_>,
    notes: &mut Notes,
) -> Vec<Value> {
    let id = &plan.set.id;
    let name = format!("{}/{}", chain.name.value, extension.name.value);
    let left_out = |notes: &mut Notes, reason: &str| {
        notes.add(format!("extension `{name}` of {id} is left out: {reason}"));
        Vec::new()
    };
    match &extension.backend.value {
        Backend::Plugin { name: plugin } => match wasm(plan, extension, &name, bindings, notes) {
            Ok(filter) => vec![filter],
            Err(reason) => left_out(notes, &format!("plugin `{plugin}`: {reason}")),
        },
        Backend::Service {
            name: service,
            port,
        } => {
            let cluster = clusters.callout(&id.namespace, service, *port);
            callout(plan, chain, extension, &cluster, notes)
        }
        Backend::GoogleApi { name: api } => {
            left_out(notes, &format!("Envoy has no Google API `{api}`"))
        }
        Backend::Other { kind, name: other } => {
            left_out(notes, &format!("there is no {kind} `{other}` for Envoy"))
        }
        Backend::Missing => left_out(notes, "it names no backend"),
    }
}

fn wasm(
    plan: &ExtensionPlan,
    extension: &Extension,
    name: &str,
    bindings: &Bindings<'_>,
    notes: &mut Notes,
) -> Result<Value, String> {
    let (plugin, version) = plan
        .plugin(extension)
        .ok_or("it has no version with a weight")?;
    let module = bindings.plugins.module(&version.image.value)?;
    let vm = format!("{}/{}", plugin.id.name, version.name);
    let policy = if extension.fail_open {
        "FAIL_OPEN"
    } else {
        // Closed, and with a new VM after a while, as the load balancer has one.
        "FAIL_RELOAD"
    };
    let mut config = json!({
        "name": name,
        "failure_policy": policy,
        "vm_config": {
            "vm_id": vm,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module}},
        },
    });
    if let Some(uri) = &version.config_uri {
        let bytes = bindings.plugins.configuration(&uri.value)?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        config["configuration"] = typed(BYTES, json!({"value": encoded}));
    }
    let all = [
        Event::RequestHeaders,
        Event::RequestBody,
        Event::ResponseHeaders,
        Event::ResponseBody,
    ];
    let events = extension.shown(plan.set.kind);
    if !all.iter().all(|event| events.contains(event)) {
        notes.add(format!(
            "extension `{name}`: Envoy calls a plugin for every event, not only those of \
             `supportedEvents`"
        ));
    }
    if extension.fail_open {
        notes.add(format!(
            "extension `{name}`: with failOpen, Envoy starts no new VM after a trap; requests go \
             on without the plugin"
        ));
    }
    if plugin.log.enabled {
        notes.add(format!(
            "plugin `{}`: `logConfig` is not carried over; its messages are in Envoy's own log, \
             under `wasm`",
            plugin.id.name
        ));
    }
    Ok(json!({"name": name, "typed_config": typed(WASM, json!({"config": config}))}))
}

/// A callout, with the filter before it that sets its metadata, if it has any.
pub(super) fn callout(
    plan: &ExtensionPlan,
    chain: &Chain,
    extension: &Extension,
    cluster: &str,
    notes: &mut Notes,
) -> Vec<Value> {
    let routing = plan.set.kind == ExtensionKind::Routing;
    let name = format!("{}/{}", chain.name.value, extension.name.value);
    let events = extension.shown(plan.set.kind);
    let has = |event: Event| events.contains(&event);
    let send = |event: Event| if has(event) { "SEND" } else { "SKIP" };
    let body = |event: Event, mode: Option<BodySendMode>| match (has(event), mode) {
        (false, _) => "NONE",
        (true, Some(BodySendMode::FullDuplexStreamed)) => "FULL_DUPLEX_STREAMED",
        (true, _) => "STREAMED",
    };
    // Envoy takes full duplex only with the trailers, which end it.
    let trailers = |event: Event, body: &str| {
        if body == "FULL_DUPLEX_STREAMED" || has(event) {
            "SEND"
        } else {
            "SKIP"
        }
    };
    let request_body = body(Event::RequestBody, extension.request_body);
    let response_body = body(Event::ResponseBody, extension.response_body);
    let mut service = json!({"envoy_grpc": {"cluster_name": cluster}});
    if let Some(authority) = &extension.authority {
        service["envoy_grpc"]["authority"] = json!(authority);
    }
    let mut processor = json!({
        "grpc_service": service,
        "failure_mode_allow": extension.fail_open,
        "message_timeout": seconds(extension.timeout_ms),
        "processing_mode": {
            "request_header_mode": send(Event::RequestHeaders),
            "request_body_mode": request_body,
            "request_trailer_mode": trailers(Event::RequestTrailers, request_body),
            "response_header_mode": send(Event::ResponseHeaders),
            "response_body_mode": response_body,
            "response_trailer_mode": trailers(Event::ResponseTrailers, response_body),
        },
        "allow_mode_override": !routing,
        "mutation_rules": {
            "allow_all_routing": routing,
            "disallow_expression": {"regex": FORBIDDEN},
        },
        "route_cache_action": if routing { "CLEAR" } else { "RETAIN" },
        "disable_immediate_response": routing,
        "observability_mode": extension.observability,
    });
    if let Some(headers) = &extension.forward_headers {
        let patterns: Vec<_> = headers
            .iter()
            .map(|name| json!({"exact": name.to_ascii_lowercase()}))
            .collect();
        processor["forward_rules"] = json!({"allowed_headers": {"patterns": patterns}});
    }
    let mut filters = Vec::new();
    if !extension.metadata.is_empty() {
        let kind = if routing {
            "lb_route_extension"
        } else {
            "lb_traffic_extension"
        };
        let (set, chain) = (&plan.set.id.name, &chain.name.value);
        let namespace = format!("com.google.{kind}.{set}.{chain}.{}", extension.name.value);
        processor["metadata_options"] = json!({"forwarding_namespaces": {"untyped": [namespace]}});
        let value: Map<_, _> = extension
            .metadata
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        if extension
            .metadata
            .iter()
            .any(|(_, value)| value.contains("{forwarding_rule_id}"))
        {
            notes.add(format!(
                "extension `{name}`: Envoy has no forwarding rule; `{{forwarding_rule_id}}` stays \
                 as it is"
            ));
        }
        let content = json!({"metadata": [
            {"metadata_namespace": namespace, "value": value, "allow_overwrite": true},
        ]});
        filters.push(json!({
            "name": format!("{name}/metadata"),
            "typed_config": typed(SET_METADATA, content),
        }));
    }
    filters.push(json!({"name": name, "typed_config": typed(EXT_PROC, processor)}));
    filters
}

/// Milliseconds as protobuf's JSON writes a duration.
fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}s", milliseconds / 1000, milliseconds % 1000)
}
