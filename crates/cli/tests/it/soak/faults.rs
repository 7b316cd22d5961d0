//! What goes wrong on purpose: an upstream that resets, a callout that dies, a plugin that changes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Of so many requests the upstream resets one.
const RESET: u64 = 10;

/// An upstream that answers `ok` and the path, resets one request in ten, and can be ended with all
/// its connections.
pub(super) struct Upstream {
    pub(super) at: SocketAddr,
    resets: Arc<AtomicU64>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    over: Arc<AtomicBool>,
}

impl Upstream {
    pub(super) fn start() -> Self {
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

    /// Requests that were reset so far.
    pub(super) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    /// Closes every connection.
    pub(super) fn end(&self) {
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
pub(super) fn marking(mark: &str) -> Vec<u8> {
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

/// When a callout was dead: from when until when, if it is alive again.
pub(super) type Windows = Arc<Mutex<Vec<(Instant, Option<Instant>)>>>;

/// `gatewright callout add-header` as a process that can be killed.
pub(super) struct Callout {
    child: Child,
    at: String,
    windows: Windows,
}

impl Callout {
    pub(super) fn start() -> Self {
        let (child, at) = Self::spawn("127.0.0.1:0");
        Self {
            child,
            at,
            windows: Windows::default(),
        }
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    pub(super) fn windows(&self) -> Windows {
        Arc::clone(&self.windows)
    }

    /// Starts one, and gives where it listens once it does.
    fn spawn(at: &str) -> (Child, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(["callout", "add-header", "--plaintext", at])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut at = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("gRPC without TLS: ") {
                at = address.to_owned();
            }
            if line == "serving" {
                break;
            }
        }
        // What it goes on to say must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        assert!(!at.is_empty(), "the callout did not say where it listens");
        (child, at)
    }

    /// Kills it in the middle of whatever it does, and starts another at the same address.
    pub(super) fn kill_and_start(&mut self) {
        let dead = Instant::now();
        self.windows
            .lock()
            .expect("not poisoned")
            .push((dead, None));
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        (self.child, _) = Self::spawn(&self.at);
        let mut windows = self.windows.lock().expect("not poisoned");
        if let Some((_, alive)) = windows.last_mut() {
            *alive = Some(Instant::now());
        }
    }
}

impl Drop for Callout {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client saw that asks one request after another.
#[derive(Default)]
pub(super) struct Probed {
    /// Requests whose upstream failed.
    pub(super) failed: u64,
    /// Those refused though the callout was alive all the while, and wrong answers.
    pub(super) wrong: u64,
}

/// Asks for what fails closed without its callout.
pub(super) fn probe(at: &str, windows: &Windows, stop: &AtomicBool) -> Probed {
    let mut stream = BufReader::new(TcpStream::connect(at).expect("connects"));
    let mut probed = Probed::default();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let request = b"GET /closed HTTP/1.1\r\nhost: a.test\r\n\r\n";
        stream.get_mut().write_all(request).expect("writes");
        let status = response(&mut stream);
        let over = Instant::now();
        let windows = windows.lock().expect("not poisoned");
        let owned = windows
            .iter()
            .any(|(dead, alive)| *dead <= over && alive.is_none_or(|alive| begun <= alive));
        match status {
            200 => {}
            500 if owned => {}
            502 => probed.failed += 1,
            _ => probed.wrong += 1,
        }
    }
    probed
}

/// Reads a response and gives its status.
fn response(stream: &mut BufReader<TcpStream>) -> u16 {
    let mut line = || {
        let mut line = String::new();
        let read = stream.read_line(&mut line).expect("reads");
        assert!(read > 0, "the gateway closed a connection");
        line
    };
    let first = line();
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let mut length = 0;
    loop {
        let line = line();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a number");
        }
    }
    stream
        .read_exact(&mut vec![0; length])
        .expect("the whole body");
    status.expect("a status")
}
