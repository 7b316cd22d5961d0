//! What goes wrong between us and a registry, each with what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialError;
use crate::{Digest, ImageError, PackError};

/// Why a registry could not be used. No variant holds or prints a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Plain HTTP to another machine.
    #[error(
        "plain HTTP is for loopback only, and `{host}` is not; give its certificate's CA file instead"
    )]
    PlainHttp {
        /// The registry.
        host: String,
    },
    /// A reference whose registry is no host.
    #[error("`{host}` is not a registry's host")]
    Host {
        /// The registry.
        host: String,
    },
    /// A CA file that cannot be used.
    #[error("the CA file `{path}` is unusable: {reason}; expected certificates as PEM")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be set up: {reason}")]
    Client {
        /// What is wrong.
        reason: String,
    },
    /// Credentials that cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// No connection.
    #[error("cannot connect to `{host}`: {reason}")]
    Connect {
        /// The host.
        host: String,
        /// The system's or TLS's words.
        reason: String,
    },
    /// No answer.
    #[error("`{host}` did not answer within {after:?} ({what})")]
    Timeout {
        /// The host.
        host: String,
        /// What was asked.
        what: String,
        /// How long we waited.
        after: Duration,
    },
    /// A connection that broke.
    #[error("the connection to `{host}` broke off ({what}): {reason}")]
    Interrupted {
        /// The host.
        host: String,
        /// What was asked.
        what: String,
        /// The client's words.
        reason: String,
    },
    /// An answer with fewer bytes than announced.
    #[error("{what} was cut off after {got} of {expected} bytes")]
    Truncated {
        /// What was asked.
        what: String,
        /// Bytes received.
        got: u64,
        /// Bytes expected.
        expected: u64,
    },
    /// An answer with more bytes than are allowed.
    #[error("{what} is longer than the {limit} bytes expected at most; reading stopped there")]
    TooLong {
        /// What was asked.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// 401 although credentials were sent, or none are known.
    #[error("`{host}` asks for a login ({what}): {}", if *.tried { "the credentials known for it were refused; log in again" } else { "no credentials are known for it; `docker login`, `podman login` or `gcloud auth configure-docker` store them" })]
    Unauthorized {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// Whether credentials were sent.
        tried: bool,
    },
    /// 403.
    #[error(
        "`{host}` denies this ({what}){detail}; the account needs the reader role to pull and the writer role to push"
    )]
    Denied {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// The registry's words.
        detail: String,
    },
    /// 404.
    #[error("`{host}` does not have it ({what}){detail}")]
    NotFound {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// The registry's words.
        detail: String,
    },
    /// 429.
    #[error("`{host}` answers that there are too many requests ({what}); try again later")]
    RateLimited {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// 5xx and 408.
    #[error("`{host}` failed with status {status} ({what}){detail}")]
    Server {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// The registry's words.
        detail: String,
    },
    /// Another status.
    #[error("`{host}` answered with status {status} ({what}){detail}")]
    Status {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// The registry's words.
        detail: String,
    },
    /// Redirects without end.
    #[error("`{host}` redirects in circles ({what})")]
    RedirectLoop {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
    },
    /// A redirect that leads nowhere sensible.
    #[error("`{host}` redirects to an unusable address ({what}): {problem}")]
    Redirect {
        /// The registry.
        host: String,
        /// What was asked.
        what: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An upload that was moved to another host.
    #[error(
        "`{host}` moves the upload to `{other}`; credentials and image are not sent to another host"
    )]
    UploadElsewhere {
        /// The registry.
        host: String,
        /// The other host.
        other: String,
    },
    /// A `WWW-Authenticate` header that cannot be followed.
    #[error("`{host}` asks for a login in a way we do not know: {reason}")]
    Challenge {
        /// The registry.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// A token service on a host that has nothing to do with the registry.
    #[error(
        "`{host}` sends us to `{realm}` for a token; credentials are not sent to another host unless it is named as a token host"
    )]
    ForeignRealm {
        /// The registry.
        host: String,
        /// The token service's host.
        realm: String,
    },
    /// A token service without TLS.
    #[error("`{host}` sends us to `{realm}` for a token without TLS")]
    PlainRealm {
        /// The registry.
        host: String,
        /// The token service's host.
        realm: String,
    },
    /// A token service's answer without a token.
    #[error("the token service of `{host}` gave no token: {reason}")]
    Token {
        /// The registry.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// A manifest stored as something else than was sent.
    #[error("`{host}` stored the manifest as `{stored}`, but `{sent}` was sent")]
    Stored {
        /// The registry.
        host: String,
        /// What it says.
        stored: String,
        /// What was sent.
        sent: Digest,
    },
    /// A push to a digest that is not the image's.
    #[error("the reference is pinned to `{pinned}`, but the image is `{actual}`; push to a tag")]
    Pinned {
        /// In the reference.
        pinned: String,
        /// The image.
        actual: Digest,
    },
    /// What came is no usable image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What should be attached cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl RegistryError {
    /// Whether the same question may have another answer a moment later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Timeout { .. }
                | Self::Interrupted { .. }
                | Self::Truncated { .. }
                | Self::RateLimited { .. }
                | Self::Server { .. }
        )
    }

    /// How long the registry asks to wait, if it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Server { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}
