//! Attributes as a host encodes them, rightly and wrongly.

use super::*;
use crate::testing;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn values_have_the_types_that_the_documentation_gives_them() {
    testing::set_attribute("source.client_region", b"US");
    testing::set_attribute("source.port", 443_u64.to_le_bytes());
    testing::set_attribute("connection.mtls", [1]);
    testing::set_attribute("request.duration", 1_500_u64.to_le_bytes());
    let headers: HeaderList = [("a", "1")].into_iter().collect();
    testing::set_attribute("request.headers", headers.to_wire());

    assert_eq!(edge::CLIENT_REGION.get(), Ok(Some(HeaderValue::from("US"))));
    assert_eq!(traffic::CLIENT_PORT.get(), Ok(Some(443)));
    assert_eq!(envoy::MTLS.get(), Ok(Some(true)));
    assert_eq!(
        envoy::REQUEST_DURATION.get(),
        Ok(Some(Duration::from_nanos(1_500)))
    );
    assert_eq!(envoy::REQUEST_HEADERS.get(), Ok(Some(headers)));
    assert_eq!(route::SNI.get(), Ok(None));
    assert_eq!(raw(["source", "client_region"]), Ok(Some(b"US".to_vec())));
}

#[test]
fn bytes_of_another_type_are_an_error_that_says_so() {
    for (path, bytes, expected) in [
        ("source.port", &b"443"[..], "no number"),
        ("connection.mtls", b"\x02", "no truth value"),
        ("request.duration", b"", "no duration"),
        ("request.headers", b"\x01", "no map"),
    ] {
        testing::set_attribute(path, bytes);
        let message = match path {
            "source.port" => envoy::SOURCE_PORT.get().map(|_| ()),
            "connection.mtls" => envoy::MTLS.get().map(|_| ()),
            "request.duration" => envoy::REQUEST_DURATION.get().map(|_| ()),
            _ => envoy::REQUEST_HEADERS.get().map(|_| ()),
        };
        let message = message.unwrap_err().to_string();
        assert!(message.ends_with(expected), "{path}: {message}");
    }
}

#[test]
fn an_attribute_shows_its_name() {
    assert_eq!(format!("{:?}", edge::CLIENT_CITY), "source.client_city");
}
