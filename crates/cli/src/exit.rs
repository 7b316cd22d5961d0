//! Exit codes, which are interface: scripts and CI tell outcomes apart by them.

use std::fmt;
use std::process::ExitCode;

/// Everything is fine.
pub(crate) const FINE: u8 = 0;
/// What was checked failed: a case, a plugin that is too large, a plugin that does not compile.
pub(crate) const FAILED: u8 = 1;
/// The command was used wrongly: an unknown option, a file that does not exist, a case file that
/// cannot be read.
pub(crate) const USAGE: u8 = 2;
/// The environment failed: a program that is missing, a disk that is full.
pub(crate) const ENVIRONMENT: u8 = 3;

/// How a command ended, when it ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was checked holds.
    Fine,
    /// What was checked does not hold, and the command said so.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => FINE,
            Outcome::Failed => FAILED,
        })
    }
}

/// Marks an error as the user's to mend by another command line or another file.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Marks an error as the outcome of a check: what was looked at is not fit for use.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The exit code of an error that a command did not handle.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    if error.chain().any(|cause| cause.is::<Usage>()) {
        USAGE
    } else if error.chain().any(|cause| cause.is::<Refused>()) {
        FAILED
    } else {
        ENVIRONMENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_usage_error_is_found_under_its_context() {
        let error = anyhow::Error::new(Usage("no such file".into())).context("reading cases");
        assert_eq!(code(&error), USAGE);
        let io: std::io::Result<()> = Err(std::io::ErrorKind::StorageFull.into());
        assert_eq!(code(&io.context("writing").unwrap_err()), ENVIRONMENT);
    }
}
