//! Our own callouts, served in here: those that the settings name, and the twins of images that
//! Google publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gatewright_callout::Server;
use gatewright_callout::samples::{AddHeader, Basic, Redirect};
use gatewright_gateway::{Authority, ServiceAt};
use gatewright_gke::{Backend, ObjectId, Report};
use tokio::sync::oneshot;

/// Google's published callouts and what we have in their place.
const TWINS: [(&str, &str); 1] = [(
    "us-docker.pkg.dev/service-extensions-samples/callouts/python-example-basic",
    "basic",
)];

/// The Service or API that a callout is, and its own name.
type Key = (String, String);

/// Callouts that run. They end with this.
pub(crate) struct Callouts {
    authority: Arc<Authority>,
    running: BTreeMap<Key, Running>,
    /// Those that were asked for since it began anew.
    wanted: BTreeSet<Key>,
}

struct Running {
    /// The image that it stands for, if there is one.
    image: Option<String>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Callouts {
    pub(crate) const fn new(authority: Arc<Authority>) -> Self {
        Self {
            authority,
            running: BTreeMap::new(),
            wanted: BTreeSet::new(),
        }
    }

    /// From here on it is seen which are still asked for.
    pub(crate) fn begin(&mut self) {
        self.wanted.clear();
    }

    /// Ends those that nobody asked for. A change that is not taken ends none: what is served still
    /// calls them.
    pub(crate) fn end(&mut self) {
        self.running.retain(|key, _| self.wanted.contains(key));
    }

    /// Where a callout is, by the Service or API that it is; it is started if it does not run.
    pub(crate) fn find(&mut self, name: &str, sample: &str) -> ServiceAt {
        match self.start(name, sample, None) {
            Ok(address) => ServiceAt::Address(address),
            Err(error) => ServiceAt::Nowhere(error),
        }
    }

    /// Starts twins for Services that extensions call, whose place nobody names, and whose Pods would
    /// have an image of Google's.
    pub(crate) fn twins(&mut self, report: &Report, at: &mut BTreeMap<String, ServiceAt>) {
        for (namespace, name) in called(report) {
            let key = format!("{namespace}/{name}");
            if at.contains_key(&key) {
                continue;
            }
            let Some((image, sample)) = twin(report, &namespace, &name) else {
                continue;
            };
            let found = match self.start(&key, sample, Some(&image)) {
                Ok(address) => ServiceAt::Address(address),
                Err(error) => ServiceAt::Nowhere(error),
            };
            at.insert(key, found);
        }
    }

    /// What each of them is, for people.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = self.running.iter().map(|((name, sample), running)| {
            let what = match name.contains('/') {
                true => "Service",
                false => "API",
            };
            match &running.image {
                Some(image) => {
                    format!("{what} {name}: our callout `{sample}`, which does the same as {image}")
                }
                None => format!("{what} {name}: our callout `{sample}`"),
            }
        });
        told.collect()
    }

    fn start(
        &mut self,
        name: &str,
        sample: &str,
        image: Option<&str>,
    ) -> Result<SocketAddr, String> {
        let key = (name.to_owned(), sample.to_owned());
        self.wanted.insert(key.clone());
        if let Some(running) = self.running.get(&key) {
            if running.thread.as_ref().is_some_and(|t| !t.is_finished()) {
                return Ok(running.address);
            }
            self.running.remove(&key);
        }
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = self.authority.server(&hosts, "h2")?;
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| format!("no port is free for the callout `{sample}`: {error}"))?;
        let address = socket
            .local_addr()
            .map_err(|error| format!("the callout `{sample}` has no address: {error}"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        // Streams in flight belong to exchanges of the gateway, which are over when this is.
        const GRACE: Duration = Duration::from_secs(1);
        let run: Box<dyn FnOnce() + Send> = match sample {
            "basic" => Box::new(move || {
                let server = Server::new(|| Basic).tls(socket, tls).grace(GRACE);
                let _ = server.run_blocking(stopped);
            }),
            "add-header" => Box::new(move || {
                let server = Server::new(|| AddHeader).tls(socket, tls).grace(GRACE);
                let _ = server.run_blocking(stopped);
            }),
            "redirect" => Box::new(move || {
                let server = Server::new(|| Redirect).tls(socket, tls).grace(GRACE);
                let _ = server.run_blocking(stopped);
            }),
            _ => {
                return Err(format!(
                    "there is no callout `{sample}` that needs no options; there are `basic`, \
                     `add-header` and `redirect`, and `gatewright callout --help` has them all"
                ));
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("callout-{sample}"))
            .spawn(run)
            .map_err(|error| format!("the callout `{sample}` does not start: {error}"))?;
        let running = Running {
            image: image.map(str::to_owned),
            address,
            stop: Some(stop),
            thread: Some(thread),
        };
        self.running.insert(key, running);
        Ok(address)
    }
}

/// Services that extensions call, by namespace and name.
fn called(report: &Report) -> BTreeSet<(String, String)> {
    let plans = report.plan.gateways.iter();
    let sets = plans.flat_map(|plan| plan.routing.iter().chain(&plan.traffic));
    let mut called = BTreeSet::new();
    for plan in sets {
        let chains = plan.set.chains.iter();
        for extension in chains.flat_map(|chain| &chain.extensions) {
            if let Backend::Service { name, .. } = &extension.backend.value {
                called.insert((plan.set.id.namespace.clone(), name.clone()));
            }
        }
    }
    called
}

/// The image of a Service's Pods that we have a twin of, and the twin.
fn twin(report: &Report, namespace: &str, name: &str) -> Option<(String, &'static str)> {
    let service = report.model.service(namespace, name)?;
    let workloads = report.model.workloads.iter().filter(|workload| {
        let ObjectId { namespace: at, .. } = &workload.id;
        at == namespace && workload.is_selected_by(&service.selector)
    });
    let images: Vec<&String> = workloads.flat_map(|workload| &workload.images).collect();
    images.into_iter().find_map(|image| {
        let end = image.find('@').unwrap_or(image.len());
        let repository = &image[..end];
        let slash = repository.rfind('/').unwrap_or(0);
        let end = repository[slash..]
            .find(':')
            .map_or(end, |colon| slash + colon);
        let found = TWINS.iter().find(|(known, _)| *known == &image[..end]);
        found.map(|(_, sample)| (image.clone(), *sample))
    })
}
