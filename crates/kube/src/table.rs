//! Objects as the table that `kubectl get` prints, with the columns that GKE's API server has.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::{Request, Target};
use crate::kinds::Kind;
use crate::object::{at, meta_text};

/// A column: its name, its type, and whether only `-o wide` shows it.
type Column = (&'static str, &'static str, bool);

/// What a list is answered with: the list, or the table that the client prefers.
#[must_use]
pub(crate) fn or_list(request: &Request, target: &Target, list: Value) -> Value {
    if !is_wanted(request) {
        return list;
    }
    let metadata = list.get("metadata").cloned().unwrap_or_default();
    let items = match list {
        Value::Object(mut map) => map.remove("items"),
        _ => None,
    };
    let items = match items {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    table(request, target, metadata, items)
}

/// The same for one object.
#[must_use]
pub(crate) fn or_object(request: &Request, target: &Target, object: Value) -> Value {
    if !is_wanted(request) {
        return object;
    }
    let metadata = json!({"resourceVersion": meta_text(&object, "resourceVersion")});
    table(request, target, metadata, vec![object])
}

fn is_wanted(request: &Request) -> bool {
    let first = request.accept.split(',').next().unwrap_or_default();
    first.contains("as=Table")
}

fn table(request: &Request, target: &Target, metadata: Value, items: Vec<Value>) -> Value {
    let columns: Vec<Value> = columns(target.kind)
        .iter()
        .map(|(name, kind, wide)| {
            json!({
                "name": name,
                "type": kind,
                "format": if *name == "Name" { "name" } else { "" },
                "description": "",
                "priority": i32::from(*wide),
            })
        })
        .collect();
    let rows: Vec<Value> = items
        .into_iter()
        .map(|object| {
            let cells = cells(target.kind, &object);
            let object = match request.parameter("includeObject") {
                "None" => Value::Null,
                "Object" => object,
                _ => json!({
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": object.get("metadata"),
                }),
            };
            json!({"cells": cells, "object": object})
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn columns(kind: Kind) -> &'static [Column] {
    const TEXT: &str = "string";
    const DATE: &str = "date";
    const NAME: Column = ("Name", TEXT, false);
    const AGE: Column = ("Age", DATE, false);
    match kind {
        Kind::Namespace => &[NAME, ("Status", TEXT, false), AGE],
        Kind::Event => &[
            ("Last Seen", TEXT, false),
            ("Type", TEXT, false),
            ("Reason", TEXT, false),
            ("Object", TEXT, false),
            ("Subobject", TEXT, true),
            ("Source", TEXT, true),
            ("Message", TEXT, false),
            ("First Seen", TEXT, true),
            ("Count", TEXT, true),
            ("Name", TEXT, true),
        ],
        Kind::Pod => &[
            NAME,
            ("Ready", TEXT, false),
            ("Status", TEXT, false),
            ("Restarts", TEXT, false),
            AGE,
            ("IP", TEXT, true),
            ("Node", TEXT, true),
            ("Nominated Node", TEXT, true),
            ("Readiness Gates", TEXT, true),
        ],
        Kind::Secret => &[NAME, ("Type", TEXT, false), ("Data", "integer", false), AGE],
        Kind::Service => &[
            NAME,
            ("Type", TEXT, false),
            ("Cluster-IP", TEXT, false),
            ("External-IP", TEXT, false),
            ("Port(s)", TEXT, false),
            AGE,
            ("Selector", TEXT, true),
        ],
        Kind::Deployment => &[
            NAME,
            ("Ready", TEXT, false),
            ("Up-to-date", "integer", false),
            ("Available", "integer", false),
            AGE,
            ("Containers", TEXT, true),
            ("Images", TEXT, true),
            ("Selector", TEXT, true),
        ],
        Kind::GatewayClass => &[
            NAME,
            ("Controller", TEXT, false),
            ("Accepted", TEXT, false),
            AGE,
            ("Description", TEXT, true),
        ],
        Kind::Gateway => &[
            NAME,
            ("Class", TEXT, false),
            ("Address", TEXT, false),
            ("Programmed", TEXT, false),
            AGE,
        ],
        Kind::HttpRoute => &[NAME, ("Hostnames", TEXT, false), AGE],
        _ => &[NAME, AGE],
    }
}

fn cells(kind: Kind, object: &Value) -> Vec<Value> {
    let text = |path: &str| -> Value {
        match at(object, path) {
            Some(Value::String(text)) => text.clone().into(),
            Some(Value::Null) | None => "".into(),
            Some(other) => other.to_string().into(),
        }
    };
    let condition = |kind: &str| -> Value {
        let conditions = at(object, "status.conditions").and_then(Value::as_array);
        let found = conditions.into_iter().flatten().find(|c| c["type"] == kind);
        found.map_or_else(|| "".into(), |condition| condition["status"].clone())
    };
    let number = |path: &str| at(object, path).and_then(Value::as_u64).unwrap_or(0);
    let (name, age) = (
        text("metadata.name"),
        age(meta_text(object, "creationTimestamp")),
    );
    let none = || Value::from("<none>");
    match kind {
        Kind::Namespace => vec![name, text("status.phase"), age],
        Kind::Event => {
            let kind = at(object, "involvedObject.kind").and_then(Value::as_str);
            let involved = format!(
                "{}/{}",
                kind.unwrap_or_default().to_ascii_lowercase(),
                text("involvedObject.name").as_str().unwrap_or_default()
            );
            let when = |path: &str| self::age(text(path).as_str().unwrap_or_default());
            vec![
                when("lastTimestamp"),
                text("type"),
                text("reason"),
                involved.into(),
                "".into(),
                text("source.component"),
                text("message"),
                when("firstTimestamp"),
                number("count").into(),
                name,
            ]
        }
        Kind::Pod => {
            let all = at(object, "status.containerStatuses").and_then(Value::as_array);
            let all = all.map(Vec::as_slice).unwrap_or_default();
            let ready = all.iter().filter(|c| c["ready"] == true).count();
            let restarts: u64 = all.iter().filter_map(|c| c["restartCount"].as_u64()).sum();
            let waiting = all
                .iter()
                .find_map(|c| at(c, "state.waiting.reason")?.as_str());
            let total = at(object, "spec.containers")
                .and_then(Value::as_array)
                .map_or(0, Vec::len);
            let status = waiting.map_or_else(|| text("status.phase"), Value::from);
            let or_none = |path: &str| match text(path) {
                Value::String(text) if text.is_empty() => none(),
                value => value,
            };
            vec![
                name,
                format!("{ready}/{total}").into(),
                status,
                restarts.to_string().into(),
                age,
                or_none("status.podIP"),
                or_none("spec.nodeName"),
                none(),
                none(),
            ]
        }
        Kind::Secret => {
            let count = at(object, "data")
                .and_then(Value::as_object)
                .map_or(0, |map| map.len());
            vec![name, text("type"), count.into(), age]
        }
        Kind::Service => {
            let ports = at(object, "spec.ports").and_then(Value::as_array);
            let ports: Vec<String> = ports
                .into_iter()
                .flatten()
                .map(|port| {
                    let protocol = port["protocol"].as_str().unwrap_or("TCP");
                    match port["nodePort"].as_u64().filter(|node| *node > 0) {
                        Some(node) => format!("{}:{node}/{protocol}", port["port"]),
                        None => format!("{}/{protocol}", port["port"]),
                    }
                })
                .collect();
            let external = match text("spec.type").as_str() {
                Some("LoadBalancer") => "<pending>".into(),
                Some("ExternalName") => text("spec.externalName"),
                _ => none(),
            };
            let ports = if ports.is_empty() {
                "<none>".to_owned()
            } else {
                ports.join(",")
            };
            vec![
                name,
                text("spec.type"),
                text("spec.clusterIP"),
                external,
                ports.into(),
                age,
                selector(at(object, "spec.selector")),
            ]
        }
        Kind::Deployment => {
            let containers = at(object, "spec.template.spec.containers").and_then(Value::as_array);
            let each = |field: &str| -> Value {
                let all = containers.into_iter().flatten();
                let all: Vec<_> = all.filter_map(|c| c[field].as_str()).collect();
                all.join(",").into()
            };
            vec![
                name,
                format!(
                    "{}/{}",
                    number("status.readyReplicas"),
                    number("spec.replicas")
                )
                .into(),
                number("status.updatedReplicas").into(),
                number("status.availableReplicas").into(),
                age,
                each("name"),
                each("image"),
                selector(at(object, "spec.selector.matchLabels")),
            ]
        }
        Kind::GatewayClass => vec![
            name,
            text("spec.controllerName"),
            condition("Accepted"),
            age,
            text("spec.description"),
        ],
        Kind::Gateway => {
            let addresses = at(object, "status.addresses").and_then(Value::as_array);
            let addresses: Vec<_> = addresses
                .into_iter()
                .flatten()
                .filter_map(|address| address["value"].as_str())
                .collect();
            vec![
                name,
                text("spec.gatewayClassName"),
                addresses.join(",").into(),
                condition("Programmed"),
                age,
            ]
        }
        Kind::HttpRoute => vec![name, text("spec.hostnames"), age],
        _ => vec![name, age],
    }
}

fn selector(labels: Option<&Value>) -> Value {
    let labels = labels.and_then(Value::as_object);
    let all: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if all.is_empty() {
        "<none>".into()
    } else {
        all.join(",").into()
    }
}

/// How long ago a time is.
fn age(time: &str) -> Value {
    match OffsetDateTime::parse(time, &Rfc3339) {
        Ok(time) => duration((OffsetDateTime::now_utc() - time).whole_seconds()).into(),
        Err(_) => "<unknown>".into(),
    }
}

/// A duration as Kubernetes prints it: with two or three figures that matter.
fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_figures_that_matter() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds), expected);
        check(-5, "<invalid>");
        check(-1, "0s");
        check(7, "7s");
        check(119, "119s");
        check(160, "2m40s");
        check(180, "3m");
        check(1140, "19m");
        check(10_800, "3h");
        check(12_000, "3h20m");
        check(90_000, "25h");
        check(200_000, "2d7h");
        check(2_000_000, "23d");
        check(100_000_000, "3y62d");
    }

    #[test]
    fn rows_have_as_many_cells_as_there_are_columns() {
        for kind in Kind::ALL {
            let cells = cells(*kind, &json!({"metadata": {"name": "a"}}));
            assert_eq!(cells.len(), columns(*kind).len(), "{kind:?}");
        }
    }

    #[test]
    fn a_service_is_shown_as_the_documentation_shows_it() {
        let service = json!({
            "metadata": {"name": "extension-service"},
            "spec": {"type": "ClusterIP", "clusterIP": "34.118.225.9", "ports": [{"port": 443, "protocol": "TCP"}]},
        });
        let cells = cells(Kind::Service, &service);
        let expected = json!([
            "extension-service",
            "ClusterIP",
            "34.118.225.9",
            "<none>",
            "443/TCP"
        ]);
        assert_eq!(json!(cells[..5]), expected);
    }
}
