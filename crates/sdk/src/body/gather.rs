//! A body gathered in the plugin, for what cannot be done chunk by chunk.

use super::Body;
use crate::HostError;
use crate::side::Side;

/// What has come of a body so far, up to a limit. One belongs to one side of one stream.
///
/// The host is not asked to wait, because production ignores that. Instead each chunk is taken out
/// of the stream, which then sends nothing on, and the last callback puts the whole in. So the
/// receiver sees nothing of the body before its end, and the plugin holds all of it: where chunks
/// can be changed as they pass, [`Body::transform`] is the better way.
///
/// ```
/// use gatewright::{Flow, Gather, Gathered, HostError, LocalReply, RequestBody, Stream};
///
/// struct Upload {
///     body: Gather,
/// }
///
/// impl Stream for Upload {
///     fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<Flow, HostError> {
///         match body.gather(&mut self.body, |whole| whole.make_ascii_lowercase())? {
///             Gathered::More | Gathered::Whole => Ok(Flow::Continue),
///             Gathered::TooLarge => Ok(LocalReply::new(413).into()),
///         }
///     }
/// }
/// # let _ = Upload { body: Gather::new(64 * 1024) };
/// ```
#[derive(Debug)]
pub struct Gather {
    limit: usize,
    held: Vec<u8>,
    given_up: bool,
}

/// How far [`Body::gather`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Gathered {
    /// More chunks will come.
    More,
    /// That was the last one: the change was made and the whole goes on.
    Whole,
    /// The body is larger than the limit. What was held goes on as it came, and so does all that
    /// follows, unless the plugin replies.
    TooLarge,
}

impl Gather {
    /// Holds at most this many bytes.
    ///
    /// Production serves a thousand streams in 16 MiB and takes at most 128 KiB in one change of a
    /// body, so a larger limit is only for other hosts.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            held: Vec::new(),
            given_up: false,
        }
    }
}

impl<S: Side> Body<'_, S> {
    /// Takes this chunk out of the stream, and after the last one puts in the whole body as
    /// `change` leaves it. Two hostcalls, one for an empty chunk.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn gather(
        &mut self,
        gather: &mut Gather,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Gathered, HostError> {
        if gather.given_up {
            return Ok(Gathered::TooLarge);
        }
        if self.len() > gather.limit.saturating_sub(gather.held.len()) {
            gather.given_up = true;
            let held = core::mem::take(&mut gather.held);
            if !held.is_empty() {
                self.prepend(held)?;
            }
            return Ok(Gathered::TooLarge);
        }
        if gather.held.is_empty() {
            gather.held = self.read()?;
        } else {
            gather.held.extend(self.read()?);
        }
        if self.is_end_of_stream() {
            let mut whole = core::mem::take(&mut gather.held);
            change(&mut whole);
            self.replace(whole)?;
            return Ok(Gathered::Whole);
        }
        if !self.is_empty() {
            self.replace(b"")?;
        }
        Ok(Gathered::More)
    }
}
