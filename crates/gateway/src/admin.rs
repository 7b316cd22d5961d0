//! The admin port: metrics, the objects' conditions, and whether the gateway lives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::metrics::Registry;
use crate::server::{Listening, StartError};
use crate::snapshot::Snapshot;

/// The admin pages, on a thread of their own.
pub(crate) struct Admin {
    address: SocketAddr,
    pages: Arc<Pages>,
    /// Ends the thread when it is dropped.
    _over: oneshot::Sender<()>,
}

struct Pages {
    registry: Arc<Registry>,
    status: Mutex<Arc<str>>,
}

/// Starts serving the pages.
pub(crate) fn start(at: SocketAddr, registry: Arc<Registry>) -> Result<Admin, StartError> {
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
    let pages = Arc::new(Pages {
        registry,
        status: Mutex::new("{}".into()),
    });
    let (over, ended) = oneshot::channel();
    let served = Arc::clone(&pages);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Thread)?;
    std::thread::Builder::new()
        .name("gatewright-admin".to_owned())
        .spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async {
                tokio::select! {
                    _ = ended => {}
                    () = serve(served, socket) => {}
                }
            });
        })
        .map_err(StartError::Thread)?;
    Ok(Admin {
        address,
        pages,
        _over: over,
    })
}

impl Admin {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `/status` says from now on.
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
        let mut current = self
            .pages
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = text.into();
    }
}

async fn serve(pages: Arc<Pages>, socket: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(socket) else {
        return;
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let pages = Arc::clone(&pages);
        tokio::task::spawn_local(async move {
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

impl Pages {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        const PLAIN: &str = "text/plain; charset=utf-8";
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return page(
                StatusCode::METHOD_NOT_ALLOWED,
                PLAIN,
                "only GET\n".to_owned(),
            );
        }
        match request.uri().path() {
            "/" => {
                let text = "gatewright serve\n\n/status   objects and their conditions\n\
                            /metrics  for Prometheus\n/healthz  whether it lives\n";
                page(StatusCode::OK, PLAIN, text.to_owned())
            }
            "/healthz" => page(StatusCode::OK, PLAIN, "ok\n".to_owned()),
            "/metrics" => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                page(StatusCode::OK, kind, self.registry.render())
            }
            "/status" => {
                let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
                page(StatusCode::OK, "application/json", status.to_string())
            }
            _ => page(
                StatusCode::NOT_FOUND,
                PLAIN,
                "there is no such page\n".to_owned(),
            ),
        }
    }
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
