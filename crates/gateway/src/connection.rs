//! A client's connection: TLS, the protocol, the limits on slow clients, and its orderly end.

mod guard;
mod heads;
mod one;
mod two;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::stream::Stream;
use crate::worker::Worker;
use guard::Guarded;

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
    /// Whether some of the last request's body is still to come, or was never looked at.
    unread: Cell<bool>,
    wire: Wire,
}

/// What the socket was last asked for and could not do yet.
#[derive(Debug, Default)]
struct Wire {
    reading: Cell<bool>,
    writing: Cell<bool>,
    closing: Cell<bool>,
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
            unread: Cell::new(false),
            wire: Wire::default(),
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    /// An exchange begins, whose request has a body or not.
    fn begin(&self, has_body: bool) {
        self.exchanges.set(self.exchanges.get() + 1);
        self.unread.set(has_body);
        self.phase.set(Phase::Busy);
    }

    /// The last request's body was read to its end.
    pub(crate) fn was_read(&self) {
        self.unread.set(false);
    }

    /// Whether a request is being answered.
    fn is_busy(&self) -> bool {
        self.phase.get() == Phase::Busy
    }

    /// Whether nothing is under way: the last exchange is over, all that was to be written is, and
    /// nothing of another request has come. Of HTTP/1 only.
    fn rests(&self) -> bool {
        let wire = &self.wire;
        self.phase.get() == Phase::Idle
            && !self.unread.get()
            && wire.reading.get()
            && !wire.writing.get()
            && !wire.closing.get()
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
            Stream::Tls(Box::new(stream.into()))
        }
    };
    let connection = Rc::new(connection);
    let guarded = Guarded::new(stream, Rc::clone(&connection), &worker.limits);
    // Boxed, so that an idle connection has the state of its own protocol and no other.
    if connection.http1.get() {
        Box::pin(one::serve(worker, connection, guarded)).await;
    } else {
        Box::pin(two::serve(worker, connection, guarded)).await;
    }
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
