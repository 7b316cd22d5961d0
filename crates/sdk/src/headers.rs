//! Headers and trailers of the phase that runs.
//!
//! Single values are single hostcalls: [`Headers::get`], [`Headers::set`], [`Headers::append`],
//! [`Headers::remove`]. Whoever looks at several reads them all at once with [`Headers::read`],
//! and whoever changes several uses [`Headers::edit`], which writes back only what changed.

mod diff;
mod list;
mod typed;
mod valid;
mod value;

use crate::side::{Request, Response, Side};
use crate::{HostError, hostcall};
use core::marker::PhantomData;
use diff::{Before, Change};
use gatewright_abi::{Hostcall, MapType, pairs};

pub use list::{HeaderIter, HeaderList};
pub use typed::Coding;
pub use valid::{is_header_name, is_header_value};
pub use value::HeaderValue;

/// From this many changes on, one hostcall that writes the whole map is cheaper.
const MANY_CHANGES: usize = 8;
/// Envoy silently takes a map of more pairs, or of more bytes, for an empty one.
const MAX_PAIRS: usize = 1024;
const MAX_WIRE_BYTES: usize = 1 << 20;

/// The headers of one side of an exchange, in the phase in which they may be touched.
///
/// Every value is read from and written to the host at once; nothing is cached, so what is read is
/// what was written:
///
/// ```
/// use gatewright::{HostError, RequestHeaders};
///
/// fn keep_the_original_host(headers: &mut RequestHeaders<'_>) -> Result<(), HostError> {
///     if let Some(host) = headers.authority()? {
///         headers.set("x-original-host", host)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Headers<'phase, S> {
    count: usize,
    end_of_stream: bool,
    /// Borrowed from the callback and tied to its thread, so that it cannot outlive its phase.
    phase: PhantomData<(&'phase mut *const (), S)>,
}

/// The request's headers, `:method`, `:path`, `:authority` and `:scheme` among them.
pub type RequestHeaders<'phase> = Headers<'phase, Request>;

/// The response's headers, `:status` among them.
pub type ResponseHeaders<'phase> = Headers<'phase, Response>;

impl<S: Side> Headers<'_, S> {
    pub(crate) fn new(count: usize, end_of_stream: bool) -> Self {
        Self {
            count,
            end_of_stream,
            phase: PhantomData,
        }
    }

    /// How many headers the host counted when the phase began.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there is no body. A host may say no and still send none.
    pub fn is_end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// The first value under this name. One hostcall.
    ///
    /// Where a name occurs more than once, hosts differ: Envoy answers the first value, others
    /// all of them joined by a comma. [`Headers::get_all`] is exact.
    ///
    /// # Errors
    /// What the host answered, if it was neither a value nor that there is none.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<HeaderValue>, HostError> {
        Ok(hostcall::header(S::HEADERS, name.as_ref())?.map(HeaderValue::from))
    }

    /// Every value under this name, in order. One hostcall that reads the whole map.
    ///
    /// # Errors
    /// As [`Headers::read`].
    pub fn get_all(&self, name: impl AsRef<[u8]>) -> Result<Vec<HeaderValue>, HostError> {
        Ok(self
            .read()?
            .get_all(name)
            .map(|value| HeaderValue::from(value.to_vec()))
            .collect())
    }

    /// Whether a header has this name. One hostcall.
    ///
    /// # Errors
    /// As [`Headers::get`].
    pub fn contains(&self, name: impl AsRef<[u8]>) -> Result<bool, HostError> {
        Ok(hostcall::header(S::HEADERS, name.as_ref())?.is_some())
    }

    /// Makes this the only value under the name. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn set(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), HostError> {
        hostcall::replace_header(S::HEADERS, name.as_ref(), value.as_ref())
    }

    /// Adds a value beside those already under the name. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn append(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), HostError> {
        hostcall::add_header(S::HEADERS, name.as_ref(), value.as_ref())
    }

    /// Removes every value under the name, if there is one. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was neither OK nor that there is none.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Result<(), HostError> {
        hostcall::remove_header(S::HEADERS, name.as_ref())
    }

    /// Reads all of them. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was not OK, or if its bytes are no header map.
    pub fn read(&self) -> Result<HeaderList, HostError> {
        read(S::HEADERS)
    }

    /// Reads all of them, lets `change` edit the list, and writes back what it changed.
    ///
    /// One hostcall to read and one for each change; from eight changes on, one that writes the
    /// whole map. An edit that changes nothing writes nothing.
    ///
    /// # Errors
    /// As [`Headers::read`], and what the host answered to a write.
    pub fn edit<R>(&mut self, change: impl FnOnce(&mut HeaderList) -> R) -> Result<R, HostError> {
        let mut list = self.read()?;
        let before = Before::of(&list);
        let result = change(&mut list);
        write(S::HEADERS, &before, &list)?;
        Ok(result)
    }
}

pub(crate) fn read(map: MapType) -> Result<HeaderList, HostError> {
    HeaderList::from_wire(hostcall::pairs(map)?)
        .map_err(|_| HostError::malformed(Hostcall::GetHeaderMapPairs.name(), "header map"))
}

fn write(map: MapType, before: &Before, list: &HeaderList) -> Result<(), HostError> {
    let changes = before.changes(list);
    if changes.len() >= MANY_CHANGES
        && list.len() <= MAX_PAIRS
        && pairs::encoded_len(list).is_some_and(|length| length <= MAX_WIRE_BYTES)
    {
        return hostcall::set_pairs(map, &list.to_wire());
    }
    for change in changes {
        match change {
            Change::Remove(name) => hostcall::remove_header(map, name)?,
            Change::Replace(name, value) => hostcall::replace_header(map, name, value)?,
            Change::Append(name, value) => hostcall::add_header(map, name, value)?,
        }
    }
    Ok(())
}

/// Three digits. `str::parse` would cost more, and take `+200`.
pub(crate) fn parse_status(text: &[u8]) -> Option<u16> {
    let digits: &[u8; 3] = text.try_into().ok()?;
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u16::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests;
