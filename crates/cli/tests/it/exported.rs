//! The documentation's walk-throughs in a real Envoy, on what `gatewright export envoy` made of its
//! manifests, each to the answer of its `curl`. `gatewright store` and `gatewright callout` stand for
//! what would be in the cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::callouts::{Calling, PAGES};
use crate::engines::envoy;
use crate::explain::{INTERNAL, ROUTING, mended_route};
use crate::serving::{GATEWAY, PLUGIN, curl, have_curl, place, two_versions};
use crate::support::Place;

/// An Envoy that runs an export.
pub(crate) struct Running {
    child: Child,
    /// Local ports, by the listener's name.
    pub(crate) ports: BTreeMap<String, u16>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Runs `out/envoy.json` of a place until it serves.
    pub(crate) fn start(place: &Place, envoy: &str) -> Self {
        let admin = place.at("admin");
        let mut child = Command::new(envoy)
            .arg("--config-path")
            .arg(place.at("out/envoy.json"))
            .arg("--admin-address-path")
            .arg(&admin)
            .args(["--disable-hot-restart", "--concurrency", "1"])
            .args(["--log-level", "info"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Envoy starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            let _ = writeln!(said, "{line}");
            line.contains("starting main dispatch loop")
        });
        let mut running = Self {
            child,
            ports: BTreeMap::new(),
        };
        assert!(ready, "Envoy serves: {said}");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let admin = std::fs::read_to_string(&admin).expect("an address");
        let port = admin.rsplit(':').next().and_then(|p| p.parse().ok());
        let listeners = ask(
            port.expect("a port"),
            "GET",
            "/listeners?format=json",
            "admin",
            &[],
        );
        let body = listeners.split("\r\n\r\n").nth(1).unwrap_or_default();
        let start = body.find('{').expect("JSON");
        let end = body.rfind('}').expect("JSON") + 1;
        let listeners: serde_json::Value = serde_json::from_str(&body[start..end]).expect("JSON");
        for one in listeners["listener_statuses"].as_array().expect("a list") {
            let port = one["local_address"]["socket_address"]["port_value"].as_u64();
            let port = u16::try_from(port.expect("a port")).expect("16 bits");
            let name = one["name"].as_str().expect("a name").to_owned();
            running.ports.insert(name, port);
        }
        running
    }

    /// The local port of a listener's port, on the only Gateway.
    fn port(&self, listener: u16) -> u16 {
        let end = format!("/{listener}");
        let mut ports = self.ports.iter();
        *ports
            .find(|(name, _)| name.ends_with(&end))
            .expect("it is listened at")
            .1
    }

    /// What `curl` gets for a path of the store, with its headers first.
    fn curl(&self, place: &Place, scheme: &str, path: &str, more: &[&str]) -> String {
        let port = self.port(if scheme == "https" { 443 } else { 80 });
        curl(&place.at("tls.crt"), scheme, &port.to_string(), path, more)
    }
}

/// The whole response to a request.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, &str)],
) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).expect("writes");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("reads");
    String::from_utf8_lossy(&response).into_owned()
}

fn certificate(place: &Place) {
    let made = rcgen::generate_simple_self_signed(vec!["store.example.com".to_owned()]);
    let made = made.expect("a certificate");
    place.file("tls.crt", made.cert.pem());
    place.file("tls.key", made.signing_key.serialize_pem());
}

/// The stores of the documentation, each a process of its own.
struct Stores(Vec<(&'static str, Calling)>);

impl Stores {
    fn start(place: &Place) -> Self {
        let names = ["store-v1", "store-v2", "store-german"];
        let start = |name| Calling::start(place, &format!("store {name} --listen 127.0.0.1:0"));
        Self(names.map(|name| (name, start(name))).into())
    }

    /// Where they are, as `gatewright.yaml` has it.
    fn settings(&self) -> String {
        let lines = self.0.iter().map(|(name, store)| {
            let at = store.at.first().expect("an address");
            format!("  {name}: {{address: '{at}'}}\n")
        });
        format!("services:\n{}", lines.collect::<String>())
    }
}

/// Exports the folder `m` of a place, and runs it.
fn exported(place: &Place, envoy: &str, gateway: &str) -> Running {
    certificate(place);
    let run = place.run(&format!(
        "export envoy m -o out {gateway} --bind 127.0.0.1 --port 80=0 --port 443=0 \
         --admin 127.0.0.1:0 --tls-certificate {crt} --tls-key {key} --validate --envoy {envoy}",
        crt = place.at("tls.crt").display(),
        key = place.at("tls.key").display(),
    ));
    run.expect(0, "Envoy takes it");
    Running::start(place, envoy)
}

/// The Envoy, if there is a curl too.
fn peers() -> Option<String> {
    envoy().filter(|_| have_curl())
}

fn has_lines(answer: &str, lines: &[&str]) {
    for line in lines {
        let mut known = answer.lines();
        assert!(known.any(|known| known == *line), "{line}: {answer}");
    }
}

#[test]
fn the_documentations_routing_extension_sends_a_request_to_another_host() {
    let Some(envoy) = peers() else { return };
    let place = place(&ROUTING);
    let stores = Stores::start(&place);
    let callout = Calling::start(&place, "callout basic --plaintext 127.0.0.1:0");
    let settings = format!(
        "{}  extension-service: {{plaintext: '{}'}}\n",
        stores.settings(),
        callout.at[0]
    );
    place.file("m/gatewright.yaml", settings);
    // As printed, no route has the host that the callout sends the request to.
    let running = exported(&place, &envoy, INTERNAL);
    let answer = running.curl(&place, "http", "/serviceextensions", &[]);
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let documented = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
    assert!(answer.ends_with(documented), "{answer}");
    // Requests that its condition does not take go where they always did.
    let answer = running.curl(&place, "http", "/de", &[]);
    has_lines(&answer, &["  \"metadata\": \"store-german\","]);
    drop(running);
    // With the host that the documentation's output shows, its answer comes.
    place.file("m/store-route.yaml", mended_route());
    let running = exported(&place, &envoy, INTERNAL);
    let answer = running.curl(&place, "http", "/serviceextensions", &[]);
    let lines = [
        "HTTP/1.1 200 OK",
        "via: 1.1 google",
        "  \"cluster_name\": \"gke1\",",
        "  \"host_header\": \"service-extensions.com\",",
        "  \"metadata\": \"store-v1\",",
        "  \"project_id\": \"gateway-demo\",",
        "  \"zone\": \"us-central1-c\"",
    ];
    has_lines(&answer, &lines);
    // It comes before the route: a request that has none is sent there too.
    let port = running.port(80);
    let answer = ask(port, "GET", "/serviceextensions", "else.example.com", &[]);
    has_lines(&answer, &lines[1..]);
}

#[test]
fn the_documentations_callout_greets_in_the_response() {
    let Some(envoy) = peers() else { return };
    let place = place(&PAGES);
    let stores = Stores::start(&place);
    // Over TLS, as the Service's `appProtocol` says.
    let callout = Calling::start(&place, "callout basic --tls 127.0.0.1:0");
    let settings = format!(
        "{}  extension-service: {{address: '{}'}}\n",
        stores.settings(),
        callout.at[0]
    );
    place.file("m/gatewright.yaml", settings);
    let running = exported(&place, &envoy, &GATEWAY.join(" "));
    for (scheme, version) in [("http", "--http1.1"), ("https", "--http2")] {
        let answer = running.curl(&place, scheme, "/serviceextensions", &[version]);
        let lines = [
            "server: Werkzeug/2.3.7 Python/3.11.3",
            "content-type: application/json",
            "access-control-allow-origin: *",
            "hello: service-extensions",
            "via: 1.1 google",
        ];
        has_lines(&answer, &lines);
    }
    let answer = running.curl(&place, "http", "/", &[]);
    assert!(!answer.contains("hello"), "{answer}");
}

#[test]
fn the_documentations_plugin_answers_over_https() {
    let Some(envoy) = peers() else { return };
    let place = place(&PLUGIN);
    let stores = Stores::start(&place);
    place.file("m/gatewright.yaml", stores.settings());
    let running = exported(&place, &envoy, &GATEWAY.join(" "));
    for (version, number) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")] {
        let answer = running.curl(&place, "https", "/serviceextensions", &[version]);
        assert!(answer.starts_with(&format!("{number} 200")), "{answer}");
        assert!(answer.contains("via: 1.1 google"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    }
    let answer = running.curl(&place, "http", "/serviceextensions", &[]);
    assert!(answer.ends_with("Hello World"), "{answer}");
    // The condition does not hold: the store answers.
    let answer = running.curl(&place, "http", "/else?q=1", &[]);
    has_lines(&answer, &["  \"metadata\": \"store-v1\","]);
    // No route has the host: the load balancer's own answer, and no extension sees it.
    let answer = ask(
        running.port(80),
        "GET",
        "/serviceextensions",
        "else.example.com",
        &[],
    );
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains(r#""status":"NOT_FOUND""#), "{answer}");
}

#[test]
fn of_two_versions_the_one_with_a_weight_answers_and_weights_can_be_swapped() {
    let Some(envoy) = peers() else { return };
    let (place, [text, swapped]) = two_versions();
    for (manifest, expected) in [(text, "Hello World"), (swapped, "Hello Other World")] {
        place.file("m/wasm-plugin-two-versions.yaml", manifest);
        let running = exported(&place, &envoy, &GATEWAY.join(" "));
        let answer = running.curl(&place, "https", "/serviceextensions", &[]);
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
    }
}
