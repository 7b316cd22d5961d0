//! Pages in every split of their chunks, and configurations that are refused.

use super::*;
use gatewright::testing::{TestPlugin, TestStream};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

gatewright::config_schema!(crate::config::Fields);

fn stream(configuration: &str) -> TestStream {
    let plugin = TestPlugin::<HtmlRewrite>::configure(configuration).unwrap();
    plugin.stream()
}

/// Sends a page in chunks of each size, which must not matter.
fn check(configuration: &str, page: &str, expected: &str) {
    for size in [1, 2, 7, 64, page.len()] {
        let mut stream = stream(configuration);
        stream.response_headers([("content-type", "text/html")]);
        let mut seen = Vec::new();
        let chunks: Vec<&[u8]> = page.as_bytes().chunks(size).collect();
        for (index, chunk) in chunks.iter().enumerate() {
            let last = index + 1 == chunks.len();
            seen.extend(stream.response_body(chunk, last).body);
        }
        assert_eq!(String::from_utf8_lossy(&seen), expected, "chunks of {size}");
    }
}

fn rule(rule: &str) -> String {
    format!("{{\"rules\": [{rule}]}}")
}

#[test]
fn each_action_does_what_it_says() {
    for (action, expected) in [
        (r#""before": "X""#, "X<p a=\"1\">t</p>"),
        (r#""prepend": "X""#, "<p a=\"1\">Xt</p>"),
        (r#""append": "X""#, "<p a=\"1\">tX</p>"),
        (r#""after": "X""#, "<p a=\"1\">t</p>X"),
        (r#""inner": "X""#, "<p a=\"1\">X</p>"),
        (r#""replace": "X""#, "X"),
        (r#""delete": true"#, ""),
        (
            r#""set_attribute": {"name": "b", "value": "\""}"#,
            "<p a=\"1\" b=\"&quot;\">t</p>",
        ),
        (r#""remove_attribute": "a""#, "<p>t</p>"),
    ] {
        let configuration = rule(&format!("{{\"select\": \"p\", {action}}}"));
        let page = "<i>1</i><p a=\"1\">t</p><i>2</i>";
        check(&configuration, page, &format!("<i>1</i>{expected}<i>2</i>"));
    }
}

#[test]
fn only_the_host_that_is_meant_is_replaced() {
    let configuration = rule(
        r#"{"select": "a[href]", "replace_host": {"attribute": "href", "from": "foo.com", "to": "bar.com"}}"#,
    );
    for (url, expected) in [
        ("https://foo.com", "https://bar.com"),
        ("//FOO.com:8080/x?y#z", "//bar.com:8080/x?y#z"),
        ("https://me@foo.com/", "https://me@bar.com/"),
    ] {
        let page = format!("<p>foo.com</p><a href={url}>foo.com</a>");
        let rewritten = format!("<p>foo.com</p><a href=\"{expected}\">foo.com</a>");
        check(&configuration, &page, &rewritten);
    }
    for url in [
        "https://notfoo.com",
        "https://foo.com.evil",
        "/foo.com",
        "a//foo.com",
        "mailto:foo.com",
    ] {
        let page = format!("<a href={url}>x</a>");
        check(&configuration, &page, &page);
    }
}

#[test]
fn what_acts_once_acts_on_the_first_and_then_nothing_is_parsed() {
    let configuration = rule(r#"{"select": "p", "once": true, "prepend": "X"}"#);
    check(&configuration, "<p>a</p><p>b</p><", "<p>Xa</p><p>b</p><");
    // After the step in which it acted, even what is no HTML at all passes.
    let tail = "<p <<<".repeat(300);
    check(
        &configuration,
        &format!("<p>a{tail}"),
        &format!("<p>Xa{tail}"),
    );
}

#[test]
fn a_page_that_cannot_be_held_passes_as_it_came() {
    let configuration = rule(r#"{"select": "p", "prepend": "X"}"#);
    let mut stream = stream(&configuration);
    let endless = format!("<p>a</p><p b=\"{}", "y".repeat(70_000));
    let mut seen = Vec::new();
    for chunk in endless.as_bytes().chunks(10_000) {
        seen.extend(stream.response_body(chunk, false).body);
    }
    seen.extend(stream.response_body("\">z</p>", true).body);
    let expected = endless.replacen("<p>a", "<p>Xa", 1) + "\">z</p>";
    assert!(
        seen == expected.as_bytes(),
        "{} of {}",
        seen.len(),
        expected.len()
    );
}

#[test]
fn only_html_in_utf_8_is_touched() {
    let configuration = rule(r#"{"select": "p", "prepend": "X"}"#);
    for (content_type, touched) in [
        ("text/html", true),
        ("Text/HTML; Charset=\"UTF-8\"", true),
        ("application/xhtml+xml", true),
        ("text/html; charset=iso-8859-1", false),
        ("text/htmlx", false),
        ("application/json", false),
        ("", false),
    ] {
        let mut stream = stream(&configuration);
        let headers = [("content-type", content_type), ("content-length", "8")];
        let seen = stream.response_headers(headers);
        assert_eq!(
            seen.headers.contains("content-length"),
            !touched,
            "{content_type}"
        );
        let body = stream.response_body("<p>a</p>", true).body;
        assert_eq!(body != b"<p>a</p>", touched, "{content_type}");
    }
    let mut encoded = stream(&configuration);
    let seen =
        encoded.response_headers([("content-type", "text/html"), ("content-encoding", "br")]);
    assert_eq!(
        seen.messages(),
        ["html-rewrite: the body is encoded and stays as it is"]
    );
    assert_eq!(encoded.response_body("<p>a</p>", true).body, b"<p>a</p>");
}

#[test]
fn upstreams_are_asked_not_to_compress_unless_the_path_is_skipped() {
    let configuration = r#"{"skip_paths": ["/ads/"], "rules": [{"select": "p", "delete": true}]}"#;
    let request = |path| [(":path", path), ("accept-encoding", "gzip")];
    let mut page = stream(configuration);
    let seen = page.request_headers(request("/"));
    assert_eq!(seen.headers.get("accept-encoding"), Some(&b"identity"[..]));
    let mut skipped = stream(configuration);
    let seen = skipped.request_headers(request("/ads/x"));
    assert_eq!(seen.headers.get("accept-encoding"), Some(&b"gzip"[..]));
    skipped.response_headers([("content-type", "text/html")]);
    assert_eq!(skipped.response_body("<p></p>", true).body, b"<p></p>");
}

#[test]
fn the_lines_of_the_sample_become_slots() {
    let lines = "# ads\ngpt_url, https://ads.example/gpt.js\nad, top, /1/top, 728x90, true, <main>\nad, end, /1/end, 300x250, true, </main>\n";
    let mut with_head = stream(lines);
    let page = "<html><head></head><body><main>text</main></body></html>";
    let body = with_head.response_body(page, true).body;
    let body = String::from_utf8(body).unwrap();
    let order = [
        "<head>\n<script async src=\"https://ads.example/gpt.js\"></script>\n</head><body>",
        "<div id=\"ad-container-top\"",
        "defineSlot('/1/top', [728, 90], 'ad-container-top')",
        "<main>text<div id=\"ad-container-end\"",
        "</main>",
    ];
    let mut rest = body.as_str();
    for part in order {
        rest = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("no {part} in {rest}"))
            .1;
    }
    let mut without_head = stream(lines);
    let body = without_head
        .response_body("<body><p></p></body>", true)
        .body;
    assert!(
        body.starts_with(b"<script async src=\"https://ads.example/gpt.js\"></script>\n<body>")
    );
}

#[test]
fn a_bad_configuration_is_refused_by_field() {
    let kinds = "must have one of `before`, `prepend`, `append`, `after`, `inner`, `replace`, `delete`, `set_attribute`, `remove_attribute`, `replace_host`";
    for (configuration, expected) in [
        ("", "must have `rules`, `ads` or a reCAPTCHA key".to_owned()),
        (
            r#"{"rules": [{"select": "p"}]}"#,
            format!("`rules[0]`: {kinds} at line 1 column 12"),
        ),
        (
            r#"{"rules": [{"select": "p", "before": "a", "after": "b"}]}"#,
            format!("`rules[0]`: {kinds} at line 1 column 12"),
        ),
        (
            r#"{"rules": [{"select": "p", "remove_attribute": "a b"}]}"#,
            "`rules[0].remove_attribute`: must be the name of an attribute at line 1 column 48"
                .to_owned(),
        ),
        (
            r#"{"recaptcha_key_type": "ACTION", "recaptcha_key_value": "\"><script>"}"#,
            "`recaptcha_key_value`: must be a reCAPTCHA key at line 1 column 57".to_owned(),
        ),
        (
            r#"{"recaptcha_key_type": "ACTION"}"#,
            "`recaptcha_key_type`: must stand beside `recaptcha_key_value` at line 1 column 24"
                .to_owned(),
        ),
        (
            "ad, a, /1/a, 1x1, maybe, <p>",
            "`line 1`: must be `gpt_url, URL`, `inject_gpt, true|false` or `ad, POSITION, SLOT, SIZE, true|false, MARKER`".to_owned(),
        ),
        (
            "ad, a, /1/a, 1x1, true, <p class=x>",
            "`ads.slots[0].marker`: must be a tag without attributes, such as `<article>` or `</article>`".to_owned(),
        ),
        (
            "ad, a, /1/'a, 1x1, true, <p>",
            "`ads.slots[0].slot`: must be the path of an ad unit, such as `/1234/header`".to_owned(),
        ),
    ] {
        let refused = TestPlugin::<HtmlRewrite>::configure(configuration).unwrap_err();
        let (_, message) = refused.logs.last().unwrap();
        assert_eq!(message.strip_prefix("configuration refused: "), Some(expected.as_str()));
    }
    let refused =
        TestPlugin::<HtmlRewrite>::configure(rule(r#"{"select": "p >", "delete": true}"#));
    let (_, message) = refused.unwrap_err().logs.pop().unwrap();
    assert!(
        message.contains("`rules[0].select`: must be a CSS selector: "),
        "{message}"
    );
}
