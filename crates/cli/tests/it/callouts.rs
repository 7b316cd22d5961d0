//! `gatewright callout`, behind the gateway and alone.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::serving::{GATEWAY, Serving, have_curl, place};
use crate::support::Place;

/// The pages of the traffic extension with a callout.
pub(crate) const PAGES: [&str; 3] = [
    "store-route.yaml",
    "extension-service-app.yaml",
    "gcp-traffic-extension.yaml",
];

/// `gatewright callout` or `gatewright store`, as it runs.
pub(crate) struct Calling {
    child: Child,
    /// Where it listens, in the order of its options.
    pub(crate) at: Vec<String>,
}

impl Calling {
    pub(crate) fn start(place: &Place, line: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(line.split_whitespace())
            .current_dir(place.at("."))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = child.stderr.take().expect("piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let at = lines
            .by_ref()
            .take_while(|line| line != "serving")
            .filter_map(|line| Some(line.rsplit_once(": ")?.1.to_owned()))
            .collect();
        Self { child, at }
    }

    /// Stops it, and gives its exit code.
    fn stop(&mut self) -> Option<i32> {
        let killed = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(killed.expect("kill runs").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_callout_of_its_own_is_called_checked_and_stopped() {
    if !have_curl() {
        return;
    }
    let place = place(&PAGES);
    let mut calling = Calling::start(
        &place,
        "callout basic --plaintext 127.0.0.1:0 --tls 127.0.0.1:0 --health 127.0.0.1:0",
    );
    let [plaintext, tls, health] = &calling.at[..] else {
        panic!("three addresses: {:?}", calling.at);
    };
    let checked = Command::new("curl")
        .args([
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ])
        .arg(format!("http://{health}/"))
        .output()
        .expect("curl runs");
    assert_eq!(checked.stdout, b"200");
    let program = env!("CARGO_BIN_EXE_gatewright");
    for at in [
        format!("plaintext: '{plaintext}'"),
        format!("address: '{tls}'"),
        format!("command: ['{program}', callout, basic]"),
    ] {
        let settings = format!("services: {{extension-service: {{{at}}}}}\n");
        place.file("m/gatewright.yaml", settings);
        let serving = Serving::start(&place, &GATEWAY);
        let answer = serving.curl("http", "/serviceextensions", &[]);
        assert!(
            answer.contains("hello: service-extensions"),
            "{at}: {answer}"
        );
    }
    assert_eq!(calling.stop(), Some(0));
}

#[test]
fn a_callout_that_cannot_be_says_why() {
    let place = Place::new();
    place.file("key.pem", "nothing");
    place
        .run("callout nothing")
        .expect(2, "possible values: basic, add-header, redirect, jwt-auth");
    place.run("callout jwt-auth").expect(2, "--public-key");
    place
        .run("callout jwt-auth --public-key key.pem")
        .expect(2, "`key.pem`: no `BEGIN PUBLIC KEY` can be read");
    place
        .run("callout basic --tls 127.0.0.1:0 --cert key.pem --key key.pem")
        .expect(2, "there is no certificate");
    place
        .run("callout basic --tls 127.0.0.1:0 --cert key.pem")
        .expect(2, "--key");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    place
        .run(&format!("callout basic --plaintext {address}"))
        .expect(3, "for gRPC without TLS");
}

#[test]
fn a_store_of_its_own_answers_and_ends_in_order() {
    if !have_curl() {
        return;
    }
    let place = Place::new();
    let mut store = Calling::start(&place, "store a-store --listen 127.0.0.1:0");
    let url = format!("http://{}/any?path", store.at[0]);
    // Twice on one connection, once with a body, and without one.
    let answer = Command::new("curl")
        .args(["--silent", "--show-error", &url, &url, "--data", "body"])
        .output()
        .expect("curl runs");
    let answer = String::from_utf8(answer.stdout).expect("text");
    let said = "\"metadata\": \"a-store\"";
    assert_eq!(answer.matches(said).count(), 2, "{answer}");
    let host = format!("\"host_header\": \"{}\"", store.at[0]);
    assert!(answer.contains(&host), "{answer}");
    let head = Command::new("curl")
        .args(["--silent", "--show-error", "--head", &url])
        .output()
        .expect("curl runs");
    assert!(head.stdout.starts_with(b"HTTP/1.1 200 OK\r\n"));
    place
        .run(&format!("store other --listen {}", store.at[0]))
        .expect(3, "for HTTP");
    place.run("store").expect(2, "<NAME>");
    place.run("store a --listen 80").expect(2, "--listen");
    assert_eq!(store.stop(), Some(0));
}
