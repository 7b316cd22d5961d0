//! The SDK and the plugins on it: visible suites, sizes as they are packed, memory, fuel, and the
//! way from `gatewright new` to the first green case.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use gatewright_host::{
    Attributes, Chain, Engine, EngineOptions, HeaderMap, ModuleInfo, Plugin, PluginSpec, Profile,
    Recorded, TraceLevel,
};

use crate::measure::{median, seconds};
use crate::{Bound, figure};

/// Classes of plugins, as `size-class` in their manifests says, and the kilobytes of each.
const CLASSES: &[(&str, &str, f64)] = &[
    ("size-plain-kb", "plain", 110.0),
    ("size-typed-kb", "typed", 170.0),
    ("size-query-kb", "query", 190.0),
    ("size-html-kb", "html", 600.0),
    ("size-regex-kb", "regex", 900.0),
];

/// Those that are about headers only, whatever they cost in kilobytes.
const ABOUT_HEADERS: &[&str] = &["plain", "typed", "query", "crypto"];

/// Streams that are open at once.
const STREAMS: usize = 1_000;

pub(crate) fn measure() {
    visible();
    let plugins = built();
    for (id, class, bound) in CLASSES {
        let sizes = plugins.iter().filter(|plugin| plugin.class == *class);
        let largest = sizes.map(|plugin| plugin.wasm.len()).max();
        // No plugin of a class is no figure: short, not fine.
        let value = largest.map_or(f64::NAN, |size| size as f64 / 1000.0);
        figure("sdk", id, value, "kB", Bound::AtMost(*bound));
    }
    let headers = || {
        plugins
            .iter()
            .filter(|plugin| ABOUT_HEADERS.contains(&&plugin.class[..]))
    };
    let pages = headers().map(|plugin| memory_pages(&plugin.wasm)).max();
    let pages = pages.map_or(f64::NAN, |pages| pages as f64);
    figure("sdk", "memory-pages", pages, "pages", Bound::AtMost(8.0));

    let engine = engine();
    let ours = fuel(&engine, &gatewright_tests::guest("headers-sdk"));
    let bare = fuel(&engine, &gatewright_tests::guest("headers-bare"));
    let ratio = ours as f64 / bare as f64;
    figure("sdk", "fuel-ratio", ratio, "ratio", Bound::AtMost(1.0));

    let bytes = headers().map(|plugin| stream_bytes(&engine, plugin));
    // `None` is one that could not be measured, and then there is no figure.
    let bytes = bytes.reduce(|a, b| Some(f64::max(a?, b?))).flatten();
    let bytes = bytes.unwrap_or(f64::NAN);
    figure("sdk", "stream-bytes", bytes, "bytes", Bound::AtMost(1024.0));
    figure("sdk", "new-green-s", new_green(), "s", Bound::AtMost(5.0));
}

/// Runs the program that is measured.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn gatewright(folder: &Path, arguments: &[&str]) -> Output {
    let here = std::env::current_exe().expect("a program has a path");
    let program = here.with_file_name("gatewright");
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// Every visible suite in one command, as the tester runs them.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn visible() {
    let root = gatewright_tests::root();
    let beside = root.join("../shared/google-suites");
    let folder = std::env::var_os("GATEWRIGHT_SUITES").map_or(beside, PathBuf::from);
    let folder = folder.canonicalize().expect("Google's suites are there");
    let folder = folder.display().to_string();
    let arguments = ["test", "--profile", "tester", "--format", "json", &folder];
    let report = gatewright(&root, &arguments).stdout;
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report");
    // Three suites are there a second time as YAML, which must pass too and is not counted again.
    let suites = report["suites"].as_array().into_iter().flatten();
    let text = suites.filter(|suite| {
        suite["file"]
            .as_str()
            .is_some_and(|file| file.ends_with(".textpb"))
    });
    let cases = text.flat_map(|suite| suite["cases"].as_array().into_iter().flatten());
    let passed = cases.filter(|case| case["passed"] == true).count();
    let all = report["success"] == true;
    let passed = if all { passed as f64 } else { f64::NAN };
    figure(
        "sdk",
        "visible-tests",
        passed,
        "tests",
        Bound::Exactly(97.0),
    );
    let rounds = (0..5).map(|_| seconds(|| drop(gatewright(&root, &arguments))));
    let value = median(rounds.collect());
    figure("sdk", "visible-tests-s", value, "s", Bound::AtMost(2.0));
}

struct Built {
    folder: PathBuf,
    class: String,
    wasm: Vec<u8>,
}

/// The plugins as `gatewright build` leaves them, which is as they are packed.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn built() -> Vec<Built> {
    let root = gatewright_tests::root();
    let output = gatewright(&root, &["build"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let finished = target.join("wasm32-wasip1/plugin/finished");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root.join("plugins")).expect("there are plugins") {
        let folder = entry.expect("it can be read").path();
        let Ok(manifest) = std::fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let class = manifest
            .lines()
            .find_map(|line| line.strip_prefix("size-class = "));
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let wasm = finished.join(name.replace('-', "_")).with_extension("wasm");
        all.push(Built {
            class: class.unwrap_or_default().trim_matches('"').to_owned(),
            wasm: std::fs::read(wasm).expect("it was built"),
            folder,
        });
    }
    all
}

#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn memory_pages(wasm: &[u8]) -> u64 {
    ModuleInfo::read(wasm).expect("a module").memory_pages
}

fn request() -> HeaderMap {
    let mut headers: HeaderMap = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "store.example.com"),
        (":path", "/cart?item=7"),
        (
            "user-agent",
            "Mozilla/5.0 (Linux; Android 15) Mobile Safari/537.36",
        ),
        ("x-secret", "7"),
    ]
    .into_iter()
    .collect();
    for index in 0..10 {
        headers.append(format!("x-header-{index}").as_bytes(), b"some value");
    }
    headers
}

fn response() -> HeaderMap {
    [(":status", "200"), ("server", "a")].into_iter().collect()
}

#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn engine() -> Engine {
    Engine::new(&EngineOptions::default()).expect("the engine starts")
}

/// A chain of this plugin, if it takes the configuration.
fn start(plugin: &Plugin, configuration: &[u8]) -> Option<Chain> {
    let mut spec = PluginSpec::new(plugin.clone(), Profile::Google);
    spec.settings.configuration = configuration.into();
    let door = || Box::new(Recorded::new(0, 1)) as Box<_>;
    let chain = Chain::start(Profile::Google, vec![spec], door, TraceLevel::Cost);
    (chain.start_faults().count() == 0).then_some(chain)
}

/// Fuel of a whole exchange on a VM that has served one before.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn fuel(engine: &Engine, wasm: &[u8]) -> u64 {
    let plugin = engine.compile(wasm).expect("the guest compiles");
    let mut chain = start(&plugin, b"").expect("it needs no configuration");
    let mut last = 0;
    for _ in 0..2 {
        let stream = chain.open(&Arc::new(Attributes::new()));
        let mut effects = Vec::new();
        chain.request_headers(stream, request(), true, &mut effects);
        chain.response_headers(stream, response(), true, &mut effects);
        last = chain.close(stream).fuel();
    }
    last
}

/// Bytes of guest memory that each of many open streams costs, the most of any configuration of the
/// plugin's cases that it takes; `None` if it takes none.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn stream_bytes(engine: &Engine, built: &Built) -> Option<f64> {
    let plugin = engine.compile(&built.wasm).expect("the plugin compiles");
    let mut configurations: Vec<Arc<[u8]>> = vec![b""[..].into()];
    for entry in std::fs::read_dir(built.folder.join("cases")).expect("there are cases") {
        let path = entry.expect("it can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let suite = gatewright_harness::load(&path).expect("the cases can be read");
            configurations.extend(suite.cases.into_iter().filter_map(|case| case.config));
        }
    }
    configurations.sort();
    configurations.dedup();
    let bytes = configurations.iter().filter_map(|configuration| {
        let mut chain = start(&plugin, configuration)?;
        let before = chain.memory_bytes(0)?;
        let attributes = Arc::new(Attributes::new());
        for _ in 0..STREAMS {
            let stream = chain.open(&attributes);
            let mut effects = Vec::new();
            chain.request_headers(stream, request(), false, &mut effects);
            chain.response_headers(stream, response(), false, &mut effects);
        }
        let grown = chain.memory_bytes(0)?.saturating_sub(before);
        Some(grown as f64 / STREAMS as f64)
    });
    bytes.reduce(f64::max)
}

/// Seconds from `gatewright new` to a case that passes, once what all such plugins use is built.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn new_green() -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let green = |name: &str| {
        let made = gatewright(folder.path(), &["new", name]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let tested = gatewright(&folder.path().join(name), &["test"]);
        assert!(
            tested.status.success(),
            "{}",
            String::from_utf8_lossy(&tested.stdout)
        );
    };
    green("first");
    let rounds = ["second", "third", "fourth"].map(|name| seconds(|| green(name)));
    median(rounds.to_vec())
}
