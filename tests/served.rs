//! Cases served: the same plugin, request and response as in a replay, but over real HTTP, with the
//! case's clock and randomness behind the plugin's door. Both must come to the same.

mod http;
mod server;
mod skip;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gatewright_gateway::Authority;
use gatewright_harness::{
    Case, CaseRun, End, Exchange, ExchangeRun, Link, Phase, Subject, find, load, run_case,
};
use gatewright_host::{Engine, EngineOptions, FaultKind, Metering, Plugin, TraceLevel};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use server::Server;
pub use skip::Skip;
use skip::skip;

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Summary {
    /// Cases with the same outcome both ways.
    pub same: usize,
    /// Those of them whose plugin does not start, in the same words.
    pub unstarted: usize,
    /// Cases with different ones, and how they differ.
    pub differ: Vec<String>,
    /// Names of the cases that were not served.
    pub skipped: BTreeMap<Skip, Vec<String>>,
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
                Ok(Ok(())) => {
                    summary.same += 1;
                    summary.unstarted += usize::from(case.start_fails);
                }
                Ok(Err(difference)) => {
                    summary
                        .differ
                        .push(format!("{name}: {}: {difference}", case.name));
                }
                Err(skip) => {
                    let skipped = summary.skipped.entry(skip).or_default();
                    skipped.push(format!("{name}: {}", case.name));
                }
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
                inlining: metering == Metering::Epoch,
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
        return Ok(does_not_start(setting, case, epochs, &run));
    }
    if case.start_fails {
        return Ok(Err("it starts, and should not".to_owned()));
    }
    let is_open = |run: &ExchangeRun| run.end() == End::Open;
    let open = run.exchanges.iter().any(is_open);
    if open && case.exchanges.iter().any(has_response) {
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
    let events = if open {
        "[RequestHeaders, RequestBody]"
    } else {
        "[RequestHeaders, RequestBody, ResponseHeaders, ResponseBody]"
    };
    let mut server = Server::start(setting, case, epochs, events);
    if !server.problems.is_empty() {
        return Ok(Err(format!("served with {:?}", server.problems)));
    }
    let starts = run.starts.iter().flat_map(|start| &start.logs);
    let mut logs: Vec<_> = starts.map(|line| text(&line.message)).collect();
    for (exchange, run) in case.exchanges.iter().zip(&run.exchanges) {
        let replayed = replayed(run);
        let served = server.exchange(exchange, &replayed);
        if served != replayed {
            return Ok(Err(format!("replayed {replayed:#?}\nserved {served:#?}")));
        }
        logs.extend(run.trace.logs.iter().map(|line| text(&line.message)));
    }
    let served = server.end();
    if served != logs {
        return Ok(Err(format!("replayed logs {logs:#?}\nserved {served:#?}")));
    }
    Ok(Ok(()))
}

/// Whether the upstream answers in an exchange.
fn has_response(exchange: &Exchange) -> bool {
    let mut steps = exchange.steps.iter();
    steps.any(|step| step.phase == Phase::ResponseHeaders)
}

/// A plugin that does not start: whoever serves it is told the same fault and the same words of the
/// plugin's, every request gets 500, and the upstream gets none.
fn does_not_start(
    setting: &Setting,
    case: &Case,
    epochs: &Plugin,
    run: &CaseRun,
) -> Result<(), String> {
    let mut told = String::from("the plugin does not start: ");
    for fault in run.start_faults().take(1) {
        told.push_str(&fault.to_string());
    }
    for line in run.starts.iter().flat_map(|start| &start.logs) {
        told.push_str("\n  ");
        told.push_str(&text(&line.message));
    }
    told.push_str("; requests of its chain get 500");
    let server = Server::start(setting, case, epochs, "[RequestHeaders]");
    if server.problems != [told.as_str()] {
        return Err(format!("replayed {told:?}\nserved {:?}", server.problems));
    }
    let served = server.refused();
    let replayed = Told {
        request: None,
        response: Some((500, Vec::new(), Vec::new())),
    };
    match served == replayed {
        true => Ok(()),
        false => Err(format!("it does not start, but served {served:#?}")),
    }
}

fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
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
