//! `gatewright serve`: manifests as a load balancer on this machine.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gatewright_gateway::{
    Authority, Gateway, Limits, Made, Options, PortKey, Problem, Recorder, Services, Snapshot,
    StartError,
};
use gatewright_gke::{Input, Report, check, render};
use gatewright_host::{Engine, EngineOptions, Metering};

use super::{DIM, RED, RESET};
use crate::exit::{Outcome, Usage};
use crate::images::Access;
use crate::manifests::Manifests;
use crate::serve::callouts::Callouts;
use crate::serve::images::Images;
use crate::serve::kube::{self, Kube};
use crate::serve::record::Cases;
use crate::serve::services::Programs;
use crate::serve::settings::{Settings, port_key};
use crate::serve::tell;
use crate::serve::watch::{Event, Events};

/// Serve manifests over HTTP and HTTPS, with their plugins, as the load balancer would.
///
/// Every listener of every Gateway gets a port on this machine; a change of a manifest, a module or
/// a configuration is taken within a second and without losing a request. What a cluster would know
/// stands in `gatewright.yaml` beside the manifests; without one, Services that are missing are
/// built in, published images are our plugins, and nothing goes to a network. Log entries go to
/// standard output, everything else to standard error. SIGTERM lets requests come to their end.
///
/// With `--kube` there is a Kubernetes API too, a development server for the kinds around a Gateway:
/// manifests are loaded into it, `kubectl` changes what is served, and conditions and events appear
/// in the objects. No PATH then means no manifests.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright serve manifests/\n  \
    gatewright serve manifests/ --gateway external-http=gke-l7-global-external-managed\n  \
    gatewright serve manifests/ --port 80=0 --port 443=0     on any free ports\n  \
    gatewright serve --kube --kubeconfig ./kubeconfig        nothing yet; `kubectl apply` brings it\n  \
    gatewright serve manifests/ --record recorded/           exchanges as cases, to replay and compare\n\n\
gatewright.yaml, every key optional:\n  \
    images:\n    us-docker.pkg.dev/p/r/a:v1: {build: local-reply}   # or wasm:, layout:, config: PATH;\n                                                           # or registry: NAME\n  \
    services:\n    store-v1: {address: '127.0.0.1:8080'}              # or command: [..], or store\n    \
    extension-service: {plaintext: 'localhost:8080'}   # or callout: basic\n  \
    google-apis:\n    modelarmor.us.rep.googleapis.com: {plaintext: 'localhost:8081'}\n  \
    gateways: {external-http: gke-l7-global-external-managed}\n  \
    substitute: {GATEWAY_NAME: external-http}\n  \
    ports: {443: 8443, external-http/80: 0}")]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,
    /// What a cluster would know [default: gatewright.yaml beside the manifests]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The local port for a listener's port, as `443=8443` or `external-http/443=0`
    #[arg(long = "port", value_name = "PORT=LOCAL", value_parser = port)]
    ports: Vec<((Option<String>, u16), u16)>,
    /// The address to listen at
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Where the admin pages are; port 0 is any free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
    /// Where to write the certificate of the authority that signs for hosts without a Secret
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Threads that serve [default: one a core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    workers: usize,
    /// Exchanges a second that the admin page shows while it is open, with all that plugins did; 0
    /// for none
    #[arg(long, value_name = "N", default_value_t = 10)]
    sample: u32,
    /// Show the values of authorization, cookie and the like on the admin page
    #[arg(long)]
    show_secrets: bool,
    /// Do not log requests
    #[arg(long)]
    no_access_log: bool,
    /// How long requests may take to come to their end when the gateway is stopped
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    drain: Duration,
    /// Write what passes plugins into this folder, as cases for `gatewright test` and `compare`
    ///
    /// A file for each exchange and plugin, in a folder for each plugin. Nothing is blacked out:
    /// credentials that clients send are in them, and only you can read them. What a plugin keeps
    /// from one exchange to the next is not in a case.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Cases after which no more are written
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "record")]
    record_limit: usize,
    /// Ask registries for images that nothing stands for
    #[arg(long)]
    pull: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    kube: kube::Arguments,
    #[command(flatten)]
    limits: LimitArguments,
}

/// Limits on clients and upstreams.
#[derive(clap::Args, Clone, Debug)]
struct LimitArguments {
    /// From the first byte of a request's head to its last, then 408
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = "Limits")]
    head_timeout: Duration,
    /// Between two parts of a request's body, then 408
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Limits")]
    body_timeout: Duration,
    /// How long a connection without a request is kept
    #[arg(long, value_name = "TIME", default_value = "610s", value_parser = duration, help_heading = "Limits")]
    idle_timeout: Duration,
    /// How long a client may take none of its response
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Limits")]
    write_timeout: Duration,
    /// How long a backend may take to begin its response, then 504
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, help_heading = "Limits")]
    upstream_timeout: Duration,
    /// Bytes of a head, then 431
    #[arg(
        long,
        value_name = "N",
        default_value_t = 65536,
        help_heading = "Limits"
    )]
    head_bytes: usize,
    /// Fields of a head, then 431
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Limits")]
    head_fields: usize,
    /// Connections of one worker
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16384,
        help_heading = "Limits"
    )]
    connections: usize,
    /// Requests at a time on an HTTP/2 connection
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Limits")]
    streams: u32,
}

impl LimitArguments {
    fn limits(&self) -> Limits {
        Limits {
            head_timeout: self.head_timeout,
            body_timeout: self.body_timeout,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            upstream_timeout: self.upstream_timeout,
            head_bytes: self.head_bytes,
            head_fields: self.head_fields,
            connections: self.connections,
            concurrent_streams: self.streams,
            ..Limits::default()
        }
    }
}

fn port(text: &str) -> Result<((Option<String>, u16), u16), String> {
    let (from, to) = text
        .split_once('=')
        .ok_or("it takes `PORT=LOCAL`, as `443=8443`")?;
    let to = to.parse().map_err(|_| format!("`{to}` is no port"))?;
    Ok((port_key(from)?, to))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no time; write `10s` or `500ms`"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| format!("`{text}`: {error}"))
}

/// What is served and everything that it is made from.
struct Serving<'a> {
    arguments: &'a Arguments,
    images: Images,
    programs: Programs,
    callouts: Callouts,
    authority: Arc<Authority>,
    kube: Option<Kube>,
    /// The errors that were there when the last change was taken.
    accepted: Vec<String>,
}

/// What takes a while to make and hangs on no manifest.
fn equipment() -> anyhow::Result<(Engine, Authority)> {
    let engine = Engine::new(&EngineOptions {
        metering: Metering::Epoch,
        inlining: true,
        ..EngineOptions::default()
    })?;
    Ok((engine, Authority::generate().map_err(anyhow::Error::msg)?))
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    // Made while the manifests are read: the first answer waits for both.
    let equipment = std::thread::Builder::new()
        .name("gatewright-start".to_owned())
        .spawn(equipment)
        .context("cannot start a thread")?;
    let mut events = Events::new()?;
    let profile = arguments.manifests.profile;
    let mut kube = Kube::start(&arguments.kube, profile, own_folder, events.stored())?;
    // Before anything is read, so that no change after that is missed.
    events.watch(watched(arguments), Vec::new());
    let (settings, report) = read(arguments, &mut kube)?;
    let equipment = equipment.join();
    let (engine, authority) = equipment
        .map_err(|_| anyhow::anyhow!("neither engine nor certificate authority was made"))??;
    let authority = Arc::new(authority);
    let pull = arguments.pull.then(|| arguments.access.clone());
    let mut serving = Serving {
        arguments,
        images: Images::new(engine.clone(), Settings::default(), pull),
        programs: Programs::default(),
        callouts: Callouts::new(Arc::clone(&authority)),
        authority,
        kube,
        accepted: Vec::new(),
    };
    let made = serving.make(settings, &report, &mut events)?;
    let cacert = serving.write_authority()?;
    serving.accepted = tell::errors(&report, &made.problems);
    anstream::eprint!("{}", render::human(&report));
    anstream::eprint!("{}", tell::problems(&made.problems));
    let stores = made.snapshot.stores();
    let cases = match &arguments.record {
        Some(folder) => Some(Arc::new(Cases::start(folder, arguments.record_limit)?)),
        None => None,
    };
    let options = Options {
        workers: arguments.workers,
        limits: arguments.limits.limits(),
        engine: Some(engine),
        sink: Box::new(std::io::stdout()),
        access_log: !arguments.no_access_log,
        admin: arguments.admin,
        sample: arguments.sample,
        show_secrets: arguments.show_secrets,
        recorder: cases.clone().map(|cases| cases as Arc<dyn Recorder>),
        ..Options::default()
    };
    let gateway = Gateway::start(options, made.snapshot).map_err(hint)?;
    if gateway.listening().is_empty() && serving.kube.is_none() {
        gateway.drain(Duration::ZERO);
        return Err(Usage(
            "no Gateway among the manifests; supply one with `--gateway NAME=CLASS`".to_owned(),
        )
        .into());
    }
    anstream::eprint!(
        "{}",
        tell::origins(&serving.images.origins(), &stores, &serving.callouts.told())
    );
    anstream::eprint!("{}", tell::conditions(&report));
    anstream::eprint!("{}", tell::addresses(&gateway, &report, &cacert));
    serving.write_status(&report, &made.problems, None);
    if let Some(kube) = &serving.kube {
        anstream::eprint!("{}", kube.told());
    }
    anstream::eprintln!("ready");
    while events.next() == Event::Changed {
        serving.reload(&gateway, &cacert, &mut events);
    }
    anstream::eprintln!("{DIM}stopping{RESET}");
    let cut = gateway.drain(arguments.drain);
    if cut > 0 {
        anstream::eprintln!("{cut} connections were cut off");
    }
    if let Some(cases) = cases {
        anstream::eprint!("{}", cases.finish());
    }
    Ok(Outcome::Fine)
}

/// Reads settings and manifests, and checks them.
fn read(arguments: &Arguments, kube: &mut Option<Kube>) -> anyhow::Result<(Settings, Report)> {
    let manifests = &arguments.manifests;
    let settings = Settings::find(arguments.settings.as_deref(), &manifests.paths)?;
    let mut options = manifests.options_with(&settings.gateways, &settings.substitute);
    let report = match kube {
        None => check(&manifests.read()?.inputs(), &options),
        Some(kube) => {
            kube.load(&manifests.read_if_named()?.inputs(), &options);
            // They are objects now.
            options.gateways.clear();
            let stored = kube.manifests();
            let input = |(name, bytes)| Input { name, bytes };
            let inputs: Vec<_> = stored
                .iter()
                .map(|(n, b)| (n.as_str(), b.as_slice()))
                .map(input)
                .collect();
            check(&inputs, &options)
        }
    };
    Ok((settings, report))
}

/// Manifests and settings.
fn watched(arguments: &Arguments) -> Vec<PathBuf> {
    let manifests = &arguments.manifests;
    let mut watched = Vec::new();
    if arguments.kube.kube.is_none() || manifests.are_named() {
        watched.extend(manifests.paths.iter().cloned());
    }
    watched.extend(arguments.settings.clone());
    watched
}

impl Serving<'_> {
    /// Makes what is to be served of what was read.
    fn make(
        &mut self,
        settings: Settings,
        report: &Report,
        events: &mut Events,
    ) -> anyhow::Result<Made> {
        // One look at all of them, so that programs and callouts that nobody names any more end.
        let mut named = settings.services.clone();
        named.extend(settings.google_apis.clone());
        self.callouts.begin();
        let folder = &settings.folder;
        let mut at = self.programs.resolve(&named, folder, &mut self.callouts);
        let google_apis = settings
            .google_apis
            .keys()
            .filter_map(|name| Some((name.clone(), at.remove(name)?)))
            .collect();
        self.callouts.twins(report, &mut at);
        let mut services = Services {
            at,
            google_apis,
            bind: self.arguments.bind,
            authority: Some(Arc::clone(&self.authority)),
            ..Services::default()
        };
        for (key, local) in &settings.ports {
            put(&mut services, port_key(key).map_err(Usage)?, *local);
        }
        for (key, local) in &self.arguments.ports {
            put(&mut services, key.clone(), *local);
        }
        self.images.set(settings);
        // Modules too are watched before they are read.
        events.watch(watched(self.arguments), self.images.watched());
        Ok(Snapshot::build(report, &self.images, &services))
    }

    /// Takes a change, unless it brings errors that were not there before.
    fn reload(&mut self, gateway: &Gateway, cacert: &Path, events: &mut Events) {
        let begun = Instant::now();
        let made = read(self.arguments, &mut self.kube).and_then(|(settings, report)| {
            let made = self.make(settings, &report, events)?;
            Ok((report, made))
        });
        let (report, made) = match made {
            Ok(made) => made,
            Err(error) => return refused(&format!("{error:#}")),
        };
        let errors = tell::errors(&report, &made.problems);
        // What an API has taken counts, and what is wrong with it stands in its conditions.
        let may_refuse = self.kube.is_none();
        if may_refuse && errors.iter().any(|error| !self.accepted.contains(error)) {
            anstream::eprint!("{}", render::human(&report));
            anstream::eprint!("{}", tell::problems(&made.problems));
            return refused("it has errors");
        }
        if let Err(error) = gateway.reload(made.snapshot) {
            let error = error.to_string();
            self.write_status(&report, &made.problems, Some(&error));
            return refused(&error);
        }
        self.write_status(&report, &made.problems, None);
        self.accepted = errors;
        self.callouts.end();
        anstream::eprint!("{}", tell::conditions(&report));
        anstream::eprint!("{}", tell::addresses(gateway, &report, cacert));
        let milliseconds = begun.elapsed().as_millis();
        anstream::eprintln!("reloaded in {milliseconds} ms");
    }

    /// Writes conditions and events into the objects, if there is an API to show them.
    fn write_status(&self, report: &Report, problems: &[Problem], unserved: Option<&str>) {
        if let Some(kube) = &self.kube {
            kube.reconciled(report, problems, unserved, self.arguments.bind);
        }
    }

    fn write_authority(&self) -> anyhow::Result<PathBuf> {
        let path = match &self.arguments.cacert {
            Some(path) => path.clone(),
            None => own_folder()?.join("cacert.pem"),
        };
        let mut file = std::fs::File::create(&path)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        file.write_all(self.authority.pem().as_bytes())
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(path)
    }
}

/// Where files are written that nobody named.
fn own_folder() -> anyhow::Result<PathBuf> {
    let folder = super::cache()?;
    let folder = folder.parent().map(Path::to_path_buf).unwrap_or(folder);
    let folder = folder.join("serve");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    Ok(folder)
}

fn refused(why: &str) {
    anstream::eprintln!(
        "{RED}the change is not taken{RESET}: {why}; what was served before still is"
    );
}

fn put(services: &mut Services, (gateway, port): (Option<String>, u16), local: u16) {
    match gateway {
        Some(gateway) => {
            services
                .gateway_ports
                .insert(PortKey { gateway, port }, local);
        }
        None => {
            services.ports.insert(port, local);
        }
    }
}

/// Says how to get out of the way of whoever has the port.
fn hint(error: StartError) -> anyhow::Error {
    match &error {
        StartError::Listen { what, .. } if what.contains("admin") => {
            anyhow::Error::new(error).context("choose another with `--admin 127.0.0.1:0`")
        }
        StartError::Listen { .. } => anyhow::Error::new(error)
            .context("choose others with `--port PORT=LOCAL`; 0 is any free one"),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_times_are_read() {
        assert_eq!(port("443=8443"), Ok(((None, 443), 8443)));
        assert_eq!(port("gw/80=0"), Ok(((Some("gw".to_owned()), 80), 0)));
        assert!(port("443").is_err() && port("a=1").is_err() && port("1=70000").is_err());
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert!(duration("soon").is_err() && duration("-1s").is_err());
    }
}
