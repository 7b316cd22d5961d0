//! Capabilities: what a plugin may call and be called with, by the names of the ABI and of WASI.

use std::collections::BTreeSet;

use gatewright_abi::{Callback, Hostcall};

use crate::wasi;

/// The calls that a plugin is left with where a platform restricts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    names: BTreeSet<String>,
}

/// A name that is no capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no hostcall, callback or WASI function")]
pub struct UnknownCapability(String);

impl Capabilities {
    /// The capabilities named, and no others.
    ///
    /// # Errors
    /// [`UnknownCapability`] for a name that is neither a hostcall nor a callback of the ABI nor a
    /// function of WASI preview 1.
    ///
    /// ```
    /// use gatewright_host::Capabilities;
    ///
    /// assert!(Capabilities::new(["proxy_log", "proxy_on_request_headers", "fd_write"]).is_ok());
    /// assert!(Capabilities::new(["proxy_dance"]).is_err());
    /// ```
    pub fn new<S: Into<String>>(
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, UnknownCapability> {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        let is_known = |name: &str| {
            Hostcall::from_name(name).is_some()
                || Callback::ALL.iter().any(|known| known.name() == name)
                || wasi::is_known(name)
        };
        match names.iter().find(|name| !is_known(name)) {
            Some(name) => Err(UnknownCapability(name.clone())),
            None => Ok(Self { names }),
        }
    }

    /// Their names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the plugin may make, or get, this call.
    pub fn allows(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}
