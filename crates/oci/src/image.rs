//! An image in memory: the manifest and its blobs, whoever made them.

use bytes::Bytes;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};

use crate::layer::read::{self, Compression, LayerError};
use crate::{Digest, canonical, media};

/// What is wrong with an image as a whole, in a layout or in a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A document that is not the JSON it should be.
    #[error("the {what} is not valid: {reason}")]
    Json {
        /// `manifest`, `index`, `image configuration`, …
        what: &'static str,
        /// The parser's words.
        reason: String,
    },
    /// Content that is not what its descriptor says.
    #[error(
        "{what} has the digest `{actual}`, but `{expected}` was expected; it was changed or damaged on the way"
    )]
    Digest {
        /// Which content.
        what: String,
        /// The digest in the descriptor or the reference.
        expected: Digest,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// Content that is shorter or longer than its descriptor says.
    #[error("{what} has {actual} bytes, but its descriptor says {expected}")]
    Size {
        /// Which content.
        what: String,
        /// Bytes according to the descriptor.
        expected: u64,
        /// Bytes found.
        actual: u64,
    },
    /// Content above a limit.
    #[error("{what} has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Which content.
        what: String,
        /// Bytes announced or found.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A digest of another algorithm, or none at all.
    #[error("{what} is named by `{digest}`; only sha256 digests are supported")]
    Algorithm {
        /// Which content.
        what: String,
        /// The digest as written.
        digest: String,
    },
    /// A blob that the manifest names and nobody has.
    #[error("the blob `{digest}` is missing")]
    MissingBlob {
        /// The blob's digest.
        digest: Digest,
    },
    /// A manifest of an unknown media type.
    #[error(
        "the media type `{found}` is no image manifest; expected `{}`",
        media::OCI_MANIFEST
    )]
    ManifestType {
        /// The media type.
        found: String,
    },
    /// A configuration of an unknown media type.
    #[error(
        "the configuration's media type `{found}` is none of a plugin image; expected `{}`",
        media::OCI_CONFIG
    )]
    ConfigType {
        /// The media type.
        found: String,
    },
    /// A layer of an unknown media type.
    #[error(
        "the layer's media type `{found}` is not one that a plugin is read from; expected `{}`",
        media::OCI_LAYER_GZIP
    )]
    LayerType {
        /// The media type.
        found: String,
    },
    /// An index of several platforms.
    #[error("the index holds images for several platforms ({}); a plugin image has one, linux/amd64: build with `--platform linux/amd64`", platforms.join(", "))]
    SeveralPlatforms {
        /// The platforms, in order.
        platforms: Vec<String>,
    },
    /// An index with no image in it.
    #[error("the index holds no image")]
    EmptyIndex,
    /// An index in an index.
    #[error("the index points at another index; expected an image manifest")]
    NestedIndex,
    /// An image for another platform.
    #[error("the image is for `{found}`; the load balancer takes linux/amd64")]
    Platform {
        /// The platform found.
        found: String,
    },
    /// No layer at all.
    #[error("the image has no layer, so no file")]
    NoLayer,
    /// More than one layer.
    #[error("the image has {count} layers; build it from scratch with one COPY")]
    SeveralLayers {
        /// How many.
        count: usize,
    },
    /// The configuration's list of unpacked layers disagrees with the layers.
    #[error(
        "the configuration says the layer unpacks to `{expected}`, but it unpacks to `{actual}`"
    )]
    DiffId {
        /// In the configuration.
        expected: String,
        /// Of the layer.
        actual: Digest,
    },
    /// Something wrong inside the layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A `plugin.wasm` that is no module.
    #[error("`plugin.wasm` is not a WebAssembly module: it begins with {found}")]
    NotWasm {
        /// The first bytes as text.
        found: String,
    },
    /// A `plugin.wasm` that is a component.
    #[error(
        "`plugin.wasm` is a WebAssembly component; build a core module (target wasm32-wasip1, crate type cdylib)"
    )]
    Component,
}

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

/// Parses a manifest whose media type is right, outside and inside.
pub(crate) fn parse_manifest(manifest: &Blob) -> Result<ImageManifest, ImageError> {
    if !media::is_manifest(&manifest.media_type) {
        return Err(ImageError::ManifestType {
            found: manifest.media_type.clone(),
        });
    }
    let parsed: ImageManifest =
        serde_json::from_slice(&manifest.bytes).map_err(json("manifest"))?;
    if parsed.schema_version() != 2 {
        let reason = format!(
            "its schemaVersion is {}, expected 2",
            parsed.schema_version()
        );
        return Err(ImageError::Json {
            what: "manifest",
            reason,
        });
    }
    match parsed.media_type() {
        Some(inside) if inside.to_string() != manifest.media_type => {
            Err(ImageError::ManifestType {
                found: inside.to_string(),
            })
        }
        _ => Ok(parsed),
    }
}

/// The descriptors of a manifest with a word for each.
pub(crate) fn descriptors(
    manifest: &ImageManifest,
) -> impl Iterator<Item = (&Descriptor, &'static str)> {
    let config = std::iter::once((manifest.config(), "the configuration"));
    config.chain(manifest.layers().iter().map(|layer| (layer, "the layer")))
}

/// Finds the one image of an index.
///
/// Entries that BuildKit adds for provenance are no images and do not count.
pub(crate) fn choose(index: &Blob) -> Result<Descriptor, ImageError> {
    let parsed: ImageIndex = serde_json::from_slice(&index.bytes).map_err(json("index"))?;
    let images: Vec<_> = parsed
        .manifests()
        .iter()
        .filter(|entry| {
            let marks = entry.annotations().as_ref();
            !marks.is_some_and(|marks| marks.contains_key(media::REFERENCE_TYPE))
        })
        .collect();
    match images.as_slice() {
        [] => Err(ImageError::EmptyIndex),
        [only] if media::is_index(only.media_type().as_ref()) => Err(ImageError::NestedIndex),
        [only] => Ok((*only).clone()),
        several => {
            let platforms = several.iter().map(|entry| match entry.platform() {
                Some(platform) => format!("{}/{}", platform.os(), platform.architecture()),
                None => "no platform named".to_owned(),
            });
            Err(ImageError::SeveralPlatforms {
                platforms: platforms.collect(),
            })
        }
    }
}

/// Finds the one entry of a layout's `index.json`, an image or an index.
pub(crate) fn choose_of_layout(index: &Blob) -> Result<Descriptor, ImageError> {
    let parsed: ImageIndex = serde_json::from_slice(&index.bytes).map_err(json("index.json"))?;
    match parsed.manifests().as_slice() {
        [] => Err(ImageError::EmptyIndex),
        [only] => Ok(only.clone()),
        _ => choose(index),
    }
}

/// The digest of a descriptor, if it is of the algorithm we know.
pub(crate) fn digest_of(descriptor: &Descriptor, what: &str) -> Result<Digest, ImageError> {
    let text = descriptor.digest().to_string();
    text.parse().map_err(|_| ImageError::Algorithm {
        what: what.to_owned(),
        digest: text,
    })
}

/// Checks bytes against the descriptor that named them.
pub(crate) fn check(descriptor: &Descriptor, bytes: &[u8], what: &str) -> Result<(), ImageError> {
    let what = || what.to_owned();
    let size = bytes.len() as u64;
    if size != descriptor.size() {
        return Err(ImageError::Size {
            what: what(),
            expected: descriptor.size(),
            actual: size,
        });
    }
    let (expected, actual) = (digest_of(descriptor, &what())?, Digest::of(bytes));
    if expected != actual {
        return Err(ImageError::Digest {
            what: what(),
            expected,
            actual,
        });
    }
    Ok(())
}

/// Refuses a descriptor above a limit before anything of it is read.
pub(crate) fn check_limit(
    descriptor: &Descriptor,
    what: &str,
    limit: u64,
) -> Result<(), ImageError> {
    let size = descriptor.size();
    if size > limit {
        return Err(ImageError::TooLarge {
            what: what.to_owned(),
            size,
            limit,
        });
    }
    Ok(())
}

pub(crate) fn json(what: &'static str) -> impl Fn(serde_json::Error) -> ImageError {
    move |error| ImageError::Json {
        what,
        reason: error.to_string(),
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
