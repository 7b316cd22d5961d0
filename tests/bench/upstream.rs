//! The upstream of both sides: a thread a connection and a fixed answer, so that it is the last to
//! be the limit.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

/// Where the upstream is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream {
    pub(crate) port: u16,
}

/// The path whose answer is a large body.
pub(crate) const LARGE: &str = "/64k";

pub(crate) fn start() -> Result<Upstream, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .map_err(|error| format!("the upstream has no port: {error}"))?;
    let port = listener
        .local_addr()
        .map_err(|error| format!("the upstream has no address: {error}"))?
        .port();
    let small: Arc<[u8]> = answer(b"hello from the store").into();
    let large: Arc<[u8]> = answer(&[b'a'; 65536]).into();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (small, large) = (Arc::clone(&small), Arc::clone(&large));
            std::thread::spawn(move || serve(stream, &small, &large));
        }
    });
    Ok(Upstream { port })
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Answers requests without a body until the client goes.
fn serve(mut stream: TcpStream, small: &[u8], large: &[u8]) {
    let _ = stream.set_nodelay(true);
    let mut head: Vec<u8> = Vec::with_capacity(4096);
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => head.extend_from_slice(&buffer[..read]),
            Ok(0) | Err(_) => return,
        }
        if head.ends_with(b"\r\n\r\n") {
            let is_large = head
                .windows(LARGE.len())
                .take(64)
                .any(|at| at == LARGE.as_bytes());
            if stream
                .write_all(if is_large { large } else { small })
                .is_err()
            {
                return;
            }
            head.clear();
        }
    }
}
