//! A gateway over a few lines of YAML, raw clients, and scripted upstreams.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gatewright_gateway::{
    Gateway, Limits, Made, Options, PluginSource, ServiceAt, Services, Snapshot,
};
use gatewright_gke::{CelLanguage, Input, check};
use gatewright_host::{Engine, EngineOptions, Metering, Plugin};

/// One engine for all tests: each reserves a lot of address space.
pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let options = EngineOptions {
        metering: Metering::Epoch,
        inlining: true,
        ..EngineOptions::default()
    };
    Engine::new(&options).expect("an engine")
});

/// Modules by image.
#[derive(Default)]
pub(crate) struct Images(pub(crate) BTreeMap<String, String>);

impl PluginSource for Images {
    fn plugin(&self, image: &str) -> Result<(Plugin, String), String> {
        let text = self.0.get(image).ok_or("there is no such image")?;
        let wasm = wat::parse_str(text).map_err(|error| error.to_string())?;
        let plugin = ENGINE.compile(&wasm).map_err(|error| error.to_string())?;
        Ok((plugin, text.clone()))
    }

    fn configuration(&self, uri: &str) -> Result<Arc<[u8]>, String> {
        Ok(uri.as_bytes().into())
    }
}

/// A gateway in the making.
pub(crate) struct Setup {
    pub(crate) class: &'static str,
    pub(crate) manifests: String,
    pub(crate) services: Services,
    pub(crate) images: Images,
    pub(crate) limits: Limits,
    pub(crate) workers: usize,
    pub(crate) access_log: bool,
    /// Whether there is an HTTPS listener too.
    pub(crate) https: bool,
    pub(crate) profile: gatewright_gke::Profile,
    /// Exchanges that are written down a second for the page.
    pub(crate) sample: u32,
}

/// A route of everything to a Service.
pub(crate) fn route(rules: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: store}}
spec:
  parentRefs: [{{name: gw}}]
  rules:
{rules}
"
    )
}

/// What sends everything to the Service `up`.
pub(crate) const TO_UP: &str = "  - backendRefs: [{name: up, port: 80}]";

impl Setup {
    pub(crate) fn new(manifests: impl Into<String>) -> Self {
        let mut services = Services::default();
        services.ports.insert(80, 0);
        Self {
            class: "gke-l7-global-external-managed",
            manifests: manifests.into(),
            services,
            images: Images::default(),
            limits: Limits::default(),
            workers: 1,
            access_log: false,
            https: false,
            profile: gatewright_gke::Profile::default(),
            sample: 1_000,
        }
    }

    /// A gateway that sends everything to an upstream.
    pub(crate) fn to(upstream: SocketAddr) -> Self {
        let mut setup = Self::new(route(TO_UP));
        setup.up(upstream);
        setup
    }

    pub(crate) fn up(&mut self, upstream: SocketAddr) {
        let at = ServiceAt::Address(upstream);
        self.services.at.insert("default/up".to_owned(), at);
    }

    pub(crate) fn make(&self) -> Made {
        let gateway = format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\n\
             spec:\n  gatewayClassName: {}\n  listeners: [{{name: http, port: 80, protocol: HTTP}}{}]\n---\n{}",
            self.class,
            if self.https {
                ", {name: https, port: 443, protocol: HTTPS, tls: {options: {networking.gke.io/pre-shared-certs: c}}}"
            } else {
                ""
            },
            self.manifests
        );
        let options = gatewright_gke::Options {
            profile: self.profile,
            language: Some(Arc::new(CelLanguage::default())),
            ..Default::default()
        };
        let input = Input {
            name: "test.yaml",
            bytes: gateway.as_bytes(),
        };
        let report = check(&[input], &options);
        Snapshot::build(&report, &self.images, &self.services)
    }

    pub(crate) fn start(&self) -> Running {
        let made = self.make();
        assert_eq!(made.problems, []);
        self.start_with(made)
    }

    /// Starts it whatever cannot be served.
    pub(crate) fn start_with_problems(&self) -> Running {
        self.start_with(self.make())
    }

    /// Starts what was made, whatever is wrong with it.
    pub(crate) fn start_with(&self, made: Made) -> Running {
        let log = Log::default();
        let options = Options {
            workers: self.workers,
            limits: self.limits.clone(),
            engine: Some(ENGINE.clone()),
            sink: Box::new(log.clone()),
            access_log: self.access_log,
            sample: self.sample,
            ..Options::default()
        };
        let gateway = Gateway::start(options, made.snapshot).expect("it starts");
        Running {
            at: gateway.listening()[0].address,
            gateway: Some(gateway),
            log,
        }
    }
}

/// Log entries of a gateway.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A gateway that runs.
pub(crate) struct Running {
    pub(crate) at: SocketAddr,
    pub(crate) gateway: Option<Gateway>,
    log: Log,
}

impl Running {
    /// Ends the gateway in order and gives its log.
    pub(crate) fn end(mut self) -> String {
        if let Some(gateway) = self.gateway.take() {
            gateway.drain(PATIENCE);
        }
        let log = self.log.0.lock().expect("not poisoned").clone();
        String::from_utf8(log).expect("text")
    }

    pub(crate) fn connect(&self) -> Client {
        Client::to(self.at)
    }

    /// The answer to a request of its own connection.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: a.test\r\n\r\n"))
    }

    /// What an admin page says.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        let admin = self.gateway.as_ref().expect("it runs").admin();
        let mut client = Client::to(admin);
        client.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        client.answer()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.drain(Duration::ZERO);
        }
    }
}

/// How long a test waits for what must come: only a failure takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client that says what it is told to.
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) fn to(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("writes");
    }

    /// Reads until this many bytes are there, or the end came.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        // A reset is an end too.
        let count = self.stream.read(&mut buffer).unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.read[..end]).into_owned();
                self.read.drain(..end + 2);
                return Some(line);
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if !self.more() {
                return None;
            }
        }
        Some(self.read.drain(..count).collect())
    }

    /// The next response's head; none when the connection ends before it does.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Answer {
            status,
            headers,
            body: String::new(),
        })
    }

    /// The next response; none when the connection ends before it does.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        let body = if answer.header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let line = self.line()?;
                let size = usize::from_str_radix(&line, 16).ok()?;
                if size == 0 {
                    // Trailers, if there are any, as headers.
                    loop {
                        let line = self.line()?;
                        let Some((name, value)) = line.split_once(':') else {
                            break;
                        };
                        let field = (name.to_ascii_lowercase(), value.trim().to_owned());
                        answer.headers.push(field);
                    }
                    break body;
                }
                body.extend(self.exactly(size)?);
                self.exactly(2)?;
            }
        } else {
            let length = answer
                .header("content-length")
                .map_or(0, |length| length.parse().expect("a number"));
            self.exactly(length)?
        };
        answer.body = String::from_utf8(body).expect("text");
        Some(answer)
    }

    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("a whole response")
    }

    /// Whether the connection was closed, and what came before that.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    pub(crate) fn shut_down(&self) {
        self.stream
            .shutdown(std::net::Shutdown::Write)
            .expect("shuts");
    }
}

/// An upstream that answers each request by a function of its connection's number, its head and
/// what came of its body, and tells what it saw.
pub(crate) struct Upstream {
    pub(crate) at: SocketAddr,
    pub(crate) seen: Receiver<Seen>,
}

/// A request as an upstream saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
    /// Request line and headers, a line each.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn has(&self, line: &str) -> bool {
        self.head
            .lines()
            .any(|known| known.eq_ignore_ascii_case(line))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The shortest answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Upstream {
    /// An upstream that always answers the same.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::new(move |_| Some(answer.to_owned()))
    }

    /// `None` closes the connection.
    pub(crate) fn new(answer: impl Fn(&Seen) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let (sender, seen) = channel();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                let stream = stream.expect("accepts");
                std::thread::spawn(move || {
                    let mut client = Client {
                        stream,
                        read: Vec::new(),
                    };
                    while let Some(request) = client.request(connection) {
                        let reply = answer(&request);
                        let _ = sender.send(request);
                        let Some(reply) = reply else { break };
                        let written = client.stream.write_all(reply.as_bytes());
                        if written.is_err() || reply.contains("connection: close") {
                            break;
                        }
                    }
                });
            }
        });
        Self { at, seen }
    }

    /// The next request that it saw.
    #[track_caller]
    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("a request")
    }
}

impl Client {
    /// Reads a request, as an upstream.
    fn request(&mut self, connection: usize) -> Option<Seen> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            head.push_str(&line);
            head.push('\n');
        }
        let mut seen = Seen {
            connection,
            head,
            body: String::new(),
        };
        let body = if seen.header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).ok()?;
                if size == 0 {
                    // Trailers, if there are any, behind the headers.
                    loop {
                        let line = self.line()?;
                        if line.is_empty() {
                            break;
                        }
                        seen.head.push_str(&line);
                        seen.head.push('\n');
                    }
                    break body;
                }
                body.extend(self.exactly(size)?);
                self.exactly(2)?;
            }
        } else {
            let length = seen
                .header("content-length")
                .map_or(0, |l| l.parse().expect("a number"));
            self.exactly(length)?
        };
        seen.body = String::from_utf8_lossy(&body).into_owned();
        Some(seen)
    }
}
