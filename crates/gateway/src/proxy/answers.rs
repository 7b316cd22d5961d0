//! What a client gets when no backend answers: from extensions, from filters, or because of a fault.

use std::error::Error as _;

use http::header::{CONNECTION, HeaderValue, LOCATION};
use http::{Response, StatusCode};

use super::Cut;
use crate::body::{Body, BodyError};
use crate::exchange::Ending;
use crate::pool::Failed;
use crate::reply;

/// A redirect to a location.
pub(super) fn redirect(status: StatusCode, location: String) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    match HeaderValue::try_from(location) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => reply::error(StatusCode::BAD_REQUEST),
    }
}

/// What a client gets when an extension ended the exchange before the response began.
pub(super) fn ended(ending: Ending) -> Result<Response<Body>, Cut> {
    match ending {
        Ending::Reply(reply) => Ok(reply::local(reply)),
        Ending::Fail(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(reply::error(status))
        }
        Ending::Reset => Err(Cut),
    }
}

/// What a client gets when its backend did not answer.
pub(super) fn failure(failed: Failed) -> Result<Response<Body>, Cut> {
    let error = match failed {
        Failed::Connect => return Ok(reply::error(StatusCode::BAD_GATEWAY)),
        Failed::TimedOut => return Ok(reply::error(StatusCode::GATEWAY_TIMEOUT)),
        Failed::Broken(error) => error,
    };
    let mut cause = error.source();
    while let Some(source) = cause {
        match source.downcast_ref::<BodyError>() {
            Some(BodyError::TimedOut) => {
                let mut response = reply::error(StatusCode::REQUEST_TIMEOUT);
                // What is left of the body may still come, and is not waited for.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
                return Ok(response);
            }
            Some(BodyError::Broken(_) | BodyError::Ended) => return Err(Cut),
            None => cause = source.source(),
        }
    }
    Ok(reply::error(StatusCode::BAD_GATEWAY))
}
