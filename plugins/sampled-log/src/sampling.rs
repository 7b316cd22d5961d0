//! Which exchanges are logged: a pure function of a key, so that everybody who shares the key
//! decides alike.
//!
//! The key is hashed by FNV-1a (64 bits), whose weak high bits are then mixed by the finaliser of
//! MurmurHash3. The upper half of the hash, scaled to a million, is the key's point; a key is in
//! when its point is below the rate. A key's point never changes, so the keys that are in at one
//! rate are in at every higher one. Any service can do the same in ten lines.

use serde::Deserialize;

/// The rate at which every key is in.
pub(crate) const ALL: u32 = 1_000_000;

/// What the `sampled` flag of `traceparent` means for the decision.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Flag {
    /// Nothing: the rate alone decides.
    #[default]
    Ignore,
    /// A set flag puts an exchange in; for the others the rate decides.
    Include,
    /// The flag decides; the rate is for exchanges without one.
    Follow,
}

/// Where the key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Traceparent,
    RequestId,
    Random,
}

impl Source {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Traceparent => "traceparent",
            Self::RequestId => "x-request-id",
            Self::Random => "random",
        }
    }
}

/// What settled the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Rate,
    Flag,
}

/// Whether an exchange is in, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) sampled: bool,
    pub(crate) source: Source,
    pub(crate) reason: Reason,
}

/// How to decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampler {
    /// Out of a million.
    pub(crate) rate: u32,
    pub(crate) flag: Flag,
}

impl Sampler {
    /// Whether no exchange can be in.
    pub(crate) fn never(self) -> bool {
        self.rate == 0 && self.flag == Flag::Ignore
    }

    /// Whether every exchange is in.
    pub(crate) fn always(self) -> bool {
        self.rate >= ALL && self.flag != Flag::Follow
    }

    /// Decides by a trace.
    pub(crate) fn by_trace(self, trace: Trace<'_>) -> Decision {
        let (sampled, reason) = match self.flag {
            Flag::Include if trace.sampled => (true, Reason::Flag),
            Flag::Follow => (trace.sampled, Reason::Flag),
            Flag::Ignore | Flag::Include => (self.is_in(trace.id), Reason::Rate),
        };
        Decision {
            sampled,
            source: Source::Traceparent,
            reason,
        }
    }

    /// Decides by another key.
    pub(crate) fn by_key(self, source: Source, key: &[u8]) -> Decision {
        Decision {
            sampled: self.is_in(key),
            source,
            reason: Reason::Rate,
        }
    }

    fn is_in(self, key: &[u8]) -> bool {
        point(key) < self.rate
    }
}

/// Where a key lies, from 0 to 999,999.
pub(crate) fn point(key: &[u8]) -> u32 {
    let scaled = (mix(fnv1a(key)) >> 32) * u64::from(ALL);
    (scaled >> 32) as u32
}

fn fnv1a(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// What `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace<'a> {
    /// 32 lower-case hexadecimal digits, not all zero.
    pub(crate) id: &'a [u8],
    pub(crate) sampled: bool,
}

impl<'a> Trace<'a> {
    /// Reads `version-trace-parent-flags` as W3C Trace Context, section 3.2, asks for it: a newer
    /// version may have more after the flags, version `ff` and ids of zeros are invalid.
    pub(crate) fn parse(header: &'a [u8]) -> Option<Self> {
        let (head, rest) = header.split_at_checked(55)?;
        let mut parts = head.split(|byte| *byte == b'-');
        let version = hex(parts.next()?, 2)?;
        let id = hex(parts.next()?, 32)?;
        let parent = hex(parts.next()?, 16)?;
        let flags = hex(parts.next()?, 2)?;
        let ends_well = match version {
            b"ff" => false,
            b"00" => rest.is_empty(),
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let zero = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
        if !ends_well || parts.next().is_some() || zero(id) || zero(parent) {
            return None;
        }
        let last = flags.last().copied()?;
        let value = if last.is_ascii_digit() {
            last - b'0'
        } else {
            last - b'a' + 10
        };
        Some(Self {
            id,
            sampled: value & 1 == 1,
        })
    }
}

fn hex(part: &[u8], length: usize) -> Option<&[u8]> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (part.len() == length && part.iter().all(is_hex)).then_some(part)
}
