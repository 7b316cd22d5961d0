//! Who goes where, and configurations that are refused.

use super::*;
use gatewright::testing::TestPlugin;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(Config);

fn path_after(configuration: &str, headers: &[(&str, &str)]) -> String {
    let plugin = TestPlugin::<AbTesting>::configure(configuration).unwrap();
    let seen = plugin.stream().request_headers(headers.iter().copied());
    let path = seen.headers.get(":path").unwrap_or_default();
    String::from_utf8_lossy(path).into_owned()
}

#[test]
fn the_share_is_kept_and_each_user_stays() {
    let goes = |share: u32, user: &str| {
        let path = format!("/v1/a?user={user}&b");
        let after = path_after(&format!("{{\"share\": {share}}}"), &[(":path", &path)]);
        after.starts_with("/v2/a?user=")
    };
    let mut in_share = 0;
    for index in 0..1000 {
        let user = format!("user{index}");
        // Whoever is in a share is in every larger one.
        if goes(300_000, &user) {
            in_share += 1;
            assert!(goes(600_000, &user) && goes(1_000_000, &user));
        }
        assert!(!goes(0, &user));
    }
    assert!((250..350).contains(&in_share), "{in_share} of 1000");
}

#[test]
fn another_salt_is_another_choice() {
    let chosen = |salt: &str| -> Vec<bool> {
        (0..64)
            .map(|index| {
                let path = format!("/v1/?user={index}");
                let configuration = format!("{{\"salt\": \"{salt}\"}}");
                path_after(&configuration, &[(":path", &path)]).starts_with("/v2")
            })
            .collect()
    };
    assert_eq!(chosen("a"), chosen("a"));
    assert_ne!(chosen("a"), chosen("b"));
}

#[test]
fn only_paths_and_users_of_the_test_are_moved() {
    let all = r#"{"share": 1000000}"#;
    for (path, expected) in [
        ("/v1/x?user=a", "/v2/x?user=a"),
        ("/V1/x?user=a", "/v2/x?user=a"),
        ("/v1?user=a", "/v1?user=a"),
        ("/main/v1/x?user=a", "/main/v1/x?user=a"),
        ("/v1/x", "/v1/x"),
        ("/v1/x?user=", "/v1/x?user="),
    ] {
        assert_eq!(path_after(all, &[(":path", path)]), expected);
    }
    assert_eq!(path_after(all, &[("x", "y")]), "");
}

#[test]
fn a_user_may_be_known_by_a_cookie_or_a_header() {
    let cookie = r#"{"share": 1000000, "user": {"cookie": "id"}}"#;
    let request = [(":path", "/v1/"), ("cookie", "a=1; id=7")];
    assert_eq!(path_after(cookie, &request), "/v2/");
    let header = r#"{"share": 1000000, "user": {"header": "X-User"}}"#;
    assert_eq!(
        path_after(header, &[(":path", "/v1/"), ("x-user", "7")]),
        "/v2/"
    );
    assert_eq!(path_after(header, &request), "/v1/");
}

#[test]
fn the_hash_of_the_sample_is_its_sum() {
    let sum = r#"{"hash": "sum"}"#;
    // `d` is 100 and 3 for its length: 3. `0` is 48 and 3: 51.
    assert_eq!(path_after(sum, &[(":path", "/v1/?user=d")]), "/v2/?user=d");
    assert_eq!(path_after(sum, &[(":path", "/v1/?user=0")]), "/v1/?user=0");
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        (
            r#"{"from": "v1"}"#,
            "`from`: must begin with `/` at line 1 column 10",
        ),
        (
            r#"{"to": ""}"#,
            "`to`: must begin with `/` at line 1 column 8",
        ),
        (
            r#"{"share": 1000001}"#,
            "`share`: must be at most 1000000, which is everybody at line 1 column 11",
        ),
        (
            r#"{"user": {"query": "a", "cookie": "b"}}"#,
            "`user`: must name one `query`, `cookie` or `header` at line 1 column 10",
        ),
        (
            r#"{"hash": "md5"}"#,
            "`hash`: unknown variant `md5`, expected `fnv1a` or `sum` at line 1 column 10",
        ),
    ] {
        let refused = TestPlugin::<AbTesting>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}
