//! Writing a layout: beside its place first, then moved there whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use serde_json::json;

use super::{LayoutError, io, is_tar};
use crate::image::{Blob, Image, ImageError};
use crate::{canonical, layer, media};

/// Writes an image as a layout: a tar when the path ends in `.tar`, else a folder.
///
/// What lies at `path` is replaced if it is a layout (or, for a tar, a plain file), in one
/// step at the end: whoever is interrupted leaves the old one whole.
///
/// # Errors
///
/// [`LayoutError`] when the place is taken by something else or cannot be written.
pub fn write(image: &Image, tag: Option<&str>, path: &Path) -> Result<(), LayoutError> {
    let files = files(image, tag).map_err(|source| LayoutError::Image {
        path: path.to_owned(),
        source,
    })?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if is_tar(path) {
        write_tar(&files, parent, path)
    } else {
        write_folder(&files, parent, path)
    }
}

/// Every file of the layout by its name, which is also the order in a tar.
fn files(image: &Image, tag: Option<&str>) -> Result<BTreeMap<String, Bytes>, ImageError> {
    let mut entry = json!({
        "mediaType": image.manifest().media_type,
        "digest": image.digest().to_string(),
        "size": image.manifest().size(),
    });
    if let Some(tag) = tag {
        entry["annotations"] = json!({ media::REF_NAME: tag });
    }
    if image.blobs().first().is_some_and(|config| {
        matches!(
            config.media_type.as_str(),
            media::OCI_CONFIG | media::DOCKER_CONFIG
        )
    }) {
        entry["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    }
    let index = json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [entry] });
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    let text = |value| {
        canonical::to_vec(&value)
            .map(Bytes::from)
            .map_err(crate::image::json("index"))
    };
    let mut files = BTreeMap::from([
        ("index.json".to_owned(), text(index)?),
        ("oci-layout".to_owned(), text(version)?),
    ]);
    let mut add = |blob: &Blob| {
        files.insert(
            format!("blobs/sha256/{}", blob.digest().hex()),
            blob.bytes.clone(),
        );
    };
    add(image.manifest());
    image.blobs().iter().for_each(add);
    Ok(files)
}

fn write_tar(
    files: &BTreeMap<String, Bytes>,
    parent: &Path,
    path: &Path,
) -> Result<(), LayoutError> {
    if path.is_dir() {
        return Err(LayoutError::Occupied {
            path: path.to_owned(),
        });
    }
    let mut temporary = tempfile::Builder::new()
        .prefix(".gatewright-")
        .tempfile_in(parent)
        .map_err(io("write beside", path))?;
    let mut builder = tar::Builder::new(temporary.as_file_mut());
    for (name, bytes) in files {
        layer::append(&mut builder, name, bytes).map_err(io("write", path))?;
    }
    builder.into_inner().map_err(io("write", path))?;
    share(temporary.path(), 0o644).map_err(io("write", path))?;
    temporary.as_file().sync_all().map_err(io("write", path))?;
    temporary
        .persist(path)
        .map_err(|error| io("write", path)(error.error))?;
    Ok(())
}

fn write_folder(
    files: &BTreeMap<String, Bytes>,
    parent: &Path,
    path: &Path,
) -> Result<(), LayoutError> {
    let occupied = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(io("read", path)(error)),
        Ok(found) => {
            found.is_dir()
                && fs::read_dir(path)
                    .map_err(io("read", path))?
                    .next()
                    .is_some()
                || !found.is_dir()
        }
    };
    if occupied && !path.join("oci-layout").is_file() {
        return Err(LayoutError::Occupied {
            path: path.to_owned(),
        });
    }
    let beside = || {
        tempfile::Builder::new()
            .prefix(".gatewright-")
            .tempdir_in(parent)
            .map_err(io("write beside", path))
    };
    let new = beside()?;
    let blobs = new.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(io("write", path))?;
    for (name, bytes) in files {
        fs::write(new.path().join(name), bytes).map_err(io("write", path))?;
    }
    share(new.path(), 0o755).map_err(io("write", path))?;
    // A folder cannot be renamed over a full one: the old one steps aside and, should the
    // new one fail to move in, back.
    let old = beside()?;
    let aside = old.path().join("old");
    let had_one = match fs::rename(path, &aside) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(io("replace", path)(error)),
    };
    if let Err(error) = fs::rename(new.path(), path) {
        if had_one {
            fs::rename(&aside, path).map_err(io("restore", path))?;
        }
        return Err(io("write", path)(error));
    }
    Ok(())
}

/// Gives a temporary file, made for its owner only, the mode of an ordinary one.
fn share(path: &Path, mode: u32) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (path, mode);
        Ok(())
    }
}
