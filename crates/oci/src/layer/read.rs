//! Reading a layer that someone else made: one plain file at the root, and nothing else.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::Digest;

/// What is wrong with a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The compressed data is broken.
    #[error("the layer is not valid gzip: {reason}")]
    Gzip {
        /// The decoder's words.
        reason: String,
    },
    /// The compressed data ends early.
    #[error("the layer's gzip stream ends early; the upload or download was cut off")]
    Truncated,
    /// The layer unpacks to more than the limit.
    #[error(
        "the layer unpacks to more than {limit} bytes; a plugin and its configuration may take 5 MiB together"
    )]
    Bomb {
        /// The limit in bytes.
        limit: u64,
    },
    /// The tar inside is broken.
    #[error("the layer is not a valid tar archive: {reason}")]
    Tar {
        /// The decoder's words.
        reason: String,
    },
    /// The layer holds no file.
    #[error("the layer holds no file; expected `{expected}` at its root")]
    Empty {
        /// What should be there.
        expected: String,
    },
    /// A name that climbs out of the root.
    #[error("`{name}` in the layer climbs out of its root with `..`")]
    Traversal {
        /// The entry's name.
        name: String,
    },
    /// A name that begins at the file system's root.
    #[error("`{name}` in the layer is an absolute name; layers hold names relative to their root")]
    Absolute {
        /// The entry's name.
        name: String,
    },
    /// A symbolic link.
    #[error("`{name}` in the layer is a symbolic link to `{target}`; the file itself is needed")]
    SymbolicLink {
        /// The entry's name.
        name: String,
        /// Where it points.
        target: String,
    },
    /// A hard link.
    #[error("`{name}` in the layer is a hard link to `{target}`; the file itself is needed")]
    HardLink {
        /// The entry's name.
        name: String,
        /// Where it points.
        target: String,
    },
    /// A device or a pipe.
    #[error("`{name}` in the layer is a {kind}, not a file")]
    Device {
        /// The entry's name.
        name: String,
        /// `character device`, `block device` or `pipe`.
        kind: &'static str,
    },
    /// A kind of entry that images do not hold, such as a sparse file.
    #[error("`{name}` in the layer is of the unsupported kind `{kind}`")]
    Kind {
        /// The entry's name.
        name: String,
        /// The tar type byte as text.
        kind: String,
    },
    /// A marker that removes a file of a lower layer.
    #[error("`{name}` in the layer removes a file of a lower layer; build the image from scratch")]
    Whiteout {
        /// The entry's name.
        name: String,
    },
    /// The file lies in a folder.
    #[error(
        "`{name}` lies in a folder; the file must be at the root of the image (`COPY {file} {file}` does that)"
    )]
    InFolder {
        /// The entry's name.
        name: String,
        /// The name at the root that was expected.
        file: String,
    },
    /// A folder beside the file.
    #[error(
        "the layer holds the folder `{name}`; an image for the load balancer holds a single file"
    )]
    Folder {
        /// The entry's name.
        name: String,
    },
    /// One name twice.
    #[error("`{name}` is in the layer twice; which one is meant would depend on the reader")]
    Twice {
        /// The entry's name.
        name: String,
    },
    /// More than one file.
    #[error("the layer holds several files ({}); an image for the load balancer holds a single one", names.join(", "))]
    Several {
        /// The names, in order.
        names: Vec<String>,
    },
    /// One file of another name.
    #[error("the layer holds `{name}`; the file must be named {expected}")]
    WrongName {
        /// The entry's name.
        name: String,
        /// What it may be named.
        expected: String,
    },
}

/// The one file of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFile {
    /// Its name, without a leading `./`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Digest of the unpacked tar.
    pub diff_id: Digest,
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar.
    None,
    /// A gzipped tar.
    Gzip,
}

/// Names that an image may hold.
const EXPECTED: [&str; 2] = [crate::PLUGIN_FILE, crate::CONFIG_FILE];

/// Reads the one file of a layer, unpacking at most `limit` bytes.
///
/// # Errors
///
/// A [`LayerError`] for whatever is not a single plain `plugin.wasm` or `plugin.config` at
/// the root.
pub fn read(layer: &[u8], compression: Compression, limit: u64) -> Result<LayerFile, LayerError> {
    let tar = match compression {
        Compression::Gzip => unpack(layer, limit)?,
        Compression::None if layer.len() as u64 > limit => return Err(LayerError::Bomb { limit }),
        Compression::None => layer.to_vec(),
    };
    let (name, bytes) = only_file(&tar)?;
    Ok(LayerFile {
        name,
        bytes,
        diff_id: Digest::of(&tar),
    })
}

fn unpack(layer: &[u8], limit: u64) -> Result<Vec<u8>, LayerError> {
    let mut out = Vec::new();
    // One byte over the limit is read to tell "at" from "above".
    let mut decoder = MultiGzDecoder::new(layer).take(limit.saturating_add(1));
    match decoder.read_to_end(&mut out) {
        Ok(_) if out.len() as u64 > limit => Err(LayerError::Bomb { limit }),
        Ok(_) => Ok(out),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(LayerError::Truncated)
        }
        Err(error) => Err(LayerError::Gzip {
            reason: error.to_string(),
        }),
    }
}

fn only_file(tar: &[u8]) -> Result<(String, Vec<u8>), LayerError> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(name) = plain_name(&raw)? else {
            continue;
        };
        let target = || {
            entry
                .link_name_bytes()
                .map(|t| String::from_utf8_lossy(&t).into_owned())
                .unwrap_or_default()
        };
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory => return Err(LayerError::Folder { name }),
            EntryType::Symlink => {
                return Err(LayerError::SymbolicLink {
                    target: target(),
                    name,
                });
            }
            EntryType::Link => {
                return Err(LayerError::HardLink {
                    target: target(),
                    name,
                });
            }
            EntryType::Char => {
                return Err(LayerError::Device {
                    name,
                    kind: "character device",
                });
            }
            EntryType::Block => {
                return Err(LayerError::Device {
                    name,
                    kind: "block device",
                });
            }
            EntryType::Fifo => return Err(LayerError::Device { name, kind: "pipe" }),
            // Settings for the whole archive, which name no file.
            EntryType::XGlobalHeader => continue,
            other => {
                let kind = char::from(other.as_byte()).escape_default().to_string();
                return Err(LayerError::Kind { name, kind });
            }
        }
        let file = name.rsplit('/').next().unwrap_or_default();
        if file.starts_with(".wh.") {
            return Err(LayerError::Whiteout { name });
        }
        if name.contains('/') && EXPECTED.contains(&file) {
            return Err(LayerError::InFolder {
                file: file.to_owned(),
                name,
            });
        }
        if files.iter().any(|(seen, _)| *seen == name) {
            return Err(LayerError::Twice { name });
        }
        let size = entry.size();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            let reason = format!("`{name}` has {} of its {size} bytes", bytes.len());
            return Err(LayerError::Tar { reason });
        }
        files.push((name, bytes));
    }
    let expected = || EXPECTED.map(|name| format!("`{name}`")).join(" or ");
    if files.len() > 1 {
        return Err(LayerError::Several {
            names: files.into_iter().map(|(name, _)| name).collect(),
        });
    }
    match files.pop() {
        None => Err(LayerError::Empty {
            expected: expected(),
        }),
        Some((name, _)) if !EXPECTED.contains(&name.as_str()) => Err(LayerError::WrongName {
            name,
            expected: expected(),
        }),
        Some(file) => Ok(file),
    }
}

/// The name without leading `./`; nothing for the root itself.
fn plain_name(raw: &str) -> Result<Option<String>, LayerError> {
    let name = || raw.to_owned();
    if raw.starts_with('/') {
        return Err(LayerError::Absolute { name: name() });
    }
    if raw.split('/').any(|part| part == "..") {
        return Err(LayerError::Traversal { name: name() });
    }
    let parts: Vec<_> = raw
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    Ok(if parts.is_empty() {
        None
    } else {
        Some(parts.join("/"))
    })
}

fn broken(error: std::io::Error) -> LayerError {
    LayerError::Tar {
        reason: error.to_string(),
    }
}
