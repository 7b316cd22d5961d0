//! A client's connection: TLS, the protocol, the limits on slow clients, and its orderly end.

mod guard;

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::limits::Limits;
use crate::proxy;
use crate::reply;
use crate::worker::Worker;
pub(crate) use guard::Guarded;
use guard::Stream;

/// Where a connection is in its exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No request is under way.
    Idle,
    /// The head of one has begun.
    Head,
    /// At least one is being answered.
    Busy,
}

/// What exchanges may know of their connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    /// The client's address as text, which conditions and headers want.
    pub(crate) client_ip: String,
    /// The name in the TLS handshake.
    pub(crate) sni: String,
    pub(crate) tls_version: Option<&'static str>,
    /// Which port it came in on, among those of the worker.
    pub(crate) site: usize,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    exchanges: Cell<u32>,
    /// Whether heads are seen on the wire; HTTP/2 has them in frames.
    http1: Cell<bool>,
}

impl Connection {
    fn new(client: SocketAddr, site: usize) -> Self {
        Self {
            client,
            client_ip: client.ip().to_string(),
            sni: String::new(),
            tls_version: None,
            site,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(Instant::now()),
            exchanges: Cell::new(0),
            http1: Cell::new(true),
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    /// An exchange begins.
    pub(crate) fn begin(&self) {
        self.exchanges.set(self.exchanges.get() + 1);
        self.phase.set(Phase::Busy);
    }

    /// An exchange is over, and all of its response was taken.
    pub(crate) fn end(&self) {
        let left = self.exchanges.get().saturating_sub(1);
        self.exchanges.set(left);
        if left == 0 {
            self.enter(Phase::Idle);
        }
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    stream: TcpStream,
    client: SocketAddr,
    site: usize,
    tls: Option<Arc<ServerConfig>>,
) {
    // Answers are written whole, so there is nothing to gather.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(client, site);
    let stream = match tls {
        None => Stream::Plain(stream),
        Some(config) => {
            let accept = Box::pin(TlsAcceptor::from(config).accept(stream));
            let limit = worker.limits.handshake_timeout;
            let Ok(Ok(stream)) = tokio::time::timeout(limit, accept).await else {
                return;
            };
            let (_, session) = stream.get_ref();
            connection.sni = session.server_name().unwrap_or_default().to_owned();
            connection.tls_version = match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
                Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
                _ => None,
            };
            if session.alpn_protocol() == Some(b"h2") {
                connection.http1.set(false);
            }
            Stream::Tls(Box::new(stream))
        }
    };
    let connection = Rc::new(connection);
    let guarded = Guarded::new(stream, Rc::clone(&connection), &worker.limits);
    // Boxed, so that an idle connection has the state of its own protocol and no other.
    if connection.http1.get() {
        Box::pin(one(worker, connection, guarded)).await;
    } else {
        Box::pin(two(worker, connection, guarded)).await;
    }
}

/// HTTP/1.1 and 1.0.
async fn one(worker: Rc<Worker>, connection: Rc<Connection>, guarded: Guarded) {
    let limits = Rc::clone(&worker.limits);
    let drain = Rc::clone(&worker.drain);
    let serving = Rc::clone(&connection);
    let service = service_fn(move |request| {
        serving.begin();
        // Boxed, so that a connection holds the state of an exchange only while there is one.
        Box::pin(proxy::handle(
            Rc::clone(&worker),
            Rc::clone(&serving),
            request,
        ))
    });
    let mut http = http1::Builder::new();
    http.max_header_size(limits.head_bytes)
        .max_headers(limits.head_fields)
        // A client that shuts its side down after a request still gets its answer.
        .half_close(true)
        .timer(TokioTimer::new());
    let mut http = http.serve_connection(TokioIo::new(guarded), service);
    let outcome = {
        let mut ending = pin!(drain.wait());
        let mut told = false;
        std::future::poll_fn(|context: &mut Context<'_>| {
            if !told && ending.as_mut().poll(context).is_ready() {
                told = true;
                Pin::new(&mut http).graceful_shutdown();
            }
            Pin::new(&mut http).poll(context)
        })
        .await
    };
    if outcome.is_ok() {
        return;
    }
    // What was not shut down in order is here still.
    let mut guarded = http.into_parts().io.into_inner();
    let timed_out = guarded.head_timed_out();
    let end = async {
        if timed_out {
            // Nothing of a response was written, since the head was never complete.
            guarded.stream().write_all(reply::HEAD_TIMED_OUT).await?;
        }
        guarded.stream().shutdown().await
    };
    let _ = tokio::time::timeout(limits.write_timeout, end).await;
}

/// HTTP/2.
async fn two(worker: Rc<Worker>, connection: Rc<Connection>, guarded: Guarded) {
    let limits: Rc<Limits> = Rc::clone(&worker.limits);
    let drain = Rc::clone(&worker.drain);
    let service = service_fn(move |request| {
        connection.begin();
        proxy::handle(Rc::clone(&worker), Rc::clone(&connection), request)
    });
    let mut http = http2::Builder::new(LocalExecutor);
    http.max_concurrent_streams(limits.concurrent_streams)
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .timer(TokioTimer::new());
    let mut http = pin!(http.serve_connection(TokioIo::new(guarded), service));
    let mut ending = pin!(drain.wait());
    let mut told = false;
    // How it ended is the client's affair: nobody is left to be told.
    let _ = std::future::poll_fn(|context: &mut Context<'_>| -> Poll<hyper::Result<()>> {
        if !told && ending.as_mut().poll(context).is_ready() {
            told = true;
            http.as_mut().graceful_shutdown();
        }
        http.as_mut().poll(context)
    })
    .await;
}

/// Runs tasks on the thread that spawns them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
