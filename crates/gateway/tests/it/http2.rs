//! HTTP/2 clients that mean no good, frame by frame.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use gatewright_gateway::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{PATIENCE, Running, Setup, TO_UP, route};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET / HTTP/2` over https for the host `a`, from the static table of RFC 7541.
const GET: &[u8] = &[0x82, 0x87, 0x84, 0x41, 0x01, b'a'];

/// A connection that has said hello.
struct Client(StreamOwned<ClientConnection, TcpStream>);

fn gateway() -> (Running, Arc<ClientConfig>) {
    let authority = Arc::new(Authority::generate().expect("an authority"));
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes());
    roots
        .add(certificate.expect("a certificate"))
        .expect("an authority's");
    let mut setup = Setup::new(route(TO_UP));
    setup.https = true;
    setup.services.authority = Some(authority);
    setup.services.ports.insert(443, 0);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    (setup.start(), Arc::new(client))
}

impl Client {
    fn new(running: &Running, config: &Arc<ClientConfig>) -> Self {
        let gateway = running.gateway.as_ref().expect("it runs");
        let listening = gateway.listening();
        let at = listening.iter().find(|at| at.listener.scheme == "https");
        let stream = TcpStream::connect(at.expect("a port").address).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name).expect("a session");
        let mut client = Self(StreamOwned::new(session, stream));
        client
            .0
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .expect("writes");
        client.frame(SETTINGS, 0, 0, &[]);
        client
    }

    /// Sends a frame, if the other side still takes any.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len())
            .expect("a short frame")
            .to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0
            .write_all(&frame)
            .and_then(|()| self.0.flush())
            .is_ok()
    }

    /// Frames until the connection ends, or one of the kind that is looked for.
    fn find(&mut self, wanted: u8) -> Option<Vec<u8>> {
        self.find_either(wanted, wanted).map(|(_, payload)| payload)
    }

    /// The same with two kinds, and which of them it is.
    fn find_either(&mut self, one: u8, other: u8) -> Option<(u8, Vec<u8>)> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).ok()?;
            if [one, other].contains(&head[3]) {
                return Some((head[3], payload));
            }
        }
    }
}

/// Whether somebody else is served.
fn serves(running: &Running, config: &Arc<ClientConfig>) {
    let mut other = Client::new(running, config);
    other.frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    let headers = other.find(HEADERS).expect("an answer");
    // `:status: 200` is the eighth entry of the static table.
    assert_eq!(headers.first(), Some(&0x88), "{headers:?}");
}

#[test]
fn streams_that_are_begun_and_reset_end_the_connection() {
    let (running, config) = gateway();
    serves(&running, &config);
    let mut client = Client::new(&running, &config);
    for stream in (1..20_001).step_by(2) {
        let begun = client.frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        if !begun || !client.frame(RESET, 0, stream, &8_u32.to_be_bytes()) {
            break;
        }
    }
    // The reason, if the reset of the connection lets it through, is that there was too much.
    if let Some(reason) = client.find(GOAWAY) {
        assert_eq!(reason[4..8], 11_u32.to_be_bytes());
    }
    serves(&running, &config);
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let (running, config) = gateway();
    let mut client = Client::new(&running, &config);
    client.frame(HEADERS, END_STREAM, 1, GET);
    // A field of 1,000 bytes with a literal name, again and again.
    let mut field = vec![0x00, 0x01, b'x', 0x7f, 0xe9, 0x06];
    field.extend([b'y'; 1000]);
    let mut sent = 0;
    while sent < 100_000 && client.frame(CONTINUATION, 0, 1, &field) {
        sent += 1;
    }
    assert!(sent < 100_000, "all of it was taken");
    serves(&running, &config);
}

#[test]
fn a_request_with_two_lengths_reaches_nobody() {
    const PROTOCOL_ERROR: u32 = 1;
    let (running, config) = gateway();
    // Two that differ are a fault of the framing, and two that do not are what they are in HTTP/1.1.
    for (lengths, is_reset) in [(*b"12", true), (*b"21", true), (*b"11", false)] {
        // `POST / HTTP/2`, and `content-length` twice: the 28th entry of the static table.
        let mut head = vec![0x83, 0x87, 0x84, 0x41, 0x01, b'a'];
        for length in lengths {
            head.extend([0x0f, 0x0d, 0x01, length]);
        }
        let mut client = Client::new(&running, &config);
        client.frame(HEADERS, END_HEADERS, 1, &head);
        client.frame(DATA, END_STREAM, 1, b"a");
        if is_reset {
            let (kind, reason) = client.find_either(HEADERS, RESET).expect("an answer");
            assert_eq!(
                (kind, &reason[..]),
                (RESET, &PROTOCOL_ERROR.to_be_bytes()[..])
            );
        } else {
            // `:status: 400` is the twelfth entry.
            let answer = client.find(HEADERS).expect("an answer");
            assert_eq!(answer.first(), Some(&0x8c), "{answer:?}");
        }
        // Other requests of the connection are served.
        client.frame(HEADERS, END_STREAM | END_HEADERS, 3, GET);
        let answer = client.find(HEADERS).expect("an answer");
        assert_eq!(answer.first(), Some(&0x88), "{answer:?}");
    }
}
