//! An image in memory: the manifest and its blobs, whoever made them.

mod document;
mod error;

use bytes::Bytes;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};

pub(crate) use document::{
    check, check_limit, choose, choose_of_layout, descriptors, digest_of, parse_manifest,
};
pub use error::ImageError;
pub(crate) use error::json;

use crate::layer::read::{self, Compression};
use crate::{Digest, canonical, media};

/// Bytes that are read at most, so that hostile input cannot fill the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A manifest, an index or a configuration.
    pub manifest: u64,
    /// A layer as stored.
    pub blob: u64,
    /// A layer unpacked.
    pub unpacked: u64,
}

impl Default for Limits {
    /// 4 MiB as in registries, and 32 MiB: enough to show how far above 5 MiB a plugin is.
    fn default() -> Self {
        Self {
            manifest: 4 << 20,
            blob: 32 << 20,
            unpacked: 32 << 20,
        }
    }
}

/// Content with its media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What it is.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
    digest: Digest,
}

impl Blob {
    /// A blob of `bytes`.
    #[must_use]
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            media_type: media_type.into(),
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// The digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The descriptor that names this blob.
    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            self.media_type.as_str().into(),
            self.size(),
            spec_digest(self.digest),
        )
    }
}

/// Which of the layouts of a Wasm image this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variant {
    /// linux/amd64 with one tar+gzip layer: what the load balancer takes.
    Image,
    /// The same, with the annotation of Istio's "compat" variant.
    Compat,
    /// The CNCF Wasm artifact: the module itself is the layer.
    Artifact,
    /// Istio's "oci" layout, which is read but not written.
    IstioOci,
}

/// The file that an image is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// How it is stored.
    pub variant: Variant,
    /// `plugin.wasm` or `plugin.config`.
    pub name: String,
    /// The file.
    pub bytes: Bytes,
}

/// An image: a manifest, and the blobs it names, configuration first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    manifest: Blob,
    parsed: ImageManifest,
    blobs: Vec<Blob>,
    index: Option<Digest>,
}

impl Image {
    /// An image from its manifest and blobs, each checked against its descriptor.
    ///
    /// # Errors
    ///
    /// [`ImageError`] when the manifest cannot be parsed, a blob is missing, or one differs
    /// from its descriptor.
    pub fn new(manifest: Blob, blobs: Vec<Blob>) -> Result<Self, ImageError> {
        let parsed = parse_manifest(&manifest)?;
        let mut ordered = Vec::new();
        for (descriptor, what) in descriptors(&parsed) {
            let digest = digest_of(descriptor, what)?;
            let Some(blob) = blobs.iter().find(|blob| blob.digest == digest) else {
                return Err(ImageError::MissingBlob { digest });
            };
            check(descriptor, &blob.bytes, what)?;
            ordered.push(Blob {
                media_type: descriptor.media_type().to_string(),
                ..blob.clone()
            });
        }
        Ok(Self {
            manifest,
            parsed,
            blobs: ordered,
            index: None,
        })
    }

    /// An image that was just built: its manifest is written from `manifest`.
    pub(crate) fn build(manifest: ImageManifest, blobs: Vec<Blob>) -> Result<Self, ImageError> {
        let bytes = canonical::to_vec(&manifest).map_err(json("manifest"))?;
        Self::new(Blob::new(media::OCI_MANIFEST, bytes), blobs)
    }

    pub(crate) fn through_index(mut self, index: Digest) -> Self {
        self.index = Some(index);
        self
    }

    /// The manifest as stored.
    #[must_use]
    pub fn manifest(&self) -> &Blob {
        &self.manifest
    }

    /// The manifest parsed.
    #[must_use]
    pub fn parsed(&self) -> &ImageManifest {
        &self.parsed
    }

    /// The digest that names the image: that of its manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.manifest.digest
    }

    /// The configuration, then the layers.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// The layers.
    #[must_use]
    pub fn layers(&self) -> &[Blob] {
        self.blobs.get(1..).unwrap_or_default()
    }

    /// The index this image was found through, if it was.
    #[must_use]
    pub fn index(&self) -> Option<Digest> {
        self.index
    }

    /// Bytes of the manifest and all blobs as stored.
    #[must_use]
    pub fn stored_size(&self) -> u64 {
        self.manifest.size() + self.blobs.iter().map(Blob::size).sum::<u64>()
    }

    /// The one file that the image is for.
    ///
    /// # Errors
    ///
    /// [`ImageError`] for whatever the load balancer could not take a plugin or a
    /// configuration from.
    pub fn content(&self, limits: &Limits) -> Result<Content, ImageError> {
        let config = self.blobs.first().ok_or(ImageError::NoLayer)?;
        let layer = match self.layers() {
            [] => return Err(ImageError::NoLayer),
            [layer] => layer,
            // Istio's own layout has its configuration as a layer before the module.
            [.., layer] if config.media_type == media::ISTIO_CONFIG => layer,
            layers => {
                return Err(ImageError::SeveralLayers {
                    count: layers.len(),
                });
            }
        };
        let (variant, name, bytes) = match config.media_type.as_str() {
            media::OCI_CONFIG | media::DOCKER_CONFIG => {
                let (name, bytes) = file_of(config, layer, limits)?;
                (self.image_variant(), name, bytes)
            }
            media::WASM_CONFIG if layer.media_type == media::WASM_LAYER => (
                Variant::Artifact,
                crate::PLUGIN_FILE.to_owned(),
                layer.bytes.clone(),
            ),
            media::ISTIO_CONFIG if layer.media_type == media::ISTIO_LAYER => (
                Variant::IstioOci,
                crate::PLUGIN_FILE.to_owned(),
                layer.bytes.clone(),
            ),
            media::WASM_CONFIG | media::ISTIO_CONFIG => {
                return Err(ImageError::LayerType {
                    found: layer.media_type.clone(),
                });
            }
            other => {
                return Err(ImageError::ConfigType {
                    found: other.to_owned(),
                });
            }
        };
        if name == crate::PLUGIN_FILE {
            expect_module(&bytes)?;
        }
        Ok(Content {
            variant,
            name,
            bytes,
        })
    }

    fn image_variant(&self) -> Variant {
        let annotations = self.parsed.annotations().as_ref();
        match annotations.and_then(|map| map.get(media::ISTIO_VARIANT_KEY)) {
            Some(value) if value == "compat" => Variant::Compat,
            _ => Variant::Image,
        }
    }
}

fn file_of(config: &Blob, layer: &Blob, limits: &Limits) -> Result<(String, Bytes), ImageError> {
    let parsed: ImageConfiguration =
        serde_json::from_slice(&config.bytes).map_err(json("image configuration"))?;
    let platform = format!("{}/{}", parsed.os(), parsed.architecture());
    if platform != "linux/amd64" {
        return Err(ImageError::Platform { found: platform });
    }
    let compression = match layer.media_type.as_str() {
        media::OCI_LAYER_GZIP | media::DOCKER_LAYER_GZIP => Compression::Gzip,
        media::OCI_LAYER => Compression::None,
        other => {
            return Err(ImageError::LayerType {
                found: other.to_owned(),
            });
        }
    };
    let file = read::read(&layer.bytes, compression, limits.unpacked)?;
    match parsed.rootfs().diff_ids().as_slice() {
        [expected] if *expected == file.diff_id.to_string() => {}
        others => {
            return Err(ImageError::DiffId {
                expected: others.join(", "),
                actual: file.diff_id,
            });
        }
    }
    Ok((file.name, file.bytes.into()))
}

/// Refuses what is not a core module of version 1.
pub(crate) fn expect_module(bytes: &[u8]) -> Result<(), ImageError> {
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, 0, 1, 0, ..] => Err(ImageError::Component),
        [] => Err(ImageError::NotWasm {
            found: "nothing: the file is empty".to_owned(),
        }),
        _ => {
            let head = bytes.get(..8).unwrap_or(bytes).escape_ascii();
            Err(ImageError::NotWasm {
                found: format!("`{head}`"),
            })
        }
    }
}

/// Our digest as the specification's type.
pub(crate) fn spec_digest(digest: Digest) -> oci_spec::image::Digest {
    let hex: oci_spec::image::Sha256Digest = digest
        .hex()
        .parse()
        .expect("64 lower-case hexadecimal digits");
    hex.into()
}
