//! The admin port: the page with what is served and live exchanges, metrics, the objects'
//! conditions, and whether the gateway lives.

mod host;
mod pages;
mod picture;
mod recent;
mod told;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_view::Picture;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Registry;
use crate::server::{Listening, StartError};
use crate::snapshot::Snapshot;
use crate::watch::{Sampler, Taken};
use pages::Pages;

/// Connections that are served at a time.
const MOST_CONNECTIONS: usize = 64;

/// The admin pages, on a thread of their own.
pub(crate) struct Admin {
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
    /// Ends the thread when it is dropped.
    _over: oneshot::Sender<()>,
}

/// What is served now.
#[derive(Default)]
struct Served {
    /// What `/status` says.
    status: Arc<str>,
    picture: Arc<Picture>,
    /// How often that changed.
    generation: u64,
}

/// What the admin port is started with.
pub(crate) struct Start {
    pub(crate) at: SocketAddr,
    pub(crate) registry: Arc<Registry>,
    /// Exchanges that are written down a second while somebody looks.
    pub(crate) sample: u32,
    pub(crate) hide_secrets: bool,
}

/// Starts serving the pages. Also what says which exchanges are written down for them.
pub(crate) fn start(start: Start) -> Result<(Admin, Arc<Sampler>), StartError> {
    let at = start.at;
    let socket = || {
        let socket = std::net::TcpListener::bind(at)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    let (socket, address) = socket().map_err(|source| StartError::Listen {
        address: at,
        what: "the admin pages".to_owned(),
        source,
    })?;
    let served = Arc::new(Mutex::new(Served {
        status: "{}".into(),
        ..Served::default()
    }));
    let (sampler, taken) = Sampler::new();
    let (over, ended) = oneshot::channel();
    let shared = (Arc::clone(&served), Arc::clone(&sampler));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Thread)?;
    std::thread::Builder::new()
        .name("gatewright-admin".to_owned())
        .spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            let pages = Rc::new(Pages::new(shared.0, shared.1, address, start));
            tasks.block_on(&runtime, async {
                tokio::select! {
                    _ = ended => {}
                    () = serve(Rc::clone(&pages), socket) => {}
                    () = keep(pages, taken) => {}
                }
            });
        })
        .map_err(StartError::Thread)?;
    let admin = Admin {
        address,
        served,
        _over: over,
    };
    Ok((admin, sampler))
}

impl Admin {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the pages say from now on.
    pub(crate) fn status(&self, snapshot: &Snapshot, listening: &[Listening]) {
        let listeners = listening.iter().map(|at| {
            json!({
                "gateway": at.listener.gateway,
                "port": at.listener.port,
                "url": format!("{}://{}", at.listener.scheme, at.address),
                "host": at.listener.example_host,
            })
        });
        let plugins = snapshot
            .plugins
            .iter()
            .map(|plugin| json!({"plugin": plugin.name, "version": plugin.version}));
        let status = json!({
            "listeners": listeners.collect::<Vec<Value>>(),
            "plugins": plugins.collect::<Vec<Value>>(),
            "stores": snapshot.stores(),
            "objects": snapshot.status,
        });
        let text = format!("{status:#}\n");
        let picture = Arc::new(picture::picture(snapshot, listening));
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.status = text.into();
        served.picture = picture;
        served.generation += 1;
    }
}

/// Keeps the exchanges that were written down.
async fn keep(pages: Rc<Pages>, mut taken: mpsc::UnboundedReceiver<Taken>) {
    while let Some(taken) = taken.recv().await {
        pages.keep(&taken.story);
    }
}

async fn serve(pages: Rc<Pages>, socket: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(socket) else {
        return;
    };
    let room = Arc::new(tokio::sync::Semaphore::new(MOST_CONNECTIONS));
    loop {
        // Nobody closes it.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let pages = Rc::clone(&pages);
        tokio::task::spawn_local(async move {
            let _place = place;
            let service = service_fn(|request| {
                let response = pages.answer(&request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(std::time::Duration::from_secs(10));
            // Who went away is not missed.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
