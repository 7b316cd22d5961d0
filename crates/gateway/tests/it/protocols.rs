//! What backends speak, by the `appProtocol` of their Service's port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Setup, TO_UP, route};

/// What an upstream speaks.
#[derive(Clone, Copy)]
struct Speaks {
    http2: bool,
    tls: bool,
}

/// Runs tasks where they are spawned.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Answers with the version, the host, the scheme if there is one, and the body.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let host = head
        .headers
        .get("host")
        .map(|host| host.as_bytes().to_vec());
    let host = match head.uri.authority() {
        Some(authority) => authority.to_string(),
        None => String::from_utf8_lossy(&host.unwrap_or_default()).into_owned(),
    };
    let text = format!(
        "{:?} {host} {} {}",
        head.version,
        head.uri.scheme_str().unwrap_or("-"),
        String::from_utf8_lossy(&body.unwrap_or_default())
    );
    Ok(Response::new(Full::new(text.into())))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, http2: bool) {
    let (io, service) = (TokioIo::new(stream), service_fn(answer));
    // How the gateway ends a connection is its own affair.
    let _ = if http2 {
        http2::Builder::new(Local)
            .serve_connection(io, service)
            .await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}

fn acceptor(http2: bool) -> TlsAcceptor {
    let key = rcgen::generate_simple_self_signed(["nobody.test".to_owned()]).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .expect("its own certificate");
    let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn upstream(speaks: Speaks) -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.set_nonblocking(true).expect("it can be");
    let at = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let tls = speaks.tls.then(|| acceptor(speaks.http2));
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::from_std(socket).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let tls = tls.clone();
                tokio::task::spawn_local(async move {
                    match tls {
                        None => serve(stream, speaks.http2).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, speaks.http2).await;
                            }
                        }
                    }
                });
            }
        });
    });
    at
}

fn setup(app_protocol: &str, at: SocketAddr) -> Setup {
    let service = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: up}}\nspec:\n  \
         ports: [{{port: 80, appProtocol: {app_protocol}}}]\n  selector: {{app: up}}\n"
    );
    let mut setup = Setup::new(route(TO_UP) + &service);
    setup.up(at);
    setup
}

#[test]
fn a_backend_is_spoken_to_as_its_service_says() {
    for (app_protocol, http2, tls, expected) in [
        ("HTTP", false, false, "HTTP/1.1 a.test - body"),
        ("HTTPS", false, true, "HTTP/1.1 a.test - body"),
        (
            "kubernetes.io/h2c",
            true,
            false,
            "HTTP/2.0 a.test http body",
        ),
        ("HTTP2", true, true, "HTTP/2.0 a.test https body"),
    ] {
        let running = setup(app_protocol, upstream(Speaks { http2, tls })).start();
        // The second request goes over the connection of the first.
        for _ in 0..2 {
            let answer =
                running.ask("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody");
            assert_eq!((answer.status, answer.body.as_str()), (200, expected));
        }
    }
}

#[test]
fn a_backend_that_speaks_otherwise_is_502() {
    for (app_protocol, http2, tls) in [
        // TLS where there is none, and none where there is.
        ("HTTPS", false, false),
        ("HTTP", false, true),
        // Another version than was agreed on.
        ("HTTP2", false, true),
        ("kubernetes.io/h2c", false, false),
    ] {
        let running = setup(app_protocol, upstream(Speaks { http2, tls })).start();
        assert_eq!(running.get("/").status, 502, "{app_protocol}");
    }
}
