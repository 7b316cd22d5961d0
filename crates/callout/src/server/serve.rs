//! Sockets, connections and streams of a server, and how they come to their end.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::Service as _;

use super::Server;
use crate::callout::Callout;
use crate::drive::{Drive, Said};
use crate::status::Status;
use crate::wire::{ProcessingRequest, ProcessingResponse};

/// How long a server that can accept nothing, for want of descriptors, waits before it tries again.
const BREATH: Duration = Duration::from_millis(20);
/// How long a client may take to shake hands or to send a head.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers that may wait to be sent.
const OUTBOX: usize = 16;

/// What a port speaks.
#[derive(Clone)]
enum Speaks {
    Grpc,
    GrpcOverTls(TlsAcceptor),
    Health,
}

pub(super) async fn run<C, F>(
    server: Server<F>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()>
where
    C: Callout,
    F: Fn() -> C + Clone + Send + Sync + 'static,
{
    let (stopping, stopped) = watch::channel(false);
    let mut ports = JoinSet::new();
    let grpc = server.plaintext.into_iter().map(|at| (at, Speaks::Grpc));
    let tls = server
        .tls
        .into_iter()
        .map(|(at, config)| (at, Speaks::GrpcOverTls(TlsAcceptor::from(config))));
    let health = server.health.into_iter().map(|at| (at, Speaks::Health));
    for (socket, speaks) in grpc.chain(tls).chain(health) {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        let service = Answers(server.make.clone());
        ports.spawn(port(socket, speaks, service, stopped.clone()));
    }
    drop(stopped);
    stop.await;
    // Whoever is gone does not have to be told.
    let _ = stopping.send(true);
    let ended = async { while ports.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(server.grace, ended).await;
    Ok(())
}

/// Waits until the server is stopped, or nobody is left who could.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Serves a port until the server is stopped and its connections have ended.
async fn port<C, F>(
    socket: TcpListener,
    speaks: Speaks,
    service: Answers<F>,
    mut stopped: watch::Receiver<bool>,
) where
    C: Callout,
    F: Fn() -> C + Clone + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let (speaks, service) = (speaks.clone(), service.clone());
                connections.spawn(connection(stream, speaks, service, stopped.clone()));
            }
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

async fn connection<C, F>(
    stream: TcpStream,
    speaks: Speaks,
    service: Answers<F>,
    stopped: watch::Receiver<bool>,
) where
    C: Callout,
    F: Fn() -> C + Clone + Send + Sync + 'static,
{
    // It only makes small messages late.
    let _ = stream.set_nodelay(true);
    match speaks {
        Speaks::Grpc => grpc(stream, service, stopped).await,
        Speaks::GrpcOverTls(acceptor) => {
            // Who cannot shake hands learns of it by the alert.
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                grpc(stream, service, stopped).await;
            }
        }
        Speaks::Health => health(stream, stopped).await,
    }
}

async fn grpc<C, F>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Answers<F>,
    mut stopped: watch::Receiver<bool>,
) where
    C: Callout,
    F: Fn() -> C + Clone + Send + Sync + 'static,
{
    let processor = ExternalProcessorServer::new(service);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut processor = processor.clone();
        async move {
            match request.uri().path() {
                "/grpc.health.v1.Health/Check" => Ok(healthy()),
                _ => processor.call(request).await,
            }
        }
    });
    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new());
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is the client's affair.
        _ = serving.as_mut() => {}
        () = told(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn health(stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => {}
        () = told(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

/// `SERVING`, as `grpc.health.v1` has it.
fn healthy() -> Response<tonic::body::Body> {
    // A message of two bytes, after its prefix: field 1 is 1.
    let message = Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(tonic::body::Body::new(body));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// Makes a callout for each stream.
#[derive(Clone)]
struct Answers<F>(F);

#[tonic::async_trait]
impl<C, F> ExternalProcessor for Answers<F>
where
    C: Callout,
    F: Fn() -> C + Clone + Send + Sync + 'static,
{
    type ProcessStream = ReceiverStream<Result<ProcessingResponse, tonic::Status>>;

    async fn process(
        &self,
        request: tonic::Request<tonic::Streaming<ProcessingRequest>>,
    ) -> Result<tonic::Response<Self::ProcessStream>, tonic::Status> {
        let (outbox, answers) = mpsc::channel(OUTBOX);
        let drive = Drive::new((self.0)());
        tokio::spawn(talk(drive, request.into_inner(), outbox));
        Ok(tonic::Response::new(ReceiverStream::new(answers)))
    }
}

/// Serves a stream to its end. Nobody is left to be told when the other side is gone.
async fn talk<C: Callout>(
    mut drive: Drive<C>,
    mut messages: tonic::Streaming<ProcessingRequest>,
    outbox: mpsc::Sender<Result<ProcessingResponse, tonic::Status>>,
) {
    loop {
        // A load balancer that needs no more answers may be gone while one is made.
        let message = tokio::select! {
            message = messages.message() => message,
            () = outbox.closed() => return,
        };
        let Ok(Some(message)) = message else { return };
        let said = tokio::select! {
            said = drive.came(message) => said,
            () = outbox.closed() => return,
        };
        let sent = match said {
            Said::Message(message) => outbox.send(Ok(message)).await,
            Said::Nothing => Ok(()),
            Said::Last(message) => {
                let _ = outbox.send(Ok(message)).await;
                return;
            }
            Said::Abort(abort) => {
                let code = code(abort.status);
                let _ = outbox
                    .send(Err(tonic::Status::new(code, abort.message)))
                    .await;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn code(status: Status) -> tonic::Code {
    let number = i32::try_from(status.number()).unwrap_or(i32::MAX);
    tonic::Code::from_i32(number)
}
