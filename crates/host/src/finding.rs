//! What works here and would surprise in production: named findings.

use std::fmt;

use crate::trace::Entry;

/// What was found. Each has a stable code for case files and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// A hostcall that this platform does not offer.
    UnsupportedHostcall,
    /// A callback paused; the platform goes on regardless.
    PauseIgnored,
    /// An edit of a header that the load balancer keeps to itself; it is ignored.
    ProtectedHeader,
    /// Log messages past the limit of an invocation; they are dropped.
    LogDropped,
    /// A mutation larger than the platform takes; the plugin fails.
    MutationTooLarge,
    /// An attribute that was not forwarded to the plugin.
    AttributeNotForwarded,
    /// A local reply after the response began.
    LateReply,
    /// A header map from the guest that could not be read; it is taken as empty.
    UnreadablePairs,
    /// Trailers that came and are not delivered to plugins.
    TrailersNotDelivered,
    /// An attribute that does not exist where the plugin is attached.
    UnknownAttribute,
    /// A call for which the plugin has no capability.
    CapabilityDenied,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::UnsupportedHostcall,
        Self::PauseIgnored,
        Self::ProtectedHeader,
        Self::LogDropped,
        Self::MutationTooLarge,
        Self::AttributeNotForwarded,
        Self::LateReply,
        Self::UnreadablePairs,
        Self::TrailersNotDelivered,
        Self::UnknownAttribute,
        Self::CapabilityDenied,
    ];

    /// The code in case files and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnsupportedHostcall => "unsupported-hostcall",
            Self::PauseIgnored => "pause-ignored",
            Self::ProtectedHeader => "protected-header",
            Self::LogDropped => "log-dropped",
            Self::MutationTooLarge => "mutation-too-large",
            Self::AttributeNotForwarded => "attribute-not-forwarded",
            Self::LateReply => "late-reply",
            Self::UnreadablePairs => "unreadable-pairs",
            Self::TrailersNotDelivered => "trailers-not-delivered",
            Self::UnknownAttribute => "unknown-attribute",
            Self::CapabilityDenied => "capability-denied",
        }
    }

    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// What to do about it.
    pub const fn help(self) -> &'static str {
        match self {
            Self::UnsupportedHostcall => {
                "production answers this hostcall with an error; leave it out or guard it"
            }
            Self::PauseIgnored => {
                "production ignores pausing; decide in the callback, or stream the body"
            }
            Self::ProtectedHeader => "production ignores edits of this header; use another name",
            Self::LogDropped => "log less in one callback: 16 messages and 16 KiB are kept",
            Self::MutationTooLarge => "keep each header and body mutation within 128 KiB",
            Self::AttributeNotForwarded => {
                "a GKE extension forwards no attributes; declare it in the case if yours does"
            }
            Self::LateReply => "reply in the header callbacks or in the request body",
            Self::UnreadablePairs => {
                "a map over 1 MiB, over 1,024 pairs or malformed is taken as empty"
            }
            Self::TrailersNotDelivered => "production does not deliver trailers to plugins",
            Self::UnknownAttribute => {
                "no extension can forward this attribute to a plugin attached here; see the list of \
                 attributes"
            }
            Self::CapabilityDenied => {
                "the configuration's `capability_restriction_config` leaves this call out"
            }
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Something found in an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The plugin's place in the chain, from 0.
    pub plugin: usize,
    /// The call into the guest during which it was found.
    pub entry: Entry,
    /// How many calls into guests the trace had seen before that one.
    pub ordinal: u32,
    /// The thing itself: the header, the hostcall, the number.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in {}", self.kind, self.detail, self.entry.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_kind() {
        for kind in FindingKind::ALL {
            assert_eq!(FindingKind::from_code(kind.code()), Some(*kind));
            assert!(!kind.help().is_empty());
        }
    }
}
