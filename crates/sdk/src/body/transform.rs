//! A body changed chunk by chunk as it passes.

use super::Body;
use crate::HostError;
use crate::side::Side;

/// Changes a body as it streams by: chunks go in as they come, bytes come out when they are ready.
///
/// What is cut in two by a chunk's end, the transform holds back until it has seen the rest.
/// [`Transform::end`] is called for every body that ends, even with an empty last chunk, so that
/// nothing stays behind.
///
/// It cannot fail: by the time that a body streams, the client has the status. A transform that
/// meets an error of its own decides what goes out, and the usual answer is the rest as it came.
///
/// This is the shape of streaming rewriters such as `lol_html`, whose sink appends to a buffer
/// that `write` and `end` take the output from:
///
/// ```
/// use gatewright::{HostError, ResponseBody, Stream, Transform};
///
/// /// Replaces `{{name}}`, also where a chunk ends within it.
/// #[derive(Default)]
/// struct Fill {
///     held: Vec<u8>,
/// }
///
/// const MARK: &[u8] = b"{{name}}";
///
/// impl Transform for Fill {
///     fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
///         for byte in chunk {
///             self.held.push(*byte);
///             while !MARK.starts_with(&self.held) {
///                 out.push(self.held.remove(0));
///             }
///             if self.held == MARK {
///                 self.held.clear();
///                 out.extend_from_slice(b"world");
///             }
///         }
///     }
///
///     fn end(&mut self, out: &mut Vec<u8>) {
///         out.append(&mut self.held);
///     }
/// }
///
/// #[derive(Default)]
/// struct Page {
///     fill: Fill,
/// }
///
/// impl Stream for Page {
///     fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<(), HostError> {
///         body.transform(&mut self.fill)
///     }
/// }
/// # let mut fill = Fill::default();
/// # let mut out = Vec::new();
/// # for chunk in ["hello {", "{na", "me}}, {{na"] { fill.write(chunk.as_bytes(), &mut out); }
/// # fill.end(&mut out);
/// # assert_eq!(out, b"hello world, {{na");
/// ```
pub trait Transform {
    /// Takes a chunk, never empty, and appends what is ready to go on.
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>);

    /// The body has ended: appends what is left.
    fn end(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Whether every byte to come passes as it is, so that none need be read; asked after each
    /// chunk by [`Rewrite`](crate::Rewrite). One that is over holds nothing back.
    fn is_over(&self) -> bool {
        false
    }
}

/// So that a stream without a body does not hold room for a large transform.
impl<T: Transform + ?Sized> Transform for Box<T> {
    fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        (**self).write(chunk, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        (**self).end(out);
    }

    fn is_over(&self) -> bool {
        (**self).is_over()
    }
}

impl<S: Side> Body<'_, S> {
    /// Puts this chunk through a transform. One hostcall, and a second where it changes something.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn transform(&mut self, transform: &mut impl Transform) -> Result<(), HostError> {
        let chunk = self.read()?;
        let mut out = Vec::with_capacity(chunk.len());
        if !chunk.is_empty() {
            transform.write(&chunk, &mut out);
        }
        if self.is_end_of_stream() {
            transform.end(&mut out);
        }
        if out == chunk {
            return Ok(());
        }
        self.replace(out)
    }
}
