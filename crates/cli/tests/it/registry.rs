//! `push`, `pull`, `inspect`, `verify` and `manifest` against Debian's docker-registry.

use crate::docker_registry::{DockerRegistry, Setup};
use crate::support::{Place, figure, plugin};

const KEY: &str = include_str!("../../../oci/tests/it/data/key.pem");
const LOCKED: &str = include_str!("../../../oci/tests/it/data/encrypted.pem");
const PUBLIC: &str = include_str!("../../../oci/tests/it/data/key.pub");

fn packed() -> Place {
    let place = Place::new();
    place.file("p.wasm", plugin(1024));
    place.run("pack p.wasm --title p -o p").expect(0, "ok");
    place
}

#[test]
fn what_is_pushed_is_pulled_with_its_digest() {
    let Some(registry) = DockerRegistry::start(Setup::default()) else {
        return;
    };
    let place = packed();
    let tag = format!("{}/team/p:v1", registry.address);
    let push = format!("push p {tag} --plain-http");
    let first = place.run(&push);
    let pinned = first.expect(0, "0 blobs already there");
    assert!(
        first
            .out
            .contains("GKE's field refuses ':' at character 10"),
        "{}",
        first.out
    );
    let (name, digest) = pinned.split_once('@').expect("pinned");
    assert_eq!(name, format!("{}/team/p", registry.address));
    let second = place.run(&push);
    second.expect(0, "2 blobs already there");
    let uploaded = second
        .out
        .lines()
        .find_map(|line| line.split_once(" bytes of blobs uploaded"));
    let (uploaded, _) = uploaded.expect("the program says how much it sent");
    figure("second-push-bytes", uploaded);
    assert_eq!(uploaded, "0");

    let pulled = place
        .run(&format!("pull {tag} --plain-http -o q.tar"))
        .expect(0, "q.tar");
    assert_eq!(pulled, digest);
    place.run("inspect q.tar").expect(0, digest);
    place
        .run(&format!("inspect {pinned} --plain-http"))
        .expect(0, "plugin.wasm");

    // Another repository takes the blobs over.
    place
        .run(&format!(
            "push p {}/other/p:v1 --plain-http --mount-from team/p",
            registry.address
        ))
        .expect(
            0,
            "0 bytes of blobs uploaded, 0 blobs already there, 2 mounted",
        );
    // A port is nothing for GKE's field, so there is no manifest for this registry.
    place
        .run(&format!("manifest p --image {tag} --plain-http"))
        .expect(2, "it takes no port");
    place
        .run(&format!(
            "pull {}/team/p:v2 --plain-http -o r",
            registry.address
        ))
        .expect(2, "does not have it");
    place
        .run(&format!(
            "push p {name}@sha256:{} --plain-http",
            "0".repeat(64)
        ))
        .expect(2, "push to a tag");
    assert!(!place.at("r").exists());
}

#[test]
fn a_blob_in_pieces_arrives_whole() {
    let Some(registry) = DockerRegistry::start(Setup::default()) else {
        return;
    };
    let place = packed();
    let tag = format!("{}/p:v1", registry.address);
    place
        .run(&format!("push p {tag} --plain-http --chunk-size 100"))
        .expect(0, "0 blobs already there");
    place
        .run(&format!("pull {tag} --plain-http -o q"))
        .expect(0, "sha256:");
    place
        .run("push p a.example/p:1 --chunk-size 0")
        .expect(2, "chunk-size");
}

#[test]
fn a_signature_is_verified_and_its_absence_is_told() {
    let Some(registry) = DockerRegistry::start(Setup::default()) else {
        return;
    };
    let place = packed();
    place.file("key.pem", KEY);
    place.file("key.pub", PUBLIC);
    let tag = format!("{}/p:v1", registry.address);
    let verify = format!("verify {tag} --key key.pub --plain-http");
    place
        .run(&format!("push p {tag} --plain-http"))
        .expect(0, "");
    place.run(&verify).expect(1, "is not signed");
    let pinned = place
        .run(&format!("push p {tag} --plain-http --sign-key key.pem"))
        .expect(0, ", signed");
    place
        .run(&verify)
        .expect(0, &format!("{pinned} is signed by this key"));
    place
        .run(&format!("verify {pinned} --key key.pub --plain-http"))
        .expect(0, "is signed by this key");
    place.file("locked.pem", LOCKED);
    place
        .run(&format!("push p {tag} --plain-http --sign-key locked.pem"))
        .expect(2, "set COSIGN_PASSWORD");
    // A public key cannot sign, and what it should have signed is not pushed.
    place
        .run(&format!(
            "push p {}/q:v1 --plain-http --sign-key key.pub",
            registry.address
        ))
        .expect(2, "`key.pub`");
    place
        .run(&format!("pull {}/q:v1 --plain-http -o q", registry.address))
        .expect(2, "does not have it");
}

#[test]
fn a_bill_of_materials_is_attached() {
    let Some(registry) = DockerRegistry::start(Setup::default()) else {
        return;
    };
    let place = packed();
    place.file(
        "Cargo.lock",
        "version = 4\n[[package]]\nname = \"p\"\nversion = \"0.1.0\"\n",
    );
    let push = format!(
        "push p {}/p:v1 --plain-http --sbom Cargo.lock",
        registry.address
    );
    let pinned = place.run(&push).expect(0, "bill of materials attached");
    // This registry has no referrers API, so the list is a tag made of the digest.
    let (name, digest) = pinned.split_once('@').expect("pinned");
    place
        .run(&format!(
            "pull {name}:{} --plain-http -o list",
            digest.replace(':', "-")
        ))
        .expect(0, "sha256:");
    place
        .run(&format!("{push} --sbom-package nobody"))
        .expect(2, "`Cargo.lock`");
}

#[test]
fn a_login_is_asked_for_and_found_where_docker_keeps_it() {
    let Some(registry) = DockerRegistry::start(Setup {
        password: Some("hunter2"),
        ..Setup::default()
    }) else {
        return;
    };
    let place = packed();
    let push = format!("push p {}/p:v1 --plain-http", registry.address);
    place
        .run(&push)
        .expect(3, "no credentials are known for it");
    // `me:hunter2` in base64, as `docker login` writes it.
    place.file(
        "config.json",
        format!(
            r#"{{"auths":{{"{}":{{"auth":"bWU6aHVudGVyMg=="}}}}}}"#,
            registry.address
        ),
    );
    place.run(&push).expect(0, "0 blobs already there");
    place.file(
        "config.json",
        format!(
            r#"{{"auths":{{"{}":{{"auth":"bWU6d3Jvbmc="}}}}}}"#,
            registry.address
        ),
    );
    let refused = place.run(&push);
    refused.expect(3, "were refused");
    assert!(!refused.err.contains("wrong"), "{}", refused.err);
}

#[test]
fn a_certificate_of_ones_own_is_trusted_when_it_is_named() {
    let Some(registry) = DockerRegistry::start(Setup {
        tls: true,
        ..Setup::default()
    }) else {
        return;
    };
    let place = packed();
    let push = format!("push p {}/p:v1", registry.address);
    let refused = place.run(&push);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    assert!(refused.err.contains("certificate"), "{}", refused.err);
    let authority = registry.folder.path().join("cert.pem");
    place
        .run(&format!("{push} --ca-file {}", authority.display()))
        .expect(0, "0 blobs already there");
    place
        .run(&format!("{push} --ca-file nowhere.pem"))
        .expect(2, "`nowhere.pem`");
    place.file("empty.pem", "");
    place
        .run(&format!("{push} --ca-file empty.pem"))
        .expect(2, "`empty.pem`");
}

/// A registry that sends everybody to `localhost` for a token, which is another host than the
/// `127.0.0.1` that it is asked at. Returns its port and, once dropped by the test, what it was
/// told for a token.
fn sends_to_localhost() -> (u16, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let target = lines.next().unwrap_or_default();
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let login = headers.into_iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                (name.eq_ignore_ascii_case("authorization")).then(|| value.to_owned())
            });
            let (status, headers, body) = if target.starts_with("GET /token") {
                let _ = tell.send(login.unwrap_or_default());
                ("200 OK", String::new(), r#"{"token":"t"}"#)
            } else if login.is_some() {
                ("404 Not Found", String::new(), "")
            } else {
                let realm = format!(
                    "www-authenticate: Bearer realm=\"http://localhost:{port}/token\",service=\"s\"\r\n"
                );
                ("401 Unauthorized", realm, "")
            };
            let length = body.len();
            let _ = write!(
                &stream,
                "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    (port, told)
}

#[test]
fn a_login_goes_to_another_token_host_only_when_it_is_named() {
    let (port, told) = sends_to_localhost();
    let place = Place::new();
    place.file(
        "config.json",
        format!(r#"{{"auths":{{"127.0.0.1:{port}":{{"auth":"bWU6aHVudGVyMg=="}}}}}}"#),
    );
    let inspect = format!("inspect 127.0.0.1:{port}/p:v1 --plain-http");
    place
        .run(&inspect)
        .expect(2, "credentials are not sent to another host");
    assert!(told.try_recv().is_err(), "nothing was asked there");
    place
        .run(&format!("{inspect} --token-host localhost"))
        .expect(2, "does not have it");
    assert_eq!(told.try_recv().as_deref(), Ok("Basic bWU6aHVudGVyMg=="));
}
