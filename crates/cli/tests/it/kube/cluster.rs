//! The program with its API in a folder of its own, and commands that find it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::docker_registry::peer;
pub(super) use crate::process::PATIENCE;
use crate::process::Process;
use crate::support::{Place, Run};

/// A cluster of one program.
pub(super) struct Cluster {
    process: Process,
    place: Place,
    pub(super) address: Ipv4Addr,
}

/// Whether programs are there; says so, visibly, if not.
pub(super) fn have(programs: &[&str]) -> bool {
    programs.iter().all(|program| peer(program).is_some())
}

/// An address of this machine that no other test listens at: each test is a process.
fn own_address() -> Ipv4Addr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, a | 0x40, b, c.clamp(1, 254));
    match TcpListener::bind((address, 0)) {
        Ok(_) => address,
        // Not everywhere is all of 127/8 this machine.
        Err(_) => Ipv4Addr::LOCALHOST,
    }
}

impl Cluster {
    /// Starts one with these options more.
    pub(super) fn start(options: &[&str]) -> Self {
        Self::start_in(Place::new(), options)
    }

    /// Starts one in a folder that was prepared.
    pub(super) fn start_in(place: Place, options: &[&str]) -> Self {
        let address = own_address();
        // On ports of their own name if the system lets us, as the documentation has them.
        let local = |port: u16| match TcpListener::bind((address, port)) {
            Ok(_) => port,
            Err(_) => 0,
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command
            .args(["serve", "--kube=127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--kubeconfig", "kubeconfig", "--cacert", "cacert.pem"])
            .args(["--bind", &address.to_string(), "--no-access-log"])
            .args(["--port", &format!("80={}", local(80))])
            .args(["--port", &format!("443={}", local(443))])
            .args(options)
            .current_dir(place.at("."))
            .env("HOME", place.at("."))
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let said = child.stderr.take().expect("piped");
        let mut process = Process::new(child, said);
        process.wait_for("ready");
        Self {
            process,
            place,
            address,
        }
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub(super) fn wait_for(&mut self, part: &str) -> String {
        self.process.wait_for(part)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.place.at(name)
    }

    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        self.place.file(name, content);
    }

    /// Puts a page of the documentation in the folder, with the Gateway's name in it.
    pub(super) fn page(&self, name: &str, gateway: &str) {
        let text = documented(name).replace("GATEWAY_NAME", gateway);
        self.file(name, text);
    }

    /// Says to curl where a port of the load balancer really is, if it is not where the
    /// documentation has it.
    pub(super) fn curlrc(&mut self) {
        self.process.catch_up();
        let mut text = "no-progress-meter\nmax-time = 60\n".to_owned();
        for (port, scheme) in [(80, "http"), (443, "https")] {
            let mark = format!("port {port}: {scheme}://{}:", self.address);
            if let Some((_, rest)) = self.process.text.rsplit_once(&mark) {
                let local: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if local != port.to_string() {
                    text.push_str(&format!(
                        "connect-to = \"store.example.com:{port}:{}:{local}\"\n",
                        self.address
                    ));
                }
            }
        }
        self.file(".curlrc", text);
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.at("."))
            .env("HOME", self.at("."))
            .env("CURL_HOME", self.at("."))
            .env("KUBECONFIG", self.at("kubeconfig"))
            .env("KUBECACHEDIR", self.at("cache"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a line as it is printed.
    pub(super) fn sh(&self, line: &str) -> Run {
        let output = self.command(line).output().expect("sh runs");
        Run {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a line that goes on, and gives its lines as they come.
    pub(super) fn follow(&self, line: &str) -> Process {
        let mut child = self
            .command(&format!("exec {line}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let said = child.stdout.take().expect("piped");
        Process::new(child, said)
    }

    /// Runs a line until it succeeds and prints this: the controller is not asked to wait for.
    #[track_caller]
    pub(super) fn until(&self, line: &str, part: &str) -> Run {
        let begun = Instant::now();
        loop {
            let run = self.sh(line);
            if run.code == Some(0) && run.out.contains(part) {
                return run;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "`{line}` does not print `{part}`: {}\n{}",
                run.out,
                run.err
            );
        }
    }

    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// The folder, for another cluster in it.
    pub(super) fn into_place(self) -> Place {
        drop(self.process);
        self.place
    }
}

/// A page of the documentation, as text.
pub(super) fn documented(name: &str) -> String {
    String::from_utf8(crate::serving::documented(name)).expect("text")
}
