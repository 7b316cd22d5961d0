//! Who may ask the admin port: whoever names it as this machine.
//!
//! A page from elsewhere can make a browser ask any address, and can have its own name lead here
//! (DNS rebinding); then the answer would be its to read. It cannot have the browser name this
//! machine, so that requests which name anything else are refused.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderMap};
use http::uri::Authority;

/// Whether a request names this machine: a loopback address, `localhost`, or, where the port is not
/// on loopback, the address at which it is. No name in DNS is an address.
pub(super) fn is_ours(headers: &HeaderMap, bound: SocketAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    match name.parse::<IpAddr>() {
        Ok(address) => {
            address.is_loopback() || address == bound.ip() || bound.ip().is_unspecified()
        }
        // A browser resolves these names itself, whatever a server says of them.
        Err(_) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(bound: &str, host: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).expect("a value"));
        let bound = bound.parse().expect("an address");
        assert_eq!(is_ours(&headers, bound), expected, "{host}");
    }

    #[test]
    fn only_loopback_is_named_on_loopback() {
        for host in [
            "127.0.0.1:9901",
            "127.0.0.1",
            "127.1.2.3:1",
            "[::1]:9901",
            "localhost:9901",
            "LocalHost",
            "page.localhost:1",
        ] {
            check("127.0.0.1:9901", host, true);
        }
        for host in [
            "evil.example",
            "evil.example:9901",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "10.0.0.1:9901",
            "0.0.0.0:9901",
            "a@127.0.0.1",
            "",
        ] {
            check("127.0.0.1:9901", host, false);
        }
    }

    #[test]
    fn elsewhere_an_address_is_named() {
        check("10.1.2.3:9901", "10.1.2.3:9901", true);
        check("10.1.2.3:9901", "10.1.2.4:9901", false);
        check("0.0.0.0:9901", "192.168.7.7:9901", true);
        check("0.0.0.0:9901", "evil.example", false);
    }

    #[test]
    fn a_request_without_one_host_names_nothing() {
        let bound = "127.0.0.1:1".parse().expect("an address");
        assert!(!is_ours(&HeaderMap::new(), bound));
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("localhost"));
        two.append(HOST, HeaderValue::from_static("localhost"));
        assert!(!is_ours(&two, bound));
    }
}
