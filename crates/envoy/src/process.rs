//! A stock Envoy as a child process: started, asked through its admin interface, killed on drop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bootstrap::{Entry, PROBE, bootstrap, listeners};
use crate::error::{Doing as _, Error};
use crate::{http1, log};

/// How long a start may take: hundreds of plugins are compiled in it, on slow machines too.
const START: Duration = Duration::from_secs(120);
/// How long any other answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// How often what cannot be waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    folder: tempfile::TempDir,
    admin: SocketAddr,
    ports: BTreeMap<String, u16>,
    log: File,
    probe: TcpStream,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Envoy {
    /// Starts one with a listener for each entry, and waits until it serves.
    pub(crate) fn start(
        program: &Path,
        entries: &[Entry<'_>],
        clusters: &[(&str, u16)],
    ) -> Result<Self, Error> {
        let folder = tempfile::tempdir().doing("make a folder for Envoy")?;
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, value: &Value| {
            std::fs::write(at(name), value.to_string()).doing("write Envoy's configuration")
        };
        write("listeners.json", &listeners(entries))?;
        write("envoy.json", &bootstrap(clusters, &at("listeners.json")))?;
        let stderr = File::create(at("log")).doing("make Envoy's log")?;
        let child = Command::new(program)
            .arg("--config-path")
            .arg(at("envoy.json"))
            .arg("--admin-address-path")
            .arg(at("admin"))
            // Two of them share nothing, so there is no base id to choose.
            .args(["--disable-hot-restart", "--concurrency", "1"])
            .args(["--log-level", "warning"])
            .args(["--component-log-level", "wasm:trace"])
            .args(["--log-format", &log::format()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|source| Error::Missing {
                program: program.to_owned(),
                source,
            })?;
        let mut start = Start {
            child: Some(child),
            log: at("log"),
            deadline: Instant::now() + START,
        };
        let admin = start.admin(&at("admin"))?;
        let ports = start.ports(admin)?;
        let log = File::open(at("log")).doing("read Envoy's log")?;
        let probe = ports.get(PROBE).copied().unwrap_or_default();
        let probe = TcpStream::connect((Ipv4Addr::LOCALHOST, probe)).doing("reach Envoy")?;
        probe.set_nodelay(true).doing("reach Envoy")?;
        let timeout = probe.set_read_timeout(Some(ANSWER));
        timeout.doing("reach Envoy")?;
        let child = start.child.take().ok_or_else(|| Error::Unreadable {
            asked: "start".into(),
        })?;
        Ok(Self {
            child,
            folder,
            admin,
            ports,
            log,
            probe,
        })
    }

    /// The port of an entry's listener; `None` when Envoy refused it.
    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.ports.get(name).copied()
    }

    /// Waits until Envoy's one worker has seen everything that was sent to it before: it answers
    /// requests on another connection, each in a later turn of its event loop.
    pub(crate) fn barrier(&mut self) -> Result<(), Error> {
        // One turn to accept a connection, one to read from it, one for what that set off.
        for _ in 0..3 {
            let asked = self
                .probe
                .write_all(b"GET / HTTP/1.1\r\nhost: probe\r\n\r\n");
            let mut answer = Vec::new();
            let mut buffer = [0; 1024];
            while asked.is_ok()
                && !http1::response(&answer, false, false).is_some_and(|it| it.complete)
            {
                match self.probe.read(&mut buffer) {
                    Ok(read @ 1..) => answer.extend_from_slice(&buffer[..read]),
                    Ok(0) | Err(_) => return Err(self.gone("the probe")),
                }
            }
            if asked.is_err() {
                return Err(self.gone("the probe"));
            }
        }
        Ok(())
    }

    /// What was logged since this was last asked.
    pub(crate) fn new_log(&mut self) -> Result<Vec<u8>, Error> {
        let mut log = Vec::new();
        self.log.read_to_end(&mut log).doing("read Envoy's log")?;
        Ok(log)
    }

    /// Envoy's statistics, by name.
    pub(crate) fn statistics(&self) -> Result<BTreeMap<String, u64>, Error> {
        let text = get(self.admin, "/stats?format=json")?;
        let value: Value = serde_json::from_str(&text).map_err(|_| unreadable("/stats"))?;
        let entries = value["stats"]
            .as_array()
            .ok_or_else(|| unreadable("/stats"))?;
        Ok(entries
            .iter()
            .filter_map(|entry| {
                Some((entry["name"].as_str()?.to_owned(), entry["value"].as_u64()?))
            })
            .collect())
    }

    /// Why Envoy does not answer any more.
    pub(crate) fn gone(&mut self, waiting: &'static str) -> Error {
        let said = said(&self.folder.path().join("log"));
        // One that crashes closes its connections first and then tells its stack for a while.
        let deadline = Instant::now() + ANSWER;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Error::Crashed { status, said };
            }
            sleep(LOOK);
        }
        Error::Hung {
            waiting,
            seconds: ANSWER.as_secs(),
            said,
        }
    }
}

/// A child that does not serve yet; it is killed if it never does.
struct Start {
    child: Option<Child>,
    log: PathBuf,
    deadline: Instant,
}

impl Drop for Start {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Start {
    /// One more look: an error when Envoy ended or takes too long.
    fn look(&mut self, waiting: &'static str) -> Result<(), Error> {
        let ended = self.child.as_mut().map(Child::try_wait);
        if let Some(Ok(Some(status))) = ended {
            let said = said(&self.log);
            return Err(Error::Refused { status, said });
        }
        if Instant::now() > self.deadline {
            return Err(Error::Hung {
                waiting,
                seconds: START.as_secs(),
                said: said(&self.log),
            });
        }
        sleep(LOOK);
        Ok(())
    }

    fn admin(&mut self, file: &Path) -> Result<SocketAddr, Error> {
        loop {
            let address = std::fs::read_to_string(file).unwrap_or_default();
            if let Ok(address) = address.trim().parse() {
                return Ok(address);
            }
            self.look("its admin interface")?;
        }
    }

    fn ports(&mut self, admin: SocketAddr) -> Result<BTreeMap<String, u16>, Error> {
        loop {
            if get(admin, "/ready").is_ok_and(|answer| answer.trim() == "LIVE") {
                let text = get(admin, "/listeners?format=json")?;
                let ports = read_ports(&text).ok_or_else(|| unreadable("/listeners"))?;
                // Listeners are announced before they are bound.
                if ports.contains_key(PROBE) && ports.values().all(|port| *port != 0) {
                    return Ok(ports);
                }
            }
            self.look("its start")?;
        }
    }
}

fn read_ports(text: &str) -> Option<BTreeMap<String, u16>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let Some(listeners) = value["listener_statuses"].as_array() else {
        return Some(BTreeMap::new());
    };
    listeners
        .iter()
        .map(|listener| {
            let port = &listener["local_address"]["socket_address"]["port_value"];
            let port = u16::try_from(port.as_u64()?).ok()?;
            Some((listener["name"].as_str()?.to_owned(), port))
        })
        .collect()
}

fn unreadable(asked: &str) -> Error {
    Error::Unreadable {
        asked: asked.to_owned(),
    }
}

/// The last that Envoy said about itself.
fn said(file: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(file) {
        let length = file.metadata().map_or(0, |about| about.len());
        let seek = file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)));
        if seek.is_ok() {
            // What cannot be read is not told.
            let _ = file.read_to_end(&mut text);
        }
    }
    log::tail(&text)
}

/// Asks the admin interface.
fn get(admin: SocketAddr, path: &str) -> Result<String, Error> {
    let mut stream = TcpStream::connect_timeout(&admin, ANSWER).doing("reach Envoy's admin")?;
    let timeout = stream.set_read_timeout(Some(ANSWER));
    timeout.doing("reach Envoy's admin")?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    let asked = stream.write_all(request.as_bytes());
    asked.doing("ask Envoy's admin")?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    read.doing("ask Envoy's admin")?;
    let seen = http1::response(&answer, false, true).ok_or_else(|| unreadable(path))?;
    String::from_utf8(seen.body).map_err(|_| unreadable(path))
}
