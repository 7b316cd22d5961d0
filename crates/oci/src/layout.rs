//! The OCI image layout, as a folder or as a tar.

mod read;
mod write;

pub use read::read;
pub use write::write;

use std::path::{Path, PathBuf};

use crate::ImageError;

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something else lies there.
    #[error("`{path}` exists and is no image layout; choose another path or remove it")]
    Occupied {
        /// Where.
        path: PathBuf,
    },
    /// Not a layout.
    #[error("`{path}` is no image layout: {missing} is missing")]
    NotALayout {
        /// Where.
        path: PathBuf,
        /// What is missing.
        missing: String,
    },
    /// A layout of a later version.
    #[error("`{path}` is an image layout of version `{version}`; expected 1.0.0")]
    Version {
        /// Where.
        path: PathBuf,
        /// The version found.
        version: String,
    },
    /// An entry of a layout's tar that has no place there.
    #[error(
        "`{name}` in `{path}` is {problem}; an image layout holds only plain files under its root"
    )]
    Entry {
        /// The tar.
        path: PathBuf,
        /// The entry.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A broken tar.
    #[error("`{path}` is not a valid tar archive")]
    Tar {
        /// The tar.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A tar above the limit.
    #[error("`{path}` holds more than {limit} bytes")]
    TooLarge {
        /// The tar.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The image in it is wrong.
    #[error("the image in `{path}` is unusable")]
    Image {
        /// The layout.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: ImageError,
    },
}

/// Whether a path is written as a tar: by its ending.
fn is_tar(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("tar"))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LayoutError {
    let path = path.to_owned();
    move |source| LayoutError::Io {
        action,
        path,
        source,
    }
}
