//! Breaks manifests: removes, retypes, and distorts values along the edges of the schema.

use serde_json::{Value as Json, json};

use crate::generate::Rng;

/// Breaks (or merely changes) one random place of the spec, guided by what the schema asks there.
pub(crate) fn break_one(document: &mut Json, schema: &Json, rng: &mut Rng) {
    let mut places = Vec::new();
    collect(
        &document["spec"],
        &schema["properties"]["spec"],
        "/spec",
        &mut places,
    );
    let (pointer, schema) = rng.pick(&places).clone();
    let Some(value) = document.pointer_mut(&pointer) else {
        return;
    };
    match rng.below(8) {
        0 => remove(document, &pointer),
        1 => {
            *value = rng
                .pick(&[
                    json!(7),
                    json!("text"),
                    json!(true),
                    json!([]),
                    json!({}),
                    json!(1.5),
                    Json::Null,
                ])
                .clone()
        }
        _ => distort(value, schema, rng),
    }
}

fn remove(document: &mut Json, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return;
    };
    match document.pointer_mut(parent) {
        Some(Json::Object(map)) => {
            map.remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        Some(Json::Array(items)) => {
            if let Ok(index) = last.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn distort(value: &mut Json, schema: &Json, rng: &mut Rng) {
    let limit = |keyword: &str| schema[keyword].as_i64();
    match value {
        Json::String(text) => {
            let long = |n: i64| "a".repeat(usize::try_from(n).unwrap());
            let max = limit("maxLength").unwrap_or(63);
            let values = schema["enum"].as_array().cloned().unwrap_or_default();
            *text = match rng.below(9) {
                0 => String::new(),
                1 => long(max + 1),
                2 => long(max),
                3 => "Bad Value?\u{e9}".to_owned(),
                4 => format!("{text}\n"),
                5 => (*rng.pick(&[
                    "0.1s",
                    "9ms",
                    "10001ms",
                    "1h",
                    "99999h99999h",
                    "5",
                    "1s1s1s1s",
                    "1d",
                ]))
                .to_owned(),
                6 => (*rng.pick(&[
                    "source.ip == '1'",
                    "true",
                    "request.path in ['a']",
                    "1 == 1",
                    "dlp.googleapis.com",
                ]))
                .to_owned(),
                7 => (*rng.pick(&[
                    "a/b",
                    "localhost:5000/a/b",
                    "https://h.o/a_b",
                    "v0",
                    "RequestBody",
                ]))
                .to_owned(),
                _ if values.is_empty() => format!("{text}x"),
                _ => rng.pick(&values).as_str().unwrap_or_default().to_owned(),
            };
        }
        Json::Number(_) => {
            let (min, max) = (limit("minimum").unwrap_or(0), limit("maximum").unwrap_or(9));
            *value = match rng.below(6) {
                0 => (min - 1).into(),
                1 => min.into(),
                2 => max.into(),
                3 => (max + 1).into(),
                4 => json!(5.0),
                _ => i64::MAX.into(),
            };
        }
        Json::Bool(flag) => *flag = !*flag,
        Json::Array(items) => {
            let max = usize::try_from(limit("maxItems").unwrap_or(3)).unwrap();
            match rng.below(4) {
                0 => items.clear(),
                1 if !items.is_empty() => {
                    let first = items[0].clone();
                    items.resize(max + 1, first);
                }
                2 if !items.is_empty() => items.push(items[0].clone()),
                _ => items.push(
                    rng.pick(&[Json::Null, json!("x"), json!(3), json!({})])
                        .clone(),
                ),
            }
        }
        Json::Object(map) => {
            if schema["additionalProperties"].is_object() {
                match rng.below(4) {
                    0 => {
                        for n in 0..17 {
                            map.insert(format!("k{n}"), "v".into());
                        }
                    }
                    1 => {
                        map.insert("a".repeat(64), "v".into());
                    }
                    2 => {
                        map.insert("k\u{e9}y".to_owned(), "v".into());
                    }
                    _ => {
                        map.insert(
                            "k".to_owned(),
                            rng.pick(&[json!(""), json!(1), json!("a".repeat(1024)), json!("|")])
                                .clone(),
                        );
                    }
                }
                return;
            }
            let Some(properties) = schema["properties"].as_object() else {
                return;
            };
            let names: Vec<&String> = properties.keys().collect();
            if names.is_empty() || rng.chance(15) {
                map.insert("bogus".to_owned(), 1.into());
                return;
            }
            let name = *rng.pick(&names);
            map.insert(name.clone(), sample(name, &properties[name], rng));
        }
        Json::Null => {}
    }
}

/// A value for a field that is structurally fine more often than not.
fn sample(name: &str, schema: &Json, rng: &mut Rng) -> Json {
    if let Some(values) = schema["enum"].as_array() {
        return rng.pick(values).clone();
    }
    match (name, schema["type"].as_str().unwrap_or_default()) {
        ("supportedEvents", _) => rng
            .pick(&[json!([]), json!(["RequestHeaders"]), json!(["RequestBody", "ResponseTrailers"])])
            .clone(),
        ("authority", _) => rng.pick(&[json!("a.example"), json!("")]).clone(),
        ("timeout", _) => "1s".into(),
        ("googleAPIServiceName", _) => "dlp.us-east1.rep.googleapis.com".into(),
        ("celMatcher", _) => "request.path == '/'".into(),
        ("image" | "pluginConfigURI", _) => "us-docker.pkg.dev/p/r/i:t".into(),
        ("backendRef", _) => rng
            .pick(&[
                json!({"name": "s", "port": 1}),
                json!({"group": "networking.gke.io", "kind": "GCPWasmPlugin", "name": "p", "port": 80}),
                json!({"kind": "GCPWasmPlugin", "name": "p"}),
                json!({"group": "networking.gke.io", "kind": "Service", "name": "p"}),
            ])
            .clone(),
        ("backendRefs", _) => rng
            .pick(&[
                json!([{"kind": "GCPWasmPlugin", "group": "networking.gke.io", "name": "p"}]),
                json!([{"kind": "ServiceImport", "group": "", "name": "p"}]),
                json!([{"kind": "ApigeeBackendService", "name": "p"}]),
                json!([{"name": "a"}, {"name": "b", "port": 1}]),
                json!([{"kind": "Service", "group": "networking.gke.io", "name": "a", "port": 2}]),
                json!([{"kind": "GCPWasmPlugin", "group": "", "name": "p", "port": 1}]),
            ])
            .clone(),
        ("metadata", _) => json!({"k": "v"}),
        ("kmsKeyName", _) => "projects/p/locations/l/keyRings/r/cryptoKeys/k".into(),
        ("forwardHeaders", _) => json!(["x-a"]),
        ("logConfig", _) => rng
            .pick(&[json!({"enabled": false, "sampleRate": 1}), json!({"enabled": false, "minLogLevel": "INFO"}), json!({"sampleRate": 1})])
            .clone(),
        (_, "string") => "name".into(),
        (_, "integer") => 1.into(),
        (_, "boolean") => true.into(),
        (_, "array") => json!([]),
        _ => json!({}),
    }
}

fn collect<'a>(
    value: &Json,
    schema: &'a Json,
    pointer: &str,
    places: &mut Vec<(String, &'a Json)>,
) {
    places.push((pointer.to_owned(), schema));
    match value {
        Json::Object(map) => {
            for (name, value) in map {
                let schema = match schema["properties"].get(name) {
                    Some(schema) => schema,
                    None => &schema["additionalProperties"],
                };
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(value, schema, &format!("{pointer}/{name}"), places);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(
                    item,
                    &schema["items"],
                    &format!("{pointer}/{index}"),
                    places,
                );
            }
        }
        _ => {}
    }
}
