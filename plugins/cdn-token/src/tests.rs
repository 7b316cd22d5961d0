//! Texts with URLs, in every split of their chunks, and configurations that are refused.

use super::*;
use core::time::Duration;
use gatewright::testing::{TestPlugin, TestStream, set_clock};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(crate::config::Fields);

const KEY: &str = "d8ef411f9f735c3d2b263606678ba5b7b1abc1973f1285f856935cc163e9d094";
/// Of `https://a.example/1.ts`, and of `https://a.example/1.ts?x=1&y=2`, for an hour from second 1000;
/// computed with Python's `hmac`.
const TOKEN: &str = "Edge-Cache-Token=URLPrefix=aHR0cHM6Ly9hLmV4YW1wbGUvMS50cw~Expires=4600~KeyName=test-key~hmac=b780551b285a5caad1328e7ce05d13546011bc498522f2755e671427669ae60b";
const TOKEN_OF_QUERY: &str = "Edge-Cache-Token=URLPrefix=aHR0cHM6Ly9hLmV4YW1wbGUvMS50cz94PTEmeT0y~Expires=4600~KeyName=test-key~hmac=2a6e1b4dbe6d5285fe1e44d077c69fb4add48af5cbc4f2f4e35f185a33a90c70";

fn stream(more: &str) -> TestStream {
    let configuration =
        format!("{{\"private_key_hex\": \"{KEY}\", \"key_name\": \"test-key\"{more}}}");
    let plugin = TestPlugin::<CdnToken>::configure(configuration).unwrap();
    set_clock(Duration::from_secs(1000));
    plugin.stream()
}

fn check(more: &str, body: &str, expected: &str) {
    for size in 1..=body.len() {
        let mut stream = stream(more);
        let mut seen = Vec::new();
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
        for (index, chunk) in chunks.iter().enumerate() {
            seen.extend(stream.response_body(chunk, index + 1 == chunks.len()).body);
        }
        assert_eq!(String::from_utf8_lossy(&seen), expected, "chunks of {size}");
    }
}

#[test]
fn every_url_gets_its_token() {
    let manifest = "#EXTM3U\n#EXTINF:10.0,\nhttps://a.example/1.ts\n#EXT-X-ENDLIST";
    let signed = format!("#EXTM3U\n#EXTINF:10.0,\nhttps://a.example/1.ts?{TOKEN}\n#EXT-X-ENDLIST");
    check("", manifest, &signed);
    let json = r#"{"a": "https://a.example/1.ts?x=1&y=2", "b": "http"}"#;
    let signed =
        format!(r#"{{"a": "https://a.example/1.ts?x=1&y=2&{TOKEN_OF_QUERY}", "b": "http"}}"#);
    check("", json, &signed);
    check(
        "",
        "https://a.example/1.ts",
        &format!("https://a.example/1.ts?{TOKEN}"),
    );
}

#[test]
fn xml_stays_well_formed() {
    let xml = "<MPD><BaseURL>https://a.example/1.ts?x=1&amp;y=2</BaseURL></MPD>";
    let signed = format!(
        "<MPD><BaseURL>https://a.example/1.ts?x=1&amp;y=2&amp;{TOKEN_OF_QUERY}</BaseURL></MPD>"
    );
    check("", xml, &signed);
}

#[test]
fn what_is_no_url_stays() {
    for text in [
        "no URLs here",
        "https://",
        "xhttps:/a",
        "hhttp",
        "",
        " http: //a",
    ] {
        if !text.is_empty() {
            check("", text, text);
        }
        assert_eq!(stream("").response_body(text, true).body, text.as_bytes());
    }
}

#[test]
fn only_urls_of_the_named_hosts_are_signed() {
    let ours = r#", "url_hosts": ["A.example"]"#;
    check(
        ours,
        "https://a.example/1.ts",
        &format!("https://a.example/1.ts?{TOKEN}"),
    );
    for url in [
        "https://b.example/1.ts",
        "https://a.example@b.example/",
        "https://a.example.b/",
    ] {
        check(ours, url, url);
    }
}

#[test]
fn a_url_without_an_end_passes_unsigned_and_is_not_held() {
    let mut stream = stream("");
    let long = format!("https://a.example/{}", "x".repeat(5000));
    assert_eq!(stream.response_body(&long, false).body, long.as_bytes());
    assert_eq!(stream.response_body("xx\nhttp", false).body, b"xx\n");
    assert_eq!(stream.response_body("", true).body, b"http");
}

#[test]
fn only_texts_that_can_be_read_are_signed() {
    let url = "https://a.example/1.ts";
    for (headers, signed) in [
        (&[("content-type", "application/x-mpegURL")][..], true),
        (&[("content-type", "text/plain; charset=utf-8")], true),
        (&[("x", "y")], true),
        (&[("content-type", "video/mp2t")], false),
        (
            &[("content-type", "text/plain"), ("content-encoding", "gzip")],
            false,
        ),
    ] {
        let mut stream = stream("");
        stream.response_headers(headers.iter().copied());
        let body = stream.response_body(url, true).body;
        assert_eq!(body != url.as_bytes(), signed, "{headers:?}");
    }
    let seen = stream("").request_headers([("accept-encoding", "gzip")]);
    assert_eq!(seen.headers.get("accept-encoding"), Some(&b"identity"[..]));
}

#[test]
fn the_lines_of_the_sample_are_a_configuration() {
    let lines = format!(
        "# key\nprivate_key_hex: \"{KEY}\"\nkey_name: \"test-key\"\nexpiry_seconds: 3600\n"
    );
    let plugin = TestPlugin::<CdnToken>::configure(lines).unwrap();
    set_clock(Duration::from_secs(1000));
    let body = plugin
        .stream()
        .response_body("https://a.example/1.ts", true)
        .body;
    assert_eq!(body, format!("https://a.example/1.ts?{TOKEN}").as_bytes());
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    for (configuration, expected) in [
        ("", "missing field `private_key_hex` at line 1 column 1"),
        (
            r#"{"private_key_hex": "00", "key_name": "k"}"#,
            "`private_key_hex`: must be 32 to 256 hexadecimal digits at line 1 column 21",
        ),
        (
            r#"{"private_key_hex": "000102030405060708090a0b0c0d0e0f", "key_name": "a~b"}"#,
            "`key_name`: must be the name of a key in a key set at line 1 column 69",
        ),
        (
            r#"{"private_key_hex": "000102030405060708090a0b0c0d0e0f", "key_name": "k", "expiry_seconds": 59}"#,
            "`expiry_seconds`: must be from 60 to 86400 at line 1 column 92",
        ),
        (
            "private_key: 00",
            "`line 1`: must be `private_key_hex`, `key_name` or `expiry_seconds`, a colon and a value",
        ),
        (
            "expiry_seconds: soon",
            "`expiry_seconds`: must be a number of seconds",
        ),
    ] {
        let refused = TestPlugin::<CdnToken>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(
            message.strip_prefix("configuration refused: "),
            Some(expected)
        );
    }
}
