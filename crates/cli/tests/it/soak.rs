//! Faults under load: `wrk` asks without a pause while manifests are reloaded, a plugin is replaced, a
//! callout is killed and started again, and an upstream resets one request in ten. What a fault owns
//! may be lost, and nothing else.
//!
//! A minute of it; `GATEWRIGHT_SOAK_SECONDS` asks for another time, as `scripts/figures` does.

mod faults;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use faults::{Callout, Upstream, marking, probe};

use crate::docker_registry::peer;
use crate::process::PATIENCE;
use crate::serving::{Serving, resident};
use crate::support::{Place, figure};

/// How often manifests are written.
const RELOAD: Duration = Duration::from_millis(200);
/// Reloads between two plugins.
const REPLACE: usize = 5;
/// Reloads between two deaths of the callout.
const KILL: usize = 15;
/// Memory that may be had in the end over that after the first minute.
const GROWTH_MIB: f64 = 20.0;

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
  - name: open
    matchCondition: {celExpressions: [{celMatcher: request.path.startsWith(\"/open\")}]}
    extensions:
    - name: open
      authority: callout.test
      failOpen: true
      supportedEvents: [RequestHeaders, ResponseHeaders]
      backendRef: {kind: Service, name: callout, port: 443}
  - name: closed
    matchCondition: {celExpressions: [{celMatcher: request.path.startsWith(\"/closed\")}]}
    extensions:
    - name: closed
      authority: callout.test
      supportedEvents: [RequestHeaders, ResponseHeaders]
      backendRef: {kind: Service, name: callout, port: 443}
---
apiVersion: v1
kind: Service
metadata: {name: callout}
spec: {ports: [{port: 443, appProtocol: HTTP2}], selector: {app: callout}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: callout}
spec:
  selector: {matchLabels: {app: callout}}
  template:
    metadata: {labels: {app: callout}}
    spec: {containers: [{name: callout, image: r.test/callout}]}
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
    let mut callout = Callout::start();
    let place = Place::new();
    std::fs::create_dir(place.at("m")).expect("a folder");
    place.file("m/gateway.yaml", MANIFESTS);
    place.file("m/route.yaml", route("one"));
    place.file("plugin.wasm", marking("seen"));
    place.file(
        "m/gatewright.yaml",
        format!(
            "images: {{us-docker.pkg.dev/p/r/plugin:v1: {{wasm: ../plugin.wasm}}}}\n\
             services:\n  up: {{address: '{}'}}\n  callout: {{plaintext: '{}'}}\n",
            upstream.at,
            callout.at()
        ),
    );
    let mut serving = Serving::start(&place, &["--no-access-log"]);
    let process = serving.process.child.id();
    let before = descriptors(process);

    let at = format!("127.0.0.1:{}", serving.port("http"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/soak.lua");
    let load = Command::new(wrk)
        .args(["--threads", "2", "--connections", "32", "--timeout", "30s"])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(format!("http://{at}/"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("wrk starts");
    let (done, over) = channel();
    std::thread::spawn(move || done.send(load.wait_with_output()));
    // One client beside it knows when each of its requests was under way.
    let (stop, windows) = (Arc::new(AtomicBool::new(false)), callout.windows());
    let probing = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || probe(&at, &windows, &stop))
    };
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
        if rounds % KILL == 0 {
            callout.kill_and_start();
        }
        if settled_kib.is_none() && begun.elapsed() >= settled {
            settled_kib = Some(resident(process));
        }
    };
    let settled_kib = settled_kib.expect("the load lasted");
    let growth = (resident(process) as f64 - settled_kib as f64) / 1024.0;

    stop.store(true, Ordering::Relaxed);
    let probed = probing.join().expect("every answer was one");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let counts: BTreeMap<&str, u64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("count ")?.split_once(' '))
        .map(|(name, count)| (name, count.parse().expect("a count")))
        .collect();
    let count = |name: &str| counts.get(name).copied().expect("wrk counts it");
    let owned = upstream.resets();
    // What the upstream reset is told to the client, no more and no less often; the load ends with
    // some requests under way.
    let failed = count("failed") + probed.failed;
    let lost = probed.wrong
        + count("wrong")
        + count("connect")
        + count("read")
        + count("write")
        + count("timeout")
        + failed.saturating_sub(owned);
    figure("soak-lost", &lost.to_string());
    figure("soak-growth-mb", &format!("{:.1}", growth.max(0.0)));
    assert_eq!(lost, 0, "{owned} resets: {said}");
    assert!(growth <= GROWTH_MIB, "{growth} MiB: {said}");
    // There was something to lose, and the faults were there.
    assert!(count("ok") > 100 * seconds, "{said}");
    assert!(
        owned > seconds && failed + 32 >= owned,
        "{owned} resets: {said}"
    );
    assert!(rounds as u64 > seconds, "{rounds} reloads");

    // What was replaced is let go once nothing was served with it for a reload.
    serving.process.forget();
    for round in ["one", "two", "one"] {
        put(&place, "m/route.yaml", route(round));
        serving.process.wait_for("reloaded in");
    }
    upstream.end();
    drop(callout);
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
