//! Manifests to compare: valid ones, and ones with fields and rules broken, from a fixed seed.

use serde_json::{Value as Json, json};

use crate::distort::break_one;

/// A small generator of numbers; the same seed gives the same documents everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
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
