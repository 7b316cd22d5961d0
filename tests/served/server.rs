//! A gateway for one case, with an upstream behind it and a client before it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright_gateway::{Gateway, Options, PluginSource, ServiceAt, Services, Snapshot};
use gatewright_gke::{CelLanguage, Input, check};
use gatewright_harness::{Case, Exchange, Phase};
use gatewright_host::{Door, Plugin, Recorded};
use rustls::pki_types::ServerName;

use super::http::{talk, upstream, written};
use super::skip::message;
use super::{Fields, Setting, Told};

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
pub(super) struct Server {
    gateway: Gateway,
    log: Log,
    client: Arc<rustls::ClientConfig>,
    /// What the upstream is to answer next.
    answer: Arc<Mutex<Vec<u8>>>,
    seen: Receiver<(String, Fields, Vec<u8>)>,
    /// What of the manifests it says that it cannot serve.
    pub(super) problems: Vec<String>,
}

/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    pub(super) fn start(setting: &Setting, case: &Case, plugin: &Plugin, events: &str) -> Self {
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
        let problems = made.problems.iter().map(|problem| problem.message.clone());
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
            problems: problems.collect(),
        }
    }

    /// Asks for something of a plugin that should not have started.
    pub(super) fn refused(&self) -> Told {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let response = self.ask(false, false, request);
        Told {
            request: self.seen.try_iter().last(),
            // What the gateway says then is its own.
            response: response.map(|(status, ..)| (status, Vec::new(), Vec::new())),
        }
    }

    /// Serves one exchange.
    pub(super) fn exchange(&mut self, exchange: &Exchange, replayed: &Told) -> Told {
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
    pub(super) fn end(self) -> Vec<String> {
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
