//! Connections of HTTP/2.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::guard::Guarded;
use super::{Connection, LocalExecutor};
use crate::limits::Limits;
use crate::proxy;
use crate::worker::Worker;

/// Serves a connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, connection: Rc<Connection>, guarded: Guarded) {
    let limits: Rc<Limits> = Rc::clone(&worker.limits);
    let drain = Rc::clone(&worker.drain);
    let service = service_fn(move |request| {
        connection.begin(true);
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
