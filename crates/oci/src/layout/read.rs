//! Reading a layout that someone else may have made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use oci_spec::image::Descriptor;
use serde_json::Value;
use tar::EntryType;

use super::{LayoutError, io};
use crate::image::{self, Blob, Image, ImageError, Limits};
use crate::{Digest, media};

/// Reads the one image of a layout, a folder or a tar, checking every digest.
///
/// # Errors
///
/// [`LayoutError`] when it is no layout, or the image in it is damaged, above a limit, for
/// several platforms, or not alone.
pub fn read(path: &Path, limits: &Limits) -> Result<Image, LayoutError> {
    let found = fs::metadata(path).map_err(io("read", path))?;
    let source = if found.is_dir() {
        Source::Folder(path)
    } else {
        Source::tar(path, limits)?
    };
    source.expect_layout(path, limits)?;
    let missing = |missing: &str| LayoutError::NotALayout {
        path: path.to_owned(),
        missing: missing.to_owned(),
    };
    let unusable = |source| LayoutError::Image {
        path: path.to_owned(),
        source,
    };
    let index = source
        .file("index.json", limits.manifest)?
        .ok_or_else(|| missing("`index.json`"))?;
    let fetch = |descriptor: &Descriptor, what: &str, limit: u64| -> Result<Blob, LayoutError> {
        image::check_limit(descriptor, what, limit).map_err(unusable)?;
        let digest = image::digest_of(descriptor, what).map_err(unusable)?;
        let bytes = source
            .file(&format!("blobs/sha256/{}", digest.hex()), limit)?
            .ok_or_else(|| unusable(ImageError::MissingBlob { digest }))?;
        image::check(descriptor, &bytes, what).map_err(unusable)?;
        Ok(Blob::new(descriptor.media_type().to_string(), bytes))
    };

    let top = Blob::new(media::OCI_INDEX, index);
    let mut chosen = image::choose_of_layout(&top).map_err(unusable)?;
    let mut through: Option<Digest> = None;
    if media::is_index(chosen.media_type().as_ref()) {
        let index = fetch(&chosen, "the index", limits.manifest)?;
        chosen = image::choose(&index).map_err(unusable)?;
        through = Some(index.digest());
    }
    let manifest = fetch(&chosen, "the manifest", limits.manifest)?;
    let parsed = image::parse_manifest(&manifest).map_err(unusable)?;
    let mut blobs = Vec::new();
    for (descriptor, what) in image::descriptors(&parsed) {
        blobs.push(fetch(descriptor, what, limits.blob)?);
    }
    let image = Image::new(manifest, blobs).map_err(unusable)?;
    Ok(match through {
        Some(index) => image.through_index(index),
        None => image,
    })
}

/// Where files come from.
enum Source<'a> {
    Folder(&'a Path),
    Tar(BTreeMap<String, Bytes>),
}

impl Source<'_> {
    /// Reads a whole tar, in memory and within limits: its entries may come in any order.
    fn tar(path: &Path, limits: &Limits) -> Result<Self, LayoutError> {
        let owned = || path.to_owned();
        let broken = |source| LayoutError::Tar {
            path: owned(),
            source,
        };
        let limit = limits.blob.saturating_mul(2);
        let mut left = limit;
        let mut files = BTreeMap::new();
        let mut archive = tar::Archive::new(File::open(path).map_err(io("read", path))?);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let refuse = |name: &str, problem| LayoutError::Entry {
                path: owned(),
                name: name.to_owned(),
                problem,
            };
            match entry.header().entry_type() {
                EntryType::Directory | EntryType::XGlobalHeader => continue,
                EntryType::Regular | EntryType::Continuous => {}
                EntryType::Symlink | EntryType::Link => return Err(refuse(&name, "a link")),
                _ => return Err(refuse(&name, "neither a file nor a folder")),
            }
            if name.starts_with('/') {
                return Err(refuse(&name, "an absolute name"));
            }
            if name.split('/').any(|part| part == "..") {
                return Err(refuse(&name, "a name that climbs out of the root"));
            }
            let mut bytes = Vec::new();
            (&mut entry)
                .take(left.saturating_add(1))
                .read_to_end(&mut bytes)
                .map_err(broken)?;
            left = left
                .checked_sub(bytes.len() as u64)
                .ok_or_else(|| LayoutError::TooLarge {
                    path: owned(),
                    limit,
                })?;
            let name = name.trim_start_matches("./").to_owned();
            if files.insert(name.clone(), Bytes::from(bytes)).is_some() {
                return Err(refuse(&name, "there twice"));
            }
        }
        Ok(Self::Tar(files))
    }

    fn file(&self, name: &str, limit: u64) -> Result<Option<Bytes>, LayoutError> {
        match self {
            Self::Tar(files) => Ok(files.get(name).cloned()),
            Self::Folder(root) => {
                let path: PathBuf = root.join(name);
                let file = match File::open(&path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(io("read", &path)(error)),
                };
                let mut bytes = Vec::new();
                file.take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(io("read", &path))?;
                if bytes.len() as u64 > limit {
                    return Err(LayoutError::TooLarge { path, limit });
                }
                Ok(Some(bytes.into()))
            }
        }
    }

    fn expect_layout(&self, path: &Path, limits: &Limits) -> Result<(), LayoutError> {
        let Some(text) = self.file("oci-layout", limits.manifest)? else {
            let missing = "`oci-layout`".to_owned();
            return Err(LayoutError::NotALayout {
                path: path.to_owned(),
                missing,
            });
        };
        let value: Value = serde_json::from_slice(&text).unwrap_or(Value::Null);
        match value["imageLayoutVersion"].as_str() {
            Some("1.0.0") => Ok(()),
            other => Err(LayoutError::Version {
                path: path.to_owned(),
                version: other.unwrap_or("none").to_owned(),
            }),
        }
    }
}
