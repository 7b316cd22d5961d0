//! `gatewright serve` with the documentation's manifests, asked by `curl`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::Place;

/// How long a test waits for what must come: only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program as it serves, and what it says.
struct Serving {
    child: Child,
    said: Receiver<String>,
    /// All that it said so far.
    text: String,
    cacert: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Serves the folder `m` of a place on free ports.
    fn start(place: &Place, more: &[&str]) -> Self {
        let cacert = place.at("cacert.pem");
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args([
                "serve",
                "m",
                "--port",
                "80=0",
                "--port",
                "443=0",
                "--admin",
                "127.0.0.1:0",
            ])
            .arg("--cacert")
            .arg(&cacert)
            .args(more)
            .current_dir(place.at("."))
            .env("HOME", place.at("."))
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut serving = Self {
            child,
            said,
            text: String::new(),
            cacert,
        };
        serving.wait_for("ready");
        serving
    }

    /// Waits for a line with this in it.
    #[track_caller]
    fn wait_for(&mut self, part: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            assert!(line.is_ok(), "`{part}` was not said: {}", self.text);
            let line = line.expect("it is");
            self.text.push_str(&line);
            self.text.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The local port of a scheme, by what was said last.
    fn port(&self, scheme: &str) -> String {
        let listener = if scheme == "https" { 443 } else { 80 };
        let mark = format!("port {listener}: {scheme}://127.0.0.1:");
        let (_, rest) = self.text.rsplit_once(&mark).expect("it is listened at");
        rest.chars().take_while(char::is_ascii_digit).collect()
    }

    /// What `curl` gets for a path of the store, with its headers first.
    fn curl(&self, scheme: &str, path: &str, more: &[&str]) -> String {
        let port = self.port(scheme);
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--include", "--max-time", "60"])
            .arg(format!("{scheme}://store.example.com:{port}{path}"))
            .args(["--resolve", &format!("store.example.com:{port}:127.0.0.1")])
            .arg("--cacert")
            .arg(&self.cacert)
            .args(more)
            .output()
            .expect("curl runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn terminate(&self) {
        let done = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(done.success());
    }
}

/// Whether there is a curl; says so, visibly, if not.
fn have_curl() -> bool {
    let found = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !found {
        let required = std::env::var("GATEWRIGHT_REQUIRE_PEERS").is_ok_and(|v| v == "1");
        assert!(!required, "`curl` is required and not in PATH");
        let _ = writeln!(std::io::stderr(), "skipped: `curl` is not in PATH");
    }
    found
}

/// A page of the documentation, as it is printed there.
fn documented(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../gke/fixtures/docs")
        .join(name);
    std::fs::read(path).expect("a page")
}

fn place(pages: &[&str]) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.at("m")).expect("a folder");
    for page in pages {
        place.file(&format!("m/{page}"), documented(page));
    }
    place
}

const GATEWAY: [&str; 2] = ["--gateway", "external-http=gke-l7-global-external-managed"];

const PLUGIN: [&str; 3] = [
    "store-route.yaml",
    "wasm-plugin.yaml",
    "gcp-traffic-extension-with-plugin.yaml",
];

#[test]
fn the_documentations_plugin_answers_over_https() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    let serving = Serving::start(&place, &GATEWAY);
    for version in ["--http1.1", "--http2"] {
        let answer = serving.curl("https", "/serviceextensions", &[version]);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, "Hello World", "{answer}");
        assert!(head.contains(" 200"), "{head}");
        let number = if version == "--http2" {
            "HTTP/2"
        } else {
            "HTTP/1.1"
        };
        assert!(head.starts_with(number), "{head}");
    }
    // Elsewhere the store answers, in the documentation's words.
    let answer = serving.curl("http", "/", &[]);
    assert!(
        answer.contains("\"host_header\": \"store.example.com"),
        "{answer}"
    );
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
    assert!(answer.contains("via: 1.1 google"), "{answer}");
    let answer = serving.curl("http", "/de", &[]);
    assert!(
        answer.contains("\"metadata\": \"store-german\""),
        "{answer}"
    );
    for said in [
        "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main: our plugin `local-reply`",
        "Service default/store-v1: the built-in store",
        "Programmed=",
        "curl https://store.example.com:",
    ] {
        assert!(
            serving.text.contains(said),
            "`{said}` is not in {}",
            serving.text
        );
    }
}

#[test]
fn of_two_versions_the_one_with_a_weight_answers_and_weights_can_be_swapped() {
    if !have_curl() {
        return;
    }
    let place = place(&[
        "store-route.yaml",
        "wasm-plugin-two-versions.yaml",
        "gcp-traffic-extension-with-plugin.yaml",
    ]);
    // Two versions of one image cannot be told apart, so the second gets one of its own.
    let text = String::from_utf8(documented("wasm-plugin-two-versions.yaml")).expect("text");
    let (first, second) = text
        .split_once("wasm-plugin-version-v2")
        .expect("two versions");
    let second = second.replace("local-reply:main", "local-reply:other");
    place.file(
        "m/wasm-plugin-two-versions.yaml",
        format!("{first}wasm-plugin-version-v2{second}"),
    );
    place.file("other.wasm", answering("Hello Other World"));
    place.file(
        "m/gatewright.yaml",
        "images:\n  us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:other: {wasm: ../other.wasm}\n",
    );
    let mut serving = Serving::start(&place, &GATEWAY);
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    let path = place.at("m/wasm-plugin-two-versions.yaml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let swapped = text
        .replace("weight: 1000000", "weight: one")
        .replace("weight: 0", "weight: 1000000")
        .replace("weight: one", "weight: 0");
    std::fs::write(&path, swapped).expect("it is written");
    serving.wait_for("reloaded in");
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.ends_with("\r\n\r\nHello Other World"), "{answer}");
}

/// A plugin that answers every request with a text.
fn answering(text: &str) -> Vec<u8> {
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

#[test]
fn a_change_with_errors_is_refused_and_the_old_one_is_served_still() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    let mut serving = Serving::start(&place, &GATEWAY);
    let good = documented("gcp-traffic-extension-with-plugin.yaml");
    let bad = String::from_utf8(good.clone()).expect("text").replace(
        "request.path.contains(\"serviceextensions\")",
        "request.path.contains(",
    );
    place.file("m/gcp-traffic-extension-with-plugin.yaml", bad);
    serving.wait_for("the change is not taken");
    assert!(serving.text.contains("celMatcher"), "{}", serving.text);
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    let moved = String::from_utf8(good)
        .expect("text")
        .replace("\"serviceextensions\"", "\"elsewhere\"");
    place.file("m/gcp-traffic-extension-with-plugin.yaml", moved);
    serving.wait_for("reloaded in");
    let answer = serving.curl("https", "/elsewhere", &[]);
    assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
}

#[test]
fn it_ends_in_order_when_it_is_told_to() {
    let place = place(&["store-route.yaml"]);
    let mut serving = Serving::start(&place, &GATEWAY);
    serving.terminate();
    let status = serving.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_told() {
    let place = place(&["store-route.yaml"]);
    place
        .run("serve m --admin 127.0.0.1:0")
        .expect(2, "supply one with `--gateway NAME=CLASS`");
    place.file("m/gatewright.yaml", "image: {}\n");
    place.run("serve m").expect(2, "gatewright.yaml");
    place.file("m/gatewright.yaml", "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    place
        .run(&format!(
            "serve m --gateway gw=gke-l7-rilb --substitute GATEWAY_NAME=gw --port 80={port} --port 443=0 --admin 127.0.0.1:0"
        ))
        .expect(3, "`--port PORT=LOCAL`");
}

/// Counts the bytes of request bodies that pass it, and changes nothing.
fn counting() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (global $seen (mut i64) (i64.const 0))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                (global.set $seen (i64.add (global.get $seen) (i64.extend_i32_u (local.get 1))))
                i32.const 0))"#,
    )
    .expect("valid text")
}

#[test]
#[cfg(target_os = "linux")]
fn a_body_of_a_gigabyte_streams_through_a_plugin_in_flat_memory() {
    use std::io::Read as _;

    const SIZE: usize = 1 << 30;
    let place = place(&PLUGIN);
    place.file("count.wasm", counting());
    let image = "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main";
    place.file(
        "m/gatewright.yaml",
        format!("images:\n  {image}: {{wasm: ../count.wasm}}\n"),
    );
    let page = "gcp-traffic-extension-with-plugin.yaml";
    let text = String::from_utf8(documented(page)).expect("text");
    let text = text.replace(
        "- RequestHeaders\n",
        "- RequestHeaders\n      - RequestBody\n",
    );
    place.file(&format!("m/{page}"), text);
    let serving = Serving::start(&place, &GATEWAY);
    let address = format!("127.0.0.1:{}", serving.port("http"));
    let mut stream = std::net::TcpStream::connect(address).expect("connects");
    let head = format!(
        "POST /serviceextensions HTTP/1.1\r\nhost: store.example.com\r\n\
         connection: close\r\ncontent-length: {SIZE}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("writes");
    let part = vec![b'x'; 1 << 20];
    let mut before = 0;
    for megabyte in 0..SIZE / part.len() {
        stream.write_all(&part).expect("writes");
        if megabyte == 32 {
            before = resident(serving.child.id());
        }
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
    let grown = resident(serving.child.id()).saturating_sub(before);
    assert!(grown < 16 * 1024, "it grew by {grown} KiB");
}

/// KiB of memory that a process has now.
#[cfg(target_os = "linux")]
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("a number")
}
