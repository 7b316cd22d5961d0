//! Decisions, replies, and configurations that are refused.

use super::*;
use gatewright::testing::{Seen, TestPlugin, seed};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(crate::config::Fields);

const REFERER: &str = r#"{"header": "referer", "allow_url_hosts": ["Safe-Site.com"],
    "mark": {"name": "x-allowed", "value": "true"}, "request_id": true,
    "denied_text": "Forbidden", "missing_text": "Forbidden"}"#;

fn request(configuration: &str, headers: &[(&str, &str)]) -> Seen {
    let plugin = TestPlugin::<AccessList>::configure(configuration).unwrap();
    seed(1);
    plugin.stream().request_headers(headers.iter().copied())
}

fn body(seen: &Seen) -> String {
    let reply = seen.reply.as_ref().unwrap();
    assert_eq!(reply.status, 403);
    String::from_utf8_lossy(&reply.body).into_owned()
}

#[test]
fn lines_are_values_that_may_not_pass() {
    let lines = "no-user\n bad-user\r\n\n";
    let plugin = TestPlugin::<AccessList>::configure(lines).unwrap();
    assert_eq!(plugin.logs()[0].1, "Config keys size 2");
    assert!(request(lines, &[("User-Token", "good-user")]).goes_on());
    assert!(request(lines, &[("User-Token", "bad-user2")]).goes_on());
    let denied = request(lines, &[("User-Token", "bad-user")]);
    assert_eq!(body(&denied), "Access forbidden.\n");
    let missing = request(lines, &[("x", "y")]);
    assert_eq!(body(&missing), "Access forbidden - token missing.\n");
    let second = [("user-token", "good-user"), ("user-token", "no-user")];
    assert_eq!(body(&request(lines, &second)), "Access forbidden.\n");
}

#[test]
fn no_list_denies_nobody_with_a_token() {
    assert!(request("", &[("user-token", "bad-user")]).goes_on());
    assert!(!request("", &[]).goes_on());
}

#[test]
fn only_urls_of_the_hosts_pass() {
    for (referer, passes) in [
        ("https://safe-site.com", true),
        ("https://www.safe-site.com/page", true),
        ("HTTPS://WWW.SAFE-SITE.COM.:443?x", true),
        ("https://user:pass@safe-site.com/", true),
        ("https://unsafe-site.com/", false),
        ("https://safe-site.com.evil.example/", false),
        ("https://evil.example/?safe-site.com", false),
        ("https://evil.example/x.safe-site.com", false),
        ("https://safe-site.com@evil.example/", false),
        ("https://evil.example\\.safe-site.com/", false),
        ("https://evil.example#.safe-site.com", false),
        ("ftp://safe-site.com/", false),
        ("safe-site.com", false),
        ("", false),
    ] {
        let seen = request(REFERER, &[("Referer", referer)]);
        assert_eq!(seen.goes_on(), passes, "{referer}");
        assert_eq!(seen.headers.contains("x-allowed"), passes, "{referer}");
    }
}

#[test]
fn a_refusal_is_found_in_the_log_by_its_id() {
    let seen = request(REFERER, &[("referer", "https://evil.example/")]);
    let text = body(&seen);
    let id = text.strip_prefix("Forbidden - Request ID: ").unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(seen.messages(), [format!("access-list: {text}")]);
}

#[test]
fn an_allow_list_lets_nobody_else_pass_and_deny_comes_first() {
    let lists = r#"{"header": "x-key", "allow": ["a", "b"], "deny": ["b"], "missing": "allow"}"#;
    assert!(request(lists, &[("x-key", "a")]).goes_on());
    assert!(request(lists, &[]).goes_on());
    assert!(!request(lists, &[("x-key", "b")]).goes_on());
    assert!(!request(lists, &[("x-key", "c")]).goes_on());
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        (
            r#"{"header": ":path"}"#,
            "`header`: must be a header name at line 1 column 12",
        ),
        (
            r#"{"allow_url_hosts": ["https://a"]}"#,
            "`allow_url_hosts[0]`: must be a host such as `example.com` at line 1 column 22",
        ),
        (
            r#"{"mark": {"name": "x", "value": "a\nb"}}"#,
            "`mark.value`: must not contain control characters at line 1 column 33",
        ),
        (
            r#"{"status": 200}"#,
            "`status`: must be from 400 to 599 at line 1 column 12",
        ),
        (
            r#"{"missing": "pass"}"#,
            "`missing`: unknown variant `pass`, expected `allow` or `deny` at line 1 column 13",
        ),
    ] {
        let refused = TestPlugin::<AccessList>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}
