//! `gatewright serve` as it is changed, stopped and misused.

use std::io::Write as _;

#[cfg(target_os = "linux")]
use crate::serving::resident;
use crate::serving::{GATEWAY, PLUGIN, Serving, documented, have_curl, place};

#[test]
fn a_change_with_errors_is_refused_and_the_old_one_is_served_still() {
    if !have_curl() {
        return;
    }
    let place = place(&PLUGIN);
    let mut serving = Serving::start(&place, &GATEWAY);
    let good = documented("gcp-traffic-extension-with-plugin.yaml");
    let bad = String::from_utf8(good.clone()).expect("text").replace(
        "request.path.contains(\"serviceextensions\")",
        "request.path.contains(",
    );
    place.file("m/gcp-traffic-extension-with-plugin.yaml", bad);
    serving.process.wait_for("the change is not taken");
    assert!(
        serving.process.text.contains("celMatcher"),
        "{}",
        serving.process.text
    );
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    let moved = String::from_utf8(good)
        .expect("text")
        .replace("\"serviceextensions\"", "\"elsewhere\"");
    place.file("m/gcp-traffic-extension-with-plugin.yaml", moved);
    serving.process.wait_for("reloaded in");
    let answer = serving.curl("https", "/elsewhere", &[]);
    assert!(answer.ends_with("\r\n\r\nHello World"), "{answer}");
    let answer = serving.curl("https", "/serviceextensions", &[]);
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
}

#[test]
fn it_ends_in_order_when_it_is_told_to() {
    let place = place(&["store-route.yaml"]);
    let mut serving = Serving::start(&place, &GATEWAY);
    serving.terminate();
    let status = serving.process.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
}

/// Also where nothing in it has the time to see to that.
#[test]
#[cfg(target_os = "linux")]
fn programs_that_it_started_end_with_it_when_it_is_killed() {
    if !have_curl() {
        return;
    }
    let place = place(&["store-route.yaml"]);
    let program = env!("CARGO_BIN_EXE_gatewright");
    place.file(
        "m/gatewright.yaml",
        format!("services: {{store-v1: {{command: ['{program}', store, from-a-program]}}}}\n"),
    );
    let mut serving = Serving::start(&place, &GATEWAY);
    let answer = serving.curl("http", "/", &[]);
    assert!(
        answer.contains("\"metadata\": \"from-a-program\""),
        "{answer}"
    );
    serving.process.kill();
    // The program has the same standard error, which ends with the last who has it.
    serving.process.wait_for_silence();
}

#[test]
fn what_cannot_be_served_is_told() {
    let place = place(&["store-route.yaml"]);
    place
        .run("serve m --admin 127.0.0.1:0")
        .expect(2, "supply one with `--gateway NAME=CLASS`");
    place.file("m/gatewright.yaml", "image: {}\n");
    place.run("serve m").expect(2, "gatewright.yaml");
    place.file("m/gatewright.yaml", "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    place
        .run(&format!(
            "serve m --gateway gw=gke-l7-rilb --substitute GATEWAY_NAME=gw --port 80={port} --port 443=0 --admin 127.0.0.1:0"
        ))
        .expect(3, "`--port PORT=LOCAL`");
}

/// Counts the bytes of request bodies that pass it, and changes nothing.
fn counting() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (global $seen (mut i64) (i64.const 0))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                (global.set $seen (i64.add (global.get $seen) (i64.extend_i32_u (local.get 1))))
                i32.const 0))"#,
    )
    .expect("valid text")
}

#[test]
#[cfg(target_os = "linux")]
fn a_body_of_a_gigabyte_streams_through_a_plugin_in_flat_memory() {
    use std::io::Read as _;

    const SIZE: usize = 1 << 30;
    let place = place(&PLUGIN);
    place.file("count.wasm", counting());
    let image = "us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main";
    place.file(
        "m/gatewright.yaml",
        format!("images:\n  {image}: {{wasm: ../count.wasm}}\n"),
    );
    let page = "gcp-traffic-extension-with-plugin.yaml";
    let text = String::from_utf8(documented(page)).expect("text");
    let text = text.replace(
        "- RequestHeaders\n",
        "- RequestHeaders\n      - RequestBody\n",
    );
    place.file(&format!("m/{page}"), text);
    let serving = Serving::start(&place, &GATEWAY);
    let address = format!("127.0.0.1:{}", serving.port("http"));
    let mut stream = std::net::TcpStream::connect(address).expect("connects");
    let head = format!(
        "POST /serviceextensions HTTP/1.1\r\nhost: store.example.com\r\n\
         connection: close\r\ncontent-length: {SIZE}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("writes");
    let part = vec![b'x'; 1 << 20];
    let mut before = 0;
    for megabyte in 0..SIZE / part.len() {
        stream.write_all(&part).expect("writes");
        if megabyte == 128 {
            before = resident(serving.process.child.id());
        }
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    assert!(answer.contains("\"metadata\": \"store-v1\""), "{answer}");
    let grown = resident(serving.process.child.id()).saturating_sub(before);
    assert!(grown < 24 * 1024, "it grew by {grown} KiB");
}
