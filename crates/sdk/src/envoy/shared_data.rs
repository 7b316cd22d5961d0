//! Data that all VMs of one VM id see.

use crate::{HostError, hostcall};

/// The version of a value, for a change that must not undo another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u32);

/// A value that VMs share, by its key.
///
/// ```
/// use gatewright::HostError;
/// use gatewright::envoy::SharedData;
///
/// # gatewright::testing::reset();
/// let visits = SharedData::new("visits");
/// let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
/// visits.set(0_u64.to_le_bytes())?;
/// let seen = visits.update(|old| (number(old.unwrap_or_default()) + 1).to_le_bytes().to_vec())?;
/// assert_eq!(seen, Some(1_u64.to_le_bytes().to_vec()));
/// # Ok::<(), HostError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SharedData<'a> {
    key: &'a [u8],
}

/// How often [`SharedData::update`] tries again when others come between.
const ATTEMPTS: usize = 16;

impl<'a> SharedData<'a> {
    /// The value under this key, whether there is one or not.
    pub fn new(key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { key: key.as_ref() }
    }

    /// The value and its version, if there is one. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was neither a value nor that there is none.
    pub fn get(self) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        let found = hostcall::envoy::shared_data(self.key)?;
        Ok(found.map(|(value, version)| (value, Version(version))))
    }

    /// Sets the value, whoever set it before. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn set(self, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        hostcall::envoy::set_shared_data(self.key, value.as_ref(), 0).map(|_| ())
    }

    /// Sets the value if it still has this version, and says whether it had. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was neither.
    pub fn compare_and_set(
        self,
        version: Version,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, HostError> {
        hostcall::envoy::set_shared_data(self.key, value.as_ref(), version.0)
    }

    /// Makes a new value from the old one, again if another VM came between; `None` if one did
    /// sixteen times.
    ///
    /// The ABI cannot tell the first of two who both find no value, so set one when the plugin is
    /// configured if that matters.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn update(
        self,
        mut change: impl FnMut(Option<&[u8]>) -> Vec<u8>,
    ) -> Result<Option<Vec<u8>>, HostError> {
        for _ in 0..ATTEMPTS {
            let old = self.get()?;
            let (bytes, version) = match &old {
                Some((bytes, Version(version))) => (Some(bytes.as_slice()), *version),
                None => (None, 0),
            };
            let new = change(bytes);
            if hostcall::envoy::set_shared_data(self.key, &new, version)? {
                return Ok(Some(new));
            }
        }
        Ok(None)
    }
}
