//! The two sides as processes, and what the system says of them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatewright_tests::measured::{kib, program};

use crate::setup::{Prepared, Setup};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Envoy,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Envoy];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "gatewright",
            Self::Envoy => "Envoy",
        }
    }
}

/// A process that ends with this.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    /// From the start of the process to its first answer.
    pub(crate) start: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no port is free: {error}"))
}

impl Running {
    /// Starts a side on a prepared folder, and waits for its first answer, which must show that
    /// what is measured is done.
    pub(crate) fn start(
        side: Side,
        prepared: &Prepared,
        workers: usize,
        setup: &Setup,
    ) -> Result<Self, String> {
        let port = free_port()?;
        let mut command = match side {
            Side::Ours => ours(prepared, port, workers)?,
            Side::Envoy => envoy(prepared, port, workers)?,
        };
        let log = prepared.at(&format!("{}.log", side.name()));
        let errors = File::create(&log).map_err(|error| format!("no log: {error}"))?;
        let begun = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", side.name()))?;
        let mut running = Self {
            child,
            port,
            start: Duration::ZERO,
        };
        loop {
            if let Some(answer) = answer(port, setup.path) {
                running.start = begun.elapsed();
                if answer.contains(setup.shows) {
                    return Ok(running);
                }
                let head = answer.split("\r\n\r\n").next().unwrap_or_default();
                let (name, side, shows) = (setup.name, side.name(), setup.shows);
                return Err(format!("{name}: {side} answers without `{shows}`:\n{head}"));
            }
            let ended = matches!(running.child.try_wait(), Ok(Some(_)));
            if ended || begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let said: Vec<&str> = said.lines().rev().take(8).collect();
                return Err(format!(
                    "{} does not answer:\n{}",
                    side.name(),
                    said.into_iter().rev().collect::<Vec<_>>().join("\n")
                ));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Microseconds of CPU that the process has taken so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        // The name, which may hold anything, stands in parentheses.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |index: usize| -> f64 {
            fields
                .get(index)
                .and_then(|text| text.parse().ok())
                .unwrap_or(f64::NAN)
        };
        // User and system time, in hundredths of a second on every Linux.
        (ticks(11) + ticks(12)) * 1e4
    }

    /// The most memory that it has had, in MiB.
    pub(crate) fn peak(&self) -> f64 {
        kib(self.child.id(), "VmHWM").map_or(f64::NAN, |kib| kib / 1024.0)
    }
}

fn ours(prepared: &Prepared, port: u16, workers: usize) -> Result<Command, String> {
    let mut command = Command::new(program());
    command
        .arg("serve")
        .arg(prepared.manifests())
        .args(["--no-access-log", "--admin", "127.0.0.1:0"])
        .arg(format!("--port=80={port}"))
        .arg(format!("--workers={workers}"))
        .arg("--cacert")
        .arg(prepared.at("cacert.pem"));
    Ok(command)
}

/// Envoy on what the manifests are exported to. The export is not part of its start.
fn envoy(prepared: &Prepared, port: u16, workers: usize) -> Result<Command, String> {
    let envoy = std::env::var_os("GATEWRIGHT_ENVOY")
        .filter(|path| !path.is_empty())
        .ok_or(
            "GATEWRIGHT_ENVOY names no Envoy; `source scripts/env.sh` after `scripts/setup test`",
        )?;
    let out = prepared.at("envoy");
    let export = Command::new(program())
        .args(["export", "envoy"])
        .arg(prepared.manifests())
        .arg("-o")
        .arg(&out)
        .args(["--bind", "127.0.0.1"])
        .arg(format!("--port=80={port}"))
        .output()
        .map_err(|error| format!("cannot export: {error}"))?;
    if !export.status.success() {
        return Err(format!(
            "the export: {}",
            String::from_utf8_lossy(&export.stderr)
        ));
    }
    let bootstrap = out.join("envoy.json");
    without_log(&bootstrap)?;
    let mut command = Command::new(envoy);
    command
        .arg("--config-path")
        .arg(bootstrap)
        .args(["--disable-hot-restart", "--log-level", "error"])
        .args(["--concurrency", &workers.to_string()]);
    Ok(command)
}

/// Takes the access log out, since ours is off too.
fn without_log(bootstrap: &Path) -> Result<(), String> {
    let wrong = |error: String| format!("`{}`: {error}", bootstrap.display());
    let text = std::fs::read_to_string(bootstrap).map_err(|error| wrong(error.to_string()))?;
    let mut value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let listeners = value["static_resources"]["listeners"].as_array_mut();
    for listener in listeners.into_iter().flatten() {
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        if let Some(manager) = manager.as_object_mut() {
            manager.remove("access_log");
        }
    }
    std::fs::write(bootstrap, value.to_string()).map_err(|error| wrong(error.to_string()))
}

/// The whole answer of a port, if it is a success or a redirect.
fn answer(port: u16, path: &str) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: store.test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let is_good = matches!(answer.get(9), Some(b'2' | b'3'));
    is_good.then(|| String::from_utf8_lossy(&answer).into_owned())
}

/// The server of the callout, for both sides the same.
pub(crate) struct Callout {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Callout {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Callout {
    /// Starts the sample that sets a header on either event.
    pub(crate) fn start() -> Result<Self, String> {
        let port = free_port()?;
        let child = Command::new(program())
            .args(["callout", "add-header"])
            .arg(format!("--plaintext=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start the callout: {error}"))?;
        let callout = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("the callout does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(callout)
    }
}
