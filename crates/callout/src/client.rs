//! Connections to callouts: one over HTTP/2 for all requests of a worker, made when it is needed.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::status::Failure;
use crate::stream::Outbox;
use crate::tls::unverified;

/// The one method that there is.
const PATH: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/// Bytes that a callout may have on the way before they are read: a message and a half.
const WINDOW: u32 = 192 * 1024;

/// A callout that can be called: where it is, and the connection to it. It belongs to one thread and
/// needs a [`tokio::task::LocalSet`] around it.
pub struct Client {
    at: SocketAddr,
    tls: Tls,
    connection: RefCell<Option<SendRequest<Outbox>>>,
}

/// Whether a connection is encrypted.
enum Tls {
    No,
    Yes(TlsConnector),
    /// It should be and cannot.
    Failed(String),
}

impl Client {
    /// A client for a callout that speaks HTTP/2 without TLS there.
    pub fn plaintext(at: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            at,
            tls: Tls::No,
            connection: RefCell::default(),
        })
    }

    /// A client for a callout that speaks HTTP/2 over TLS there; see [`crate::tls::unverified`].
    pub fn tls(at: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            at,
            tls: match unverified(b"h2") {
                Ok(config) => Tls::Yes(TlsConnector::from(config)),
                Err(error) => Tls::Failed(error.to_string()),
            },
            connection: RefCell::default(),
        })
    }

    /// Where the callout is.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Begins a stream.
    pub(crate) async fn begin(
        &self,
        authority: &str,
        outbox: Outbox,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = self.request(authority, outbox);
        loop {
            let known = self.connection.borrow().clone();
            let known = known.filter(|sender| !sender.is_closed());
            let fresh = known.is_none();
            let mut sender = match known {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                // The callout closed the connection just now, and the request is still here: another
                // connection may have it.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => {
                        self.connection.take();
                        request = unsent;
                    }
                    _ => return Err(broken(&error.into_error())),
                },
            }
        }
    }

    fn request(&self, authority: &str, outbox: Outbox) -> Request<Outbox> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(match self.tls {
            Tls::No => Scheme::HTTP,
            Tls::Yes(_) | Tls::Failed(_) => Scheme::HTTPS,
        });
        // What no URI can hold is replaced by what one can: the resource's schema lets some through.
        let own = || Authority::try_from(self.at.to_string());
        parts.authority = Authority::try_from(authority).or_else(|_| own()).ok();
        parts.path_and_query = Some(PathAndQuery::from_static(PATH));
        let mut request = Request::new(outbox);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        request
    }

    async fn connect(&self) -> Result<SendRequest<Outbox>, Failure> {
        let unreachable = |why: String| Failure::Unreachable {
            at: self.at.to_string(),
            why,
        };
        let stream = TcpStream::connect(self.at)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        // It only makes small messages late.
        let _ = stream.set_nodelay(true);
        let sender = match &self.tls {
            Tls::No => self.shake_hands(stream).await?,
            Tls::Failed(why) => return Err(unreachable(format!("no TLS: {why}"))),
            Tls::Yes(connector) => {
                let name = ServerName::IpAddress(self.at.ip().into());
                let stream = connector
                    .connect(name, stream)
                    .await
                    .map_err(|error| unreachable(format!("no TLS: {error}")))?;
                self.shake_hands(stream).await?
            }
        };
        // Of two that were made at once, one is enough.
        let mut known = self.connection.borrow_mut();
        if let Some(other) = known.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(other.clone());
        }
        *known = Some(sender.clone());
        Ok(sender)
    }

    async fn shake_hands(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<SendRequest<Outbox>, Failure> {
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW * 16)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        // How the connection ends shows in the streams on it.
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("at", &self.at)
            .field("tls", &!matches!(self.tls, Tls::No))
            .finish_non_exhaustive()
    }
}

/// What broke, down to the cause.
pub(crate) fn broken(error: &hyper::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    Failure::Broken(text)
}

/// Runs what belongs to a connection on the thread that made it.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A stream's own messages come this way.
impl http_body::Body for Outbox {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let message = self.get_mut().0.poll_recv(context);
        message.map(|message| message.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}
