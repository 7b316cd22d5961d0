//! What the gateway answers itself: the documentation's JSON errors, and the replies of plugins.

use gatewright_host::LocalReply;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;
use crate::fields;

/// What a client gets whose head did not come to an end. Nothing else is left of its connection, so
/// it is written as it is.
pub(crate) const HEAD_TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// A response of the gateway's own, in the shape that the documentation shows for 404 and 500.
pub(crate) fn error(status: StatusCode) -> Response<Body> {
    let (message, code) = match status {
        StatusCode::BAD_REQUEST => ("Request contains an invalid argument.", "INVALID_ARGUMENT"),
        StatusCode::NOT_FOUND => ("Requested entity was not found.", "NOT_FOUND"),
        StatusCode::REQUEST_TIMEOUT => {
            ("The request took too long to arrive.", "DEADLINE_EXCEEDED")
        }
        StatusCode::NOT_IMPLEMENTED => (
            "Upgrades, tunnels and WebSockets are not served.",
            "UNIMPLEMENTED",
        ),
        StatusCode::BAD_GATEWAY => ("The backend cannot be reached.", "UNAVAILABLE"),
        StatusCode::SERVICE_UNAVAILABLE => ("There is no backend.", "UNAVAILABLE"),
        StatusCode::GATEWAY_TIMEOUT => ("The backend did not answer in time.", "DEADLINE_EXCEEDED"),
        _ => ("Internal server error.", "INTERNAL"),
    };
    let body = serde_json::json!({
        "error": {"code": status.as_u16(), "message": message, "status": code}
    });
    let mut response = Response::new(Body::whole(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A plugin's reply.
pub(crate) fn local(reply: LocalReply) -> Response<Body> {
    let status = u16::try_from(reply.status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        // An informational status would leave the client waiting for another.
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (mut headers, _) = fields::to_map(&reply.headers);
    fields::remove_hop_by_hop(&mut headers);
    // The body's length is what counts, not what the plugin says of it.
    headers.remove(CONTENT_LENGTH);
    let mut response = Response::new(Body::whole(reply.body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_documented_statuses() {
        for (status, expected) in [(404, "NOT_FOUND"), (500, "INTERNAL"), (507, "INTERNAL")] {
            let response = error(StatusCode::from_u16(status).expect("a status"));
            assert_eq!(response.status(), status);
            assert!(!response.body().is_empty(), "{expected}");
        }
    }

    #[test]
    fn a_reply_with_an_impossible_status_is_an_error() {
        for (status, expected) in [(204, 204), (100, 500), (7, 500), (70_000, 500)] {
            let reply = LocalReply {
                status,
                ..LocalReply::default()
            };
            assert_eq!(local(reply).status(), expected);
        }
    }
}
