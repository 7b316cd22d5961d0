//! Sessions and removals, and configurations that are refused.

use super::*;
use gatewright::testing::{TestPlugin, TestStream, seed};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn stream(configuration: &str) -> TestStream {
    let plugin = TestPlugin::<CookiePlugin>::configure(configuration).unwrap();
    seed(7);
    plugin.stream()
}

fn set_cookies(seen: &gatewright::testing::Seen) -> Vec<String> {
    let values = seen.headers.get_all("set-cookie");
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn a_client_without_a_session_gets_one() {
    let mut stream = stream(r#"{"session": {"name": "sid", "max_age_seconds": 60}}"#);
    stream.request_headers([("cookie", "a=1")]);
    let seen = stream.response_headers([("set-cookie", "b=2")]);
    let [other, session] = &set_cookies(&seen)[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(other, "b=2");
    let id = session
        .strip_prefix("sid=")
        .and_then(|rest| rest.strip_suffix("; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"));
    let is_hex = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(id.is_some_and(is_hex), "{session}");
    assert!(seen.logs.is_empty());
}

#[test]
fn a_session_is_kept_if_it_can_be_one() {
    let long = "a".repeat(129);
    for (cookie, keeps) in [
        ("sid=abc123", true),
        ("a=1; sid=9", true),
        ("sid=", false),
        ("sid=a-b", false),
        (&*format!("sid={long}"), false),
        ("xsid=1", false),
    ] {
        let mut stream = stream(r#"{"session": {"name": "sid"}}"#);
        stream.request_headers([("cookie", cookie)]);
        let seen = stream.response_headers([(":status", "200")]);
        assert_eq!(set_cookies(&seen).is_empty(), keeps, "{cookie}");
    }
}

#[test]
fn the_log_tells_of_sessions_where_it_is_asked_to() {
    let configuration = r#"{"session": {"name": "my_cookie", "id": "decimal", "log": true,
        "secure": false, "same_site": "unset"}}"#;
    let mut known = stream(configuration);
    known.request_headers([("cookie", "my_cookie=9")]);
    let seen = known.response_headers([(":status", "200")]);
    assert_eq!(
        seen.messages(),
        ["cookies: This current request is for the existing session ID: 9"]
    );
    let mut unknown = stream(configuration);
    unknown.request_headers([(":path", "/")]);
    let seen = unknown.response_headers([(":status", "200")]);
    let [cookie] = &set_cookies(&seen)[..] else {
        panic!("{seen:?}");
    };
    let id = cookie
        .strip_prefix("my_cookie=")
        .and_then(|rest| rest.strip_suffix("; Path=/; HttpOnly"))
        .unwrap();
    assert!(id.parse::<u64>().is_ok());
    let expected = format!("cookies: New session ID created for the current request: {id}");
    assert_eq!(seen.messages(), [expected.as_str()]);
}

#[test]
fn named_cookies_go_and_others_stay() {
    let mut stream = stream(r#"{"remove_request": ["_ga"], "remove_response": ["track"]}"#);
    let seen = stream.request_headers([("cookie", "_ga=1; a=2"), ("x", "y")]);
    assert_eq!(
        seen.headers,
        [("cookie", "a=2"), ("x", "y")].into_iter().collect()
    );
    let seen = stream.response_headers([("set-cookie", "track=1; Path=/"), ("set-cookie", "a=2")]);
    assert_eq!(set_cookies(&seen), ["a=2"]);
}

#[test]
fn all_cookies_may_go() {
    let mut stream = stream(r#"{"remove_request": ["*"], "remove_response": ["*"]}"#);
    let seen = stream.request_headers([("cookie", "_ga=1; a=2"), ("cookie", "b=1")]);
    assert!(!seen.headers.contains("cookie"));
    let seen = stream.response_headers([("Set-Cookie", "a=1"), ("SET-COOKIE", "b=2"), ("x", "y")]);
    assert_eq!(seen.headers, [("x", "y")].into_iter().collect());
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        (
            r#"{"session": {"name": "a b"}}"#,
            "`session.name`: must be a cookie's name at line 1 column 22",
        ),
        (
            r#"{"session": {"name": "a", "path": "/;"}}"#,
            "`session.path`: must begin with `/` and contain no `;` at line 1 column 35",
        ),
        (
            r#"{"session": {"name": "a", "same_site": "none", "secure": false}}"#,
            "`session.same_site`: is `none`, for which browsers demand `secure` at line 1 column 40",
        ),
        (
            r#"{"remove_response": ["a", "*"]}"#,
            "`remove_response[1]`: must be a cookie's name; `*` stands alone at line 1 column 27",
        ),
    ] {
        let refused = TestPlugin::<CookiePlugin>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}
