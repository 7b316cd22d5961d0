//! Manifests to compare: valid ones, and ones with fields and rules broken, from a fixed seed.

use serde_json::{Value as Json, json};

/// A small generator of numbers; the same seed gives the same documents everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// `rounds` documents of a kind: some valid, most with one to four faults at random places.
pub(crate) fn documents<'a>(
    kind: &'a str,
    schema: &'a Json,
    later: bool,
    rounds: usize,
    rng: &'a mut Rng,
) -> impl Iterator<Item = Json> + 'a {
    (0..rounds).map(move |_| {
        let spec = match kind {
            "GCPWasmPlugin" => plugin(rng),
            _ => extension_spec(rng, later),
        };
        let mut document = json!({
            "apiVersion": "networking.gke.io/v1",
            "kind": kind,
            "metadata": {"name": "generated", "namespace": "default"},
            "spec": spec,
        });
        let faults = match rng.below(10) {
            0 | 1 => 0,
            2..=6 => 1,
            7 | 8 => 2,
            _ => 4,
        };
        for _ in 0..faults {
            break_one(&mut document, schema, rng);
        }
        document
    })
}

fn many(rng: &mut Rng, max: usize, mut item: impl FnMut(&mut Rng, usize) -> Json) -> Json {
    let count = if rng.chance(10) {
        max
    } else {
        1 + rng.below(2.min(max))
    };
    Json::Array((0..count).map(|index| item(rng, index)).collect())
}

fn extension_spec(rng: &mut Rng, later: bool) -> Json {
    let targets = many(
        rng,
        10,
        |_, index| json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": format!("gw{index}")}),
    );
    let chains = many(rng, 5, |rng, index| {
        let mut chain = json!({
            "name": format!("chain{index}"),
            "extensions": many(rng, 3, |rng, index| extension(rng, index, later)),
        });
        if rng.chance(70) {
            chain["matchCondition"] = json!({});
            if rng.chance(90) {
                chain["matchCondition"]["celExpressions"] = many(rng, 10, |rng, _| expression(rng));
            }
        }
        chain
    });
    json!({"targetRefs": targets, "extensionChains": chains})
}

fn expression(rng: &mut Rng) -> Json {
    const MATCHERS: [&str; 6] = [
        "request.path.contains('serviceextensions')",
        "1 == 1",
        r#"int(request.headers["x"]) > 5 && !(request.method == "GET")"#,
        "source.address == '10.0.0.1' || request.host.lowerAscii().endsWith(R\"a.b\")",
        "request.path.matches(\u{201c}/a.*\u{201d})",
        "connection.requested_server_name != ''",
    ];
    let mut expression = json!({});
    if rng.chance(90) {
        expression["celMatcher"] = (*rng.pick(&MATCHERS)).into();
    }
    if rng.chance(20) {
        expression["backendRefs"] =
            json!([{"kind": "Service", "group": "", "name": "store", "port": 8080}]);
    }
    expression
}

fn extension(rng: &mut Rng, index: usize, later: bool) -> Json {
    const EVENTS: [&str; 6] = [
        "RequestHeaders",
        "ResponseHeaders",
        "RequestBody",
        "ResponseBody",
        "RequestTrailers",
        "ResponseTrailers",
    ];
    let mut it = json!({"name": format!("ext{index}")});
    let which = rng.below(if later { 5 } else { 3 });
    let mut events = 6;
    match which {
        0 => {
            it["backendRef"] =
                json!({"group": "networking.gke.io", "kind": "GCPWasmPlugin", "name": "plugin"});
            events = 4;
        }
        1 => it["googleAPIServiceName"] = "modelarmor.us-central1.rep.googleapis.com".into(),
        2 => it["backendRef"] = json!({"name": "callout", "port": 443}),
        3 => {
            it["backendRef"] = json!({"group": "net.gke.io", "kind": "ServiceImport", "name": "callout", "port": 443})
        }
        _ => {
            it["backendRef"] = json!({"group": "apim.googleapis.com", "kind": "ApigeeBackendService", "name": "apigee"})
        }
    }
    if which >= 2 {
        if which != 4 {
            it["authority"] = "callout.example.com:443".into();
        }
        for (mode, body, trailers) in [
            ("requestBodySendMode", "RequestBody", "RequestTrailers"),
            ("responseBodySendMode", "ResponseBody", "ResponseTrailers"),
        ] {
            if rng.chance(25) {
                it[mode] = (*rng.pick(&["Streamed", "FullDuplexStreamed"])).into();
                it["supportedEvents"] = json!([
                    "RequestBody",
                    "ResponseBody",
                    body,
                    trailers,
                    "ResponseTrailers"
                ]);
                if it[mode] == "FullDuplexStreamed" {
                    it["supportedEvents"] = json!([
                        "RequestBody",
                        "RequestTrailers",
                        "ResponseBody",
                        "ResponseTrailers"
                    ]);
                }
            }
        }
    }
    if it.get("supportedEvents").is_none() && (which == 0 || later || rng.chance(60)) {
        let count = 1 + rng.below(events);
        it["supportedEvents"] = EVENTS[..count].into();
    }
    if which != 0 {
        if rng.chance(50) {
            it["timeout"] = (*rng.pick(&["10ms", "1s", "10s", "9s999ms", "0h0m1s"])).into();
        }
        if rng.chance(30) {
            it["metadata"] = json!({"key": "value", "k-2": "{forwarding_rule_id}"});
        }
    }
    if rng.chance(30) {
        it["failOpen"] = rng.chance(50).into();
    }
    if rng.chance(30) {
        it["forwardHeaders"] = json!(["x-user", "Accept"]);
    }
    if later && rng.chance(10) {
        it["observabilityMode"] = rng.chance(50).into();
        for mode in ["requestBodySendMode", "responseBodySendMode"] {
            if it.get(mode).is_some_and(|mode| mode != "Streamed") {
                it["observabilityMode"] = false.into();
            }
        }
    }
    it
}

fn plugin(rng: &mut Rng) -> Json {
    let serving = rng.below(2);
    let mut versions = many(rng, 10, |rng, index| {
        let mut version = json!({
            "name": format!("v{index}"),
            "image": "us-docker.pkg.dev/project/plugins/hello:main",
            "weight": 0,
        });
        if rng.chance(40) {
            version["description"] = "A version".into();
        }
        if rng.chance(30) {
            version["pluginConfigURI"] =
                "us-docker.pkg.dev/project/plugins/config@sha256:00ff".into();
        }
        version
    });
    let count = versions.as_array().map_or(1, Vec::len);
    versions[serving % count]["weight"] = (*rng.pick(&[1, 500, 1_000_000])).into();
    let mut spec = json!({"versions": versions});
    if rng.chance(60) {
        let enabled = rng.chance(70);
        spec["logConfig"] = json!({"enabled": enabled});
        if enabled && rng.chance(70) {
            spec["logConfig"]["sampleRate"] = (*rng.pick(&[0, 10, 1_000_000])).into();
        }
        if enabled && rng.chance(70) {
            spec["logConfig"]["minLogLevel"] = (*rng.pick(&["INFO", "CRITICAL"])).into();
        }
    }
    if rng.chance(30) {
        spec["kmsKeyName"] = "projects/p/locations/global/keyRings/r/cryptoKeys/k".into();
    }
    spec
}

/// Breaks (or merely changes) one random place of the spec, guided by what the schema asks there.
fn break_one(document: &mut Json, schema: &Json, rng: &mut Rng) {
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
