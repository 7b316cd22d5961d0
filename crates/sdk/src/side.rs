//! The two sides of an exchange, as types.

use gatewright_abi::{BufferType, MapType, StreamType};

/// The request or the response: what tells [`Headers`](crate::Headers) and
/// [`Body`](crate::Body) of one from those of the other. Nobody else can implement it.
pub trait Side: sealed::Sealed {
    #[doc(hidden)]
    const HEADERS: MapType;
    #[doc(hidden)]
    const BODY: BufferType;
    #[doc(hidden)]
    const STREAM: StreamType;
}

/// The way from the client to the upstream.
#[derive(Debug)]
pub enum Request {}

/// The way back.
#[derive(Debug)]
pub enum Response {}

impl Side for Request {
    const HEADERS: MapType = MapType::HttpRequestHeaders;
    const BODY: BufferType = BufferType::HttpRequestBody;
    const STREAM: StreamType = StreamType::HttpRequest;
}

impl Side for Response {
    const HEADERS: MapType = MapType::HttpResponseHeaders;
    const BODY: BufferType = BufferType::HttpResponseBody;
    const STREAM: StreamType = StreamType::HttpResponse;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Request {}
    impl Sealed for super::Response {}
}
