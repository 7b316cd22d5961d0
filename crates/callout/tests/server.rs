//! The server on real sockets: health, what it does not know, and how it stops.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use gatewright_callout::{
    Answer, Call, Callout, Client, Config, Event, Events, Half, Head, HeadChange, HeaderChange,
    Headers, Server, Went,
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Notify, oneshot};
use tokio::task::LocalSet;

/// Answers when it is told to.
struct Slow {
    asked: Arc<Notify>,
    told: Arc<Notify>,
}

impl Callout for Slow {
    async fn request_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        self.asked.notify_one();
        self.told.notified().await;
        HeaderChange::new().set("x", "1").into()
    }
}

fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = socket.local_addr().expect("an address");
    (socket, at)
}

/// Runs something beside a server that nobody stops.
fn beside<F: Future<Output = ()>>(
    test: impl FnOnce(SocketAddr, Arc<Notify>, Arc<Notify>, oneshot::Sender<()>) -> F,
) {
    let (socket, at) = socket();
    let (asked, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (stop, stopped) = oneshot::channel();
    let slow = {
        let (asked, told) = (Arc::clone(&asked), Arc::clone(&told));
        move || Slow {
            asked: Arc::clone(&asked),
            told: Arc::clone(&told),
        }
    };
    let server = std::thread::spawn(move || {
        let stopped = async {
            let _ = stopped.await;
        };
        Server::new(slow).plaintext(socket).run_blocking(stopped)
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, test(at, asked, told, stop));
    // With its connections, which a server waits for.
    drop(runtime);
    server.join().expect("no panic").expect("it served");
}

/// What is answered to a message at a path.
async fn post(at: SocketAddr, path: &str, message: &'static [u8]) -> Response<Incoming> {
    let stream = tokio::net::TcpStream::connect(at).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::post(format!("http://{at}{path}"))
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from_static(message)))
        .expect("a request");
    sender.send_request(request).await.expect("an answer")
}

#[test]
fn health_is_told_over_grpc_and_other_methods_are_unknown() {
    beside(|at, _, _, stop| async move {
        let health = post(at, "/grpc.health.v1.Health/Check", &[0; 5]).await;
        assert_eq!(health.status(), 200);
        let body = health.into_body().collect().await.expect("a body");
        let status = body
            .trailers()
            .and_then(|trailers| trailers.get("grpc-status"));
        assert_eq!(status.map(http::HeaderValue::as_bytes), Some(&b"0"[..]));
        // A message of two bytes: its field `status` is SERVING.
        assert_eq!(body.to_bytes(), &[0, 0, 0, 0, 2, 8, 1][..]);
        let other = post(at, "/some.Service/Method", &[0; 5]).await;
        let status = other.headers().get("grpc-status");
        assert_eq!(status.map(http::HeaderValue::as_bytes), Some(&b"12"[..]));
        drop(stop);
    });
}

#[test]
fn a_server_that_is_stopped_answers_what_it_was_asked_and_takes_nobody_new() {
    beside(|at, asked, told, stop| async move {
        let client = Client::plaintext(at);
        let config = Config {
            events: Events::NONE.with(Event::RequestHeaders),
            timeout: std::time::Duration::from_secs(60),
            ..Config::default()
        };
        let call = Call::new(&client, &Arc::new(config));
        let fields = Headers::new();
        let answer = call.head(Half::Request, &fields, true);
        let meanwhile = async {
            asked.notified().await;
            drop(stop);
            // It closes its port before it waits for its streams.
            while tokio::net::TcpStream::connect(at).await.is_ok() {
                tokio::task::yield_now().await;
            }
            told.notify_one();
        };
        let (answer, ()) = tokio::join!(answer, meanwhile);
        let Ok(Went::On(change)) = answer else {
            panic!("an answer: {answer:?}");
        };
        assert!(!change.headers.is_empty());
    });
}
