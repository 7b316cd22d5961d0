//! A worker: a thread with its own runtime, VMs and upstream connections. It shares nothing with
//! the others but the listening sockets, so that nothing is locked on a request's way.
//!
//! All workers accept from one socket each port: whoever has time takes the next connection. A
//! socket for each worker (`SO_REUSEPORT`) would spare some wake-ups, but it deals connections out
//! blindly, loses those that wait when one is closed, and lets another program of the same user
//! take part of a port unnoticed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gatewright_callout::Client;
use gatewright_host::{Attributes, Chain, Profile, TraceLevel};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::connection;
use crate::exchange::{Callout, Instance};
use crate::limits::Limits;
use crate::live;
use crate::log::Log;
use crate::metrics::{Registry, SiteStats};
use crate::pool::Pool;
use crate::record::Recorder;
use crate::server::Doors;
use crate::snapshot::{BackendTo, Protocol, Snapshot};
use crate::turns::Turns;
use crate::watch::Sampler;

/// What a worker is told.
pub(crate) enum Command {
    /// Serve this from now on. Answered when it is done.
    Serve(Arc<Snapshot>, Arc<Vec<Slot>>, oneshot::Sender<()>),
    /// Accept connections at this port.
    Listen(usize, std::net::TcpListener),
    /// Accept no more at this port.
    Close(usize),
    /// Accept no more at all, let exchanges come to their end, and end.
    Drain(Duration, oneshot::Sender<usize>),
}

/// A port that is or was listened at, by its place in the server's list: a Gateway and a port of
/// its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) gateway: String,
    pub(crate) port: u16,
}

/// What all workers are started with.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) limits: Limits,
    pub(crate) log: Log,
    pub(crate) access_log: bool,
    pub(crate) registry: Arc<Registry>,
    pub(crate) doors: Arc<dyn Doors>,
    pub(crate) sampler: Arc<Sampler>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
}

/// A worker's own things.
pub(crate) struct Worker {
    index: usize,
    pub(crate) limits: Rc<Limits>,
    pub(crate) drain: Rc<Drain>,
    pub(crate) turns: Rc<Turns>,
    pub(crate) log: Log,
    pub(crate) access_log: bool,
    pub(crate) sampler: Arc<Sampler>,
    registry: Arc<Registry>,
    doors: Arc<dyn Doors>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
    local: RefCell<Rc<Local>>,
    pools: RefCell<HashMap<(SocketAddr, Protocol), Rc<Pool>>>,
    clients: RefCell<HashMap<(SocketAddr, bool), Rc<Client>>>,
    lots: Cell<u64>,
    requests: Cell<u64>,
    connections: Cell<usize>,
    left: Notify,
}

/// A snapshot with what a worker has of its own for it.
pub(crate) struct Local {
    pub(crate) snapshot: Arc<Snapshot>,
    /// In the order of the snapshot's plugins.
    pub(crate) instances: Vec<Rc<Instance>>,
    /// In the order of the snapshot's callouts.
    pub(crate) callouts: Vec<Rc<Callout>>,
    /// In the order of the snapshot's backends; nothing for those that have no address.
    pub(crate) pools: Vec<Option<Rc<Pool>>>,
    /// In the order of the snapshot's sites.
    pub(crate) stats: Vec<Arc<SiteStats>>,
    /// No attribute is forwarded to a GKE extension.
    pub(crate) attributes: Arc<Attributes>,
    /// The site of each slot.
    sites: Vec<Option<usize>>,
}

impl Local {
    pub(crate) fn site(&self, slot: usize) -> Option<usize> {
        self.sites.get(slot).copied().flatten()
    }
}

/// Tells connections to come to their end.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    begun: Cell<bool>,
    told: Notify,
}

impl Drain {
    pub(crate) async fn wait(&self) {
        while !self.begun.get() {
            self.told.notified().await;
        }
    }

    fn begin(&self) {
        self.begun.set(true);
        self.told.notify_waiters();
    }
}

impl Worker {
    pub(crate) fn local(&self) -> Rc<Local> {
        Rc::clone(&self.local.borrow())
    }

    /// A random number, good enough for weights and samples: xorshift.
    pub(crate) fn lot(&self) -> u64 {
        let mut lot = self.lots.get();
        lot ^= lot << 13;
        lot ^= lot >> 7;
        lot ^= lot << 17;
        self.lots.set(lot);
        lot
    }

    /// Whether one in so many of a million is taken.
    pub(crate) fn samples(&self, of_a_million: u32) -> bool {
        of_a_million >= 1_000_000 || self.lot() % 1_000_000 < u64::from(of_a_million)
    }

    /// A number that no other request of this run has.
    pub(crate) fn next_request(&self) -> u64 {
        let request = self.requests.get().wrapping_add(1);
        self.requests.set(request);
        request
    }

    /// Takes another snapshot. VMs whose plugin is the same, and upstream connections, are kept.
    fn load(&self, snapshot: Arc<Snapshot>, slots: &[Slot]) {
        let before = self.local();
        let instances = snapshot
            .plugins
            .iter()
            .map(|of| {
                let same = before.instances.iter().find(|kept| kept.of.key == of.key);
                if let Some(same) = same {
                    return Rc::clone(same);
                }
                let doors = Arc::clone(&self.doors);
                let keeper = move || doors.door();
                let specs = vec![of.spec.clone()];
                let chain = Chain::start(Profile::Google, specs, keeper, TraceLevel::Off);
                let stats = self.registry.plugin(self.index, &of.name, &of.version);
                let instance = Instance::new(of, chain, stats);
                // Every worker's VM says the same as it starts; once is enough.
                if self.index == 0 {
                    instance.tell_start(&self.log);
                }
                Rc::new(instance)
            })
            .collect();
        let callouts = snapshot
            .callouts
            .iter()
            .map(|of| {
                let stats = self.registry.callout(self.index, of);
                Rc::new(Callout::new(of, self.client(of.at, of.tls), stats))
            })
            .collect();
        let pools = snapshot
            .backends
            .iter()
            .map(|backend| match backend.to {
                BackendTo::Address { at, speaks } => Some(self.pool(at, speaks)),
                BackendTo::Store | BackendTo::Nowhere(_) => None,
            })
            .collect();
        let stats = snapshot
            .sites
            .iter()
            .map(|site| self.registry.site(self.index, &site.gateway, site.port))
            .collect();
        let sites = slots
            .iter()
            .map(|slot| {
                let mut sites = snapshot.sites.iter();
                sites.position(|site| site.gateway == slot.gateway && site.port == slot.port)
            })
            .collect();
        self.local.replace(Rc::new(Local {
            snapshot,
            instances,
            callouts,
            pools,
            stats,
            attributes: Arc::clone(&before.attributes),
            sites,
        }));
        // Upstreams that nobody names any more are let go with their last exchange.
        self.pools
            .borrow_mut()
            .retain(|_, pool| Rc::strong_count(pool) > 1);
        self.clients
            .borrow_mut()
            .retain(|_, client| Rc::strong_count(client) > 1);
    }

    /// The client of a callout, over TLS or not.
    fn client(&self, at: SocketAddr, tls: bool) -> Rc<Client> {
        let mut clients = self.clients.borrow_mut();
        let client = clients.entry((at, tls)).or_insert_with(|| match tls {
            true => Client::tls(at),
            false => Client::plaintext(at),
        });
        Rc::clone(client)
    }

    fn pool(&self, at: SocketAddr, speaks: Protocol) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        let pool = pools
            .entry((at, speaks))
            .or_insert_with(|| Rc::new(Pool::new(at, speaks, Rc::clone(&self.limits))));
        Rc::clone(pool)
    }
}

/// Runs a worker on this thread until it is drained.
pub(crate) fn run(index: usize, start: Start, commands: mpsc::UnboundedReceiver<Command>) {
    // Without a runtime there is no worker, which shows by its commands not being answered.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let mut seed = [0; 8];
    live::random(&mut seed);
    let seed = u64::from_le_bytes(seed);
    let worker = Rc::new(Worker {
        index,
        limits: Rc::new(start.limits),
        drain: Rc::default(),
        turns: Rc::default(),
        log: start.log,
        access_log: start.access_log,
        sampler: start.sampler,
        registry: start.registry,
        doors: start.doors,
        recorder: start.recorder,
        local: RefCell::new(Rc::new(Local {
            snapshot: Arc::new(Snapshot::empty()),
            instances: Vec::new(),
            callouts: Vec::new(),
            pools: Vec::new(),
            stats: Vec::new(),
            attributes: Arc::default(),
            sites: Vec::new(),
        })),
        pools: RefCell::default(),
        clients: RefCell::default(),
        lots: Cell::new(seed | 1),
        requests: Cell::new(seed),
        connections: Cell::new(0),
        left: Notify::new(),
    });
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, obey(worker, commands));
}

async fn obey(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>) {
    tokio::task::spawn_local(Rc::clone(&worker.turns).call());
    let mut listening: HashMap<usize, oneshot::Sender<()>> = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Serve(snapshot, slots, done) => {
                worker.load(snapshot, &slots);
                // Nobody may be waiting any more.
                let _ = done.send(());
            }
            Command::Listen(slot, listener) => {
                let (close, closed) = oneshot::channel();
                let accepting = accept(Rc::clone(&worker), slot, listener, closed);
                tokio::task::spawn_local(accepting);
                listening.insert(slot, close);
            }
            Command::Close(slot) => {
                listening.remove(&slot);
            }
            Command::Drain(limit, done) => {
                listening.clear();
                // The connections that wait to be accepted are served too.
                tokio::task::yield_now().await;
                worker.drain.begin();
                let all_left = async {
                    while worker.connections.get() > 0 {
                        worker.left.notified().await;
                    }
                };
                let _ = tokio::time::timeout(limit, all_left).await;
                let _ = done.send(worker.connections.get());
                return;
            }
        }
    }
}

/// How long a worker that can accept nothing, for want of descriptors, waits before it tries again.
const BREATH: Duration = Duration::from_millis(20);

/// Accepts connections until it is told to close; those that wait then are accepted still.
async fn accept(
    worker: Rc<Worker>,
    slot: usize,
    listener: std::net::TcpListener,
    mut closed: oneshot::Receiver<()>,
) {
    // The server made it non-blocking.
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        while worker.connections.get() >= worker.limits.connections {
            tokio::select! {
                () = worker.left.notified() => {}
                _ = &mut closed => return last(&worker, slot, listener),
            }
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut closed => return last(&worker, slot, listener),
        };
        match accepted {
            Ok((stream, client)) => serve(&worker, slot, stream, client),
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
}

/// Accepts what waits at a port that is closed. The socket itself is asked: the runtime may not have
/// heard yet of the last that came.
fn last(worker: &Rc<Worker>, slot: usize, listener: TcpListener) {
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((stream, client)) = listener.accept() {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            serve(worker, slot, stream, client);
        }
    }
}

fn serve(worker: &Rc<Worker>, slot: usize, stream: TcpStream, client: SocketAddr) {
    let local = worker.local();
    let tls = local
        .site(slot)
        .and_then(|site| local.snapshot.sites[site].tls.as_ref())
        .map(|(config, _)| Arc::clone(config));
    let counted = Counted::new(Rc::clone(worker));
    tokio::task::spawn_local(async move {
        let worker = Rc::clone(&counted.0);
        connection::serve(worker, stream, client, slot, tls).await;
        drop(counted);
    });
}

/// A connection, as long as it is there.
struct Counted(Rc<Worker>);

impl Counted {
    fn new(worker: Rc<Worker>) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        Self(worker)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.left.notify_waiters();
    }
}
