//! Sockets that one thread looks after: nothing blocks, and what came is kept byte for byte.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::error::{Doing as _, Error};

/// How long to rest when nothing happened.
const REST: Duration = Duration::from_micros(50);

/// A connection and everything that came over it.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: TcpStream,
    /// What came.
    pub(crate) received: Vec<u8>,
    /// Whether the other side closed it.
    pub(crate) closed: bool,
}

impl Conn {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
            closed: false,
        })
    }

    pub(crate) fn connect(port: u16) -> Result<Self, Error> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .and_then(Self::new)
            .doing("connect to Envoy")
    }

    /// Takes in what came. Says whether something did.
    fn look(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        let mut came = false;
        while !self.closed {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A reset ends a connection as much as an orderly end does.
                Err(_) => self.closed = true,
            }
            came = true;
        }
        came
    }

    /// Sends what fits now. Says how much.
    fn send(&mut self, bytes: &[u8]) -> usize {
        match self.stream.write(bytes) {
            Ok(sent) => sent,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                0
            }
            Err(_) => {
                self.closed = true;
                0
            }
        }
    }

    pub(crate) fn close(&mut self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.closed = true;
    }
}

/// A server that takes every connection and answers none by itself.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) port: u16,
    /// The connections since it was last cleared.
    pub(crate) conns: Vec<Conn>,
}

impl Server {
    pub(crate) fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("listen on loopback")?;
        let ready = listener.set_nonblocking(true);
        ready.doing("listen on loopback")?;
        let port = listener.local_addr().doing("listen on loopback")?.port();
        Ok(Self {
            listener,
            port,
            conns: Vec::new(),
        })
    }

    fn look(&mut self) -> bool {
        let mut came = false;
        while let Ok((stream, _)) = self.listener.accept() {
            // A connection that is gone before it is looked at is none.
            self.conns.extend(Conn::new(stream));
            came = true;
        }
        for conn in &mut self.conns {
            came |= conn.look();
        }
        came
    }
}

/// All sockets of an exchange.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) client: Option<Conn>,
    pub(crate) upstream: Server,
    pub(crate) services: Vec<Server>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Client,
    Upstream,
    /// A connection of a service.
    Service(usize, usize),
}

impl Sockets {
    pub(crate) fn look(&mut self) -> bool {
        let mut came = self.client.as_mut().is_some_and(Conn::look);
        came |= self.upstream.look();
        for service in &mut self.services {
            came |= service.look();
        }
        came
    }

    fn conn(&mut self, which: Which) -> Option<&mut Conn> {
        match which {
            Which::Client => self.client.as_mut(),
            Which::Upstream => self.upstream.conns.first_mut(),
            Which::Service(service, conn) => self.services.get_mut(service)?.conns.get_mut(conn),
        }
    }

    /// Sends bytes, and takes in what comes meanwhile, so that nobody waits for the other. Says
    /// whether all of it went out before the connection was closed or nothing moved any more.
    pub(crate) fn send(&mut self, which: Which, mut bytes: &[u8], patience: Duration) -> bool {
        let mut moved = Instant::now();
        while !bytes.is_empty() {
            let Some(conn) = self.conn(which).filter(|conn| !conn.closed) else {
                return false;
            };
            let sent = conn.send(bytes);
            bytes = &bytes[sent..];
            if self.look() || sent > 0 {
                moved = Instant::now();
            } else if moved.elapsed() > patience {
                return false;
            } else {
                std::thread::sleep(REST);
            }
        }
        true
    }

    /// Takes in what comes until something holds, or nothing came for so long.
    pub(crate) fn until(&mut self, patience: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let mut moved = Instant::now();
        loop {
            let came = self.look();
            if holds(self) {
                return true;
            }
            if came {
                moved = Instant::now();
            } else if moved.elapsed() > patience {
                return false;
            }
            std::thread::sleep(REST);
        }
    }

    /// Ends all connections of an exchange.
    pub(crate) fn clear(&mut self) {
        self.client = None;
        self.upstream.conns.clear();
        for service in &mut self.services {
            service.conns.clear();
        }
    }
}
