//! Cases served: the same plugin, request and response as in a replay, but over real HTTP, with the
//! case's clock and randomness behind the plugin's door. Both must come to the same.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright_gateway::{
    Authority, Gateway, Options, PluginSource, ServiceAt, Services, Snapshot,
};
use gatewright_gke::{CelLanguage, Input, check};
use gatewright_harness::{
    Case, End, Event, Exchange, ExchangeRun, Link, Phase, Subject, Variation, find, load, run_case,
};
use gatewright_host::{
    AttachPoint, Door, Engine, EngineOptions, FaultKind, HeaderMap, Metering, Plugin, Profile,
    Recorded, TraceLevel,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

/// Why a case is not served. There are no other reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// It is for another platform.
    OtherPlatform,
    /// It is about a plugin at another place than traffic extensions, which are all that is served.
    OtherAttachPoint,
    /// What comes of it hangs on where its body is cut, which HTTP does not keep.
    Chunks,
    /// It is about a plugin that does not start, and so serves nothing.
    DoesNotStart,
    /// It gives attributes, of which GKE forwards none.
    Attributes,
    /// Its head is no HTTP request or response: no method, a name or value that HTTP does not have,
    /// or a field that belongs to the connection.
    NoHttpHead,
    /// It leaves out that its message ends, or sends no request at all.
    NoEnd,
    /// It has trailers, which plugins do not get here.
    Trailers,
    /// Its body does not go with its status, method or length.
    NoHttpBody,
    /// Some of its exchanges have a response and others have none, which a server cannot leave out.
    SomeWithoutResponse,
    /// Its CPU budget is counted in fuel, which a server does not count.
    Fuel,
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Summary {
    /// Cases with the same outcome both ways.
    pub same: usize,
    /// Cases with different ones, and how they differ.
    pub differ: Vec<String>,
    /// Cases that were not served.
    pub skipped: BTreeMap<Skip, usize>,
}

/// Both engines, and the authority that clients trust.
struct Setting {
    fuel: Engine,
    epochs: Engine,
    authority: Arc<Authority>,
    client: Arc<rustls::ClientConfig>,
}

/// Runs every case of every plugin both ways.
///
/// # Panics
/// When a file of cases cannot be read, or the machine lacks what a server needs.
pub fn compare_all() -> Summary {
    let setting = Setting::new();
    let mut summary = Summary::default();
    let root = crate::root().join("plugins");
    let mut files = find(&root).expect("cases");
    files.sort();
    let mut compiled: BTreeMap<String, (Plugin, Plugin)> = BTreeMap::new();
    for file in files {
        let suite = load(&file).expect("a file of cases");
        let name = plugin_of(&root, &file);
        let name = suite.plugin.clone().unwrap_or(name);
        let (fuel, epochs) = compiled.entry(name.clone()).or_insert_with(|| {
            let wasm = crate::wasm(&name);
            let plugin = |engine: &Engine| engine.compile(&wasm).expect("a plugin");
            (plugin(&setting.fuel), plugin(&setting.epochs))
        });
        for case in &suite.cases {
            match compare(&setting, case, fuel, epochs) {
                Ok(Ok(())) => summary.same += 1,
                Ok(Err(difference)) => {
                    summary
                        .differ
                        .push(format!("{name}: {}: {difference}", case.name));
                }
                Err(skip) => *summary.skipped.entry(skip).or_default() += 1,
            }
        }
    }
    summary
}

/// The folder below `plugins`.
fn plugin_of(root: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let first = inside.components().next().map(|part| part.as_os_str());
    first.unwrap_or_default().to_string_lossy().into_owned()
}

impl Setting {
    fn new() -> Self {
        let engine = |metering| {
            let options = EngineOptions {
                metering,
                ..EngineOptions::default()
            };
            Engine::new(&options).expect("an engine")
        };
        let authority = Arc::new(Authority::generate().expect("an authority"));
        let mut roots = rustls::RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes());
        roots
            .add(certificate.expect("its own certificate"))
            .expect("it is one of an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            fuel: engine(Metering::Fuel),
            epochs: engine(Metering::Epoch),
            authority,
            client: Arc::new(client),
        }
    }
}

/// One request and response, in the same words for both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    /// What the upstream got: request line, fields, body.
    request: Option<(String, Fields, Vec<u8>)>,
    /// What the client got: status, fields, body; nothing after a reset.
    response: Option<(u16, Fields, Vec<u8>)>,
}

/// Fields sorted by name, values of one name in their order.
type Fields = Vec<(String, Vec<u8>)>;

/// Fields that frame a message, name its host or its way, or that the gateway adds: no plugin is
/// judged by them.
const NOT_COMPARED: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "host",
    "transfer-encoding",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
];

fn fields<'f>(all: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Fields {
    let mut fields: Fields = all
        .map(|(name, value)| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            (name, value.to_vec())
        })
        .filter(|(name, _)| !name.starts_with(':') && !NOT_COMPARED.contains(&name.as_str()))
        .collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

fn compare(
    setting: &Setting,
    case: &Case,
    fuel: &Plugin,
    epochs: &Plugin,
) -> Result<Result<(), String>, Skip> {
    skip(case)?;
    let run = run_case(
        case,
        &Subject::new(Link::new(fuel.clone())),
        TraceLevel::Cost,
    );
    if run.start_faults().next().is_some() {
        return Err(Skip::DoesNotStart);
    }
    let open = run
        .exchanges
        .iter()
        .filter(|run| run.end() == End::Open)
        .count();
    if open > 0 && open < run.exchanges.len() {
        return Err(Skip::SomeWithoutResponse);
    }
    let spent = |exchange: &ExchangeRun| {
        let mut faults = exchange.trace.faults.iter();
        faults.any(|fault| fault.kind == FaultKind::CpuExceeded)
    };
    if run.exchanges.iter().any(spent) {
        return Err(Skip::Fuel);
    }
    // A case about requests only does not show the plugin a response.
    let events = if open > 0 {
        "[RequestHeaders, RequestBody]"
    } else {
        "[RequestHeaders, RequestBody, ResponseHeaders, ResponseBody]"
    };
    let mut server = Server::start(setting, case, epochs, events);
    let mut logs: Vec<Vec<u8>> = Vec::new();
    let starts = run.starts.iter().flat_map(|start| &start.logs);
    logs.extend(starts.map(|line| line.message.clone()));
    for (exchange, run) in case.exchanges.iter().zip(&run.exchanges) {
        let replayed = replayed(run);
        let served = server.exchange(exchange, &replayed);
        if served != replayed {
            return Ok(Err(format!("replayed {replayed:#?}\nserved {served:#?}")));
        }
        logs.extend(run.trace.logs.iter().map(|line| line.message.clone()));
    }
    let served = server.end();
    let logs: Vec<_> = logs
        .iter()
        .map(|message| String::from_utf8_lossy(message).into_owned())
        .collect();
    if served != logs {
        return Ok(Err(format!("replayed logs {logs:#?}\nserved {served:#?}")));
    }
    Ok(Ok(()))
}

/// What of a case HTTP cannot express.
fn skip(case: &Case) -> Result<(), Skip> {
    if case.profile != Profile::Google {
        return Err(Skip::OtherPlatform);
    }
    if case.world.attach != AttachPoint::Traffic {
        return Err(Skip::OtherAttachPoint);
    }
    if case
        .unexplored
        .iter()
        .any(|(variation, _)| *variation == Variation::Splits)
    {
        return Err(Skip::Chunks);
    }
    if case.start_fails {
        return Err(Skip::DoesNotStart);
    }
    if !case.attributes.is_empty() {
        return Err(Skip::Attributes);
    }
    if case.exchanges.is_empty() {
        return Err(Skip::NoEnd);
    }
    for exchange in &case.exchanges {
        let request = message(exchange, Phase::RequestHeaders)?.ok_or(Skip::NoEnd)?;
        let method = request.headers.get(b":method").unwrap_or_default();
        for name in [&b":method"[..], b":scheme", b":authority", b":path"] {
            let Some(value) = request.headers.get(name) else {
                return Err(Skip::NoHttpHead);
            };
            let graphic = value.iter().all(u8::is_ascii_graphic);
            if value.is_empty() || !graphic || value.contains(&b'#') {
                return Err(Skip::NoHttpHead);
            }
        }
        let scheme = request.headers.get(b":scheme");
        let is_scheme = matches!(scheme, Some(b"http" | b"https"));
        let rooted = request
            .headers
            .get(b":path")
            .is_some_and(|p| p.starts_with(b"/"));
        if !is_scheme || !rooted || method == b"CONNECT" {
            return Err(Skip::NoHttpHead);
        }
        expressible(request.headers)?;
        length_fits(&request)?;
        if let Some(response) = message(exchange, Phase::ResponseHeaders)? {
            let status = response.headers.get(b":status");
            let status = status.and_then(|s| std::str::from_utf8(s).ok()?.parse::<u16>().ok());
            let status = status.filter(|status| (200..=999).contains(status));
            let status = status.ok_or(Skip::NoHttpHead)?;
            expressible(response.headers)?;
            length_fits(&response)?;
            let bodiless = matches!(status, 204 | 304) || method == b"HEAD";
            if bodiless && response.chunks.iter().any(|chunk| !chunk.is_empty()) {
                return Err(Skip::NoHttpBody);
            }
        }
    }
    Ok(())
}

/// A message of a case.
struct Message<'c> {
    headers: &'c HeaderMap,
    chunks: &'c [Vec<u8>],
}

/// The request or the response of an exchange, if it has one.
fn message(exchange: &Exchange, heads: Phase) -> Result<Option<Message<'_>>, Skip> {
    let (bodies, trailers) = match heads {
        Phase::RequestHeaders => (Phase::RequestBody, Phase::RequestTrailers),
        _ => (Phase::ResponseBody, Phase::ResponseTrailers),
    };
    let mut found: Option<Message<'_>> = None;
    let mut ended = false;
    for step in &exchange.steps {
        match &step.event {
            Event::Headers {
                headers,
                end_of_stream,
            } if step.phase == heads => {
                found = Some(Message {
                    headers,
                    chunks: &[],
                });
                ended = *end_of_stream;
            }
            Event::Body {
                chunks,
                end_of_stream,
            } if step.phase == bodies => {
                found.as_mut().ok_or(Skip::NoHttpHead)?.chunks = chunks;
                ended = *end_of_stream;
            }
            Event::Trailers(_) if step.phase == trailers => return Err(Skip::Trailers),
            _ => {}
        }
    }
    if found.is_some() && !ended {
        return Err(Skip::NoEnd);
    }
    Ok(found)
}

/// Whether HTTP/1.1 has such fields, and none of them is the connection's.
fn expressible(headers: &HeaderMap) -> Result<(), Skip> {
    const OF_THE_CONNECTION: &[&[u8]] = &[
        b"connection",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ];
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let is_name = name.first() == Some(&b':')
            || (!name.is_empty()
                && name
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b)));
        let is_value = value.iter().all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f))
            // Blanks around a value are not part of it.
            && value.trim_ascii() == value;
        if !is_name || !is_value || OF_THE_CONNECTION.contains(&&lower[..]) {
            return Err(Skip::NoHttpHead);
        }
    }
    Ok(())
}

/// Whether the length that a message tells is that of its body.
fn length_fits(message: &Message<'_>) -> Result<(), Skip> {
    let body: usize = message.chunks.iter().map(Vec::len).sum();
    match message.headers.get(b"content-length") {
        Some(told) if told != body.to_string().as_bytes() => Err(Skip::NoHttpBody),
        _ => Ok(()),
    }
}

/// What a replay came to.
fn replayed(run: &ExchangeRun) -> Told {
    let mut told = Told::default();
    let end = run.end();
    // A request of which an extension made an end is not seen whole by the upstream, if at all.
    let over_early = match &end {
        End::Reply(_) | End::Failed(_) | End::Reset => {
            run.headers(Phase::ResponseHeaders).is_none()
        }
        _ => false,
    };
    if let Some(headers) = run.headers(Phase::RequestHeaders).filter(|_| !over_early) {
        let part = |name: &[u8]| {
            String::from_utf8_lossy(headers.get(name).unwrap_or_default()).into_owned()
        };
        let line = format!(
            "{} {} {}",
            part(b":method"),
            part(b":authority"),
            part(b":path")
        );
        let body = run.body(Phase::RequestBody).unwrap_or_default();
        told.request = Some((line, fields(headers.iter()), body));
    }
    told.response = match end {
        End::Reply(reply) => {
            let status = u16::try_from(reply.status).unwrap_or(500);
            Some((status, fields(reply.headers.iter()), reply.body.clone()))
        }
        // What the gateway then says is its own.
        End::Failed(status) => Some((status, Vec::new(), Vec::new())),
        End::Reset => None,
        End::Response(headers) => {
            let status = headers.get(b":status").unwrap_or_default();
            let status = String::from_utf8_lossy(status).parse().unwrap_or(0);
            let body = run.body(Phase::ResponseBody).unwrap_or_default();
            Some((status, fields(headers.iter()), body))
        }
        // The case has no response; the upstream's goes back, and is not compared.
        End::Open => Some((0, Vec::new(), Vec::new())),
    };
    told
}

/// The one plugin of a case, and its configuration.
struct OneCase {
    plugin: Plugin,
    configuration: Arc<[u8]>,
}

impl PluginSource for OneCase {
    fn plugin(&self, _image: &str) -> Result<(Plugin, String), String> {
        Ok((self.plugin.clone(), "one".to_owned()))
    }

    fn configuration(&self, _uri: &str) -> Result<Arc<[u8]>, String> {
        Ok(Arc::clone(&self.configuration))
    }
}

/// Log entries of a gateway.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
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

/// A gateway for one case, an upstream behind it, and a client before it.
struct Server {
    gateway: Gateway,
    log: Log,
    client: Arc<rustls::ClientConfig>,
    /// What the upstream is to answer next.
    answer: Arc<Mutex<Vec<u8>>>,
    seen: Receiver<(String, Fields, Vec<u8>)>,
}

/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    fn start(setting: &Setting, case: &Case, plugin: &Plugin, events: &str) -> Self {
        let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (at, seen) = upstream(Arc::clone(&answer));
        let level = format!("{:?}", case.log_level).to_ascii_uppercase();
        let manifests = format!(
            "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r}}
spec: {{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{{name: up, port: 80}}]}}]}}
---
apiVersion: networking.gke.io/v1
kind: GCPTrafficExtension
metadata: {{name: e}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  extensionChains:
  - name: c
    extensions:
    - name: e
      supportedEvents: {events}
      backendRef: {{group: networking.gke.io, kind: GCPWasmPlugin, name: p}}
---
apiVersion: networking.gke.io/v1
kind: GCPWasmPlugin
metadata: {{name: p}}
spec:
  logConfig: {{enabled: true, minLogLevel: {level}}}
  versions: [{{name: v, image: r.test/p/p, pluginConfigURI: r.test/p/c, weight: 1}}]
"
        );
        let options = gatewright_gke::Options {
            gateways: vec![("gw".into(), "gke-l7-global-external-managed".into())],
            language: Some(Arc::new(CelLanguage::default())),
            ..Default::default()
        };
        let input = Input {
            name: "case.yaml",
            bytes: manifests.as_bytes(),
        };
        let report = check(&[input], &options);
        let mut services = Services {
            authority: Some(Arc::clone(&setting.authority)),
            ..Services::default()
        };
        services.ports.extend([(80, 0), (443, 0)]);
        services
            .at
            .insert("default/up".to_owned(), ServiceAt::Address(at));
        let source = OneCase {
            plugin: plugin.clone(),
            configuration: case.config.clone().unwrap_or_default(),
        };
        let made = Snapshot::build(&report, &source, &services);
        assert_eq!(made.problems, [], "{}: {:?}", case.name, report.findings);
        let (clock, seed) = (case.clock, case.seed);
        let log = Log::default();
        let options = Options {
            workers: 1,
            engine: Some(setting.epochs.clone()),
            doors: Arc::new(move || Box::new(Recorded::new(clock, seed)) as Box<dyn Door>),
            sink: Box::new(log.clone()),
            ..Options::default()
        };
        Self {
            gateway: Gateway::start(options, made.snapshot).expect("it starts"),
            log,
            client: Arc::clone(&setting.client),
            answer,
            seen,
        }
    }

    /// Serves one exchange.
    fn exchange(&mut self, exchange: &Exchange, replayed: &Told) -> Told {
        let response = message(exchange, Phase::ResponseHeaders).ok().flatten();
        *self.answer.lock().expect("not poisoned") = match &response {
            Some(response) => {
                let status = response.headers.get(b":status").unwrap_or_default();
                let line = [b"HTTP/1.1 ", status, b" x\r\n"].concat();
                written(line, response)
            }
            None => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        };
        let Ok(Some(request)) = message(exchange, Phase::RequestHeaders) else {
            return Told::default();
        };
        let part = |name: &[u8]| request.headers.get(name).unwrap_or_default();
        let head = [
            part(b":method"),
            b" ",
            part(b":path"),
            b" HTTP/1.1\r\nhost: ",
            part(b":authority"),
            b"\r\n",
        ];
        let bytes = written(head.concat(), &request);
        let answer = self.ask(
            part(b":scheme") == b"https",
            part(b":method") == b"HEAD",
            &bytes,
        );
        let mut told = Told {
            // The upstream tells before it answers.
            request: self.seen.try_iter().last(),
            response: answer,
        };
        // What is not compared is taken as it was replayed.
        if replayed.request.is_none() {
            told.request = None;
        }
        match (&replayed.response, &mut told.response) {
            (Some((0, ..)), response) => *response = replayed.response.clone(),
            // The words of the gateway's own errors are not the plugin's.
            (Some((status, ..)), Some((served, fields, body)))
                if status == served
                    && *status >= 500
                    && replayed.request.is_none()
                    && body.starts_with(b"{\"error\":") =>
            {
                fields.clear();
                body.clear();
            }
            _ => {}
        }
        told
    }

    /// What a client gets for a request; nothing when the connection ends before the response does.
    fn ask(&self, tls: bool, head_only: bool, request: &[u8]) -> Option<(u16, Fields, Vec<u8>)> {
        let port = if tls { 443 } else { 80 };
        let listening = self.gateway.listening();
        let at = listening
            .iter()
            .find(|at| at.listener.port == port)?
            .address;
        let stream = TcpStream::connect(at).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        if !tls {
            return talk(stream, head_only, request);
        }
        let name = ServerName::try_from("localhost").expect("a name");
        let session = rustls::ClientConnection::new(Arc::clone(&self.client), name);
        talk(
            rustls::StreamOwned::new(session.expect("a session"), stream),
            head_only,
            request,
        )
    }

    /// Ends the gateway and gives what the plugin logged.
    fn end(self) -> Vec<String> {
        self.gateway.drain(PATIENCE);
        let log = self.log.0.lock().expect("not poisoned");
        let text = String::from_utf8_lossy(&log);
        text.lines()
            .filter_map(|line| {
                let entry: serde_json::Value = serde_json::from_str(line).ok()?;
                Some(entry["textPayload"].as_str()?.to_owned())
            })
            .collect()
    }
}

/// A message as bytes: a body of one part with its length, of more in chunks of their sizes.
fn written(mut bytes: Vec<u8>, message: &Message<'_>) -> Vec<u8> {
    let chunked = message.chunks.len() > 1 && !message.headers.contains(b"content-length");
    let length: usize = message.chunks.iter().map(Vec::len).sum();
    for (name, value) in message.headers {
        if !name.starts_with(b":") {
            bytes.extend([name, b": ", value, b"\r\n"].concat());
        }
    }
    if chunked {
        bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in message.chunks.iter().filter(|chunk| !chunk.is_empty()) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        return bytes;
    }
    let is_response = bytes.starts_with(b"HTTP/");
    if (length > 0 || is_response) && !message.headers.contains(b"content-length") {
        bytes.extend(format!("content-length: {length}\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
    for chunk in message.chunks {
        bytes.extend(chunk);
    }
    bytes
}

fn talk(
    mut stream: impl Read + Write,
    head_only: bool,
    request: &[u8],
) -> Option<(u16, Fields, Vec<u8>)> {
    // A plugin may end the exchange before all of it is written.
    let _ = stream.write_all(request).and_then(|()| stream.flush());
    let mut reader = Reader::new(stream);
    let (line, fields, body) = reader.message(head_only)?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    Some((status, fields, body))
}

/// An upstream that answers every request with what it is told, and tells what it saw.
fn upstream(answer: Arc<Mutex<Vec<u8>>>) -> (SocketAddr, Receiver<(String, Fields, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (sender, answer) = (sender.clone(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut reader = Reader::new(stream);
                while let Some(request) = reader.request() {
                    if sender.send(request).is_err() {
                        break;
                    }
                    let answer = answer.lock().expect("not poisoned").clone();
                    if reader.stream.write_all(&answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (at, seen)
}

/// Reads HTTP/1.1 messages.
struct Reader<S> {
    stream: S,
    bytes: Vec<u8>,
}

impl<S: Read> Reader<S> {
    const fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
        }
    }

    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let count = self
            .stream
            .read(&mut buffer)
            .ok()
            .filter(|count| *count > 0)?;
        self.bytes.extend_from_slice(&buffer[..count]);
        Some(())
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                let line = self.bytes[..end].to_vec();
                self.bytes.drain(..end + 2);
                return Some(line);
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < count {
            self.more()?;
        }
        Some(self.bytes.drain(..count).collect())
    }

    /// First line, fields and body.
    fn message(&mut self, head_only: bool) -> Option<(String, Fields, Vec<u8>)> {
        let (line, all) = self.head()?;
        let body = self.body(&all, head_only)?;
        let pairs = all
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]));
        Some((line, fields(pairs), body))
    }

    /// Method, authority and path, fields and body.
    fn request(&mut self) -> Option<(String, Fields, Vec<u8>)> {
        let (line, all) = self.head()?;
        let body = self.body(&all, false)?;
        let mut words = line.split(' ');
        let host = all.iter().find(|(name, _)| name == "host");
        let host = host.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let (method, path) = (words.next()?, words.next()?);
        let pairs = all
            .iter()
            .map(|(name, value)| (name.as_bytes(), &value[..]));
        Some((format!("{method} {} {path}", host?), fields(pairs), body))
    }

    fn head(&mut self) -> Option<(String, Fields)> {
        let first = String::from_utf8_lossy(&self.line()?).into_owned();
        let mut all = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some((first, all));
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            all.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    fn body(&mut self, all: &Fields, head_only: bool) -> Option<Vec<u8>> {
        if head_only {
            return Some(Vec::new());
        }
        let find = |wanted: &str| all.iter().find(|(name, _)| name == wanted);
        if find("transfer-encoding").is_none() {
            let length = find("content-length").map_or(Some(0), |(_, value)| {
                std::str::from_utf8(value).ok()?.parse().ok()
            });
            return self.exactly(length?);
        }
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(std::str::from_utf8(&line).ok()?, 16).ok()?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Some(body);
            }
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
        }
    }
}
