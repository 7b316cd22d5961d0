//! Faults under load: `wrk` asks without a pause while manifests are reloaded, a plugin is replaced
//! and an upstream resets one request in ten. What a fault owns may be lost, and nothing else.
//!
//! A minute of it; `GATEWRIGHT_SOAK_SECONDS` asks for another time, as `scripts/figures` does.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::docker_registry::peer;
use crate::serving::{PATIENCE, Serving, resident};
use crate::support::{Place, figure};

/// How often manifests are written.
const RELOAD: Duration = Duration::from_millis(200);
/// Reloads between two plugins.
const REPLACE: usize = 5;
/// Of so many requests the upstream resets one.
const RESET: u64 = 10;
/// Memory that may be had in the end over that after the first minute.
const GROWTH_MIB: f64 = 20.0;

/// An upstream that answers `ok` and the path, resets one request in ten, and can be ended with all
/// its connections.
struct Upstream {
    at: SocketAddr,
    resets: Arc<AtomicU64>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    over: Arc<AtomicBool>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let upstream = Self {
            at: listener.local_addr().expect("an address"),
            resets: Arc::default(),
            connections: Arc::default(),
            over: Arc::default(),
        };
        let (resets, asked) = (Arc::clone(&upstream.resets), Arc::new(AtomicU64::new(0)));
        let (connections, over) = (
            Arc::clone(&upstream.connections),
            Arc::clone(&upstream.over),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let mut kept = connections.lock().expect("not poisoned");
                // Of those that are over only the number is left to be kept.
                kept.retain(|stream| stream.peer_addr().is_ok());
                kept.extend(stream.try_clone());
                drop(kept);
                let (resets, asked) = (Arc::clone(&resets), Arc::clone(&asked));
                std::thread::spawn(move || answer(stream, &asked, &resets));
            }
        });
        upstream
    }

    /// Closes every connection.
    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.at);
        for stream in self.connections.lock().expect("not poisoned").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Answers the requests of a connection.
fn answer(mut stream: TcpStream, asked: &AtomicU64, resets: &AtomicU64) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            // Looked at and left there: what is not read when a connection is closed resets it.
            let Ok(count @ 1..) = stream.peek(&mut buffer) else {
                return;
            };
            if read.is_empty() && asked.fetch_add(1, Ordering::Relaxed) % RESET == RESET - 1 {
                resets.fetch_add(1, Ordering::Relaxed);
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            stream
                .read_exact(&mut buffer[..count])
                .expect("it is there");
            read.extend_from_slice(&buffer[..count]);
        }
        let head = String::from_utf8_lossy(&read);
        let body = format!("ok {}\n", head.split(' ').nth(1).unwrap_or_default());
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        read.clear();
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A plugin that marks responses.
fn marking(mark: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "env" "proxy_add_header_map_value"
                (func $add (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "x-plugin")
            (data (i32.const 16) "{mark}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                (drop (call $add (i32.const 2) (i32.const 0) (i32.const 8)
                    (i32.const 16) (i32.const {})))
                i32.const 0))"#,
        mark.len()
    ))
    .expect("valid text")
}

const MANIFESTS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: gke-l7-global-external-managed
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata: {name: plugin}
spec:
  versions: [{name: v1, image: us-docker.pkg.dev/p/r/plugin:v1, weight: 1}]
---
apiVersion: networking.gke.io/v1
kind: GCPTrafficExtension
metadata: {name: traffic}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
  extensionChains:
  - name: plugin
    matchCondition: {celExpressions: [{celMatcher: request.path.startsWith(\"/plugin\")}]}
    extensions:
    - name: plugin
      supportedEvents: [RequestHeaders, ResponseHeaders]
      backendRef: {group: networking.gke.io, kind: GCPWasmPlugin, name: plugin}
";

/// The route, which tells its responses which round it is of.
fn route(round: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: up}}
spec:
  parentRefs: [{{name: gw}}]
  rules:
  - filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{set: [{{name: x-round, value: {round}}}]}}
    backendRefs: [{{name: up, port: 80}}]
"
    )
}

/// Puts a file in the place of another at once, as whoever deploys does.
fn put(place: &Place, name: &str, content: impl AsRef<[u8]>) {
    place.file("new", content);
    std::fs::rename(place.at("new"), place.at(name)).expect("it is moved");
}

/// Descriptors that a process has open, by what they are.
fn descriptors(process: u32) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{process}/fd")).expect("it is there");
    let open = folder.flatten().filter_map(|entry| {
        // One may be closed while it is looked at.
        let what = std::fs::read_link(entry.path()).ok()?;
        Some(what.display().to_string())
    });
    open.collect()
}

fn seconds() -> u64 {
    let asked = std::env::var("GATEWRIGHT_SOAK_SECONDS").ok();
    asked.map_or(60, |seconds| seconds.parse().expect("a number of seconds"))
}

#[test]
#[cfg(target_os = "linux")]
fn faults_under_load_cost_what_they_own_and_nothing_else() {
    let Some(wrk) = peer("wrk") else { return };
    let seconds = seconds();
    let upstream = Upstream::start();
    let place = Place::new();
    std::fs::create_dir(place.at("m")).expect("a folder");
    place.file("m/gateway.yaml", MANIFESTS);
    place.file("m/route.yaml", route("one"));
    place.file("plugin.wasm", marking("seen"));
    place.file(
        "m/gatewright.yaml",
        format!(
            "images: {{us-docker.pkg.dev/p/r/plugin:v1: {{wasm: ../plugin.wasm}}}}\n\
             services: {{up: {{address: '{}'}}}}\n",
            upstream.at
        ),
    );
    let mut serving = Serving::start(&place, &["--no-access-log"]);
    let process = serving.child.id();
    let before = descriptors(process);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/soak.lua");
    let load = Command::new(wrk)
        .args(["--threads", "2", "--connections", "32", "--timeout", "30s"])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(format!("http://127.0.0.1:{}/", serving.port("http")))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("wrk starts");
    let (done, over) = channel();
    std::thread::spawn(move || done.send(load.wait_with_output()));
    let begun = Instant::now();
    // A short run has its first minute at its first quarter.
    let settled = Duration::from_secs(60.min(seconds / 4));
    let mut settled_kib = None;
    let mut rounds = 0;
    let output = loop {
        // Faults come while the load lasts.
        if let Ok(output) = over.recv_timeout(RELOAD) {
            break output.expect("wrk ends");
        }
        rounds += 1;
        put(&place, "m/route.yaml", route(["one", "two"][rounds % 2]));
        if rounds % REPLACE == 0 {
            let mark = ["seen", "newer"][rounds / REPLACE % 2];
            put(&place, "plugin.wasm", marking(mark));
        }
        if settled_kib.is_none() && begun.elapsed() >= settled {
            settled_kib = Some(resident(process));
        }
    };
    let settled_kib = settled_kib.expect("the load lasted");
    let growth = (resident(process) as f64 - settled_kib as f64) / 1024.0;

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let counts: BTreeMap<&str, u64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("count ")?.split_once(' '))
        .map(|(name, count)| (name, count.parse().expect("a count")))
        .collect();
    let count = |name: &str| counts.get(name).copied().expect("wrk counts it");
    let owned = upstream.resets.load(Ordering::Relaxed);
    // What the upstream reset is told to the client, no more and no less often; the load ends with
    // some requests under way.
    let lost = count("wrong")
        + count("connect")
        + count("read")
        + count("write")
        + count("timeout")
        + count("failed").saturating_sub(owned);
    figure("soak-lost", &lost.to_string());
    figure("soak-growth-mb", &format!("{:.1}", growth.max(0.0)));
    assert_eq!(lost, 0, "{owned} resets: {said}");
    assert!(growth <= GROWTH_MIB, "{growth} MiB: {said}");
    // There was something to lose, and the faults were there.
    assert!(count("ok") > 100 * seconds, "{said}");
    assert!(owned > seconds && count("failed") + 32 >= owned, "{said}");
    assert!(rounds as u64 > seconds, "{rounds} reloads");

    // What was replaced is let go once nothing was served with it for a reload.
    serving.forget();
    for round in ["one", "two", "one"] {
        put(&place, "m/route.yaml", route(round));
        serving.wait_for("reloaded in");
    }
    upstream.end();
    let end = Instant::now();
    loop {
        let open = descriptors(process);
        if open.len() <= before.len() {
            break;
        }
        assert!(
            end.elapsed() < PATIENCE,
            "before {before:#?}, after {open:#?}"
        );
        std::thread::yield_now();
    }
}
