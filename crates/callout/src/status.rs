//! gRPC's statuses, by name, and why a callout failed.

use std::fmt;

/// A gRPC status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u32);

macro_rules! statuses {
    ($($name:ident = $number:literal $about:literal;)*) => {
        impl Status {
            $(
                #[doc = $about]
                pub const $name: Self = Self($number);
            )*

            /// The name, as gRPC writes it.
            pub const fn as_str(self) -> &'static str {
                match self.0 {
                    $($number => stringify!($name),)*
                    _ => "UNKNOWN",
                }
            }
        }
    };
}

statuses! {
    OK = 0 "Nothing is wrong.";
    CANCELLED = 1 "The caller gave up.";
    UNKNOWN = 2 "It failed, and nobody says why.";
    INVALID_ARGUMENT = 3 "The caller asked for something impossible.";
    DEADLINE_EXCEEDED = 4 "It took too long.";
    NOT_FOUND = 5 "There is no such thing.";
    ALREADY_EXISTS = 6 "There is such a thing already.";
    PERMISSION_DENIED = 7 "The caller must not.";
    RESOURCE_EXHAUSTED = 8 "It is too much.";
    FAILED_PRECONDITION = 9 "Not in this state.";
    ABORTED = 10 "It was given up.";
    OUT_OF_RANGE = 11 "Outside of what there is.";
    UNIMPLEMENTED = 12 "There is no such method.";
    INTERNAL = 13 "The protocol was broken.";
    UNAVAILABLE = 14 "Nobody is there.";
    DATA_LOSS = 15 "Data is lost.";
    UNAUTHENTICATED = 16 "Nobody knows the caller.";
}

impl Status {
    /// The status of a number, which may be none of gRPC's.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// What gRPC takes an HTTP status for, where no gRPC status came.
    pub(crate) const fn of_http(status: u16) -> Self {
        match status {
            400 => Self::INTERNAL,
            401 => Self::UNAUTHENTICATED,
            403 => Self::PERMISSION_DENIED,
            404 => Self::UNIMPLEMENTED,
            429 | 502 | 503 | 504 => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a callout gave no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It cannot be reached.
    #[error("the callout at {at} cannot be reached: {why}")]
    Unreachable {
        /// Where it should be.
        at: String,
        /// Why not.
        why: String,
    },
    /// It did not answer within `timeout`.
    #[error("the callout did not answer within {0} ms")]
    TimedOut(u128),
    /// It ended the stream with a status.
    #[error("the callout ended the stream with {status}: {message}")]
    Ended {
        /// The status.
        status: Status,
        /// What it said.
        message: String,
    },
    /// It ended the stream and owed an answer.
    #[error("the callout ended the stream before its answer")]
    Missing,
    /// The connection or the stream broke.
    #[error("the connection to the callout broke: {0}")]
    Broken(String),
    /// It does not speak gRPC.
    #[error("the callout does not speak gRPC: {what}")]
    NotGrpc {
        /// The status that stands for it.
        status: Status,
        /// What came instead.
        what: String,
    },
    /// Its message is larger than the load balancer takes.
    #[error("the callout's message has {0} bytes, and the load balancer takes {limit}", limit = crate::MESSAGE_LIMIT)]
    TooLarge(usize),
    /// Its answer does not belong here.
    #[error("the callout broke the protocol: {0}")]
    Protocol(String),
}

impl Failure {
    /// The gRPC status that the load balancer logs for it.
    pub const fn status(&self) -> Status {
        match self {
            Self::Unreachable { .. } | Self::Broken(_) => Status::UNAVAILABLE,
            Self::TimedOut(_) => Status::DEADLINE_EXCEEDED,
            Self::Ended { status, .. } | Self::NotGrpc { status, .. } => *status,
            Self::Missing => Status::OK,
            Self::TooLarge(_) => Status::RESOURCE_EXHAUSTED,
            Self::Protocol(_) => Status::INTERNAL,
        }
    }
}
