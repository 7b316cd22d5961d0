//! The program in a folder of its own, and a registry that ends with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a run of the program gave.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Asserts an exit code and a part of what was printed, and gives the first line of it.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, part: &str) -> String {
        let all = format!("{}\n{}", self.out, self.err);
        assert_eq!(self.code, Some(code), "{all}");
        assert!(all.contains(part), "`{part}` is not in: {all}");
        self.out.lines().next().unwrap_or_default().to_owned()
    }
}

/// A folder that is working folder and home, so that nobody's logins are used.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.at(name), content).expect("writes");
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_in(self.0.path(), line)
    }

    /// Runs `gatewright` with the words of a line.
    pub(crate) fn run_in(&self, folder: &Path, line: &str) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(line.split_whitespace())
            .current_dir(folder)
            .env("DOCKER_CONFIG", self.0.path())
            .env("XDG_CONFIG_HOME", self.at("none"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("COSIGN_PASSWORD")
            .stdin(Stdio::null())
            .output()
            .expect("runs");
        Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// The smallest module that is a plugin, marked so that tests can have several.
pub(crate) fn plugin(mark: u32) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const {mark}))"#
    ))
    .expect("valid text")
}

/// A docker-registry on a free port of loopback.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// Starts one, with a password for the user `me` if given; nothing, and one visible line,
    /// when there is no docker-registry.
    pub(crate) fn start(password: Option<&str>) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .map(|folder| folder.join("docker-registry"))
            .find(|path| path.is_file());
        let Some(program) = program else {
            let required = std::env::var("GATEWRIGHT_REQUIRE_PEERS").is_ok_and(|v| v == "1");
            assert!(!required, "`docker-registry` is required and not in PATH");
            let _ = writeln!(
                std::io::stderr(),
                "skipped: `docker-registry` is not in PATH"
            );
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json, accesslog: {{disabled: true}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\nhttp:\n  addr: 127.0.0.1:0\n",
            at("data")
        );
        if let Some(password) = password {
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
                break rest
                    .chars()
                    .take_while(|c| !matches!(c, ',' | '"' | ' '))
                    .collect();
            }
            seen += &line;
        };
        // What it goes on to say must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(Self {
            child,
            address,
            _folder: folder,
        })
    }
}
