//! `push`, `pull`, `inspect`, `verify` and `manifest` against Debian's docker-registry.

use crate::support::{Place, Registry, plugin};

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
    let Some(registry) = Registry::start(None) else {
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
    place
        .run(&push)
        .expect(0, "0 bytes of blobs uploaded, 2 blobs already there");

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
    let Some(registry) = Registry::start(None) else {
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
    let Some(registry) = Registry::start(None) else {
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
    let Some(registry) = Registry::start(None) else {
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
    let Some(registry) = Registry::start(Some("hunter2")) else {
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
