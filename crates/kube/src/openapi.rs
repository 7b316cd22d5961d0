//! OpenAPI: what `kubectl` asks before it sends, and what `kubectl explain` prints.

use gatewright_gke::{Profile, open_api};
use serde_json::{Map, Value, json};

use crate::kinds::{Info, Kind, group_version};
use crate::patch::{ListKind, list_at};

/// `/openapi/v3`: where the documents are.
#[must_use]
pub(crate) fn v3_index(profile: Profile) -> Value {
    let mut paths = Map::new();
    for (group, versions) in Kind::groups() {
        for version in versions {
            let path = match group {
                "" => format!("api/{version}"),
                group => format!("apis/{group}/{version}"),
            };
            let url = format!("/openapi/v3/{path}?hash={}", profile.as_str());
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

/// The document of a group and version.
#[must_use]
pub(crate) fn v3(group: &str, version: &str, profile: Profile) -> Option<Value> {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for info in Kind::of_version(group, version) {
        let name = definition(info, version);
        schemas.insert(name.clone(), schema(info, version, profile));
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        for (path, item) in operations(info, version, &reference) {
            paths.insert(path, item);
        }
    }
    (!paths.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0",
            "info": {"title": "gatewright", "version": version},
            "paths": paths,
            "components": {"schemas": schemas},
        })
    })
}

/// The older document of everything.
#[must_use]
pub(crate) fn v2(profile: Profile) -> Value {
    let mut definitions = Map::new();
    let mut paths = Map::new();
    for (group, versions) in Kind::groups() {
        for version in versions {
            for info in Kind::of_version(group, version) {
                let name = definition(info, version);
                definitions.insert(name.clone(), schema(info, version, profile));
                let reference = json!({"$ref": format!("#/definitions/{name}")});
                for (path, item) in operations(info, version, &reference) {
                    paths.insert(path, item);
                }
            }
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "gatewright", "version": "v1"},
        "paths": paths,
        "definitions": definitions,
    })
}

/// A name as Kubernetes has them: the group backwards, the version, the kind.
fn definition(info: &Info, version: &str) -> String {
    let group = match info.group {
        "" => "io.k8s.api.core".to_owned(),
        "apps" => "io.k8s.api.apps".to_owned(),
        group => {
            let mut parts: Vec<_> = group.split('.').collect();
            parts.reverse();
            parts.join(".")
        }
    };
    format!("{group}.{version}.{}", info.name)
}

fn schema(info: &Info, version: &str, profile: Profile) -> Value {
    let mut schema = open_api(info.name, profile).unwrap_or_else(|| {
        json!({
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        })
    });
    mark_lists(info.kind, &mut Vec::new(), &mut schema);
    let group_kind = json!([{"group": info.group, "version": version, "kind": info.name}]);
    schema["x-kubernetes-group-version-kind"] = group_kind;
    schema["description"] = describe(info.kind).into();
    schema
}

fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "A namespace of names.",
        Kind::Event => "What happened to an object.",
        Kind::Pod => "A Pod. Nothing runs here: what would run is written down.",
        Kind::Secret => "Secrets, such as a certificate and its key.",
        Kind::Service => "A name and ports for Pods.",
        Kind::Deployment => {
            "Pods that are alike. Nothing runs here: what would run is written down."
        }
        Kind::GatewayClass => "A kind of load balancer that GKE has.",
        Kind::Gateway => "A load balancer: its class and its listeners.",
        Kind::HttpRoute => "Which requests of a Gateway go to which Services.",
        Kind::ReferenceGrant => "What a namespace lets others refer to.",
        Kind::GcpBackendPolicy => "Policies of the load balancer on a Service.",
        Kind::GcpRoutingExtension => "Callouts before a regional load balancer chooses a Service.",
        Kind::GcpTrafficExtension => "Callouts and plugins that change requests and responses.",
        Kind::GcpWasmPlugin => "A plugin: an image with a WebAssembly module, in versions.",
    }
}

/// Writes down how lists are merged.
fn mark_lists<'p>(kind: Kind, path: &mut Vec<&'p str>, schema: &'p mut Value) {
    let is_list = schema.get("type").and_then(Value::as_str) == Some("array");
    let Value::Object(map) = schema else { return };
    if is_list {
        match list_at(kind, path) {
            ListKind::Keyed(keys) => {
                map.insert("x-kubernetes-list-type".to_owned(), "map".into());
                map.insert("x-kubernetes-list-map-keys".to_owned(), keys.into());
                if kind.info().built_in {
                    map.insert("x-kubernetes-patch-strategy".to_owned(), "merge".into());
                    map.insert("x-kubernetes-patch-merge-key".to_owned(), keys[0].into());
                }
            }
            ListKind::Set => {
                map.insert("x-kubernetes-list-type".to_owned(), "set".into());
                map.insert("x-kubernetes-patch-strategy".to_owned(), "merge".into());
            }
            ListKind::Atomic => {
                map.insert("x-kubernetes-list-type".to_owned(), "atomic".into());
            }
        }
        if let Some(items) = map.get_mut("items") {
            mark_lists(kind, path, items);
        }
        return;
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, schema) in properties {
            path.push(name);
            mark_lists(kind, path, schema);
            path.pop();
        }
    }
}

/// The paths of a kind, as far as clients look at them: which parameters a patch takes, and which
/// kind a path is of.
fn operations(info: &Info, version: &str, reference: &Value) -> Vec<(String, Value)> {
    let base = match info.group {
        "" => format!("/api/{version}"),
        _ => format!("/apis/{}", group_version(info.group, version)),
    };
    let collection = if info.namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", info.plural)
    } else {
        format!("{base}/{}", info.plural)
    };
    let kind = json!({"group": info.group, "version": version, "kind": info.name});
    let parameters = |names: &[&str]| -> Vec<Value> {
        let one = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        names.iter().map(one).collect()
    };
    let operation = |action: &str, names: &[&str]| {
        json!({
            "operationId": format!("{action}{}{}", version, info.name),
            "parameters": parameters(names),
            "responses": {"200": {
                "description": "OK",
                "content": {"application/json": {"schema": reference}},
            }},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        })
    };
    let body = |media: &[&str], schema: &Value| -> Value {
        let content: Map<String, Value> = media
            .iter()
            .map(|media| ((*media).to_owned(), json!({"schema": schema})))
            .collect();
        json!({"content": content, "required": true})
    };
    const WRITES: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
    let mut post = operation("post", WRITES);
    post["requestBody"] = body(&["*/*"], reference);
    let mut put = operation("put", WRITES);
    put["requestBody"] = body(&["*/*"], reference);
    let mut patch = operation(
        "patch",
        &["dryRun", "fieldManager", "fieldValidation", "force"],
    );
    let any = json!({"type": "object"});
    // Strategic merges are taken too. They are not offered, since their schema is Kubernetes' own
    // types', which clients have built in and which is more than what is looked at here.
    patch["requestBody"] = body(
        &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
        ],
        &any,
    );
    let list = &[
        "labelSelector",
        "fieldSelector",
        "limit",
        "continue",
        "resourceVersion",
        "watch",
        "timeoutSeconds",
    ];
    let name =
        json!({"name": "name", "in": "path", "required": true, "schema": {"type": "string"}});
    vec![
        (
            collection.clone(),
            json!({"get": operation("list", list), "post": post}),
        ),
        (
            format!("{collection}/{{name}}"),
            json!({
                "get": operation("get", &[]),
                "put": put,
                "patch": patch,
                "delete": operation("delete", &["dryRun", "propagationPolicy"]),
                "parameters": [name],
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_say_that_they_take_a_validation_and_a_dry_run() {
        let document = v3("networking.gke.io", "v1", Profile::Gke133).unwrap();
        let path = "/apis/networking.gke.io/v1/namespaces/{namespace}/gcpwasmplugins/{name}";
        let patch = &document["paths"][path]["patch"];
        assert_eq!(
            patch["x-kubernetes-group-version-kind"]["kind"],
            "GCPWasmPlugin"
        );
        let text = patch["parameters"].to_string();
        assert!(
            text.contains("fieldValidation") && text.contains("dryRun"),
            "{text}"
        );
        let schema = &document["components"]["schemas"]["io.gke.networking.v1.GCPWasmPlugin"];
        assert_eq!(
            schema["properties"]["spec"]["properties"]["versions"]["x-kubernetes-list-type"],
            "atomic"
        );
        assert!(v3("pizza", "v1", Profile::Gke133).is_none());
    }

    #[test]
    fn every_document_of_the_index_is_there() {
        let index = v3_index(Profile::Gke133);
        assert_eq!(index["paths"].as_object().map(Map::len), Some(5));
        assert!(
            v2(Profile::Gke133)["definitions"]
                .as_object()
                .is_some_and(|all| all.len() >= 14)
        );
    }
}
