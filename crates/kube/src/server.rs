//! The API on a socket: TLS, HTTP/1.1, and a kubeconfig that finds it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT, WARNING};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::api::{Api, Method, Reply, Request, Whole};
use crate::body::Lines;
use crate::discovery;
use crate::failure::Failure;
use crate::identity::Identity;

/// Bytes of a request's body; the API server's limit.
const BODY: usize = 3 << 20;
/// How long a client may take for a handshake or a request's head.
const HEAD: Duration = Duration::from_secs(10);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It is for this machine only.
    #[error("`{0}` is no loopback address; the API is for this machine only")]
    NotLoopback(SocketAddr),
    /// The port cannot be had.
    #[error("cannot listen at {address} for the Kubernetes API: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start the Kubernetes API: {0}")]
    Start(std::io::Error),
    /// There is no certificate.
    #[error("cannot make a certificate for the Kubernetes API: {0}")]
    Certificate(String),
}

/// An API that is served.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    identity: Identity,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves an API at a loopback address; port 0 is any free one.
    ///
    /// # Errors
    /// [`ServeError`] when the address is not this machine's alone or cannot be had.
    pub fn start(
        api: Arc<Api>,
        address: SocketAddr,
        identity: Identity,
    ) -> Result<Self, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        let listen = |source| ServeError::Listen { address, source };
        let socket = std::net::TcpListener::bind(address).map_err(listen)?;
        socket.set_nonblocking(true).map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        let tls = identity
            .tls(address.ip())
            .map_err(ServeError::Certificate)?;
        let acceptor = TlsAcceptor::from(tls);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ServeError::Start)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("gatewright-kube".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let Ok(listener) = TcpListener::from_std(socket) else {
                        return;
                    };
                    tokio::select! {
                        () = accept(listener, acceptor, api) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(ServeError::Start)?;
        Ok(Self {
            address,
            identity,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig that finds it and shows its token.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.identity.kubeconfig(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, api: Arc<Api>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors, most likely; others close theirs meanwhile.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        // Events are small and waited for.
        let _ = stream.set_nodelay(true);
        let (acceptor, api) = (acceptor.clone(), Arc::clone(&api));
        tokio::spawn(async move {
            let Ok(Ok(stream)) = tokio::time::timeout(HEAD, acceptor.accept(stream)).await else {
                return;
            };
            let service = service_fn(move |request| {
                let api = Arc::clone(&api);
                async move { Ok::<_, Infallible>(respond(&api, request).await) }
            });
            // A client that goes away is no news.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn respond(api: &Arc<Api>, request: hyper::Request<Incoming>) -> hyper::Response<Body> {
    let reply = match read(request).await {
        Ok(request) => api.handle(&request),
        Err(failure) => Reply::Whole(failure.into()),
    };
    match reply {
        Reply::Whole(reply) => whole(reply),
        Reply::Binary(media, bytes) => answer(
            200,
            media,
            Full::new(Bytes::from(bytes)).boxed_unsync(),
            &[],
        ),
        Reply::Watch(watch) => {
            let lines = Lines::new(watch.on(api));
            answer(200, "application/json", lines.boxed_unsync(), &[])
        }
    }
}

fn whole(reply: Whole) -> hyper::Response<Body> {
    // A probe wants the word alone.
    let text = match reply.body.as_str() {
        Some(text) => text.to_owned(),
        None => reply.body.to_string(),
    };
    // Clients tell the new form of discovery from the old one by its type alone.
    let media = match reply.body.get("kind").and_then(serde_json::Value::as_str) {
        Some("APIGroupDiscoveryList") => discovery::AGGREGATED,
        _ => "application/json",
    };
    let body = Full::new(Bytes::from(text)).boxed_unsync();
    answer(reply.code, media, body, &reply.warnings)
}

fn answer(code: u16, media: &str, body: Body, warnings: &[String]) -> hyper::Response<Body> {
    let mut response = hyper::Response::builder()
        .status(code)
        .header(CONTENT_TYPE, media)
        .header("cache-control", "no-cache, private");
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        response = response.header(WARNING, format!("299 - \"{quoted}\""));
    }
    // A header that cannot be written leaves a reply without it.
    response.body(body).unwrap_or_else(|error| {
        let failure = Failure::internal(error.to_string()).status();
        hyper::Response::new(Full::new(Bytes::from(failure.to_string())).boxed_unsync())
    })
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Failure> {
    let (parts, body) = request.into_parts();
    let method = match parts.method {
        hyper::Method::GET => Method::Get,
        hyper::Method::POST => Method::Post,
        hyper::Method::PUT => Method::Put,
        hyper::Method::PATCH => Method::Patch,
        hyper::Method::DELETE => Method::Delete,
        _ => return Err(Failure::method_not_allowed()),
    };
    let header = |name: HeaderName| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (accept, content_type) = (header(ACCEPT), header(CONTENT_TYPE));
    let (authorization, user_agent) = (header(AUTHORIZATION), header(USER_AGENT));
    let query = parts.uri.query().unwrap_or_default();
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect();
    let body = Limited::new(body, BODY)
        .collect()
        .await
        .map_err(
            |error| match error.downcast::<http_body_util::LengthLimitError>() {
                Ok(_) => Failure::too_large(BODY),
                Err(error) => Failure::bad_request(error.to_string()),
            },
        )?
        .to_bytes();
    Ok(Request {
        method,
        path: decode(parts.uri.path(), false),
        query,
        accept,
        content_type,
        authorization,
        user_agent,
        body: body.to_vec(),
    })
}

/// Percent-decodes; in queries a plus is a blank. What is no escape stays as it is.
fn decode(text: &str, query: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let escape = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(if query && *first == b'+' {
                    b' '
                } else {
                    *first
                });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_read() {
        assert_eq!(decode("a%3Db+c%2", true), "a=b c%2");
        assert_eq!(decode("a+b", false), "a+b");
        assert_eq!(decode("%zz%é", false), "%zz%é");
    }
}
