//! A server of HTTP/2 that says to each message of a stream what a script has for it, right or wrong.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{mpsc, oneshot};

/// What is said to a message.
pub(super) enum Says {
    /// These bytes, as a message.
    This(Vec<u8>),
    /// These bytes as they are.
    Raw(Vec<u8>),
    /// Nothing.
    Nothing,
    /// The stream is reset.
    Reset,
    /// The stream ends with this status.
    End(u32),
    /// Nothing before this is ready, and then these bytes as a message.
    Late(oneshot::Receiver<()>, Vec<u8>),
}

/// The empty answers to each event, as bytes: a field and no content.
pub(super) const REQUEST_HEADERS: [u8; 2] = [0x0a, 0];
pub(super) const RESPONSE_HEADERS: [u8; 2] = [0x12, 0];
pub(super) const REQUEST_BODY: [u8; 2] = [0x1a, 0];

type Script = Arc<dyn Fn(usize) -> Says + Send + Sync>;

/// Serves on a thread of its own for as long as the test runs. The script is asked with the number
/// of the message within its stream.
pub(super) fn serve(script: impl Fn(usize) -> Says + Send + Sync + 'static) -> SocketAddr {
    answering(Arc::new(script), "application/grpc")
}

/// The same with another content type.
pub(super) fn serve_as(kind: &'static str) -> SocketAddr {
    answering(Arc::new(|_| Says::End(0)), kind)
}

fn answering(script: Script, kind: &'static str) -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = socket.local_addr().expect("an address");
    socket.set_nonblocking(true).expect("not blocking");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let socket = tokio::net::TcpListener::from_std(socket).expect("a socket");
            while let Ok((stream, _)) = socket.accept().await {
                let script = Arc::clone(&script);
                let service = service_fn(move |request: Request<Incoming>| {
                    let (sender, receiver) = mpsc::channel(4);
                    tokio::spawn(talk(request.into_body(), Arc::clone(&script), sender));
                    let mut response = Response::new(Said(receiver));
                    let kind = HeaderValue::from_static(kind);
                    response.headers_mut().insert("content-type", kind);
                    async { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    at
}

async fn talk(
    mut messages: Incoming,
    script: Script,
    sender: mpsc::Sender<std::io::Result<Frame<Bytes>>>,
) {
    let mut buffer = BytesMut::new();
    let mut count = 0;
    loop {
        while buffer.len() < 5 || buffer.len() < 5 + length(&buffer) {
            match messages.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        buffer.extend_from_slice(&bytes);
                    }
                }
                // The other side needs no more, and gets an end.
                _ => {
                    let _ = sender.send(Ok(Frame::trailers(status(0)))).await;
                    return;
                }
            }
        }
        let length = length(&buffer);
        buffer.advance(5 + length);
        let says = match script(count) {
            Says::Late(ready, bytes) => {
                let _ = ready.await;
                Says::This(bytes)
            }
            says => says,
        };
        count += 1;
        let frame = match says {
            Says::This(bytes) => Ok(Frame::data(framed(&bytes))),
            Says::Raw(bytes) => Ok(Frame::data(bytes.into())),
            Says::Nothing | Says::Late(..) => continue,
            Says::Reset => Err(std::io::Error::other("reset")),
            Says::End(code) => Ok(Frame::trailers(status(code))),
        };
        let is_last = !matches!(&frame, Ok(frame) if frame.is_data());
        if sender.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

fn length(prefix: &[u8]) -> usize {
    prefix[1..5]
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte))
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

fn status(code: u32) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    trailers
}

/// What is said, as a body.
struct Said(mpsc::Receiver<std::io::Result<Frame<Bytes>>>);

impl http_body::Body for Said {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.get_mut().0.poll_recv(context)
    }
}
