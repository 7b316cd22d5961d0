//! Redirects, and configurations that are refused.

use super::*;
use gatewright::testing::TestPlugin;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(crate::config::Fields);

const PATHS: &str = r#"{"paths": [
    {"from": "/foo/", "to": "/bar/"},
    {"from": "/up/", "to": "/"},
    {"from": "/docs", "to": "https://docs.example/v2"}
]}"#;
const HOSTS: &str = "# two hosts a line\n\nabc.com xyz.com\n  old.example\tnew.example:8443 \n";

fn check(configuration: &str, authority: &str, path: &str, expected: Option<&str>) {
    let plugin = TestPlugin::<Redirect>::configure(configuration).unwrap();
    let request = [
        (":scheme", "http"),
        (":authority", authority),
        (":path", path),
    ];
    let seen = plugin.stream().request_headers(request);
    let location = seen.reply.as_ref().and_then(|reply| {
        let location = reply.headers.get("location")?;
        assert_eq!(reply.status, 301);
        Some(String::from_utf8_lossy(location).into_owned())
    });
    assert_eq!(location.as_deref(), expected, "{authority}{path}");
    assert_eq!(seen.goes_on(), expected.is_none());
}

#[test]
fn a_prefix_leads_elsewhere_and_the_rest_stays() {
    for (path, expected) in [
        (
            "/foo/images/picture.png?a=b",
            Some("/bar/images/picture.png?a=b"),
        ),
        ("/foo", None),
        ("/main/foo/page", None),
        ("/docs/x", Some("https://docs.example/v2/x")),
        ("/", None),
    ] {
        check(PATHS, "a.example", path, expected);
    }
}

#[test]
fn a_path_cannot_lead_to_a_host_of_the_clients_choice() {
    check(PATHS, "a", "/up//evil.example/x", Some("/evil.example/x"));
    check(PATHS, "a", "/up/\\/evil.example", Some("/evil.example"));
    check(PATHS, "a", "/up///", Some("/"));
}

#[test]
fn a_host_leads_to_another_whatever_its_case_and_port() {
    check(HOSTS, "ABC.com:8080", "/a?b", Some("http://xyz.com/a?b"));
    check(HOSTS, "old.example", "/", Some("http://new.example:8443/"));
    check(HOSTS, "sub.abc.com", "/", None);
    check(HOSTS, "", "/", None);
}

#[test]
fn host_and_path_change_together() {
    let both = r#"{"hosts": {"a.example": "b.example"}, "paths": [
        {"from": "/x/", "to": "/y/"}, {"from": "/z/", "to": "https://z.example/"}]}"#;
    check(both, "a.example", "/x/1", Some("http://b.example/y/1"));
    check(both, "a.example", "/1", Some("http://b.example/1"));
    check(both, "c.example", "/x/1", Some("/y/1"));
    check(both, "a.example", "/z/1", Some("https://z.example/1"));
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        ("", "must have `hosts` or `paths`"),
        (
            r#"{"status": 200, "hosts": {"a": "b"}}"#,
            "`status`: must be 301, 302, 303, 307 or 308 at line 1 column 12",
        ),
        ("a.com b.com\na.com", "`line 2`: must be two hosts"),
        (
            "a.com b.com/x",
            "`hosts.a.com`: must lead from a host to a host, perhaps with a port",
        ),
        (
            r#"{"hosts": {"a": "A"}}"#,
            "`hosts.a`: leads to itself at line 1 column 17",
        ),
        (
            r#"{"paths": [{"from": "/a", "to": "//b"}]}"#,
            "`paths[0].to`: must be a path, or a URL with `http://` or `https://` at line 1 column 33",
        ),
        (
            r#"{"paths": [{"from": "/a", "to": "/a/b"}]}"#,
            "`paths[0]`: leads to itself at line 1 column 12",
        ),
    ] {
        let refused = TestPlugin::<Redirect>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}
