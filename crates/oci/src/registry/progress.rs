//! What a push or pull tells whoever draws it.

use std::time::Duration;

use crate::Digest;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A blob that the registry has already.
    Skipped {
        /// Which.
        digest: Digest,
        /// Its bytes.
        size: u64,
    },
    /// A blob taken over from another repository of the registry.
    Mounted {
        /// Which.
        digest: Digest,
        /// Its bytes.
        size: u64,
    },
    /// Bytes handed to the connection. A repeated upload begins at 0 again.
    Uploading {
        /// Which blob.
        digest: Digest,
        /// Bytes so far.
        sent: u64,
        /// All its bytes.
        size: u64,
    },
    /// Bytes received.
    Downloading {
        /// Which blob.
        digest: Digest,
        /// Bytes so far.
        got: u64,
        /// All its bytes.
        size: u64,
    },
    /// Something failed and is tried again.
    Retrying {
        /// What failed.
        reason: String,
        /// After this pause.
        after: Duration,
    },
}

/// Whoever draws it. Called from the task that pushes or pulls: it must not block.
pub trait Progress: Send + Sync {
    /// Takes note of one event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Progress for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

impl Progress for () {
    fn event(&self, _: &Event) {}
}
