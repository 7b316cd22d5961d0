//! Connections to one upstream, kept by one worker for the next request.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::body::Body;
use crate::connection::LocalExecutor;
use crate::limits::Limits;
use crate::snapshot::Protocol;
use crate::stream::Stream;
use crate::tls::client;

/// Why an upstream did not answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It cannot be connected to.
    Connect,
    /// It took the request and broke.
    Broken(hyper::Error),
    /// It did not answer in time.
    TimedOut,
}

/// Connections to an upstream.
pub(crate) struct Pool {
    at: SocketAddr,
    speaks: Protocol,
    /// How TLS is begun, if the upstream speaks it.
    tls: Option<TlsConnector>,
    limits: Rc<Limits>,
    /// The last one used goes first, so that those not needed grow old and are closed.
    idle: RefCell<Vec<http1::SendRequest<Body>>>,
    /// Over HTTP/2 one connection takes all requests.
    shared: Option<RefCell<Option<http2::SendRequest<Body>>>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A connection in use, to be given back when its response was read to the end. One that is
/// dropped is closed.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    sender: Option<http1::SendRequest<Body>>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        let Some(sender) = self.sender else {
            return;
        };
        let mut idle = self.pool.idle.borrow_mut();
        if idle.len() < self.pool.limits.idle_upstreams && !sender.is_closed() {
            idle.push(sender);
        }
    }
}

impl Pool {
    pub(crate) fn new(at: SocketAddr, speaks: Protocol, limits: Rc<Limits>) -> Self {
        Self {
            at,
            speaks,
            tls: speaks
                .tls
                .then(|| client::connector(speaks.http2))
                .flatten(),
            limits,
            idle: RefCell::default(),
            shared: speaks.http2.then(RefCell::default),
        }
    }

    pub(crate) fn speaks(&self) -> Protocol {
        self.speaks
    }

    /// Sends a request and gives the response with the connection that its body comes over.
    pub(crate) async fn send(
        self: &Rc<Self>,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), Failed> {
        if self.shared.is_some() {
            return self.send_two(request).await;
        }
        let mut request = request;
        loop {
            let idle = self.idle.borrow_mut().pop();
            let (mut sender, fresh) = match idle {
                Some(sender) => (sender, false),
                None => (self.connect().await?, true),
            };
            // The connection's task may not have seen yet that the last exchange is over.
            if sender.ready().await.is_err() {
                if fresh {
                    return Err(Failed::Connect);
                }
                continue;
            }
            let answer = sender.try_send_request(request);
            match timeout(self.limits.upstream_timeout, answer).await? {
                Ok(response) => {
                    let lease = Lease {
                        pool: Rc::clone(self),
                        sender: Some(sender),
                    };
                    return Ok((response, lease));
                }
                // An idle connection that the upstream closed just now: nothing of the request was
                // sent, so that another connection may have it.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(Failed::Broken(error.into_error())),
                },
            }
        }
    }

    async fn connect(&self) -> Result<http1::SendRequest<Body>, Failed> {
        let stream = self.open().await?;
        let (sender, connection) = http1::Builder::new()
            .max_header_size(self.limits.head_bytes)
            .max_headers(self.limits.head_fields)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failed::Broken)?;
        // How the connection ends shows in the requests on it.
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn open(&self) -> Result<Stream, Failed> {
        let opened = tokio::time::timeout(self.limits.connect_timeout, async {
            let stream = TcpStream::connect(self.at).await?;
            let _ = stream.set_nodelay(true);
            if !self.speaks.tls {
                return Ok(Stream::Plain(stream));
            }
            let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            let connector = self.tls.as_ref().ok_or_else(refused)?;
            // An address is no name that could be asked for: backends are told none.
            let name = ServerName::from(self.at.ip());
            let stream = connector.connect(name, stream).await?;
            let (_, session) = stream.get_ref();
            if self.speaks.http2 && session.alpn_protocol() != Some(b"h2") {
                return Err(refused());
            }
            Ok(Stream::Tls(Box::new(stream.into())))
        });
        match opened.await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(_)) | Err(_) => Err(Failed::Connect),
        }
    }

    async fn send_two(
        self: &Rc<Self>,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), Failed> {
        let known = self
            .shared
            .as_ref()
            .and_then(|shared| shared.borrow().clone());
        let mut sender = match known.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => {
                let stream = self.open().await?;
                let (sender, connection) = http2::Builder::new(LocalExecutor)
                    .timer(TokioTimer::new())
                    .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
                    .handshake(TokioIo::new(stream))
                    .await
                    .map_err(Failed::Broken)?;
                tokio::task::spawn_local(async move {
                    let _ = connection.await;
                });
                if let Some(shared) = &self.shared {
                    *shared.borrow_mut() = Some(sender.clone());
                }
                sender
            }
        };
        sender.ready().await.map_err(Failed::Broken)?;
        let answer = sender.send_request(request);
        let response = timeout(self.limits.upstream_timeout, answer).await?;
        let lease = Lease {
            pool: Rc::clone(self),
            sender: None,
        };
        Ok((response.map_err(Failed::Broken)?, lease))
    }
}

async fn timeout<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T, Failed> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => Ok(answer),
        Err(_) => Err(Failed::TimedOut),
    }
}
