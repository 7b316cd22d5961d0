//! Signatures and bills of materials, with openssl and skopeo as the other side.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use gatewright_oci::sign::{self, PrivateKey, PublicKey, SignError, signature_tag};
use gatewright_oci::{
    Annotations, Blob, Digest, Image, Limits, Reference, layout, media, pack_config, sbom,
};

use crate::docker_registry::{Setup, peer};
use crate::peers::{Real, skopeo, text};
use crate::support::image;

const KEY: &str = include_str!("data/key.pem");
const PUBLIC: &str = include_str!("data/key.pub");
const ENCRYPTED: &str = include_str!("data/encrypted.pem");

fn key() -> PrivateKey {
    PrivateKey::from_pem(KEY, None).expect("reads")
}

fn reference() -> Reference {
    "registry.example/team/app:v1".parse().expect("a reference")
}

fn signed() -> Image {
    sign::sign(image().digest(), &reference(), &key(), None).expect("signs")
}

/// A signature image with one layer's payload or signature changed, consistent in its digests.
fn changed(from: &str, to: &str) -> Image {
    let signed = signed();
    let payload = String::from_utf8_lossy(&signed.layers()[0].bytes).replace(from, to);
    let layer = Blob::new(media::SIMPLE_SIGNING, payload);
    let manifest = String::from_utf8_lossy(&signed.manifest().bytes)
        .replace(
            &signed.layers()[0].digest().to_string(),
            &layer.digest().to_string(),
        )
        .replace(
            &format!("\"size\":{}", signed.layers()[0].size()),
            &format!("\"size\":{}", layer.size()),
        );
    let manifest = Blob::new(media::OCI_MANIFEST, manifest.replace(from, to));
    Image::new(manifest, vec![signed.blobs()[0].clone(), layer]).expect("consistent")
}

fn reasons(result: Result<(), SignError>) -> String {
    match result {
        Err(SignError::Bad { reasons, .. }) => reasons.join("; "),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_signature_is_good_for_its_image_its_name_and_its_key_only() {
    let public = key().public();
    let digest = image().digest();
    sign::verify(digest, &reference(), &public, &signed()).expect("good");
    let other = "registry.example/team/other:v1"
        .parse()
        .expect("a reference");
    assert!(reasons(sign::verify(digest, &other, &public, &signed())).contains("is for the name"));
    assert!(
        reasons(sign::verify(
            Digest::of(b"x"),
            &reference(),
            &public,
            &signed()
        ))
        .contains("another digest")
    );
    let tampered = changed(&digest.to_string(), &Digest::of(b"x").to_string());
    let verdict = sign::verify(Digest::of(b"x"), &reference(), &public, &tampered);
    assert!(reasons(verdict).contains("not by this key, or the payload was changed"));
    let unsigned = pack_config(b"", &Annotations::default()).expect("packs");
    assert_eq!(
        reasons(sign::verify(digest, &reference(), &public, &unsigned)),
        ""
    );
}

#[test]
fn signing_twice_gives_one_signature_and_another_name_a_second() {
    let again = sign::sign(image().digest(), &reference(), &key(), Some(&signed())).expect("signs");
    assert_eq!(again.digest(), signed().digest());
    let other: Reference = "registry.example/team/other:v1"
        .parse()
        .expect("a reference");
    let both = sign::sign(image().digest(), &other, &key(), Some(&signed())).expect("signs");
    assert_eq!(both.layers().len(), 2);
    for name in [&reference(), &other] {
        sign::verify(image().digest(), name, &key().public(), &both).expect("good");
    }
}

/// The image's payload with a signature that belongs to another payload.
fn tampered(reference: &Reference) -> Image {
    let ours = sign::sign(image().digest(), reference, &key(), None).expect("signs");
    let other = sign::sign(Digest::of(b"other"), reference, &key(), None).expect("signs");
    let manifest = String::from_utf8_lossy(&ours.manifest().bytes)
        .replace(signature(&ours), signature(&other));
    Image::new(
        Blob::new(media::OCI_MANIFEST, manifest),
        ours.blobs().to_vec(),
    )
    .expect("consistent")
}

/// The first signature of a signature image, in base64.
fn signature(image: &Image) -> &str {
    let annotations = image.parsed().layers()[0]
        .annotations()
        .as_ref()
        .expect("annotations");
    &annotations["dev.cosignproject.cosign/signature"]
}

/// Whether openssl finds the signature of a signature image good.
fn openssl_accepts(openssl: &Path, image: &Image) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("writes");
    let decoded =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, signature(image));
    write("signature", &decoded.expect("base64"));
    write("payload", &image.layers()[0].bytes);
    write("key.pub", PUBLIC.as_bytes());
    let arguments = [
        "dgst",
        "-sha256",
        "-verify",
        "key.pub",
        "-signature",
        "signature",
        "payload",
    ];
    let output = Command::new(openssl)
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("runs");
    output.status.success()
}

#[tokio::test]
async fn openssl_accepts_the_signature_that_skopeo_fetches_and_refuses_a_tampered_one() {
    let (Some(openssl), Some(registry)) = (peer("openssl"), Real::start(Setup::default())) else {
        return;
    };
    let folder = registry.folder.path();
    let reference = registry.reference("team/app:v1");
    let digest = image().digest();
    registry.push(&image(), "team/app:v1").await;
    registry
        .client("team/app:v1")
        .await
        .sign(digest, &reference, &key())
        .await
        .expect("signs");
    let place = format!("team/app:{}", signature_tag(digest));
    let fetch = |name: &str| {
        let path = folder.join(name);
        let from = format!("docker://{}/{place}", registry.address);
        let copied = skopeo(
            folder,
            &[
                "copy",
                "--src-tls-verify=false",
                &from,
                &format!("oci:{}", path.display()),
            ],
        )?;
        assert!(copied.status.success(), "{}", text(&copied));
        Some(layout::read(&path, &Limits::default()).expect("reads skopeo's copy"))
    };
    let Some(good) = fetch("good") else { return };
    assert!(openssl_accepts(&openssl, &good));
    let payload: serde_json::Value = serde_json::from_slice(&good.layers()[0].bytes).expect("JSON");
    assert_eq!(
        payload["critical"]["image"]["docker-manifest-digest"],
        digest.to_string()
    );
    registry.push(&tampered(&reference), &place).await;
    assert!(!openssl_accepts(&openssl, &fetch("bad").expect("is there")));
    let verdict = registry
        .client("team/app:v1")
        .await
        .verify(digest, &reference, &key().public())
        .await;
    assert!(matches!(verdict, Err(SignError::Bad { .. })), "{verdict:?}");
}

#[test]
fn keys_of_openssl_and_cosign_are_read() {
    let public = PublicKey::from_pem(PUBLIC).expect("reads");
    assert_eq!(key().public(), public);
    assert_eq!(public.to_pem().expect("writes"), PUBLIC);
    let opened = PrivateKey::from_pem(ENCRYPTED, Some(b"correct horse")).expect("opens");
    assert_eq!(opened.public(), public);
    assert!(matches!(
        PrivateKey::from_pem(ENCRYPTED, Some(b"wrong")),
        Err(SignError::Password)
    ));
    assert!(matches!(
        PrivateKey::from_pem(ENCRYPTED, None),
        Err(SignError::PasswordNeeded)
    ));
    for bad in [
        "",
        "-----BEGIN RSA PRIVATE KEY-----\nAA==\n",
        PUBLIC,
        "-----BEGIN EC PRIVATE KEY-----\n",
    ] {
        assert!(
            matches!(PrivateKey::from_pem(bad, None), Err(SignError::Key { .. })),
            "{bad}"
        );
    }
    assert!(!format!("{:?}", key()).contains("SigningKey"));
}

#[tokio::test]
async fn skopeos_policy_accepts_our_signature_and_refuses_a_tampered_one() {
    let Some(registry) = Real::start(Setup::default()) else {
        return;
    };
    let folder = registry.folder.path();
    registry.push(&image(), "team/app:v1").await;
    let reference = registry.reference("team/app:v1");
    let client = registry.client("team/app:v1").await;
    let digest = image().digest();
    let unsigned = client
        .verify(digest, &reference, &key().public())
        .await
        .expect_err("not yet signed");
    assert!(matches!(unsigned, SignError::Unsigned { .. }), "{unsigned}");

    let public = folder.join("key.pub");
    std::fs::write(&public, PUBLIC).expect("writes");
    let attachments = format!(
        "docker:\n  {}:\n    use-sigstore-attachments: true\n",
        registry.address
    );
    std::fs::write(folder.join("local.yaml"), attachments).expect("writes");
    let policy = serde_json::json!({"default": [{"type": "reject"}], "transports": {"docker": {"": [{
        "type": "sigstoreSigned", "keyPath": public, "signedIdentity": {"type": "matchRepository"},
    }]}}});
    std::fs::write(folder.join("policy.json"), policy.to_string()).expect("writes");
    let remote = format!("docker://{}/team/app:v1", registry.address);
    let copy = |to: &str| {
        skopeo(
            folder,
            &[
                "copy",
                "--src-tls-verify=false",
                &remote,
                &format!("dir:{}", folder.join(to).display()),
            ],
        )
    };
    let Some(without) = copy("without") else {
        return;
    };
    assert!(!without.status.success(), "accepted without a signature");

    client
        .sign(digest, &reference, &key())
        .await
        .expect("signs");
    client
        .verify(digest, &reference, &key().public())
        .await
        .expect("verifies");
    let good = copy("good").expect("is there");
    if text(&good).contains("sigstore disabled") {
        // Debian builds skopeo without it; openssl above is the other implementation then.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: this skopeo is built without sigstore"
        );
        return;
    }
    assert!(good.status.success(), "{}", text(&good));

    let place = format!("team/app:{}", signature_tag(digest));
    registry.push(&tampered(&reference), &place).await;
    let bad = copy("bad").expect("is there");
    assert!(!bad.status.success(), "accepted a tampered signature");
    let verdict = client.verify(digest, &reference, &key().public()).await;
    assert!(matches!(verdict, Err(SignError::Bad { .. })), "{verdict:?}");
}

#[tokio::test]
async fn a_bill_of_materials_is_attached_and_listed_under_the_fallback_tag() {
    let Some(registry) = Real::start(Setup::default()) else {
        return;
    };
    registry.push(&image(), "team/app:v1").await;
    let lock = "version = 4\n[[package]]\nname = \"plugin\"\nversion = \"0.1.0\"\n";
    let bill = sbom::cyclonedx(lock, "plugin").expect("reads");
    let artifact = sbom::attach(bill.clone(), &image()).expect("packs");
    let place = format!("team/app@{}", artifact.digest());
    for _ in 0..2 {
        registry.push(&artifact, &place).await;
    }
    let list = format!("team/app:sha256-{}", image().digest().hex());
    // The list is an index of one artifact, so that pulling it pulls the bill.
    let pulled = registry.pull(&list).await;
    assert_eq!(
        (pulled.digest(), &pulled.layers()[0].bytes[..]),
        (artifact.digest(), &bill[..])
    );
    assert_eq!(
        pulled
            .parsed()
            .subject()
            .as_ref()
            .expect("a subject")
            .digest()
            .to_string(),
        image().digest().to_string()
    );
}
