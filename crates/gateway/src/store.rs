//! The built-in store: a backend that answers as the one in the documentation does.

mod serve;

use std::time::SystemTime;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderValue, SERVER};
use http::{HeaderMap, Response};
use time::OffsetDateTime;

use crate::body::Body;
pub use serve::serve_store;

/// The answer of the store of this name to a request for this host.
pub(crate) fn answer(name: &str, host: &str) -> Response<Body> {
    let now = OffsetDateTime::from(SystemTime::now());
    let timestamp = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second()
    );
    // Keys in the order of the documentation's output.
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let body = format!(
        "{{\n  \"cluster_name\": \"gke1\",\n  \"host_header\": {},\n  \"metadata\": {},\n  \
         \"pod_name\": {},\n  \"pod_name_emoji\": \"💇🏼‍♀️\",\n  \"project_id\": \"gateway-demo\",\n  \
         \"timestamp\": \"{timestamp}\",\n  \"zone\": \"us-central1-c\"\n}}\n",
        text(host),
        text(name),
        text(&format!("{name}-5d9554f847-cvxpd")),
    );
    let mut response = Response::new(Body::whole(body));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(
        SERVER,
        HeaderValue::from_static("Werkzeug/2.3.7 Python/3.11.3"),
    );
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
