//! The real peers: Debian's docker-registry on a free port of loopback, and skopeo.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use gatewright_oci::registry::{CredentialSource, Options, RegistryError};
use gatewright_oci::{Image, Limits, Reference, Registry, Variant, layout, media, pack_plugin};

use crate::docker_registry::{DockerRegistry, Setup, peer};
use crate::scripted::{PASSWORD, login, quick};
use crate::support::{image, plugin, wasm};

/// A docker-registry, and how it is reached.
pub(crate) struct Real {
    registry: DockerRegistry,
    setup: Setup,
}

impl std::ops::Deref for Real {
    type Target = DockerRegistry;

    fn deref(&self) -> &DockerRegistry {
        &self.registry
    }
}

impl Real {
    pub(crate) fn start(setup: Setup) -> Option<Self> {
        let registry = DockerRegistry::start(setup)?;
        Some(Self { registry, setup })
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            plain_http: !self.setup.tls,
            ca_file: self.setup.tls.then(|| self.folder.path().join("cert.pem")),
            credentials: if self.setup.password.is_some() {
                login()
            } else {
                CredentialSource::Anonymous
            },
            ..quick()
        }
    }

    pub(crate) fn reference(&self, name: &str) -> Reference {
        format!("{}/{name}", self.address)
            .parse()
            .expect("a reference")
    }

    pub(crate) async fn client(&self, name: &str) -> Registry {
        Registry::new(&self.reference(name), self.options())
            .await
            .expect("a client")
    }

    pub(crate) async fn push(&self, image: &Image, name: &str) -> gatewright_oci::registry::Pushed {
        self.client(name)
            .await
            .push(image, &self.reference(name), &[])
            .await
            .expect("pushes")
    }

    pub(crate) async fn pull(&self, name: &str) -> Image {
        self.client(name)
            .await
            .pull(&self.reference(name))
            .await
            .expect("pulls")
    }
}

/// Runs skopeo with a home of its own, so that nobody's settings are used or changed.
pub(crate) fn skopeo(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let program = peer("skopeo")?;
    let policy = folder.join("policy.json");
    if !policy.exists() {
        std::fs::write(
            &policy,
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        )
        .expect("writes");
    }
    let output = Command::new(program)
        .arg("--policy")
        .arg(policy)
        .arg("--registries.d")
        .arg(folder)
        .args(arguments)
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("TMPDIR", folder)
        .output();
    Some(output.expect("runs"))
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

async fn round_trip(setup: Setup) {
    let Some(registry) = Real::start(setup) else {
        return;
    };
    for (variant, name) in [
        (Variant::Image, "team/app:v1"),
        (Variant::Compat, "team/app:compat"),
        (Variant::Artifact, "team/app:cncf"),
    ] {
        let image = pack_plugin(&plugin(&wasm(), variant)).expect("packs");
        let first = registry.push(&image, name).await;
        assert_eq!(first.digest, image.digest());
        let second = registry.push(&image, name).await;
        assert_eq!(
            (second.uploaded, second.skipped),
            (0, 2),
            "a second push uploads nothing"
        );
        assert_eq!(registry.pull(name).await, image);
        let pinned: Reference = first.pinned.parse().expect("a reference");
        let pulled = registry
            .client(name)
            .await
            .pull(&pinned)
            .await
            .expect("pulls by digest");
        assert_eq!(pulled, image);
    }
}

#[tokio::test]
async fn push_and_pull_give_the_same_digest() {
    round_trip(Setup::default()).await;
}

#[tokio::test]
async fn push_and_pull_give_the_same_digest_with_basic_auth() {
    round_trip(Setup {
        password: Some(PASSWORD),
        ..Setup::default()
    })
    .await;
}

#[tokio::test]
async fn push_and_pull_give_the_same_digest_with_tls_and_basic_auth() {
    round_trip(Setup {
        password: Some(PASSWORD),
        tls: true,
    })
    .await;
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let Some(registry) = Real::start(Setup {
        tls: true,
        ..Setup::default()
    }) else {
        return;
    };
    let reference = registry.reference("team/app:v1");
    let options = Options {
        ca_file: None,
        ..registry.options()
    };
    let client = Registry::new(&reference, options).await.expect("a client");
    let error = client
        .pull(&reference)
        .await
        .expect_err("an unknown issuer");
    assert!(
        matches!(&error, RegistryError::Connect { reason, .. } if reason.contains("certificate")),
        "{error}"
    );
}

#[tokio::test]
async fn a_login_in_dockers_file_is_found_and_without_one_it_is_asked_for() {
    let Some(registry) = Real::start(Setup {
        password: Some(PASSWORD),
        ..Setup::default()
    }) else {
        return;
    };
    let file = registry.folder.path().join("config.json");
    let auth = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("me:{PASSWORD}"),
    );
    let stored = serde_json::json!({"auths": {registry.address.as_str(): {"auth": auth}}});
    std::fs::write(&file, stored.to_string()).expect("writes");
    let reference = registry.reference("team/app:v1");
    let options = Options {
        credentials: CredentialSource::Files(vec![file]),
        ..registry.options()
    };
    let client = Registry::new(&reference, options).await.expect("a client");
    client
        .push(&image(), &reference, &[])
        .await
        .expect("pushes");

    let anonymous = Options {
        credentials: CredentialSource::Anonymous,
        ..registry.options()
    };
    let client = Registry::new(&reference, anonymous)
        .await
        .expect("a client");
    let error = client.pull(&reference).await.expect_err("needs a login");
    assert!(
        matches!(error, RegistryError::Unauthorized { tried: false, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn uploads_in_chunks_and_mounts_work_with_the_real_registry() {
    let Some(registry) = Real::start(Setup::default()) else {
        return;
    };
    let reference = registry.reference("team/chunked:v1");
    let options = Options {
        chunk: Some(64),
        ..registry.options()
    };
    let client = Registry::new(&reference, options).await.expect("a client");
    let pushed = client
        .push(&image(), &reference, &[])
        .await
        .expect("pushes");
    assert!(pushed.uploaded > 0);
    assert_eq!(registry.pull("team/chunked:v1").await, image());

    let neighbour = registry.reference("team/mounted:v1");
    let client = Registry::new(&neighbour, registry.options())
        .await
        .expect("a client");
    let pushed = client
        .push(
            &image(),
            &neighbour,
            &["team/none".into(), "team/chunked".into()],
        )
        .await;
    let pushed = pushed.expect("pushes");
    assert_eq!(registry.pull("team/mounted:v1").await, image());
    assert!(pushed.mounted + pushed.skipped >= 1, "{pushed:?}");
}

#[tokio::test]
async fn skopeo_reads_and_copies_our_images() {
    let Some(registry) = Real::start(Setup::default()) else {
        return;
    };
    registry.push(&image(), "team/app:v1").await;
    let remote = format!("docker://{}/team/app:v1", registry.address);
    let Some(shown) = skopeo(
        registry.folder.path(),
        &["inspect", "--tls-verify=false", &remote],
    ) else {
        return;
    };
    assert!(shown.status.success(), "{}", text(&shown));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["Digest"], image().digest().to_string());
    assert_eq!(
        (&shown["Os"], &shown["Architecture"]),
        (&"linux".into(), &"amd64".into())
    );

    let copy = registry.folder.path().join("copy");
    let target = format!("oci:{}:v1", copy.display());
    let copied = skopeo(
        registry.folder.path(),
        &["copy", "--src-tls-verify=false", &remote, &target],
    )
    .expect("is there");
    assert!(copied.status.success(), "{}", text(&copied));
    assert_eq!(
        layout::read(&copy, &Limits::default()).expect("reads skopeo's copy"),
        image()
    );

    for name in ["ours", "ours.tar"] {
        let ours = registry.folder.path().join(name);
        layout::write(&image(), Some("v1"), &ours).expect("writes");
        let transport = if name.ends_with(".tar") {
            "oci-archive"
        } else {
            "oci"
        };
        let source = format!("{transport}:{}:v1", ours.display());
        let remote = format!("docker://{}/team/skopeo:{transport}", registry.address);
        let copied = skopeo(
            registry.folder.path(),
            &["copy", "--dest-tls-verify=false", &source, &remote],
        )
        .expect("is there");
        assert!(copied.status.success(), "{}", text(&copied));
        assert_eq!(
            registry.pull(&format!("team/skopeo:{transport}")).await,
            image()
        );
    }
}

#[tokio::test]
async fn a_docker_schema_image_and_an_index_made_by_others_are_read() {
    let Some(registry) = Real::start(Setup::default()) else {
        return;
    };
    let folder = registry.folder.path();
    layout::write(&image(), Some("v1"), &folder.join("ours")).expect("writes");
    let source = format!("oci:{}:v1", folder.join("ours").display());
    let docker = format!("docker://{}/team/docker:v1", registry.address);
    let Some(copied) = skopeo(
        folder,
        &[
            "copy",
            "--format",
            "v2s2",
            "--dest-tls-verify=false",
            &source,
            &docker,
        ],
    ) else {
        return;
    };
    assert!(copied.status.success(), "{}", text(&copied));
    let read = registry.pull("team/docker:v1").await;
    assert_eq!(read.manifest().media_type, media::DOCKER_MANIFEST);
    assert_eq!(
        read.content(&Limits::default()).expect("reads").bytes,
        wasm()
    );
}

#[test]
fn buildah_makes_the_same_file_system_of_the_containerfile() {
    let Some(buildah) = peer("buildah") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("plugin.wasm"), wasm()).expect("writes");
    let containerfile = concat!(env!("CARGO_MANIFEST_DIR"), "/../../oci/Containerfile");
    let built = Command::new(buildah)
        .args([
            "--root",
            &at("root"),
            "--runroot",
            &at("run"),
            "--storage-driver",
            "vfs",
            "bud",
        ])
        .args([
            "--isolation",
            "chroot",
            "--platform",
            "linux/amd64",
            "--file",
            containerfile,
        ])
        .args([
            "--tag",
            &format!("oci:{}:v1", at("built")),
            folder.path().to_str().expect("UTF-8"),
        ])
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .expect("runs");
    if !built.status.success()
        && ["namespace", "newuidmap", "Operation not permitted"]
            .iter()
            .any(|word| text(&built).contains(word))
    {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: buildah may not make namespaces here"
        );
        return;
    }
    assert!(built.status.success(), "{}", text(&built));
    let theirs = layout::read(&folder.path().join("built"), &Limits::default()).expect("reads");
    let content = |image: &Image| image.content(&Limits::default()).expect("one file");
    assert_eq!(content(&theirs), content(&image()));
}
