//! What a hostcall can answer other than what was asked for.

use gatewright_abi::Status;

/// A hostcall that did not do what it was asked to.
///
/// A host may answer with any number: the ABI's own, or one that no specification has. All of
/// them arrive here and none of them panics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostError {
    call: &'static str,
    problem: Problem,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Problem {
    Status(u32),
    /// What the bytes should have been.
    Malformed(&'static str),
    Unanswered,
}

impl HostError {
    pub(crate) const fn status(call: &'static str, status: u32) -> Self {
        Self {
            call,
            problem: Problem::Status(status),
        }
    }

    /// For a host that answered OK with bytes that are no such thing.
    pub(crate) const fn malformed(call: &'static str, thing: &'static str) -> Self {
        Self {
            call,
            problem: Problem::Malformed(thing),
        }
    }

    /// For a callout that found no answer.
    pub(crate) const fn unanswered(call: &'static str) -> Self {
        Self {
            call,
            problem: Problem::Unanswered,
        }
    }

    /// Whether this is a callout that the host made and nobody answered: the upstream could not be
    /// reached, reset the call, or took too long.
    pub fn is_unanswered(&self) -> bool {
        self.problem == Problem::Unanswered
    }

    /// The name of the hostcall, such as `proxy_get_header_map_value`.
    pub const fn call(&self) -> &'static str {
        self.call
    }

    /// The number that the host answered; `None` when it answered OK with bytes that make no
    /// sense.
    pub const fn code(&self) -> Option<u32> {
        match self.problem {
            Problem::Status(code) => Some(code),
            Problem::Malformed(_) | Problem::Unanswered => None,
        }
    }

    /// The status that the host answered, if the ABI has a name for it.
    pub fn name(&self) -> Option<Status> {
        self.code().and_then(Status::from_u32)
    }
}

impl core::fmt::Display for HostError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.problem {
            Problem::Malformed(thing) => {
                write!(f, "`{}` answered bytes that are no {thing}", self.call)
            }
            Problem::Unanswered => {
                write!(f, "`{}`: the upstream gave no answer in time", self.call)
            }
            Problem::Status(code) => {
                let name = Status::from_u32(code).map_or("not in the ABI", Status::name);
                write!(f, "`{}` answered status {code} ({name})", self.call)
            }
        }
    }
}

impl core::fmt::Debug for HostError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_status_is_named_where_the_abi_has_a_name() {
        let known = HostError::status("proxy_log", 12);
        assert_eq!(
            known.to_string(),
            "`proxy_log` answered status 12 (UNIMPLEMENTED)"
        );
        assert_eq!(known.name(), Some(Status::Unimplemented));
        let unknown = HostError::status("proxy_log", 9);
        assert_eq!(
            unknown.to_string(),
            "`proxy_log` answered status 9 (not in the ABI)"
        );
        assert_eq!((unknown.code(), unknown.name()), (Some(9), None));
    }
}
