//! Manifests and layouts that are damaged or lie: each is refused with its own error.

use std::path::PathBuf;

use gatewright_oci::layout::{self, LayoutError};
use gatewright_oci::{Blob, Digest, Image, ImageError, Limits, media};
use serde_json::{Value, json};

use crate::support::{Entry, Parts, descriptor, file, image, tar};

fn content_error(parts: &Parts) -> ImageError {
    parts
        .image()
        .expect("consistent")
        .content(&Limits::default())
        .expect_err("refused")
}

#[test]
fn wrong_media_types_are_refused_each_by_place() {
    let manifest = Parts {
        manifest_type: "application/json",
        ..Parts::good()
    }
    .image();
    assert!(
        matches!(manifest, Err(ImageError::ManifestType { found }) if found == "application/json")
    );
    let config = content_error(&Parts {
        config_type: "application/x-helm",
        ..Parts::good()
    });
    assert!(matches!(config, ImageError::ConfigType { .. }), "{config}");
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let layer = content_error(&Parts {
        layer_type: zstd,
        ..Parts::good()
    });
    assert!(
        matches!(&layer, ImageError::LayerType { found } if found == zstd),
        "{layer}"
    );
}

#[test]
fn another_platform_is_refused() {
    let error = content_error(&Parts {
        architecture: "arm64",
        ..Parts::good()
    });
    assert!(
        matches!(&error, ImageError::Platform { found } if found == "linux/arm64"),
        "{error}"
    );
}

#[test]
fn a_diff_id_that_lies_is_refused() {
    let error = content_error(&Parts {
        diff_id: Some(Digest::of(b"other")),
        ..Parts::good()
    });
    assert!(matches!(error, ImageError::DiffId { .. }), "{error}");
}

#[test]
fn no_layer_and_several_layers_are_refused() {
    let none = content_error(&Parts {
        layers: vec![],
        ..Parts::good()
    });
    assert!(matches!(none, ImageError::NoLayer), "{none}");
    let layers = vec![Parts::good().layers.remove(0); 2];
    let two = content_error(&Parts {
        layers,
        ..Parts::good()
    });
    assert!(
        matches!(two, ImageError::SeveralLayers { count: 2 }),
        "{two}"
    );
}

#[test]
fn a_missing_blob_and_other_algorithms_are_refused() {
    let (manifest, blobs) = Parts::good().blobs();
    let error = Image::new(manifest.clone(), blobs[..1].to_vec()).expect_err("missing");
    assert!(matches!(error, ImageError::MissingBlob { digest } if digest == blobs[1].digest()));
    let text = String::from_utf8_lossy(&manifest.bytes).into_owned();
    let sha512 = text.replace(
        &blobs[1].digest().to_string(),
        &format!("sha512:{}", "0".repeat(128)),
    );
    let error = Image::new(Blob::new(media::OCI_MANIFEST, sha512), blobs).expect_err("sha512");
    assert!(matches!(error, ImageError::Algorithm { .. }), "{error}");
}

/// A layout in a folder that a test may damage.
struct Layout {
    _folder: tempfile::TempDir,
    path: PathBuf,
    image: Image,
}

impl Layout {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("layout");
        let image = image();
        layout::write(&image, None, &path).expect("writes");
        Self {
            _folder: folder,
            path,
            image,
        }
    }

    fn blob(&self, blob: &Blob) -> PathBuf {
        self.path.join("blobs/sha256").join(blob.digest().hex())
    }

    fn put(&self, blob: &Blob) -> Value {
        std::fs::write(self.blob(blob), &blob.bytes).expect("writes");
        descriptor(blob)
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
        std::fs::write(self.path.join("index.json"), index).expect("writes");
    }

    fn refusal(&self) -> ImageError {
        match layout::read(&self.path, &Limits::default()) {
            Err(LayoutError::Image { source, .. }) => source,
            other => unreachable!("expected a refusal, got {other:?}"),
        }
    }
}

#[test]
fn a_blob_changed_on_disk_is_refused_by_digest() {
    let layout = Layout::new();
    let path = layout.blob(&layout.image.layers()[0]);
    let mut bytes = std::fs::read(&path).expect("reads");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("writes");
    assert!(matches!(layout.refusal(), ImageError::Digest { what, .. } if what == "the layer"));
}

#[test]
fn a_blob_cut_off_on_disk_is_refused_by_size() {
    let layout = Layout::new();
    std::fs::write(layout.blob(&layout.image.blobs()[0]), "{}").expect("writes");
    let refusal = layout.refusal();
    assert!(
        matches!(&refusal, ImageError::Size { actual: 2, .. }),
        "{refusal}"
    );
}

#[test]
fn a_manifest_over_size_is_refused_before_it_is_read() {
    let layout = Layout::new();
    let mut entry = descriptor(layout.image.manifest());
    entry["size"] = json!(Limits::default().manifest + 1);
    layout.index(&[entry]);
    let refusal = layout.refusal();
    assert!(
        matches!(&refusal, ImageError::TooLarge { what, .. } if what == "the manifest"),
        "{refusal}"
    );
}

#[test]
fn an_index_of_several_platforms_is_refused_by_name() {
    let layout = Layout::new();
    let entry = |architecture: &str| {
        let mut entry = descriptor(layout.image.manifest());
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let index = json!({"schemaVersion": 2, "manifests": [entry("amd64"), entry("arm64")]});
    let inner = layout.put(&Blob::new(media::OCI_INDEX, index.to_string()));
    layout.index(&[inner]);
    let refusal = layout.refusal();
    assert!(
        matches!(&refusal, ImageError::SeveralPlatforms { platforms } if *platforms == ["linux/amd64", "linux/arm64"]),
        "{refusal}"
    );
}

#[test]
fn an_index_with_provenance_beside_one_image_is_read_through() {
    let layout = Layout::new();
    let mut provenance = descriptor(layout.image.manifest());
    provenance["annotations"] = json!({media::REFERENCE_TYPE: "attestation-manifest"});
    provenance["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let index =
        json!({"schemaVersion": 2, "manifests": [descriptor(layout.image.manifest()), provenance]});
    let inner = Blob::new(media::OCI_INDEX, index.to_string());
    layout.index(&[layout.put(&inner)]);
    let read = layout::read(&layout.path, &Limits::default()).expect("reads");
    assert_eq!(
        (read.digest(), read.index()),
        (layout.image.digest(), Some(inner.digest()))
    );
}

#[test]
fn an_empty_index_and_an_index_of_indexes_are_refused() {
    let layout = Layout::new();
    layout.index(&[]);
    assert!(matches!(layout.refusal(), ImageError::EmptyIndex));
    let inner = Blob::new(
        media::OCI_INDEX,
        json!({"schemaVersion": 2, "manifests": []}).to_string(),
    );
    let outer = json!({"schemaVersion": 2, "manifests": [layout.put(&inner)]}).to_string();
    layout.index(&[layout.put(&Blob::new(media::OCI_INDEX, outer))]);
    assert!(matches!(layout.refusal(), ImageError::NestedIndex));
}

#[test]
fn what_is_no_layout_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = || layout::read(folder.path(), &Limits::default()).expect_err("no layout");
    assert!(matches!(read(), LayoutError::NotALayout { missing, .. } if missing == "`oci-layout`"));
    std::fs::write(
        folder.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0"}"#,
    )
    .expect("writes");
    assert!(matches!(read(), LayoutError::Version { version, .. } if version == "2.0"));
}

#[test]
fn a_layout_tar_with_links_or_climbing_names_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile.tar");
    let check = |entries: &[Entry<'_>]| {
        std::fs::write(&path, tar(entries)).expect("writes");
        match layout::read(&path, &Limits::default()) {
            Err(LayoutError::Entry { problem, .. }) => problem,
            other => unreachable!("{other:?}"),
        }
    };
    assert_eq!(
        check(&[Entry {
            name: "index.json",
            kind: b'2',
            link: "/etc/passwd",
            content: b""
        }]),
        "a link"
    );
    assert_eq!(
        check(&[file("../index.json", b"{}")]),
        "a name that climbs out of the root"
    );
    assert_eq!(check(&[file("/index.json", b"{}")]), "an absolute name");
    assert_eq!(
        check(&[file("index.json", b"{}"), file("./index.json", b"{}")]),
        "there twice"
    );
}
