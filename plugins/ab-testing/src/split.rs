//! Who is in the share: a pure function of the user's name.

use gatewright::PathAndQuery;
use serde::Deserialize;

/// Everybody, as shares are counted.
pub(crate) const ALL: u32 = 1_000_000;

/// One test.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) share: u32,
    pub(crate) user: User,
    pub(crate) salt: String,
    pub(crate) hash: Hash,
}

/// Where a request says who its user is.
#[derive(Debug)]
pub(crate) enum User {
    Parameter(String),
    Cookie(String),
    Header(String),
}

/// How a user's name becomes a point in a million.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hash {
    /// 64-bit FNV-1a, mixed.
    Fnv1a,
    /// That of Google's sample, by which its tests choose their users. It has a hundred values and
    /// spreads similar names badly.
    Sum,
}

impl Split {
    /// The path for those in the share; none if this path is not of the test.
    pub(crate) fn other_path(&self, path: &PathAndQuery) -> Option<Vec<u8>> {
        let bytes = path.as_bytes();
        let (prefix, rest) = bytes.split_at_checked(self.from.len())?;
        prefix
            .eq_ignore_ascii_case(self.from.as_bytes())
            .then(|| [self.to.as_bytes(), rest].concat())
    }

    /// Whether a user is in the share. Nobody without a name is.
    pub(crate) fn is_in(&self, user: &[u8]) -> bool {
        !user.is_empty()
            && match self.hash {
                Hash::Fnv1a => point(self.salt.as_bytes(), user) < self.share,
                // Its bound is part of the share.
                Hash::Sum => sum(user) * (ALL / 100) <= self.share,
            }
    }
}

/// The upper bits of the hash, scaled to a million.
fn point(salt: &[u8], user: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in salt.iter().chain(b"\0").chain(user) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // Short names leave the upper bits of FNV alike; this is MurmurHash3's finaliser.
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    let upper = (hash ^ (hash >> 33)) >> 32;
    u32::try_from((upper * u64::from(ALL)) >> 32).unwrap_or(ALL)
}

/// The bytes and three times their number, of a hundred.
fn sum(user: &[u8]) -> u32 {
    let bytes: u64 = user.iter().map(|byte| u64::from(*byte)).sum();
    let length = u64::try_from(user.len()).unwrap_or_default();
    u32::try_from((bytes + 3 * length) % 100).unwrap_or_default()
}
