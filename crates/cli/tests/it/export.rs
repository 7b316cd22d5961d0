//! `gatewright export envoy` and the meshes: what is exported answers in a real Envoy.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use gatewright_gke::cel;

use crate::engines::envoy;
use crate::exported::{Running, ask};
use crate::serving::{PLUGIN, documented, place};

/// An upstream that says what it was asked: the request's head, as the body.
fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).is_ok_and(|read| read == 0) {
                        return;
                    }
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}",
                    head.len()
                );
                let _ = reader.into_inner().write_all(answer.as_bytes());
            });
        }
    });
    port
}

const GATEWAY: &str = "--gateway external-http=gke-l7-global-external-managed";

#[test]
fn conditions_choose_in_envoy_as_they_do_here() {
    let Some(envoy) = envoy() else { return };
    let expressions = [
        r#"request.path.startsWith("/a") && request.query.contains("q=1")"#,
        r#"request.path == "/a/b""#,
        r#"request.host.lowerAscii() == "store.example.com""#,
        r#"request.host.upperAscii().startsWith("STORE.")"#,
        r#"request.host.lowerAscii().endsWith("Example.com")"#,
        r#"request.headers["x-a"] == "1" || request.method == "POST""#,
        r#"request.path.matches("/a.*") && request.headers["x-a"].startsWith("1")"#,
        r#"request.method == "PUT" || request.method.startsWith("PO")"#,
        r#"source.address == "127.0.0.1" && source.port > 0"#,
        r#"source.address != "127.0.0.2" && request.method.contains("T")"#,
        r#"int(request.headers["x-a"]) > 5"#,
        r#"!(request.scheme == "http")"#,
        r#"request.headers["x-none"] != "1""#,
    ];
    let place = place(&["wasm-plugin.yaml"]);
    let store = upstream();
    let mut manifests = String::new();
    for (index, expression) in expressions.iter().enumerate() {
        let port = 8000 + index;
        let _ = write!(
            manifests,
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
             metadata: {{name: gw{index}}}\n\
             spec:\n  gatewayClassName: gke-l7-global-external-managed\n  \
             listeners: [{{name: http, protocol: HTTP, port: {port}}}]\n\
             ---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n\
             metadata: {{name: route{index}}}\n\
             spec:\n  parentRefs: [{{name: gw{index}}}]\n  \
             rules: [{{backendRefs: [{{name: store, port: 80}}]}}]\n\
             ---\napiVersion: networking.gke.io/v1\nkind: GCPTrafficExtension\n\
             metadata: {{name: ext{index}}}\n\
             spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw{index}}}]\n  \
             extensionChains:\n  - name: chain1\n    matchCondition: {{celExpressions: [{{celMatcher: {quoted}}}]}}\n    \
             extensions:\n    - name: ext1\n      supportedEvents: [RequestHeaders]\n      \
             backendRef: {{group: networking.gke.io, kind: GCPWasmPlugin, name: gcp-wasm-plugin}}\n",
            quoted = serde_json::Value::from(*expression),
        );
    }
    manifests.push_str(
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: store}\n\
         spec: {selector: {app: store}, ports: [{port: 80}]}\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: store}\n\
         spec: {template: {metadata: {labels: {app: store}}}}\n",
    );
    place.file("m/all.yaml", &manifests);
    let ports: String = (0..expressions.len())
        .map(|index| format!(" --port {}=0", 8000 + index))
        .collect();
    place
        .run(&format!(
            "export envoy m -o out --bind 127.0.0.1 --admin 127.0.0.1:0{ports} \
             --service store=127.0.0.1:{store}"
        ))
        .expect(0, "envoy.json");
    let running = Running::start(&place, &envoy);

    let requests = [
        ("GET", "/a/b?q=1", "store.example.com", None),
        ("POST", "/b?q=11", "STORE.example.com", Some(("x-a", "1"))),
        ("PUT", "/a/b", "else.example.com", Some(("x-a", "12"))),
    ];
    let mut held = 0;
    for (index, expression) in expressions.iter().enumerate() {
        let matcher = cel::compile(expression, cel::Options::default()).matcher;
        let matcher = matcher.expect(expression);
        let port = running.ports[&format!("default/gw{index}/{}", 8000 + index)];
        for (method, target, host, header) in requests {
            let headers: Vec<(&str, &str)> = header.into_iter().collect();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut request = cel::Request::new(host.as_bytes(), path.as_bytes(), &headers);
            request.method = method.as_bytes();
            request.query = query.as_bytes();
            request.scheme = b"http";
            request.source_address = b"127.0.0.1";
            request.source_port = 4711;
            let here = matcher.matches(&request);
            let answer = ask(port, method, target, host, &headers);
            let there = answer.ends_with("Hello World");
            assert_eq!(
                here, there,
                "{expression} on {method} {host}{target}: {answer}"
            );
            held += usize::from(here);
        }
    }
    // Neither all of them nor none.
    assert!((10..30).contains(&held), "{held}");
}

#[test]
fn what_a_mesh_cannot_carry_is_said() {
    let place = place(&PLUGIN);
    let run = place.run(&format!("export istio m {GATEWAY}"));
    run.expect(0, "chain `chain1`");
    run.expect(0, "`gatewright export envoy` keeps conditions");
    run.expect(0, r#""gatewayClassName": "istio""#);

    // Without its condition it can.
    let page = String::from_utf8(documented(PLUGIN[2])).expect("text");
    let start = page.find("    matchCondition:").expect("a condition");
    let end = page.find("    extensions:").expect("extensions");
    place.file(
        &format!("m/{}", PLUGIN[2]),
        format!("{}{}", &page[..start], &page[end..]),
    );
    let run = place.run(&format!("export istio m {GATEWAY}"));
    run.expect(0, r#""kind": "WasmPlugin""#);
    run.expect(0, r#""failStrategy": "FAIL_CLOSE""#);
    run.expect(
        0,
        "oci://us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main",
    );
    let run = place.run(&format!("export envoy-gateway m {GATEWAY}"));
    run.expect(0, r#""kind": "EnvoyExtensionPolicy""#);
    run.expect(0, r#""failOpen": false"#);
}

#[test]
fn mistakes_are_told() {
    let place = place(&["store-route.yaml"]);
    place
        .run("export envoy m -o out")
        .expect(1, "nothing is programmed on a Gateway");
    assert!(!place.at("out").exists(), "nothing is written");
    place
        .run("export envoy m -o out --service store")
        .expect(2, "store-v1=127.0.0.1:8080");
    place
        .run("export envoy m -o out --tls-key k")
        .expect(2, "--tls-certificate");
    place.file(
        "m/gatewright.yaml",
        "services: {store-v1: {plaintext: here}}\n",
    );
    place
        .run("export envoy m -o out")
        .expect(2, "`here` is no address such as `127.0.0.1:8080`");
    // What only `serve` has is at its name in the cluster, and said so.
    place.file("m/gatewright.yaml", "services: {store-v1: store}\n");
    let run = place.run(&format!("export envoy m -o out {GATEWAY}"));
    run.expect(0, "Service default/store-v1 is at its name in the cluster");
    std::fs::remove_file(place.at("m/gatewright.yaml")).expect("it is there");
    // A port for which nobody has a certificate is left out, and said so.
    let run = place.run(&format!("export envoy m -o out {GATEWAY}"));
    run.expect(
        0,
        "port 443 of Gateway default/external-http is not exported",
    );
    let run = place.run(&format!(
        "export envoy m -o out {GATEWAY} --validate --envoy /no/such/envoy"
    ));
    run.expect(3, "cannot run `/no/such/envoy`");
}
