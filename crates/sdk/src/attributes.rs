//! What the load balancer knows of a request and its connection, typed, by attach point.
//!
//! An extension gets those attributes that its `forwardAttributes` names, and an attach point has
//! only some of all. So take them from the module of the attach point: an attribute that is not
//! there does not compile.
//!
//! ```
//! use gatewright::attributes::edge as attributes;
//! use gatewright::{Flow, HostError, RequestHeaders, Stream};
//!
//! struct Visit;
//!
//! impl Stream for Visit {
//!     fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
//!         if let Some(country) = attributes::CLIENT_REGION.get()? {
//!             headers.set("x-country-code", country)?;
//!         }
//!         Ok(Flow::Continue)
//!     }
//! }
//! # let _ = Visit;
//! ```
//!
//! ```compile_fail
//! // A route extension does not learn where a client is.
//! let _ = gatewright::attributes::route::CLIENT_REGION;
//! ```
//!
//! An attribute that is not forwarded is `None`, as is one that this request does not have.
//! [`envoy`] has those that Envoy computes itself and production does not offer.

pub mod edge;
pub mod envoy;
pub mod route;
pub mod traffic;

mod known;

use crate::{HeaderList, HeaderValue, HostError, hostcall};
use core::marker::PhantomData;
use core::time::Duration;
use gatewright_abi::{Hostcall, path};

/// An attribute whose value is a `T`.
#[derive(Clone, Copy)]
pub struct Attribute<T> {
    /// Segments joined by zero bytes, as the ABI sends them.
    path: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T: Value> Attribute<T> {
    const fn new(path: &'static str) -> Self {
        Self {
            path,
            value: PhantomData,
        }
    }

    /// The value for this stream. One hostcall.
    ///
    /// # Errors
    /// What the host answered, if it was neither a value nor that there is none; or if its bytes
    /// are no value of this type.
    pub fn get(&self) -> Result<Option<T>, HostError> {
        let Some(bytes) = hostcall::property(self.path.as_bytes())? else {
            return Ok(None);
        };
        match T::from_wire(bytes) {
            Some(value) => Ok(Some(value)),
            None => Err(HostError::malformed(Hostcall::GetProperty.name(), T::NAME)),
        }
    }
}

impl<T> core::fmt::Debug for Attribute<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.path.replace('\0', "."))
    }
}

/// A type that an attribute's value can have. Nobody else can implement it.
pub trait Value: Sized + sealed::Sealed {
    #[doc(hidden)]
    const NAME: &'static str;
    #[doc(hidden)]
    fn from_wire(bytes: Vec<u8>) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! values {
    ($($type:ty, $name:literal, $read:expr;)*) => {
        $(
            impl sealed::Sealed for $type {}
            impl Value for $type {
                const NAME: &'static str = $name;
                fn from_wire(bytes: Vec<u8>) -> Option<Self> {
                    ($read)(bytes)
                }
            }
        )*
    };
}

/// Numbers are eight bytes, the lowest first.
fn number(bytes: Vec<u8>) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

values! {
    HeaderValue, "text", |bytes| Some(HeaderValue::from(bytes));
    u64, "number", number;
    i64, "number", |bytes| number(bytes).map(u64::cast_signed);
    bool, "truth value", |bytes: Vec<u8>| match bytes.as_slice() {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    };
    Duration, "duration", |bytes| number(bytes).map(Duration::from_nanos);
    HeaderList, "map", |bytes| HeaderList::from_wire(bytes).ok();
}

/// The bytes under any path, for what this module has no name for. One hostcall.
///
/// ```
/// let zone = gatewright::attributes::raw(["xds", "node", "locality", "zone"])?;
/// # Ok::<(), gatewright::HostError>(())
/// ```
///
/// # Errors
/// What the host answered, if it was neither a value nor that there is none.
pub fn raw<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Option<Vec<u8>>, HostError> {
    hostcall::property(&path::join(segments))
}

#[cfg(test)]
mod tests;
