//! The store at a port of its own, for whoever runs the load balancer elsewhere.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http::header::HOST;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

use super::answer;

/// Connections that are served at a time.
const MOST_CONNECTIONS: usize = 1024;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long a port that can accept nothing, for want of descriptors, waits before it tries again.
const BREATH: Duration = Duration::from_millis(20);

/// Serves the built-in store of a name over HTTP/1.1 on this thread, until `stop` is ready.
///
/// It answers every request as the store of the documentation does. The port is a socket that is
/// bound already, so that whoever starts it knows where it is before the first connection comes.
///
/// # Errors
/// When there is no runtime, or the socket cannot be served.
pub fn serve_store(
    name: &str,
    socket: std::net::TcpListener,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::from_std(socket)?;
        let name: Rc<str> = name.into();
        let room = Rc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut stop = pin!(stop);
        loop {
            let accepted = async {
                // Nobody closes it.
                let place = Rc::clone(&room);
                let _ = place.acquire().await.map(|place| place.forget());
                listener.accept().await
            };
            tokio::select! {
                () = &mut stop => return Ok(()),
                accepted = accepted => match accepted {
                    Ok((stream, _)) => {
                        let (name, room) = (Rc::clone(&name), Rc::clone(&room));
                        spawn_local(async move {
                            connection(&name, stream).await;
                            room.add_permits(1);
                        });
                    }
                    Err(_) => {
                        room.add_permits(1);
                        tokio::time::sleep(BREATH).await;
                    }
                },
            }
        }
    })
}

async fn connection(name: &str, stream: TcpStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let host = request.headers().get(HOST);
        let host = host.map_or(String::new(), |host| {
            String::from_utf8_lossy(host.as_bytes()).into_owned()
        });
        let response = answer(name, &host);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // Who went away is not missed.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
