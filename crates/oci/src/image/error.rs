//! What is wrong with an image as a whole.

use crate::layer::read::LayerError;
use crate::{Digest, media};

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

/// Turns a parser's or writer's error into ours, naming the document.
pub(crate) fn json(what: &'static str) -> impl Fn(serde_json::Error) -> ImageError {
    move |error| ImageError::Json {
        what,
        reason: error.to_string(),
    }
}
