//! The local load balancer, as a process: how soon it answers, how soon a change is served, what an
//! idle connection costs, and whether cases come to the same replayed and served.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatewright_tests::measured::{kib, program};
use gatewright_tests::served::compare_all;

use crate::measure::median;
use crate::{Bound, figure};

/// Rounds of what is timed.
const ROUNDS: usize = 5;
/// Connections that are held open at a time.
const IDLE: usize = 10_000;
/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure() {
    let pages = Pages::new();
    let mut first = Vec::new();
    // The first round fills the cache of compiled code.
    for round in 0..=ROUNDS {
        let start = Instant::now();
        let serving = Serving::start(&pages, &[]);
        let answer = serving.get("/serviceextensions");
        assert!(answer.ends_with("Hello World"), "{answer}");
        if round > 0 {
            first.push(1e3 * start.elapsed().as_secs_f64());
        }
    }
    figure(
        "gateway",
        "first-answer-ms",
        median(first),
        "ms",
        Bound::AtMost(150.0),
    );
    figure(
        "gateway",
        "reload-ms",
        reload(&pages),
        "ms",
        Bound::AtMost(1000.0),
    );
    let summary = compare_all();
    let differ = summary.differ.len() as f64;
    figure(
        "gateway",
        "served-equals-replayed",
        summary.same as f64,
        "cases",
        Bound::AtLeast(150.0),
    );
    figure(
        "gateway",
        "served-differs",
        differ,
        "cases",
        Bound::AtMost(0.0),
    );
    figure(
        "gateway",
        "idle-connection-kb",
        idle(&pages),
        "KiB",
        Bound::AtMost(16.0),
    );
}

/// Milliseconds from a file saved to a changed answer: the worse of manifest and module, each the
/// median of its rounds.
fn reload(pages: &Pages) -> f64 {
    let module = pages.folder.path().join("module.wasm");
    let settings = "images:\n  us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main: {wasm: ../module.wasm}\n";
    pages.write("gatewright.yaml", settings);
    let ours = gatewright_tests::wasm("local-reply");
    std::fs::write(&module, &ours).expect("it is written");
    let serving = Serving::start(pages, &[]);
    let page = "gcp-traffic-extension-with-plugin.yaml";
    let text = std::fs::read_to_string(pages.at(page)).expect("a page");
    let (mut manifests, mut modules) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let path = format!("path{round}");
        let start = Instant::now();
        pages.write(page, &text.replace("serviceextensions", &path));
        serving.until(|serving| serving.get(&format!("/{path}")).ends_with("Hello World"));
        manifests.push(1e3 * start.elapsed().as_secs_f64());
        let answers = if round % 2 == 0 {
            other()
        } else {
            ours.clone()
        };
        let expected = if round % 2 == 0 {
            "Other World"
        } else {
            "Hello World"
        };
        let start = Instant::now();
        std::fs::write(&module, answers).expect("it is written");
        serving.until(|serving| serving.get(&format!("/{path}")).ends_with(expected));
        modules.push(1e3 * start.elapsed().as_secs_f64());
        std::fs::write(&module, &ours).expect("it is written");
        serving.until(|serving| serving.get(&format!("/{path}")).ends_with("Hello World"));
    }
    pages.write(page, &text);
    std::fs::remove_file(pages.at("gatewright.yaml")).expect("it is there");
    median(manifests).max(median(modules))
}

/// A plugin that answers otherwise.
fn other() -> Vec<u8> {
    let text = r#"(module
        (import "env" "proxy_send_local_response"
            (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "Other World")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) i32.const 1024)
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $reply (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 11) (i32.const 0) (i32.const 0) (i32.const -1))))"#;
    wat::parse_str(text).expect("valid text")
}

/// KiB of the process for each idle connection that has had a request.
fn idle(pages: &Pages) -> f64 {
    let serving = Serving::start(pages, &[]);
    let request = b"GET /serviceextensions HTTP/1.1\r\nhost: store.example.com\r\n\r\n";
    let before = serving.resident();
    let mut kept = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(serving.at).expect("connects");
        stream.write_all(request).expect("writes");
        let mut answer = [0; 1024];
        let count = stream.read(&mut answer).expect("reads");
        assert!(count > 0, "the gateway closed a connection");
        kept.push(stream);
    }
    (serving.resident() - before) / IDLE as f64
}

/// The documentation's pages for a plugin, in a folder of their own.
struct Pages {
    folder: tempfile::TempDir,
}

impl Pages {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pages = Self { folder };
        std::fs::create_dir(pages.folder.path().join("m")).expect("a folder");
        let docs = gatewright_tests::root().join("crates/gke/fixtures/docs");
        for page in [
            "store-route.yaml",
            "wasm-plugin.yaml",
            "gcp-traffic-extension-with-plugin.yaml",
        ] {
            std::fs::copy(docs.join(page), pages.at(page)).expect("a page");
        }
        pages
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("m").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).expect("it is written");
    }
}

/// The program as it serves the pages.
struct Serving {
    child: Child,
    at: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(pages: &Pages, more: &[&str]) -> Self {
        let mut child = Command::new(program())
            .arg("serve")
            .arg(pages.folder.path().join("m"))
            .args(["--gateway", "external-http=gke-l7-global-external-managed"])
            .args([
                "--port",
                "80=0",
                "--port",
                "443=0",
                "--admin",
                "127.0.0.1:0",
            ])
            .args(["--no-access-log", "--cacert"])
            .arg(pages.folder.path().join("cacert.pem"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut at = None;
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("port 80: http://") {
                let address: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':'))
                    .collect();
                at = address.parse().ok();
            }
            if line == "ready" {
                break;
            }
        }
        // What it goes on to say must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            at: at.expect("it said where it listens"),
        }
    }

    /// The whole answer to a request of its own connection.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.at).expect("connects");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: store.example.com\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("reads");
        answer
    }

    /// Asks until the answer is the one.
    fn until(&self, is_there: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_there(self) {
            assert!(start.elapsed() < PATIENCE, "the change is not served");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// KiB of memory that the process has now.
    fn resident(&self) -> f64 {
        kib(self.child.id(), "VmRSS").expect("the process is there")
    }
}
