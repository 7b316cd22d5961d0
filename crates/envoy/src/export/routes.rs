//! HTTPRoutes as virtual hosts and routes.

use gatewright_gke::{
    GatewayPlan, HostTable, Listener, MatchKind, NamedMatch, PathKind, TableEntry,
};
use serde_json::{Map, Value, json};

use super::Notes;
use super::clusters::Clusters;
use super::filters::{Around, translate};
use super::typed;

/// The most that a backend may take, as the load balancer has it.
const TIMEOUT: &str = "30s";

/// The route configuration of a port. `extensions` are the names of the filters that do not see a
/// request without a route.
pub(super) fn configuration(
    plan: &GatewayPlan,
    listeners: &[&Listener],
    port: u16,
    extensions: &[&str],
    clusters: &mut Clusters<'_>,
    notes: &mut Notes,
) -> Value {
    let mut hosts: Vec<Value> = plan
        .hosts(listeners)
        .iter()
        .map(|table| virtual_host(table, port, extensions, clusters, notes))
        .collect();
    let any = hosts
        .iter()
        .any(|host| host["domains"].get(0).is_some_and(|domain| domain == "*"));
    if !any {
        let routes = [missing(404, extensions)];
        hosts.push(json!({"name": "none", "domains": ["*"], "routes": routes}));
    }
    json!({"name": "routes", "virtual_hosts": hosts})
}

fn virtual_host(
    table: &HostTable<'_>,
    port: u16,
    extensions: &[&str],
    clusters: &mut Clusters<'_>,
    notes: &mut Notes,
) -> Value {
    let domain = table.host.as_deref().unwrap_or("*");
    let mut routes: Vec<Value> = table
        .entries
        .iter()
        .filter_map(|entry| route(entry, port, clusters, notes))
        .collect();
    routes.push(missing(404, extensions));
    json!({"name": domain, "domains": [domain], "routes": routes})
}

fn route(
    entry: &TableEntry<'_>,
    port: u16,
    clusters: &mut Clusters<'_>,
    notes: &mut Notes,
) -> Option<Value> {
    let (rule, one) = (entry.rule(), entry.one());
    let path = one.path.value.value.as_str();
    let mut matches = match one.path.kind {
        PathKind::Exact => json!({"path": path}),
        PathKind::Prefix => match path.strip_suffix('/').unwrap_or(path) {
            "" => json!({"prefix": "/"}),
            prefix => json!({"path_separated_prefix": prefix}),
        },
        // GKE does not take it, which the check says.
        PathKind::Regex => return None,
    };
    let method = one
        .method
        .iter()
        .map(|method| exact(":method", &method.value));
    let headers = one.headers.iter().map(named).collect::<Option<Vec<_>>>()?;
    let headers: Vec<Value> = method.chain(headers).collect();
    if !headers.is_empty() {
        matches["headers"] = Value::Array(headers);
    }
    let query = one.query.iter().map(named).collect::<Option<Vec<_>>>()?;
    if !query.is_empty() {
        matches["query_parameters"] = Value::Array(query);
    }

    let id = &entry.route.id;
    let translated = translate(
        rule,
        &mut Around {
            namespace: &id.namespace,
            prefix: path,
            port,
            clusters,
            notes,
        },
    );
    let mut route = translated.route;
    route.insert("match".to_owned(), matches);
    let name = format!("{}/{}/{}", id.namespace, id.name, entry.rule);
    route.insert("name".to_owned(), json!(name));
    if let Some(redirect) = translated.redirect {
        route.insert("redirect".to_owned(), redirect);
        return Some(Value::Object(route));
    }
    let mut weights = Vec::new();
    for backend in &rule.backends {
        let weight = u32::try_from(backend.weight).unwrap_or(0);
        match (backend.is_service, backend.port) {
            (true, Some(port)) if weight > 0 => {
                let name = clusters.name(&backend.namespace, &backend.name.value, port);
                weights.push((name, weight));
            }
            (true, Some(_)) => {}
            _ => notes.add(format!(
                "backend `{}` of {name} is not carried over: it is no port of a Service",
                backend.name.value
            )),
        }
    }
    if rule.timeouts.is_some() {
        notes.add(format!("the timeouts of {name} are not carried over"));
    }
    match &weights[..] {
        [] => {
            let answer = missing(500, &[]);
            route.insert(
                "direct_response".to_owned(),
                answer["direct_response"].clone(),
            );
            json_type(&mut route);
        }
        [(only, _)] => {
            let mut action = translated.action;
            action.insert("cluster".to_owned(), json!(only));
            action.insert("timeout".to_owned(), json!(TIMEOUT));
            route.insert("route".to_owned(), Value::Object(action));
        }
        several => {
            let clusters: Vec<_> = several
                .iter()
                .map(|(name, weight)| json!({"name": name, "weight": weight}))
                .collect();
            let mut action = translated.action;
            action.insert(
                "weighted_clusters".to_owned(),
                json!({"clusters": clusters}),
            );
            action.insert("timeout".to_owned(), json!(TIMEOUT));
            route.insert("route".to_owned(), Value::Object(action));
        }
    }
    Some(Value::Object(route))
}

fn exact(name: &str, value: &str) -> Value {
    json!({"name": name, "string_match": {"exact": value}})
}

/// A match by name; nothing for one that GKE does not take.
fn named(one: &NamedMatch) -> Option<Value> {
    (one.kind == MatchKind::Exact).then(|| exact(&one.name, &one.value))
}

/// What answers where nothing else does, in the words of the load balancer. Extensions do not see
/// it, since it has no route.
fn missing(status: u16, extensions: &[&str]) -> Value {
    let (message, code) = match status {
        404 => ("Requested entity was not found.", "NOT_FOUND"),
        _ => ("Internal server error.", "INTERNAL"),
    };
    let body = json!({"error": {"code": status, "message": message, "status": code}});
    let off = || {
        typed(
            "envoy.config.route.v3.FilterConfig",
            json!({"disabled": true}),
        )
    };
    let mut route = Map::new();
    route.insert("match".to_owned(), json!({"prefix": "/"}));
    route.insert(
        "direct_response".to_owned(),
        json!({"status": status, "body": {"inline_string": body.to_string()}}),
    );
    json_type(&mut route);
    if !extensions.is_empty() {
        let configs: Map<_, _> = extensions
            .iter()
            .map(|name| ((*name).to_owned(), off()))
            .collect();
        route.insert("typed_per_filter_config".to_owned(), Value::Object(configs));
    }
    Value::Object(route)
}

fn json_type(route: &mut Map<String, Value>) {
    let kind = json!({
        "header": {"key": "content-type", "value": "application/json; charset=UTF-8"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let add = route
        .entry("response_headers_to_add")
        .or_insert_with(|| json!([]));
    if let Some(add) = add.as_array_mut() {
        add.push(kind);
    }
}
