//! A server of callouts: gRPC over HTTP/2, with and without TLS, and a port for health checks.

mod serve;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::callout::Callout;

/// A server of callouts, to be given its ports and run.
///
/// Ports are sockets that are bound already, so that whoever starts it knows where they are before
/// the first connection comes.
pub struct Server<F> {
    make: F,
    plaintext: Vec<TcpListener>,
    tls: Vec<(TcpListener, Arc<ServerConfig>)>,
    health: Vec<TcpListener>,
    grace: Duration,
}

impl<C: Callout, F: Fn() -> C + Clone + Send + Sync + 'static> Server<F> {
    /// A server whose callouts are made by this, one for each exchange.
    pub const fn new(make: F) -> Self {
        Self {
            make,
            plaintext: Vec::new(),
            tls: Vec::new(),
            health: Vec::new(),
            grace: Duration::from_secs(10),
        }
    }

    /// Serves a port over HTTP/2 without TLS.
    #[must_use]
    pub fn plaintext(mut self, socket: TcpListener) -> Self {
        self.plaintext.push(socket);
        self
    }

    /// Serves a port over HTTP/2 with TLS; see [`tls_config`].
    #[must_use]
    pub fn tls(mut self, socket: TcpListener, config: Arc<ServerConfig>) -> Self {
        self.tls.push((socket, config));
        self
    }

    /// Answers every request over HTTP/1.1 at a port with 200, for health checks. Those over gRPC
    /// are answered at the other ports.
    #[must_use]
    pub fn health(mut self, socket: TcpListener) -> Self {
        self.health.push(socket);
        self
    }

    /// How long streams may take to come to their end when the server is stopped; 10 seconds if
    /// nothing else is said.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Serves until `stop` is ready; then accepts no more, lets streams come to their end, and
    /// returns.
    ///
    /// # Errors
    /// When a socket cannot be served.
    pub async fn run(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        serve::run(self, stop).await
    }

    /// Runs it on this thread, for those who have no runtime of their own.
    ///
    /// # Errors
    /// When there is no runtime, or a socket cannot be served.
    pub fn run_blocking(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(self.run(stop))
    }
}

impl<F> std::fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("plaintext", &self.plaintext)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// TLS with a certificate chain and its key, both as PEM.
///
/// # Errors
/// A sentence that says what is wrong with them.
pub fn tls_config(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in the file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("the key cannot be read: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| format!("certificate and key: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
