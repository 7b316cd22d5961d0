//! What `python-example-basic` does, the image of the documentation.

use crate::{Answer, BodyChange, Callout, Chunk, Head, HeadChange, HeaderChange};

/// Sends the request to the root of `service-extensions.com`, greets in the response, and replaces
/// bodies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basic;

impl Callout for Basic {
    async fn request_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        let headers = HeaderChange::new()
            .append(":authority", "service-extensions.com")
            .append(":path", "/")
            .append("header-request", "request")
            .remove("foo");
        let change = HeadChange {
            headers,
            clear_route: true,
            ..HeadChange::default()
        };
        change.into()
    }

    async fn request_body(&mut self, _: &Chunk) -> Answer<BodyChange> {
        BodyChange::Replace(b"replaced-body".to_vec()).into()
    }

    async fn response_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        HeaderChange::new()
            .append("hello", "service-extensions")
            .into()
    }

    async fn response_body(&mut self, _: &Chunk) -> Answer<BodyChange> {
        BodyChange::Clear.into()
    }
}
