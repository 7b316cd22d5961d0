//! `gatewright serve` as a process on free ports, and `curl` as its client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::docker_registry::peer;
use crate::process::Process;
use crate::support::Place;

/// The file in which its log entries are.
pub(crate) const LOG: &str = "log";

/// The program as it serves.
pub(crate) struct Serving {
    pub(crate) process: Process,
    cacert: PathBuf,
}

impl Serving {
    /// Serves the folder `m` of a place on free ports.
    pub(crate) fn start(place: &Place, more: &[&str]) -> Self {
        Self::start_in(place, &place.at("."), more)
    }

    /// The same from another working folder.
    pub(crate) fn start_in(place: &Place, folder: &Path, more: &[&str]) -> Self {
        let cacert = place.at("cacert.pem");
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .arg("serve")
            .arg(place.at("m"))
            .args(["--port", "80=0", "--port", "443=0"])
            .args(["--admin", "127.0.0.1:0", "--cacert"])
            .arg(&cacert)
            .args(more)
            .current_dir(folder)
            .env("XDG_CACHE_HOME", place.at("cache"))
            .env("DOCKER_CONFIG", place.at("."))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(place.at(LOG)).expect("a file"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = child.stderr.take().expect("piped");
        let mut process = Process::new(child, said);
        process.wait_for("ready");
        Self { process, cacert }
    }

    /// The local port of a scheme, by what was said last.
    pub(crate) fn port(&self, scheme: &str) -> String {
        let listener = if scheme == "https" { 443 } else { 80 };
        let mark = format!("port {listener}: {scheme}://127.0.0.1:");
        let (_, rest) = self
            .process
            .text
            .rsplit_once(&mark)
            .expect("it is listened at");
        rest.chars().take_while(char::is_ascii_digit).collect()
    }

    /// What `curl` gets for a path of the store, with its headers first.
    pub(crate) fn curl(&self, scheme: &str, path: &str, more: &[&str]) -> String {
        let port = self.port(scheme);
        curl(&self.cacert, scheme, &port, path, more)
    }

    pub(crate) fn terminate(&self) {
        let done = Command::new("kill")
            .arg(self.process.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(done.success());
    }
}

/// What `curl` gets for a path of the store at a local port, with its headers first.
pub(crate) fn curl(cacert: &Path, scheme: &str, port: &str, path: &str, more: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "60"])
        .arg(format!("{scheme}://store.example.com:{port}{path}"))
        .args(["--resolve", &format!("store.example.com:{port}:127.0.0.1")])
        .arg("--cacert")
        .arg(cacert)
        .args(more)
        .output()
        .expect("curl runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// The documentation's two versions of a plugin, of which only the first has a weight, and the same
/// with the weights swapped. Two versions of one image cannot be told apart, so the second gets an
/// image of its own, which answers `Hello Other World`.
pub(crate) fn two_versions() -> (Place, [String; 2]) {
    let place = place(&[
        "store-route.yaml",
        "wasm-plugin-two-versions.yaml",
        "gcp-traffic-extension-with-plugin.yaml",
    ]);
    let text = String::from_utf8(documented("wasm-plugin-two-versions.yaml")).expect("text");
    let (first, second) = text
        .split_once("wasm-plugin-version-v2")
        .expect("two versions");
    let second = second.replace("local-reply:main", "local-reply:other");
    let text = format!("{first}wasm-plugin-version-v2{second}");
    place.file("other.wasm", answering("Hello Other World"));
    place.file(
        "m/gatewright.yaml",
        "images:\n  us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:other: {wasm: ../other.wasm}\n",
    );
    let swapped = text
        .replace("weight: 1000000", "weight: one")
        .replace("weight: 0", "weight: 1000000")
        .replace("weight: one", "weight: 0");
    (place, [text, swapped])
}

/// Whether there is a curl; says so, visibly, if not.
pub(crate) fn have_curl() -> bool {
    peer("curl").is_some()
}

/// A page of the documentation, as it is printed there.
pub(crate) fn documented(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../gke/fixtures/docs")
        .join(name);
    std::fs::read(path).expect("a page")
}

/// A folder with pages of the documentation in its folder `m`.
pub(crate) fn place(pages: &[&str]) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.at("m")).expect("a folder");
    for page in pages {
        place.file(&format!("m/{page}"), documented(page));
    }
    place
}

/// The Gateway of the documentation's plugin.
pub(crate) const GATEWAY: [&str; 2] = ["--gateway", "external-http=gke-l7-global-external-managed"];

/// Its pages.
pub(crate) const PLUGIN: [&str; 3] = [
    "store-route.yaml",
    "wasm-plugin.yaml",
    "gcp-traffic-extension-with-plugin.yaml",
];

/// A plugin that answers every request with a text.
pub(crate) fn answering(text: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "env" "proxy_send_local_response"
                (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{text}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (call $reply (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const {}) (i32.const 0) (i32.const 0) (i32.const -1))))"#,
        text.len()
    ))
    .expect("valid text")
}

/// KiB of memory that a process has now.
#[cfg(target_os = "linux")]
pub(crate) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("a number")
}
