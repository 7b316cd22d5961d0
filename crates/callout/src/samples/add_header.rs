//! Adds a field to the request and one to the response, and removes one.

use crate::{Answer, Callout, Head, HeadChange, HeaderChange};

/// Adds `header-request: request` to requests and `header-response: response` to responses, of
/// which it removes `foo`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddHeader;

impl Callout for AddHeader {
    async fn request_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        let change = HeadChange {
            headers: HeaderChange::new().append("header-request", "request"),
            clear_route: true,
            ..HeadChange::default()
        };
        change.into()
    }

    async fn response_headers(&mut self, _: &Head) -> Answer<HeadChange> {
        HeaderChange::new()
            .append("header-response", "response")
            .remove("foo")
            .into()
    }
}
