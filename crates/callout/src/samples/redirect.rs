//! Sends every client elsewhere.

use crate::{Answer, Callout, Head, HeadChange, Reply};

/// Answers every request with 301 and a location.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redirect;

impl Callout for Redirect {
    async fn request_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        Reply::new(301)
            .header("Location", "http://service-extensions.com/redirect")
            .into()
    }
}
