//! A registry: its address, how it is reached, and how patiently.
//!
//! The client is our own, on reqwest: credentials stay with the host they are for, what is
//! worth a second try gets one, and every answer has a limit.

mod challenge;
mod credentials;
mod error;
mod login;
mod progress;
mod pull;
mod push;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oci_spec::distribution::Reference;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

pub use credentials::{CredentialError, CredentialSource, Credentials, Secret};
pub use error::RegistryError;
pub use progress::{Event, Progress};
pub use push::Pushed;

use crate::Limits;

/// How often and with what pauses something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all; 1 is no second try.
    pub attempts: u32,
    /// The first pause, doubled each time.
    pub base: Duration,
    /// The longest pause, also when the registry asks for a longer one.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(10),
        }
    }
}

impl Retry {
    fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.base.saturating_mul(
            1_u32
                .checked_shl(failures.saturating_sub(1))
                .unwrap_or(u32::MAX),
        );
        doubled.max(asked.unwrap_or_default()).min(self.cap)
    }
}

/// How a registry is used.
#[derive(Clone)]
pub struct Options {
    /// Plain HTTP instead of TLS, for loopback only.
    pub plain_http: bool,
    /// Certificates, as PEM, to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// Hosts of token services to trust beside the registry's own house.
    pub token_hosts: Vec<String>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long the registry may be silent.
    pub read_timeout: Duration,
    /// Second tries.
    pub retry: Retry,
    /// Bytes of one request of an upload. Without it each blob is one request, which is the
    /// only way that Artifact Registry supports; with it, larger blobs take several.
    pub chunk: Option<usize>,
    /// What is read at most.
    pub limits: Limits,
    /// Whoever draws the progress.
    pub progress: Arc<dyn Progress>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plain_http: false,
            ca_file: None,
            credentials: CredentialSource::from_env(),
            token_hosts: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            retry: Retry::default(),
            chunk: None,
            limits: Limits::default(),
            progress: Arc::new(()),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("plain_http", &self.plain_http)
            .field("ca_file", &self.ca_file)
            .field("retry", &self.retry)
            .field("chunk", &self.chunk)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One repository of a registry, ready to be asked.
#[derive(Debug)]
pub struct Registry {
    http: reqwest::Client,
    base: Url,
    host: String,
    repository: String,
    credentials: Option<Credentials>,
    /// `Authorization` headers by scope. Never printed: see [`Secret`].
    authorizations: Mutex<HashMap<String, Secret>>,
    options: Options,
}

impl Registry {
    /// Prepares for the repository of `reference`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] for plain HTTP beyond loopback, or a CA or credential file that
    /// cannot be used.
    pub async fn new(reference: &Reference, options: Options) -> Result<Self, RegistryError> {
        let host = reference.resolve_registry().to_owned();
        if options.plain_http && !is_loopback(&host) {
            return Err(RegistryError::PlainHttp { host });
        }
        let scheme = if options.plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|_| RegistryError::Host { host: host.clone() })?;
        let client = |reason: String| RegistryError::Client { reason };
        let http = reqwest::Client::builder()
            .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")))
            // Redirects are followed by hand, where credentials can be left behind.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .tls_backend_preconfigured(tls(options.ca_file.as_deref())?)
            .build()
            .map_err(|error| client(error.to_string()))?;
        let repository = reference.repository().to_owned();
        let credentials = options.credentials.find(&host, &repository).await?;
        let authorizations = Mutex::default();
        Ok(Self {
            http,
            base,
            host,
            repository,
            credentials,
            authorizations,
            options,
        })
    }

    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let path = format!("v2/{}/{path}", self.repository);
        self.base.join(&path).map_err(|_| RegistryError::Host {
            host: self.host.clone(),
        })
    }

    /// Runs `ask` until it succeeds, fails for good, or has been tried often enough.
    async fn retrying<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut failures = 0;
        loop {
            match ask().await {
                Err(error)
                    if error.is_retryable() && failures + 1 < self.options.retry.attempts =>
                {
                    failures += 1;
                    let after = self.options.retry.pause(failures, error.retry_after());
                    self.options.progress.event(&Event::Retrying {
                        reason: error.to_string(),
                        after,
                    });
                    tokio::time::sleep(after).await;
                }
                other => return other,
            }
        }
    }
}

/// The TLS configuration: ring, the system's certificates, and those of the file.
fn tls(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, RegistryError> {
    let mut roots = rustls::RootCertStore::empty();
    // A system without certificates is fine when a CA file is given, and a failed connection
    // says so when not.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let unusable = |reason: String| RegistryError::CaFile {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
            found = true;
        }
        if !found {
            return Err(unusable("it holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| RegistryError::Client {
            reason: error.to_string(),
        })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn is_loopback(authority: &str) -> bool {
    let host = challenge::host_of(authority);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_loopback() {
        for yes in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]:5000",
        ] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "localhost.evil.org",
            "127.0.0.1.evil.org:80",
            "10.0.0.1:5000",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_respect_the_registry() {
        let retry = Retry {
            attempts: 9,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(5),
        };
        let pauses: Vec<_> = [1, 2, 3, 4, 40]
            .iter()
            .map(|n| retry.pause(*n, None).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(retry.pause(1, Some(Duration::from_secs(3))).as_secs(), 3);
        assert_eq!(retry.pause(1, Some(Duration::from_secs(3600))).as_secs(), 5);
    }
}
