//! Registries that hang, lie, cut off and lead astray: each gets its own error, and no
//! credential goes anywhere but to the registry it is for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatewright_oci::registry::{CredentialSource, RegistryError};
use gatewright_oci::{Digest, ImageError, Reference, Registry, media};
use serde_json::json;

use crate::scripted::{Asked, PASSWORD, Scripted, answer, honest, login, quick};
use crate::support::{Parts, descriptor, image};

async fn pull_error(registry: &Scripted, credentials: CredentialSource) -> RegistryError {
    let error = registry
        .client(credentials)
        .await
        .pull(&registry.reference())
        .await
        .expect_err("refused");
    assert!(
        !format!("{error} {error:?}").contains(PASSWORD),
        "the password is printed: {error:?}"
    );
    error
}

const BASIC: &[(&str, &str)] = &[("www-authenticate", "Basic realm=\"r\"")];

#[tokio::test]
async fn an_honest_registry_is_pulled_from() {
    let registry = Scripted::serve(|_, asked| honest(&image(), asked)).await;
    let pulled = registry
        .client(CredentialSource::Anonymous)
        .await
        .pull(&registry.reference())
        .await;
    assert_eq!(pulled.expect("pulls"), image());
}

#[tokio::test]
async fn a_registry_that_hangs_is_given_up_on() {
    let registry = Scripted::raw(Vec::new(), true).await;
    let client = registry
        .client_with(|options| options.read_timeout = Duration::from_millis(50))
        .await;
    let error = client.pull(&registry.reference()).await.expect_err("hangs");
    assert!(matches!(error, RegistryError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_closes_and_one_that_is_not_there_are_told_apart() {
    let registry = Scripted::raw(Vec::new(), false).await;
    let error = pull_error(&registry, CredentialSource::Anonymous).await;
    assert!(
        matches!(error, RegistryError::Interrupted { .. }),
        "{error}"
    );

    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let reference: Reference = format!("{}/a/b", closed.local_addr().expect("bound"))
        .parse()
        .expect("a reference");
    drop(closed);
    let client = Registry::new(&reference, quick()).await.expect("a client");
    let error = client.pull(&reference).await.expect_err("nobody there");
    assert!(matches!(error, RegistryError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_manifest_cut_off_is_told_with_its_bytes() {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: 500\r\n\r\n{{\"sche",
        media::OCI_MANIFEST
    );
    let registry = Scripted::raw(head.into_bytes(), false).await;
    let error = pull_error(&registry, CredentialSource::Anonymous).await;
    assert!(
        matches!(
            error,
            RegistryError::Truncated {
                got: 6,
                expected: 500,
                ..
            }
        ),
        "{error}"
    );
}

/// Pulls from a registry that is honest but for its blobs.
async fn with_blobs(change: fn(Vec<u8>) -> Vec<u8>) -> RegistryError {
    let registry = Scripted::serve(move |_, asked| {
        if !asked.target.contains("/blobs/") {
            return honest(&image(), asked);
        }
        let image = image();
        let blob = image
            .blobs()
            .iter()
            .find(|blob| asked.target.contains(&blob.digest().hex()));
        answer(
            200,
            &[],
            change(blob.expect("a blob of ours").bytes.to_vec()),
        )
    });
    pull_error(&registry.await, CredentialSource::Anonymous).await
}

#[tokio::test]
async fn a_blob_shorter_longer_or_other_than_named_is_refused() {
    let shorter = with_blobs(|mut bytes| {
        bytes.pop();
        bytes
    })
    .await;
    assert!(
        matches!(shorter, RegistryError::Truncated { .. }),
        "{shorter}"
    );
    let longer = with_blobs(|mut bytes| {
        bytes.push(0);
        bytes
    })
    .await;
    assert!(matches!(longer, RegistryError::TooLong { .. }), "{longer}");
    let other = with_blobs(|mut bytes| {
        bytes[0] ^= 1;
        bytes
    })
    .await;
    assert!(
        matches!(&other, RegistryError::Image(ImageError::Digest { .. })),
        "{other}"
    );
}

#[tokio::test]
async fn a_manifest_other_than_pinned_is_refused() {
    let registry = Scripted::serve(|_, asked| honest(&image(), asked)).await;
    let reference = format!("{}/team/app@{}", registry.address, Digest::of(b"other"))
        .parse()
        .expect("a reference");
    let client = registry.client(CredentialSource::Anonymous).await;
    let error = client.pull(&reference).await.expect_err("another manifest");
    assert!(
        matches!(error, RegistryError::Image(ImageError::Digest { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_manifest_over_size_is_not_read_to_its_end() {
    let registry = Scripted::serve(|_, _| {
        answer(
            200,
            &[("content-type", media::OCI_MANIFEST)],
            vec![b' '; 5 << 20],
        )
    })
    .await;
    let error = pull_error(&registry, CredentialSource::Anonymous).await;
    assert!(
        matches!(error, RegistryError::TooLong { limit, .. } if limit == 4 << 20),
        "{error}"
    );
}

#[tokio::test]
async fn a_web_page_is_no_manifest() {
    let registry = Scripted::serve(|_, _| {
        answer(
            200,
            &[("content-type", "text/html; charset=utf-8")],
            "<html>",
        )
    })
    .await;
    let error = pull_error(&registry, CredentialSource::Anonymous).await;
    assert!(
        matches!(&error, RegistryError::Image(ImageError::ManifestType { found }) if found == "text/html"),
        "{error}"
    );
}

#[tokio::test]
async fn an_index_of_several_platforms_is_refused_by_name() {
    let registry = Scripted::serve(|_, _| {
        let entry = |architecture: &str| {
            let mut entry = descriptor(image().manifest());
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry
        };
        let index = json!({"schemaVersion": 2, "manifests": [entry("amd64"), entry("arm64")]});
        answer(
            200,
            &[("content-type", media::OCI_INDEX)],
            index.to_string(),
        )
    });
    let error = pull_error(&registry.await, CredentialSource::Anonymous).await;
    assert!(
        matches!(
            error,
            RegistryError::Image(ImageError::SeveralPlatforms { .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_layer_announced_above_the_limit_is_not_asked_for() {
    let registry = Scripted::serve(|_, asked| {
        let (manifest, _) = Parts::good().blobs();
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&manifest.bytes).expect("ours");
        manifest["config"]["size"] = json!(1_u64 << 40);
        assert!(
            !asked.target.contains("/blobs/"),
            "asked for {}",
            asked.target
        );
        answer(
            200,
            &[("content-type", media::OCI_MANIFEST)],
            manifest.to_string(),
        )
    });
    let error = pull_error(&registry.await, CredentialSource::Anonymous).await;
    assert!(
        matches!(error, RegistryError::Image(ImageError::TooLarge { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn status_401_in_a_loop_ends_after_one_login() {
    let registry = Scripted::serve(|_, _| answer(401, BASIC, "")).await;
    let error = pull_error(&registry, login()).await;
    assert!(
        matches!(error, RegistryError::Unauthorized { tried: true, .. }),
        "{error}"
    );
    assert_eq!(registry.asked().len(), 2);
    let error = pull_error(&registry, CredentialSource::Anonymous).await;
    assert!(
        matches!(error, RegistryError::Unauthorized { tried: false, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn each_refusal_has_its_own_error_and_only_passing_ones_are_tried_again() {
    for (status, tries) in [
        (403, 1),
        (404, 1),
        (418, 1),
        (429, 2),
        (500, 2),
        (503, 2),
        (408, 2),
    ] {
        let registry =
            Scripted::serve(move |_, _| answer(status, &[("retry-after", "0")], "")).await;
        let error = pull_error(&registry, CredentialSource::Anonymous).await;
        let fits = match status {
            403 => matches!(error, RegistryError::Denied { .. }),
            404 => matches!(error, RegistryError::NotFound { .. }),
            418 => matches!(error, RegistryError::Status { status: 418, .. }),
            429 => matches!(error, RegistryError::RateLimited { .. }),
            _ => matches!(error, RegistryError::Server { status: s, .. } if s == status),
        };
        assert!(fits, "{error}");
        assert_eq!(registry.asked().len(), tries, "{status}");
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let failures = AtomicUsize::new(0);
    let registry = Scripted::serve(
        move |_, asked| match failures.fetch_add(1, Ordering::SeqCst) {
            0 => answer(503, &[], ""),
            _ => honest(&image(), asked),
        },
    );
    let registry = registry.await;
    let pulled = registry
        .client(CredentialSource::Anonymous)
        .await
        .pull(&registry.reference())
        .await;
    assert_eq!(
        pulled.expect("pulls on the second try").digest(),
        image().digest()
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_followed_without_credentials() {
    let storage = Scripted::serve(|_, asked| honest(&image(), asked)).await;
    let elsewhere = storage.address.clone();
    let registry = Scripted::serve(move |_, asked: &Asked| match &asked.authorization {
        None => answer(401, BASIC, ""),
        Some(_) if asked.target.contains("/blobs/") => answer(
            307,
            &[("location", &format!("http://{elsewhere}{}", asked.target))],
            "",
        ),
        Some(_) => honest(&image(), asked),
    })
    .await;
    let pulled = registry
        .client(login())
        .await
        .pull(&registry.reference())
        .await;
    assert_eq!(pulled.expect("pulls").digest(), image().digest());
    let asked = storage.asked();
    assert_eq!(asked.len(), 2);
    assert!(
        asked.iter().all(|asked| asked.authorization.is_none()),
        "{asked:?}"
    );
    assert!(
        registry
            .asked()
            .iter()
            .any(|asked| asked.authorization.is_some())
    );
}

#[tokio::test]
async fn another_host_that_asks_for_a_login_gets_none() {
    let storage = Scripted::serve(|_, _| answer(401, BASIC, "")).await;
    let elsewhere = storage.address.clone();
    let registry = Scripted::serve(move |_, _| {
        answer(302, &[("location", &format!("http://{elsewhere}/x"))], "")
    })
    .await;
    let error = pull_error(&registry, login()).await;
    assert!(
        matches!(&error, RegistryError::Unauthorized { host, tried: false, .. } if *host == storage.address),
        "{error}"
    );
    assert!(
        storage
            .asked()
            .iter()
            .all(|asked| asked.authorization.is_none())
    );
}

#[tokio::test]
async fn redirects_that_lead_astray_are_refused() {
    for (target, problem) in [
        (
            "http://me:secret@127.0.0.1/x",
            "it carries a user or password",
        ),
        ("ftp://127.0.0.1/x", "it leaves TLS"),
        ("http://192.0.2.1/x", "it leaves TLS"),
    ] {
        let registry = Scripted::serve(move |_, _| answer(307, &[("location", target)], "")).await;
        let error = pull_error(&registry, login()).await;
        assert!(
            matches!(error, RegistryError::Redirect { problem: p, .. } if p == problem),
            "{error}"
        );
    }
    let circle = Scripted::serve(|_, asked| answer(307, &[("location", &asked.target)], "")).await;
    let error = pull_error(&circle, login()).await;
    assert!(
        matches!(error, RegistryError::RedirectLoop { .. }),
        "{error}"
    );
}

/// A registry that asks for a token from `realm`.
async fn asking(realm: String) -> Scripted {
    Scripted::serve(move |own, asked: &Asked| {
        let realm = realm.replace("OWN", own);
        if asked.target.starts_with("/token") {
            let honest = asked
                .target
                .contains("scope=repository%3Ateam%2Fapp%3Apull");
            assert!(honest, "{}", asked.target);
            return answer(200, &[], r#"{"token":"t0k3n"}"#);
        }
        match asked.authorization.as_deref() {
            Some("Bearer t0k3n") => honest(&image(), asked),
            _ => answer(
                401,
                &[(
                    "www-authenticate",
                    &format!("Bearer realm=\"{realm}\",service=\"s\""),
                )],
                "",
            ),
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_reused() {
    let registry = asking("http://OWN/token".into()).await;
    let pulled = registry
        .client(login())
        .await
        .pull(&registry.reference())
        .await;
    assert_eq!(pulled.expect("pulls").digest(), image().digest());
    let tokens: Vec<_> = registry
        .asked()
        .into_iter()
        .filter(|asked| asked.target.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 1);
    assert!(
        tokens[0]
            .authorization
            .as_deref()
            .is_some_and(|value| value.starts_with("Basic "))
    );
}

#[tokio::test]
async fn a_token_service_on_a_strange_host_or_without_tls_gets_no_credentials() {
    let strange = asking("https://tokens.evil.example/token".into()).await;
    let error = pull_error(&strange, login()).await;
    assert!(
        matches!(&error, RegistryError::ForeignRealm { realm, .. } if realm == "tokens.evil.example"),
        "{error}"
    );
    let plain = asking("http://registry.example/token".into()).await;
    let error = pull_error(&plain, login()).await;
    assert!(matches!(error, RegistryError::PlainRealm { .. }), "{error}");
}

#[tokio::test]
async fn a_challenge_that_cannot_be_followed_and_a_token_that_is_none_are_refused() {
    let odd = Scripted::serve(|_, _| answer(401, &[("www-authenticate", "Negotiate")], "")).await;
    let error = pull_error(&odd, login()).await;
    assert!(matches!(error, RegistryError::Challenge { .. }), "{error}");
    let empty = Scripted::serve(|own, asked| {
        if asked.target.starts_with("/token") {
            return answer(200, &[], r#"{"token":""}"#);
        }
        answer(
            401,
            &[(
                "www-authenticate",
                &format!("Bearer realm=\"http://{own}/token\""),
            )],
            "",
        )
    });
    let error = pull_error(&empty.await, login()).await;
    assert!(matches!(error, RegistryError::Token { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_reads_the_password_back_does_not_get_it_printed() {
    let registry = Scripted::serve(|_, asked| match &asked.authorization {
        None => answer(401, BASIC, ""),
        Some(_) => {
            let message = format!("bad \u{1b}[31m{PASSWORD}");
            answer(
                403,
                &[],
                json!({"errors": [{"code": "DENIED", "message": message}]}).to_string(),
            )
        }
    });
    let error = pull_error(&registry.await, login()).await.to_string();
    assert!(error.contains("DENIED bad \u{fffd}[31m(hidden)"), "{error}");
}

#[tokio::test]
async fn plain_http_beyond_loopback_is_refused_before_anything_is_sent() {
    let reference: Reference = "registry.example:5000/a/b:v1".parse().expect("a reference");
    let error = Registry::new(&reference, quick())
        .await
        .expect_err("refused");
    assert!(matches!(error, RegistryError::PlainHttp { .. }), "{error}");
}

#[tokio::test]
async fn an_upload_that_is_moved_to_another_host_is_refused() {
    let registry = Scripted::serve(|_, asked| match asked.method.as_str() {
        "HEAD" => answer(404, &[], ""),
        _ => answer(202, &[("location", "http://127.0.0.1:1/upload")], ""),
    });
    let registry = registry.await;
    let error = registry
        .client(login())
        .await
        .push(&image(), &registry.reference(), &[])
        .await
        .expect_err("refused");
    assert!(
        matches!(&error, RegistryError::UploadElsewhere { other, .. } if other == "127.0.0.1:1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_that_stores_something_else_is_found_out() {
    let registry = Scripted::serve(|_, asked| match asked.method.as_str() {
        "HEAD" => answer(200, &[], ""),
        _ => answer(
            201,
            &[("docker-content-digest", &Digest::of(b"other").to_string())],
            "",
        ),
    });
    let registry = registry.await;
    let error = registry
        .client(login())
        .await
        .push(&image(), &registry.reference(), &[])
        .await
        .expect_err("refused");
    assert!(matches!(error, RegistryError::Stored { .. }), "{error}");
}

#[tokio::test]
async fn blobs_are_uploaded_in_chunks_or_mounted_and_the_manifest_comes_last() {
    let registry = Scripted::serve(|_, asked| match asked.method.as_str() {
        "HEAD" => answer(404, &[], ""),
        // The layer is at the neighbour's, the configuration is not.
        "POST" if asked.target.contains(&image().layers()[0].digest().hex()) => {
            answer(201, &[], "")
        }
        "POST" | "PATCH" => answer(
            202,
            &[("location", "/v2/team/app/blobs/uploads/1?state=x")],
            "",
        ),
        _ => answer(201, &[], ""),
    });
    let registry = registry.await;
    let client = registry
        .client_with(|options| options.chunk = Some(100))
        .await;
    let pushed = client
        .push(&image(), &registry.reference(), &["team/base".into()])
        .await
        .expect("pushes");
    assert_eq!(
        (pushed.mounted, pushed.skipped, pushed.uploaded),
        (1, 0, image().blobs()[0].size())
    );
    assert!(
        pushed
            .gke
            .is_err_and(|error| error.to_string().contains("it takes no port"))
    );

    let asked = registry.asked();
    let sent: Vec<u8> = asked
        .iter()
        .filter(|asked| asked.method == "PATCH")
        .flat_map(|asked| asked.body.to_vec())
        .collect();
    assert_eq!(sent, image().blobs()[0].bytes);
    let last = asked.last().expect("asked");
    assert_eq!(
        (last.method.as_str(), last.target.as_str()),
        ("PUT", "/v2/team/app/manifests/v1")
    );
    assert_eq!(last.body, image().manifest().bytes);
}
