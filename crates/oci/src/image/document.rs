//! Manifests, indexes and descriptors: parsed, chosen from, and held against the bytes.

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use super::{Blob, ImageError, json};
use crate::{Digest, media};

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
