//! What can go wrong with a peer that is a process: missing, refused, crashed, hung.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why Envoy could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program cannot be started.
    #[error(
        "cannot start Envoy at `{program}`; `scripts/setup` installs it, `--envoy PATH` names another"
    )]
    Missing {
        /// Its path.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It ended before it served, which it does when it refuses its configuration.
    #[error("Envoy refused its configuration ({status}):\n{said}")]
    Refused {
        /// How it ended.
        status: ExitStatus,
        /// The last it said.
        said: String,
    },
    /// It ended while it served.
    #[error("Envoy crashed ({status}):\n{said}")]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// The last it said.
        said: String,
    },
    /// It runs and does not answer.
    #[error("Envoy does not answer: {waiting} took more than {seconds} s; it said:\n{said}")]
    Hung {
        /// What was waited for.
        waiting: &'static str,
        /// For how long.
        seconds: u64,
        /// The last it said.
        said: String,
    },
    /// It failed while a case ran.
    #[error("while the case `{case}` ran")]
    During {
        /// The case.
        case: String,
        /// How.
        source: Box<Self>,
    },
    /// It answered what no Envoy answers.
    #[error("Envoy's answer to `{asked}` cannot be read")]
    Unreadable {
        /// What it was asked.
        asked: String,
    },
    /// A file or socket of ours failed.
    #[error("cannot {doing}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Gives an I/O error the words for what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing, source })
    }
}
