//! Connections of HTTP/1.1 and 1.0.
//!
//! The HTTP implementation has buffers of 16 KiB for a connection, whether it is used or not. So it
//! is there only while a request is: between two, and before the first, a connection is a socket and
//! a timer. Whoever opens many and says nothing costs little.

use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;

use super::Connection;
use super::guard::Guarded;
use crate::proxy;
use crate::reply;
use crate::turns::{Turn, Turns};
use crate::worker::Worker;

/// How serving came to its end.
enum Ended {
    /// The client may ask again.
    Rests,
    /// The connection was shut down in order.
    Over,
    /// It broke, or somebody took too long.
    Broken,
}

/// Serves a connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, connection: Rc<Connection>, mut guarded: Guarded) {
    let limits = Rc::clone(&worker.limits);
    let drain = Rc::clone(&worker.drain);
    let turns = Rc::clone(&worker.turns);
    let service = |request: Request<Incoming>| {
        connection.begin(!request.body().is_end_stream());
        // Boxed, so that a connection holds the state of an exchange only while there is one.
        Box::pin(proxy::handle(
            Rc::clone(&worker),
            Rc::clone(&connection),
            request,
        ))
    };
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(limits.head_bytes)
        .max_headers(limits.head_fields)
        // A client that shuts its side down after a request still gets its answer.
        .half_close(true)
        .timer(TokioTimer::new());
    let mut ending = pin!(drain.wait());
    while let Ok(Some(turn)) = next_turn(&turns, &mut guarded, ending.as_mut()).await {
        let http = builder.serve_connection(TokioIo::new(guarded), service_fn(&service));
        let mut http = Box::new(http);
        let mut told = false;
        let ended = std::future::poll_fn(|context: &mut Context<'_>| {
            // Not before the head of the request was read that the turn is for.
            if !told && connection.is_busy() && ending.as_mut().poll(context).is_ready() {
                told = true;
                Pin::new(&mut *http).graceful_shutdown();
            }
            let mut served = Pin::new(&mut *http).poll(context);
            if served.is_pending() && !told && ending.as_mut().poll(context).is_ready() {
                told = true;
                Pin::new(&mut *http).graceful_shutdown();
                served = Pin::new(&mut *http).poll(context);
            }
            Poll::Ready(match served {
                Poll::Pending if !told && connection.rests() => Ended::Rests,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => Ended::Over,
                Poll::Ready(Err(_)) => Ended::Broken,
            })
        })
        .await;
        drop(turn);
        let parts = match ended {
            Ended::Over => return,
            Ended::Rests | Ended::Broken => http.into_parts(),
        };
        guarded = parts.io.into_inner();
        if matches!(ended, Ended::Broken) {
            break;
        }
        // It may have read the beginning of the next request behind the last one.
        guarded.put_back(parts.read_buf);
    }
    // What was not shut down in order is here still.
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

/// Waits for a request, and then for its turn. Nothing when there is no more to come.
async fn next_turn(
    turns: &Rc<Turns>,
    guarded: &mut Guarded,
    mut ending: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<Option<Turn>> {
    let mut place = None;
    std::future::poll_fn(|context: &mut Context<'_>| {
        loop {
            // A request that has come is answered still, which is why the socket is asked first.
            if place.is_none() && guarded.poll_readable(context)?.is_pending() {
                return ending.as_mut().poll(context).map(|()| Ok(None));
            }
            let turn = ready!(turns.poll(&mut place, context));
            if let Poll::Ready(more) = guarded.poll_first(context)? {
                return Poll::Ready(Ok(more.then_some(turn)));
            }
            // There was nothing to read after all: the turn goes back.
        }
    })
    .await
}
