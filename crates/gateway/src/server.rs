//! The gateway as a whole: its ports, its workers, the clock of its plugins, and what it serves now.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gatewright_host::{Door, Engine};
use tokio::sync::{mpsc, oneshot};

use crate::admin::{self, Admin};
use crate::limits::Limits;
use crate::live::{Live, Telling};
use crate::log::{Log, Sink};
use crate::metrics::Registry;
use crate::record::Recorder;
use crate::snapshot::{ListenerAt, Snapshot};
use crate::worker::{self, Command, Slot, Start};

/// Makes the doors through which plugins see the world, one for each VM.
pub trait Doors: Send + Sync {
    /// A new door.
    fn door(&self) -> Box<dyn Door>;
}

impl<F: Fn() -> Box<dyn Door> + Send + Sync> Doors for F {
    fn door(&self) -> Box<dyn Door> {
        self()
    }
}

/// How a gateway is run.
pub struct Options {
    /// Threads that serve; 0 for one a core.
    pub workers: usize,
    /// What clients and upstreams may take.
    pub limits: Limits,
    /// The engine that the plugins were compiled for, whose epochs are ended. Nothing without
    /// plugins.
    pub engine: Option<Engine>,
    /// The doors of plugins: the machine's own clocks unless a test wants others.
    pub doors: Arc<dyn Doors>,
    /// Where log entries go.
    pub sink: Sink,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Where the admin pages are served; port 0 is any free one.
    pub admin: SocketAddr,
    /// Exchanges that are written down a second for the page, while somebody looks at it; 0 for
    /// none.
    pub sample: u32,
    /// Whether the page shows the values of headers that hold secrets.
    pub show_secrets: bool,
    /// Who takes exchanges that are written down, if they are. Plugins then see the machine's clocks,
    /// whatever `doors` says.
    pub recorder: Option<Arc<dyn Recorder>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 0,
            limits: Limits::default(),
            engine: None,
            doors: Arc::new(|| Box::new(Live) as Box<dyn Door>),
            sink: Box::new(std::io::sink()),
            access_log: false,
            admin: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            sample: 10,
            show_secrets: false,
            recorder: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("workers", &self.workers)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port cannot be had.
    #[error("cannot listen at {address} for {what}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What would have been served there.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A worker did not come up.
    #[error("worker {0} did not start")]
    Worker(usize),
}

/// Why another snapshot is not served. The old one still is.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReloadError(#[from] StartError);

/// A port that is listened at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// What is served there.
    pub listener: ListenerAt,
    /// Where it really is.
    pub address: SocketAddr,
}

/// How often an epoch ends while plugins may run: how exactly a CPU budget is kept.
const EPOCH: Duration = Duration::from_millis(1);

/// A load balancer that runs.
pub struct Gateway {
    workers: Vec<(mpsc::UnboundedSender<Command>, JoinHandle<()>)>,
    ports: Mutex<Ports>,
    admin: Admin,
    epochs: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    log: Option<JoinHandle<()>>,
}

/// Ports in the order in which they came; one that is closed keeps its place.
#[derive(Default)]
struct Ports {
    slots: Vec<Slot>,
    open: Vec<Option<Listening>>,
}

impl Gateway {
    /// Starts serving a snapshot.
    ///
    /// # Errors
    /// [`StartError`] when a port or a thread cannot be had.
    pub fn start(options: Options, snapshot: Snapshot) -> Result<Self, StartError> {
        let (log, log_thread) = Log::start(options.sink).map_err(StartError::Thread)?;
        let registry = Arc::new(Registry::default());
        let count = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let (admin, sampler) = admin::start(admin::Start {
            at: options.admin,
            registry: Arc::clone(&registry),
            sample: options.sample,
            hide_secrets: !options.show_secrets,
        })?;
        let start = Start {
            limits: options.limits,
            log,
            access_log: options.access_log,
            registry,
            doors: match &options.recorder {
                Some(_) => Arc::new(|| Box::new(Telling::new()) as Box<dyn Door>),
                None => options.doors,
            },
            sampler,
            recorder: options.recorder,
        };
        let mut workers = Vec::with_capacity(count);
        for index in 0..count {
            let (commands, received) = mpsc::unbounded_channel();
            let start = start.clone();
            let thread = std::thread::Builder::new()
                .name(format!("gatewright-{index}"))
                .spawn(move || worker::run(index, start, received))
                .map_err(StartError::Thread)?;
            workers.push((commands, thread));
        }
        drop(start);
        let gateway = Self {
            workers,
            ports: Mutex::default(),
            admin,
            epochs: options.engine.map(epochs).transpose()?,
            log: Some(log_thread),
        };
        match gateway.take(snapshot) {
            Ok(()) => Ok(gateway),
            Err(error) => {
                gateway.drain(Duration::ZERO);
                Err(error)
            }
        }
    }

    /// Serves another snapshot from now on. Returns when every worker does; requests in flight keep
    /// the one that they began with.
    ///
    /// # Errors
    /// [`ReloadError`] when a new port cannot be had; then everything stays as it was.
    pub fn reload(&self, snapshot: Snapshot) -> Result<(), ReloadError> {
        Ok(self.take(snapshot)?)
    }

    fn take(&self, snapshot: Snapshot) -> Result<(), StartError> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = snapshot.listeners();
        let is = |open: &Listening, listener: &ListenerAt| {
            open.listener.gateway == listener.gateway && open.listener.port == listener.port
        };
        let mut new = Vec::new();
        for listener in &wanted {
            let mut open = ports.open.iter().flatten();
            if open.any(|open| is(open, listener) && open.listener.address == listener.address) {
                continue;
            }
            new.push((listener.clone(), listen(listener)?));
        }
        // From here on nothing fails.
        let mut closed = Vec::new();
        for (slot, place) in ports.open.iter_mut().enumerate() {
            let Some(open) = place else { continue };
            match wanted.iter().find(|listener| is(open, listener)) {
                Some(same) if same.address == open.listener.address => {
                    open.listener = same.clone();
                }
                _ => {
                    *place = None;
                    closed.push(slot);
                }
            }
        }
        let mut opened = Vec::new();
        for (listener, (socket, address)) in new {
            ports.slots.push(Slot {
                gateway: listener.gateway.clone(),
                port: listener.port,
            });
            ports.open.push(Some(Listening { listener, address }));
            opened.push((ports.slots.len() - 1, socket));
        }
        let listening: Vec<_> = ports.open.iter().flatten().cloned().collect();
        self.admin.status(&snapshot, &listening);
        let snapshot = Arc::new(snapshot);
        let slots = Arc::new(ports.slots.clone());
        let mut answers = Vec::new();
        for (commands, _) in &self.workers {
            let (done, answer) = oneshot::channel();
            // A worker that is gone does not answer, which is seen below.
            let _ = commands.send(Command::Serve(
                Arc::clone(&snapshot),
                Arc::clone(&slots),
                done,
            ));
            for slot in &closed {
                let _ = commands.send(Command::Close(*slot));
            }
            answers.push(answer);
        }
        for (index, answer) in answers.into_iter().enumerate() {
            answer
                .blocking_recv()
                .map_err(|_| StartError::Worker(index))?;
        }
        // Every worker knows what to serve before the first connection comes.
        for (slot, socket) in opened {
            for (index, (commands, _)) in self.workers.iter().enumerate() {
                let socket = socket.try_clone().map_err(StartError::Thread)?;
                let told = commands.send(Command::Listen(slot, socket));
                told.map_err(|_| StartError::Worker(index))?;
            }
        }
        Ok(())
    }

    /// The ports, in the order of the manifests.
    pub fn listening(&self) -> Vec<Listening> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.open.iter().flatten().cloned().collect()
    }

    /// Where the admin pages are.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Stops accepting, lets exchanges come to their end within a limit, and ends. Gives the number
    /// of connections that were cut off.
    pub fn drain(mut self, limit: Duration) -> usize {
        let mut answers = Vec::new();
        for (commands, _) in &self.workers {
            let (done, answer) = oneshot::channel();
            let _ = commands.send(Command::Drain(limit, done));
            answers.push(answer);
        }
        let left = answers
            .into_iter()
            .map(|answer| answer.blocking_recv().unwrap_or(0))
            .sum();
        for (commands, thread) in self.workers.drain(..) {
            drop(commands);
            // A worker that panicked has said so itself.
            let _ = thread.join();
        }
        if let Some((over, thread)) = self.epochs.take() {
            over.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
        if let Some(thread) = self.log.take() {
            let _ = thread.join();
        }
        left
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

fn listen(listener: &ListenerAt) -> Result<(TcpListener, SocketAddr), StartError> {
    let socket = || {
        let socket = TcpListener::bind(listener.address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    socket().map_err(|source| StartError::Listen {
        address: listener.address,
        what: format!("port {} of Gateway {}", listener.port, listener.gateway),
        source,
    })
}

/// Ends epochs until it is told to stop.
fn epochs(engine: Engine) -> Result<(Arc<AtomicBool>, JoinHandle<()>), StartError> {
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let thread = std::thread::Builder::new()
        .name("gatewright-epoch".to_owned())
        .spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                std::thread::sleep(EPOCH);
                engine.advance_epoch();
            }
        })
        .map_err(StartError::Thread)?;
    Ok((over, thread))
}
