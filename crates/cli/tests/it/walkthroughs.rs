//! The documentation's walk-throughs, each to the answer of its `curl`.

use crate::callouts::PAGES;
use crate::explain::{INTERNAL, ROUTING, mended_route};
use crate::serving::{GATEWAY, PLUGIN, Serving, have_curl, place, two_versions};

#[test]
fn the_documentations_routing_extension_sends_a_request_to_another_host() {
    if !have_curl() {
        return;
    }
    let place = place(&ROUTING);
    let gateway: Vec<_> = INTERNAL.split(' ').collect();
    let mut serving = Serving::start(&place, &gateway);
    // As printed, no route has the host that the callout sends the request to.
    let answer = serving.curl("http", "/serviceextensions", &[]);
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let documented = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
    assert!(answer.ends_with(documented), "{answer}");
    // Requests that its condition does not take go where they always did.
    let answer = serving.curl("http", "/de", &[]);
    assert!(
        answer.contains("\"metadata\": \"store-german\""),
        "{answer}"
    );
    // With the host that the documentation's output shows, its answer comes.
    place.file("m/store-route.yaml", mended_route());
    serving.process.wait_for("reloaded in");
    let answer = serving.curl("http", "/serviceextensions", &[]);
    for line in [
        "HTTP/1.1 200 OK",
        "via: 1.1 google",
        "  \"cluster_name\": \"gke1\",",
        "  \"host_header\": \"service-extensions.com\",",
        "  \"metadata\": \"store-v1\",",
        "  \"project_id\": \"gateway-demo\",",
        "  \"zone\": \"us-central1-c\"",
    ] {
        assert!(
            answer.lines().any(|known| known == line),
            "{line}: {answer}"
        );
    }
}

#[test]
fn the_documentations_callout_greets_in_the_response() {
    if !have_curl() {
        return;
    }
    let place = place(&PAGES);
    let mut serving = Serving::start(&place, &GATEWAY);
    for (scheme, version) in [("http", "--http1.1"), ("https", "--http2")] {
        let answer = serving.curl(scheme, "/serviceextensions", &[version]);
        for line in [
            "server: Werkzeug/2.3.7 Python/3.11.3",
            "content-type: application/json",
            "access-control-allow-origin: *",
            "hello: service-extensions",
            "via: 1.1 google",
        ] {
            assert!(
                answer.lines().any(|known| known == line),
                "{line}: {answer}"
            );
        }
    }
    assert!(!serving.curl("http", "/", &[]).contains("hello"));
    for said in [
        "Service default/extension-service: our callout `basic`, which does the same as \
         us-docker.pkg.dev/service-extensions-samples/callouts/python-example-basic:main",
        "extension `ext1` lists no supportedEvents; it is called for RequestHeaders and ResponseHeaders",
    ] {
        assert!(
            serving.process.text.contains(said),
            "`{said}`: {}",
            serving.process.text
        );
    }
    // Another in its place, without a restart.
    place.file(
        "m/gatewright.yaml",
        "services: {extension-service: {callout: add-header}}\n",
    );
    serving.process.wait_for("reloaded in");
    let answer = serving.curl("http", "/serviceextensions", &[]);
    assert!(answer.contains("header-response: response"), "{answer}");
    assert!(!answer.contains("hello"), "{answer}");
}

#[test]
fn the_documentations_plugin_answers_over_https() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    let serving = Serving::start(&place, &GATEWAY);
    for version in ["--http1.1", "--http2"] {
        let answer = serving.curl("https", "/serviceextensions", &[version]);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, "Hello World", "{answer}");
        assert!(head.contains(" 200"), "{head}");
        let number = if version == "--http2" {
            "HTTP/2"
        } else {
            "HTTP/1.1"
        };
        assert!(head.starts_with(number), "{head}");
    }
    // Elsewhere the store answers, in the documentation's words.
    let answer = serving.curl("http", "/", &[]);
    assert!(
        answer.contains("\"host_header\": \"store.example.com"),
        "{answer}"
    );
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
    assert!(answer.contains("via: 1.1 google"), "{answer}");
    let answer = serving.curl("http", "/de", &[]);
    assert!(
        answer.contains("\"metadata\": \"store-german\""),
        "{answer}"
    );
    for said in [
        "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main: our plugin `local-reply`",
        "Service default/store-v1: the built-in store",
        "Programmed=",
        "curl https://store.example.com:",
    ] {
        assert!(
            serving.process.text.contains(said),
            "`{said}` is not in {}",
            serving.process.text
        );
    }
}

#[test]
fn of_two_versions_the_one_with_a_weight_answers_and_weights_can_be_swapped() {
    if !have_curl() {
        return;
    }
    let (place, [text, swapped]) = two_versions();
    let manifest = "m/wasm-plugin-two-versions.yaml";
    place.file(manifest, text);
    let mut serving = Serving::start(&place, &GATEWAY);
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    place.file(manifest, swapped);
    serving.process.wait_for("reloaded in");
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.ends_with("\r\n\r\nHello Other World"), "{answer}");
}
