//! The set-up around a transform: which bodies it is for, their headers, and its first chunk.

use super::{Body, Transform};
use crate::side::Side;
use crate::{Coding, HeaderValue, Headers, HostError};

/// A body that a [`Transform`] changes unless there is a reason to leave it alone. One belongs to
/// one side of one stream.
///
/// The transform is made when the first chunk comes, so a stream without a body has none. A body
/// whose headers this plugin was not shown is changed as well: whether it sees them is for whoever
/// attaches it to say.
///
/// ```
/// use gatewright::{Flow, HostError, ResponseBody, ResponseHeaders, Rewrite, Stream, Transform};
///
/// #[derive(Default)]
/// struct Upper;
///
/// impl Transform for Upper {
///     fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
///         out.extend(chunk.iter().map(u8::to_ascii_uppercase));
///     }
/// }
///
/// #[derive(Default)]
/// struct Visit {
///     rewrite: Rewrite<Upper>,
/// }
///
/// impl Stream for Visit {
///     fn on_response_headers(&mut self, headers: &mut ResponseHeaders<'_>) -> Result<Flow, HostError> {
///         if !headers.get("content-type")?.is_some_and(|value| value.starts_with(b"text/")) {
///             self.rewrite.leave();
///         }
///         if let Some(coding) = self.rewrite.prepare(headers)? {
///             gatewright::log::warn!("left alone, since it is encoded: {coding:?}");
///         }
///         Ok(Flow::Continue)
///     }
///
///     fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
///         self.rewrite.pass(body, || Ok(Upper))
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Rewrite<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    /// No chunk has come.
    Ahead,
    Running(T),
    /// Every byte to come passes as it is.
    Left,
}

impl<T> Default for Rewrite<T> {
    fn default() -> Self {
        Self(State::Ahead)
    }
}

impl<T: Transform> Rewrite<T> {
    /// Leaves the body alone from here on.
    pub fn leave(&mut self) {
        self.0 = State::Left;
    }

    /// Whether the body is left alone.
    pub const fn is_left(&self) -> bool {
        matches!(self.0, State::Left)
    }

    /// Makes the headers ready for the change, as [`Headers::prepare_body_change`] does; nothing
    /// where the body is left alone. Answers the encoding if there is one, and leaves the body alone
    /// then: worth a line in the log, since somebody expects it to be changed.
    ///
    /// # Errors
    /// As [`Headers::edit`].
    pub fn prepare<S: Side>(
        &mut self,
        headers: &mut Headers<'_, S>,
    ) -> Result<Option<HeaderValue>, HostError> {
        if self.is_left() {
            return Ok(None);
        }
        match headers.prepare_body_change()? {
            Coding::Plain => Ok(None),
            Coding::Encoded(coding) => {
                self.leave();
                Ok(Some(coding))
            }
        }
    }

    /// Puts a chunk through the transform, which is made for the first one. No hostcall where the
    /// body is left alone.
    ///
    /// # Errors
    /// What the host answered, if it was not OK, or what `make` did.
    pub fn pass<S: Side>(
        &mut self,
        body: &mut Body<'_, S>,
        make: impl FnOnce() -> Result<T, HostError>,
    ) -> Result<(), HostError> {
        if let State::Ahead = self.0 {
            self.0 = State::Running(make()?);
        }
        let State::Running(transform) = &mut self.0 else {
            return Ok(());
        };
        body.transform(transform)?;
        if transform.is_over() {
            self.leave();
        }
        Ok(())
    }
}
