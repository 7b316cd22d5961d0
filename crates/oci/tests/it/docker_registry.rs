//! Debian's docker-registry on a free port of loopback, for the tests of this crate and of the
//! program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The path of a program, or nothing with one visible line; missing peers fail the test when
/// `GATEWRIGHT_REQUIRE_PEERS` is `1`.
pub(crate) fn peer(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var("GATEWRIGHT_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "`{program}` is required and not in PATH");
        let _ = writeln!(std::io::stderr(), "skipped: `{program}` is not in PATH");
    }
    found
}

/// What the registry is to ask for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setup {
    /// The password of the user `me`; without one everybody is let in.
    pub(crate) password: Option<&'static str>,
    /// TLS with a certificate of its own making, which lies in `cert.pem` in its folder.
    pub(crate) tls: bool,
}

/// A docker-registry that ends with the test.
pub(crate) struct DockerRegistry {
    child: Child,
    pub(crate) address: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DockerRegistry {
    /// Starts one; nothing, and one visible line, when there is none on this machine.
    pub(crate) fn start(setup: Setup) -> Option<Self> {
        let program = peer("docker-registry")?;
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json, accesslog: {{disabled: true}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\nhttp:\n  addr: 127.0.0.1:0\n",
            at("data")
        );
        if setup.tls {
            let key = rcgen::generate_simple_self_signed([
                "localhost".to_owned(),
                "127.0.0.1".to_owned(),
            ])
            .expect("a certificate");
            std::fs::write(at("cert.pem"), key.cert.pem()).expect("writes");
            std::fs::write(at("key.pem"), key.signing_key.serialize_pem()).expect("writes");
            config += &format!(
                "  tls: {{certificate: {}, key: {}}}\n",
                at("cert.pem"),
                at("key.pem")
            );
        }
        if let Some(password) = setup.password {
            let hash = bcrypt::hash(password, 4).expect("hashes");
            std::fs::write(at("htpasswd"), format!("me:{hash}\n")).expect("writes");
            config += &format!(
                "auth:\n  htpasswd: {{realm: test, path: {}}}\n",
                at("htpasswd")
            );
        }
        std::fs::write(at("config.yml"), config).expect("writes");
        let mut child = Command::new(program)
            .args(["serve", &at("config.yml")])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut seen = String::new();
        // The port is the registry's own choice, which it tells in its log.
        let address = loop {
            let mut line = String::new();
            let read = log.read_line(&mut line).expect("reads");
            assert!(read > 0, "docker-registry ended: {seen}");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find([',', '"', ' ']).unwrap_or(rest.len());
                break rest[..end].to_owned();
            }
            seen += &line;
        };
        // What it goes on to say must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self {
            child,
            address,
            folder,
        })
    }
}
