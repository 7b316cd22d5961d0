//! The chunk of a body that the running phase holds.
//!
//! Production ignores a plugin that asks to wait, so a body is never gathered by the host: each
//! callback sees one chunk and what it leaves there goes on. The last chunk may be empty. So the
//! ways to change a body are to stream it ([`Body::transform`]) and to hold it in the plugin
//! ([`Body::gather`]); [`Headers::prepare_body_change`] mends the headers before, since they have
//! left when the body comes. [`Rewrite`] is all of this for the usual case.
//!
//! [`Headers::prepare_body_change`]: crate::Headers::prepare_body_change

mod gather;
mod rewrite;
mod transform;

use crate::side::{Request, Response, Side};
use crate::{HostError, hostcall};
use core::marker::PhantomData;

pub use gather::{Gather, Gathered};
pub use rewrite::Rewrite;
pub use transform::Transform;

/// A chunk of the body of one side of an exchange.
///
/// ```
/// use gatewright::{HostError, ResponseBody};
///
/// fn shout(body: &mut ResponseBody<'_>) -> Result<(), HostError> {
///     body.replace(body.read()?.to_ascii_uppercase())
/// }
/// ```
#[derive(Debug)]
pub struct Body<'phase, S> {
    length: usize,
    end_of_stream: bool,
    /// As for headers: the chunk is gone when the callback returns.
    phase: PhantomData<(&'phase mut *const (), S)>,
}

/// A chunk of the request's body.
pub type RequestBody<'phase> = Body<'phase, Request>;

/// A chunk of the response's body.
pub type ResponseBody<'phase> = Body<'phase, Response>;

impl<S: Side> Body<'_, S> {
    pub(crate) fn new(length: usize, end_of_stream: bool) -> Self {
        Self {
            length,
            end_of_stream,
            phase: PhantomData,
        }
    }

    /// Bytes in this chunk, counting what this callback has changed.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether this chunk has no bytes, as the last one may.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether this is the last chunk.
    pub fn is_end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// The bytes of this chunk. One hostcall, none if it is empty.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn read(&self) -> Result<Vec<u8>, HostError> {
        self.read_range(0, self.length)
    }

    /// At most `length` bytes of this chunk from `start` on; fewer where it ends before.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn read_range(&self, start: usize, length: usize) -> Result<Vec<u8>, HostError> {
        let length = length.min(self.length.saturating_sub(start));
        if length == 0 {
            return Ok(Vec::new());
        }
        hostcall::buffer(S::BODY, start, length)
    }

    /// Puts `bytes` in the place of this chunk.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn replace(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.splice(0, self.length, bytes.as_ref())
    }

    /// Puts `bytes` before this chunk.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn prepend(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.splice(0, 0, bytes.as_ref())
    }

    /// Puts `bytes` after this chunk.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn append(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), HostError> {
        self.splice(self.length, 0, bytes.as_ref())
    }

    fn splice(&mut self, start: usize, length: usize, bytes: &[u8]) -> Result<(), HostError> {
        hostcall::set_buffer(S::BODY, start, length, bytes)?;
        self.length = self.length - length + bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
