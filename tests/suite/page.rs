//! The page of the admin port and the report of a case, in a real browser.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_callout::Server;
use gatewright_callout::samples::AddHeader;
use gatewright_gateway::{Gateway, Options, PluginSource, ServiceAt, Services, Snapshot};
use gatewright_gke::{CelLanguage, Input, check};
use gatewright_harness::{Case, Format, Link, Subject, case_page, load_text, run_case};
use gatewright_host::{Engine, EngineOptions, Metering, Plugin, Profile, TraceLevel};
use gatewright_tests::browser::{Browser, program};
use gatewright_view::page::report;

/// Where pictures of the pages are kept.
const PICTURES: &str = env!("CARGO_TARGET_TMPDIR");

/// Both plugins, by image, with their configurations.
struct Images(Engine);

impl PluginSource for Images {
    fn plugin(&self, image: &str) -> Result<(Plugin, String), String> {
        let name = image.rsplit('/').next().unwrap_or(image);
        let wasm = gatewright_tests::wasm(name);
        let plugin = self.0.compile(&wasm).map_err(|error| error.to_string())?;
        Ok((plugin, name.to_owned()))
    }

    fn configuration(&self, uri: &str) -> Result<Arc<[u8]>, String> {
        let text: &str = match uri.rsplit('/').next() {
            Some("html-rewrite") => {
                r#"{"rules": [{"select": "h1", "once": true, "inner": "Open <b>late</b>"}]}"#
            }
            _ => {
                r#"{"request": [{"set": "x-store", "value": "seen"}, {"remove": "x-debug"}],
                    "response": [{"set": "server", "value": "gatewright"}, {"remove": "x-internal"}]}"#
            }
        };
        Ok(text.as_bytes().into())
    }
}

const MANIFESTS: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: external-http}
spec:
  gatewayClassName: gke-l7-global-external-managed
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: store}
spec:
  parentRefs: [{name: external-http}]
  hostnames: [store.example.com]
  rules:
  - matches: [{path: {value: /de}}]
    backendRefs: [{name: store-german, port: 8080}]
  - backendRefs: [{name: store, port: 8080}]
---
apiVersion: networking.gke.io/v1
kind: GCPTrafficExtension
metadata: {name: pages}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: external-http}]
  extensionChains:
  - name: rewrite
    matchCondition: {celExpressions: [{celMatcher: 'request.path.startsWith("/")'}]}
    extensions:
    - name: headers
      supportedEvents: [RequestHeaders, ResponseHeaders]
      backendRef: {group: networking.gke.io, kind: GCPWasmPlugin, name: headers}
    - name: html
      supportedEvents: [RequestHeaders, ResponseHeaders, ResponseBody]
      backendRef: {group: networking.gke.io, kind: GCPWasmPlugin, name: html}
---
apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata: {name: headers}
spec:
  logConfig: {enabled: true}
  versions: [{name: v1, image: r.test/header-rewrite, pluginConfigURI: r.test/c/header-rewrite, weight: 1}]
---
apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata: {name: html}
spec:
  versions: [{name: v1, image: r.test/html-rewrite, pluginConfigURI: r.test/c/html-rewrite, weight: 1}]
"#;

/// A backend that answers every request with the same page, with what could end a script in it.
fn backend() -> SocketAddr {
    const PAGE: &str = "<!doctype html>\n<title>Store</title>\n<h1>Closed</h1>\n\
                        <p>We sell </script> and \"quotes\".</p>\n";
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut read = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    read.extend_from_slice(&buffer[..count]);
                    if !read.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    read.clear();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nx-internal: node-7\r\n\
                         set-cookie: session=hunter2\r\ncontent-length: {}\r\n\r\n{PAGE}",
                        PAGE.len()
                    );
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    at
}

fn gateway() -> Gateway {
    serve(MANIFESTS, |_| {})
}

/// Serves manifests, with the store where it is and other Services wherever they are put.
fn serve(manifests: &str, place: impl FnOnce(&mut Services)) -> Gateway {
    let engine = Engine::new(&EngineOptions {
        metering: Metering::Epoch,
        ..EngineOptions::default()
    });
    let engine = engine.expect("an engine");
    let options = gatewright_gke::Options {
        language: Some(Arc::new(CelLanguage::default())),
        ..Default::default()
    };
    let input = Input {
        name: "store.yaml",
        bytes: manifests.as_bytes(),
    };
    let report = check(&[input], &options);
    let mut services = Services::default();
    services.ports.insert(80, 0);
    let at = ServiceAt::Address(backend());
    services.at.insert("default/store".to_owned(), at);
    place(&mut services);
    let made = Snapshot::build(&report, &Images(engine.clone()), &services);
    assert_eq!(made.problems, []);
    let options = Options {
        workers: 1,
        engine: Some(engine),
        sample: 1_000,
        ..Options::default()
    };
    Gateway::start(options, made.snapshot).expect("it starts")
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: store.example.com\r\nx-debug: <script>alert(1)</script>\r\n\
         authorization: Bearer hunter2\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

#[test]
fn an_exchange_is_opened_on_the_live_page_by_mouse_and_by_keyboard() {
    let Some(program) = program() else { return };
    let gateway = gateway();
    let at = gateway.listening()[0].address;
    let admin = format!("http://{}/", gateway.admin());
    let mut browser = Browser::start(&program);
    browser.size(1280, 900);
    browser.prefer("light");
    browser.open(&admin);
    // The picture, from the Gateway to the backends.
    browser.wait("document.querySelectorAll('.picture foreignObject').length === 8");
    browser.wait("document.querySelector('[data-state]').textContent === 'live'");
    // Requests that come while the page is open are on it a moment later.
    assert!(get(at, "/hours?q=%3Cscript%3E").contains("Open <b>late</b>"));
    assert!(get(at, "/de").starts_with("HTTP/1.1 200"));
    browser.wait("document.querySelectorAll('.list a').length === 2");

    browser.click(".list a[data-id='1']");
    browser.wait("document.querySelector('[data-detail] .timeline')");
    browser.wait(
        "document.querySelector(\".list a[data-id='1']\").getAttribute('aria-current') === 'true'",
    );
    let timeline = browser.value("document.querySelector('[data-detail]').innerText");
    let timeline = timeline.as_str().expect("text");
    for told in [
        "proxy_on_request_headers",
        "x-store",
        "proxy_on_response_body",
        "Open <b>late</b>",
        "% ",
    ] {
        assert!(timeline.contains(told.trim()), "`{told}` in:\n{timeline}");
    }
    assert!(!timeline.contains("hunter2"), "{timeline}");
    browser.screenshot(Path::new(PICTURES), "page-light");
    browser.prefer("dark");
    browser.screenshot(Path::new(PICTURES), "page-dark");
    let ground = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.value(ground), "rgb(20, 23, 28)");

    // The same without a mouse: from the list into the timeline, along it, and back.
    browser.value("document.querySelector('.list a').focus()");
    browser.key("Enter");
    browser.wait("document.activeElement.closest('[data-detail] .timeline')");
    browser.wait(
        "document.querySelector(\".list a[data-id='2']\").getAttribute('aria-current') === 'true'",
    );
    browser.key("Escape");
    browser.wait("document.activeElement.dataset.id === '2'");
    browser.key("ArrowDown");
    browser.wait("document.activeElement.dataset.id === '1'");
    browser.key("Enter");
    browser.wait("document.activeElement.closest('[data-detail] .timeline')");
    let place = "[...document.querySelectorAll('[data-detail] .timeline > li')]\
                 .indexOf(document.activeElement.closest('li'))";
    assert_eq!(browser.value(place), 0);
    browser.key("ArrowDown");
    browser.key("ArrowDown");
    assert_eq!(browser.value(place), 2);
    let open = "document.activeElement.closest('details')?.open";
    browser.key("End");
    browser.key("ArrowUp");
    browser.key("Home");
    assert_eq!(browser.value(place), 0);
    browser.key("ArrowRight");
    assert_eq!(browser.value(open), true);
    browser.key("ArrowLeft");
    assert_eq!(browser.value(open), false);
    // Whoever goes by Tab alone comes from one call to the next as well, and sees where they are.
    browser.key("Tab");
    assert_eq!(browser.value(place), 1);
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.value(outline), "solid");

    // Nothing was loaded from anywhere else, no policy was broken and no script failed.
    let (loaded, wrong) = browser.happened();
    let elsewhere: Vec<_> = loaded
        .iter()
        .filter(|url| !url.starts_with(&admin) && !url.starts_with("data:"))
        .collect();
    assert!(
        elsewhere.is_empty() && wrong.is_empty(),
        "{elsewhere:?} {wrong:?}"
    );
    assert_eq!(
        browser.value("document.querySelectorAll('[data-detail] script').length"),
        0
    );
    drop(browser);
    gateway.drain(Duration::ZERO);
}

/// A Gateway of which a callout sees every head.
const CALLING: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: external-http}
spec:
  gatewayClassName: gke-l7-global-external-managed
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: store}
spec:
  parentRefs: [{name: external-http}]
  rules: [{backendRefs: [{name: store, port: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: greeter}
spec: {selector: {app: greeter}, ports: [{port: 443, appProtocol: HTTP2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: greeter, labels: {app: greeter}}
spec: {containers: [{name: greeter, image: r.test/greeter}]}
---
apiVersion: networking.gke.io/v1
kind: GCPTrafficExtension
metadata: {name: calling}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: external-http}]
  extensionChains:
  - name: chain
    extensions:
    - name: greet
      authority: greeter.test
      supportedEvents: [RequestHeaders, ResponseHeaders]
      backendRef: {group: "", kind: Service, name: greeter, port: 443}
"#;

#[test]
fn a_callout_is_on_the_timeline_of_the_live_page() {
    let Some(program) = program() else { return };
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = socket.local_addr().expect("an address");
    // Like the backend it serves until the test's process ends.
    std::thread::spawn(move || {
        let server = Server::new(|| AddHeader).plaintext(socket);
        server.run_blocking(std::future::pending())
    });
    let gateway = serve(CALLING, |services| {
        let greeter = ServiceAt::Plaintext(at);
        services.at.insert("default/greeter".to_owned(), greeter);
    });
    let mut browser = Browser::start(&program);
    browser.size(1280, 900);
    browser.prefer("light");
    browser.open(&format!("http://{}/", gateway.admin()));
    browser.wait("document.querySelector('[data-state]').textContent === 'live'");
    let answer = get(gateway.listening()[0].address, "/hours");
    assert!(answer.contains("header-response: response"), "{answer}");
    browser.wait("document.querySelectorAll('.list a').length === 1");
    browser.click(".list a[data-id='1']");
    browser.wait("document.querySelectorAll('[data-detail] .timeline .who-callout').length === 2");
    let timeline = browser.value("document.querySelector('[data-detail]').innerText");
    let timeline = timeline.as_str().expect("text");
    // Both events, and what the callout made of each head.
    for told in [
        "greet REQUEST_HEADERS",
        "greet RESPONSE_HEADERS",
        "CONTENT_MODIFIED",
        "header-request",
        "header-response",
    ] {
        assert!(timeline.contains(told), "`{told}` in:\n{timeline}");
    }
    browser.screenshot(Path::new(PICTURES), "page-callout");
    let (_, wrong) = browser.happened();
    assert!(wrong.is_empty(), "{wrong:?}");
    drop(browser);
    gateway.drain(Duration::ZERO);
}

/// A case with hostile values and more than one exchange.
const CASES: &str = r#"
plugin: header-rewrite
cases:
  - name: "adds & removes </script><script>document.title='taken'</script>"
    config:
      request: [{set: x-store, value: seen}, {remove: x-debug}]
      response: [{set: server, value: gatewright}, {remove: x-internal}]
    exchanges:
      - request:
          path: "/?q=</script><img src=x onerror=alert(1)>"
          headers: ["x-debug: \"'<b>", "authorization: Bearer of-a-test"]
        response: {status: 200, headers: ["x-internal: node-7", "content-type: text/html"]}
        expect:
          response_headers: {has: ["server: someone else"]}
      - request: {path: /again}
"#;

fn case() -> (Case, Format) {
    let suite = load_text(CASES, Path::new("cases.yaml")).expect("cases");
    let format = suite.format;
    (suite.cases.into_iter().next().expect("a case"), format)
}

#[test]
fn a_report_can_be_read_without_network_and_without_script() {
    let Some(program) = program() else { return };
    let engine = Engine::new(&EngineOptions::default()).expect("an engine");
    let plugin = engine.compile(&gatewright_tests::wasm("header-rewrite"));
    let subject = Subject::new(Link::new(plugin.expect("a plugin")));
    let (case, format) = case();
    let run = run_case(&case, &subject, TraceLevel::Full);
    let failures = run.check(&case, format);
    let names = ["header-rewrite".to_owned()];
    let page = case_page(&case, &run, &failures, (Profile::Google, &names));
    let file = Path::new(PICTURES).join("report.html");
    std::fs::write(&file, report(&page)).expect("written");
    let mut browser = Browser::start(&program);
    browser.size(1100, 900);
    browser.call(
        "Network.emulateNetworkConditions",
        serde_json::json!({
            "offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        }),
    );
    browser.prefer("light");
    browser.open(&format!("file://{}", file.display()));
    let title = browser.value("document.title");
    assert!(
        title
            .as_str()
            .is_some_and(|title| title.starts_with("adds & removes </script>"))
    );
    browser.screenshot(Path::new(PICTURES), "report-light");
    browser.prefer("dark");
    browser.screenshot(Path::new(PICTURES), "report-dark");
    // Its own script may run, and nothing that came with the case.
    browser.value("document.querySelector('.timeline summary, .timeline .summary').focus()");
    browser.key("ArrowDown");
    let place = "[...document.querySelectorAll('.timeline > li')].indexOf(document.activeElement.closest('li'))";
    assert_eq!(browser.value(place), 1);
    assert_eq!(
        browser.value("document.querySelectorAll('img, .timeline script').length"),
        0
    );
    let (loaded, wrong) = browser.happened();
    assert!(
        loaded
            .iter()
            .all(|url| url.starts_with("file:") || url.starts_with("data:")),
        "{loaded:?}"
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    // Without any script the whole story is there all the same.
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        serde_json::json!({"value": true}),
    );
    browser.call("Page.reload", serde_json::json!({}));
    // Nothing tells of the end of the load now, so the page is looked at until it is there.
    let begun = Instant::now();
    let text = loop {
        let text = browser.call(
            "Runtime.evaluate",
            serde_json::json!({
                "expression": "document.readyState === 'complete' ? document.body.innerText : ''",
                "returnByValue": true,
            }),
        );
        let text = text["result"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if text.contains("proxy_on_done") || begun.elapsed() > Duration::from_secs(30) {
            break text;
        }
    };
    for told in ["proxy_on_request_headers", "x-store", "proxy_on_done"] {
        assert!(text.contains(told), "`{told}` in:\n{text}");
    }
}
