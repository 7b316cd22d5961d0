//! Paths and queries, well-formed and not.

use super::*;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(before: &str, change: impl FnOnce(&mut PathAndQuery), after: &str) {
    let mut path = PathAndQuery::from(before);
    change(&mut path);
    assert_eq!(path, PathAndQuery::from(after), "from {before}");
}

#[test]
fn parts_are_what_stands_between_their_marks() {
    for (text, path, query, fragment) in [
        ("/", "/", None, None),
        ("", "", None, None),
        ("/a?", "/a", Some(""), None),
        ("/a?b?c", "/a", Some("b?c"), None),
        ("/a#b?c", "/a", None, Some("b?c")),
        ("/a?b#c#d", "/a", Some("b"), Some("c#d")),
        ("?#", "", Some(""), Some("")),
    ] {
        let parts = PathAndQuery::from(text);
        assert_eq!(parts.path(), path.as_bytes(), "{text}");
        assert_eq!(parts.query(), query.map(str::as_bytes), "{text}");
        assert_eq!(parts.fragment(), fragment.map(str::as_bytes), "{text}");
    }
}

#[test]
fn a_value_is_decoded_where_it_can_be() {
    for (query, value) in [
        ("k=v", Some("v")),
        ("k=", Some("")),
        ("k", Some("")),
        ("k=a=b", Some("a=b")),
        ("k=a+b%20c", Some("a b c")),
        ("k=100%", Some("100%")),
        ("k=%zz%4", Some("%zz%4")),
        ("%6B=v", Some("v")),
        ("K=v", None),
        ("&&a=1&&k=v", Some("v")),
        ("", None),
    ] {
        let path = PathAndQuery::from(format!("/?{query}").as_str());
        let seen = path.param("k");
        assert_eq!(seen.as_deref(), value.map(str::as_bytes), "{query}");
    }
}

#[test]
fn setting_keeps_the_place_of_the_first_and_the_encoding_of_the_rest() {
    check(
        "/?a=%2f&k=1&b&k=2",
        |p| p.set_param("k", "3"),
        "/?a=%2f&k=3&b",
    );
    check("/?%6b=1", |p| p.set_param("k", "&"), "/?%6b=%26");
    check("/", |p| p.set_param("k", "v"), "/?k=v");
    check("/?", |p| p.set_param("k", "v"), "/?k=v");
    check("/?a&", |p| p.set_param("k", "v"), "/?a&k=v");
    check("/x?a=1#f", |p| p.set_param("k", "v"), "/x?a=1&k=v#f");
}

#[test]
fn removing_takes_the_question_mark_with_the_last_parameter() {
    check("/?k=1#f", |p| assert!(p.remove_param("k")), "/#f");
    check(
        "/?a=1&k=2&b=3&k",
        |p| assert!(p.remove_param("k")),
        "/?a=1&b=3",
    );
    check("/?a=1&&b", |p| assert!(!p.remove_param("k")), "/?a=1&&b");
    check("/", |p| assert!(!p.remove_param("k")), "/");
}

#[test]
fn path_and_query_are_replaced_around_each_other() {
    check("/a?b#c", |p| p.set_path("/x/y"), "/x/y?b#c");
    check("/a?b#c", |p| p.set_query(None), "/a#c");
    check("/a#c", |p| p.set_query(Some(b"d")), "/a?d#c");
}

#[test]
fn an_authority_has_a_host_and_perhaps_a_port() {
    for (text, host, port) in [
        ("a.example", "a.example", None),
        ("a.example:80", "a.example", Some(80)),
        ("a.example:", "a.example", None),
        ("a.example:65536", "a.example", None),
        ("a.example:8a", "a.example", None),
        ("[2001:db8::1]", "[2001:db8::1]", None),
        ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
        ("", "", None),
    ] {
        let authority = Authority::from(text);
        assert_eq!(authority.host(), host.as_bytes(), "{text}");
        assert_eq!(authority.port(), port, "{text}");
    }
    let mut authority = Authority::from("a:1");
    authority.set_host("b.example");
    assert_eq!(authority.as_bytes(), b"b.example:1");
}
