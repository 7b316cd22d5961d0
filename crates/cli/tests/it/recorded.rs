//! Live exchanges as cases: recorded, replayed to the same outcome, and compared over two versions.

use std::path::Path;

use crate::serving::{GATEWAY, PLUGIN, Serving, answering, documented, have_curl, place};
use crate::support::Place;

/// The image of the documentation's plugin.
const IMAGE: &str = "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main";

/// A plugin that marks both heads, tells of the time in one letter, shouts bodies down, and answers requests with `x-stop` itself.
fn marking(mark: char) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "env" "proxy_add_header_map_value"
                (func $add (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value"
                (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_buffer_bytes"
                (func $set (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_current_time_nanoseconds"
                (func $time (param i32) (result i32)))
            (import "env" "proxy_send_local_response"
                (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "x-mark")
            (data (i32.const 16) "{mark}")
            (data (i32.const 32) "x-stop")
            (data (i32.const 48) "!")
            (data (i32.const 160) "x-time")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (drop (call $log (i32.const 2) (i32.const 16) (i32.const 1)))
                (drop (call $time (i32.const 128)))
                (i32.store8 (i32.const 140) (i32.add (i32.const 65) (i32.wrap_i64
                    (i64.and (i64.shr_u (i64.load (i32.const 128)) (i64.const 8))
                        (i64.const 15)))))
                (drop (call $add (i32.const 0) (i32.const 160) (i32.const 6)
                    (i32.const 140) (i32.const 1)))
                (if (i32.eqz (call $get (i32.const 0) (i32.const 32) (i32.const 6)
                        (i32.const 64) (i32.const 68)))
                    (then (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0)
                        (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 0)
                        (i32.const -1)))))
                (drop (call $add (i32.const 0) (i32.const 0) (i32.const 6)
                    (i32.const 16) (i32.const 1)))
                i32.const 0)
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                (drop (call $set (i32.const 0) (i32.const 0) (local.get 1)
                    (i32.const 48) (i32.const 1)))
                i32.const 0)
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                (drop (call $add (i32.const 2) (i32.const 0) (i32.const 6)
                    (i32.const 16) (i32.const 1)))
                i32.const 0))"#
    ))
    .expect("valid text")
}

/// Serves the documentation's plugin page with a module for its image, and records some exchanges.
fn record(place: &Place, events: &str, more: &[&str]) -> String {
    let page = "gcp-traffic-extension-with-plugin.yaml";
    let text = String::from_utf8(documented(page)).expect("text");
    place.file(
        &format!("m/{page}"),
        text.replace(
            "- RequestHeaders\n      - ResponseHeaders\n",
            &format!("{events}\n"),
        ),
    );
    place.file(
        "m/gatewright.yaml",
        format!("images:\n  {IMAGE}: {{wasm: ../v1.wasm}}\n"),
    );
    let record = ["--record", "recorded"];
    let mut serving = Serving::start(place, &[&GATEWAY[..], &record, more].concat());
    for (path, more) in [
        ("/serviceextensions?a=b", &[][..]),
        ("/serviceextensions/post", &["--data", "some text"]),
        ("/serviceextensions/bytes", &["--header", "x-bin: \u{e9}"]),
        ("/serviceextensions", &["--header", "x-stop: 1"]),
        // No plugin sees this one.
        ("/other", &[]),
    ] {
        serving.curl("http", path, more);
    }
    serving.terminate();
    assert!(serving.process.child.wait().expect("it ends").success());
    serving.process.wait_for("cases are in `recorded`")
}

/// The files that were recorded.
fn files(place: &Place) -> Vec<std::path::PathBuf> {
    let folder = place.at("recorded/default-gcp-wasm-plugin");
    let folder = std::fs::read_dir(folder).expect("it was made");
    folder.map(|entry| entry.expect("a file").path()).collect()
}

#[test]
fn what_was_served_is_replayed_to_the_same_and_compared_over_versions() {
    if !have_curl() {
        return;
    }
    for events in [
        "- RequestHeaders\n      - RequestBody\n      - ResponseHeaders",
        "- ResponseHeaders",
    ] {
        let place = place(&PLUGIN);
        place.file("v1.wasm", marking('1'));
        place.file("v2.wasm", marking('2'));
        let said = record(&place, events, &[]);
        assert!(said.contains("4 cases"), "{said}");
        assert_eq!(files(&place).len(), 4);
        place
            .run("test recorded --plugin v1.wasm")
            .expect(0, "4 cases: 4 passed");
        place
            .run("test recorded --plugin v2.wasm")
            .expect(1, "x-mark: 2");
        place
            .run("compare v1.wasm v1.wasm recorded")
            .expect(0, "4 cases compared: 0 would change");
        let changed = place.run("compare v1.wasm v2.wasm recorded");
        changed.expect(1, "4 cases compared: 4 would change");
        changed.expect(1, "+x-mark: 2");
        let json = place.run("compare v1.wasm v2.wasm recorded --format json");
        let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
        assert_eq!(json["compared"], 4);
        assert_eq!(json["changed"].as_array().map(Vec::len), Some(4));
        let first = json["changed"][0]["changes"][0]["after"].as_str();
        assert!(first.is_some_and(|after| after.contains('2')), "{json}");
        let filtered = place.run("compare v1.wasm v2.wasm recorded --filter /bytes");
        filtered.expect(1, "1 case compared: 1 would change");
    }
}

#[test]
#[cfg(unix)]
fn recorded_files_are_the_users_alone_and_no_more_than_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;

    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    place.file("v1.wasm", answering("Hello World"));
    let said = record(&place, "- RequestHeaders", &["--record-limit", "2"]);
    assert!(said.contains("2 cases"), "{said}");
    let files = files(&place);
    assert_eq!(files.len(), 2);
    for file in files {
        let mode = std::fs::metadata(&file).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).expect("text");
        assert!(text.contains("Nothing is blacked out"), "{text}");
    }
}

#[test]
fn two_versions_that_cannot_be_compared_say_why() {
    let place = Place::new();
    place.file("v1.wasm", marking('1'));
    place.file("bad.wasm", "no module");
    place.file("c.yaml", "cases: [{name: a, request: {}}]\n");
    let check = |line: &str, part: &str| place.run(line).expect(2, part);
    check("compare v1.wasm v1.wasm", "say which cases");
    check("compare v1.wasm c.yaml", "two modules before the cases");
    check("compare v1.wasm bad.wasm c.yaml", "`bad.wasm`");
    check("compare v1.wasm none.wasm c.yaml", "`none.wasm`");
    check("compare v1.wasm v1.wasm none", "none");
    check(
        "compare v1.wasm v1.wasm c.yaml --plugin v1.wasm",
        "leave out `--plugin`",
    );
    check(
        "compare v1.wasm v1.wasm c.yaml --filter zzz",
        "no case matches",
    );
    check(
        "compare c.yaml --format json",
        "`--format` is for two versions",
    );
    assert!(Path::new(&place.at("c.yaml")).exists());
}
