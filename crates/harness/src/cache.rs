//! Compiled plugins on disk, so that nothing is compiled twice.
//!
//! Code from the cache runs as native code, so a file is taken only when it lies in a folder of the
//! user's own that nobody else may write to, belongs to the user itself, and is whole: what stands
//! behind the code names the module, the engine, and the length and CRC-32 of the code, which is
//! there against accidents; whoever may write to the folder could forge any sum. On any doubt the
//! plugin is compiled and the file written anew, to a temporary name first, so that no reader ever
//! sees half of one. On a disk of this machine the code is mapped and not copied: there a file that is
//! replaced or removed stays whole for those that have it mapped.

use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use gatewright_host::{Engine, LoadError, Plugin, PluginCode};
use sha2::{Digest as _, Sha256};

/// The format, also in names, so that two versions of the program do not replace each other's files.
const FORMAT: u8 = 2;
const MAGIC: &[u8; 8] = &[b'g', b'w', b'c', b'o', b'd', b'e', 0, FORMAT];
/// Magic, module, engine, length and sum of the code.
const TRAILER: usize = 8 + 32 + 8 + 8 + 4;
const ENDING: &str = "gwcode";
/// Bytes of all files together; the oldest make room.
const LIMIT: u64 = 512 * 1024 * 1024;

/// A folder of compiled plugins.
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: PathBuf,
}

/// The folder cannot serve as a cache. Everything works without one, only slower.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be a cache of compiled code: {reason}", folder.display())]
pub struct CacheError {
    /// The folder.
    pub folder: PathBuf,
    /// Why not.
    pub reason: String,
}

/// Where a compiled plugin came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was in the cache.
    Cache,
    /// It was compiled now.
    Compiler,
}

impl CodeCache {
    /// Opens a folder, which is made if it is not there, for the user alone.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be made, or when others may write to it.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let folder = folder.into();
        match prepare(&folder) {
            Ok(()) => Ok(Self { folder }),
            Err(reason) => Err(CacheError { folder, reason }),
        }
    }

    /// The plugin of these bytes, compiled or from the cache. A cache that cannot be written to is
    /// no error.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not a plugin.
    pub fn plugin(&self, engine: &Engine, wasm: &[u8]) -> Result<(Plugin, Origin), LoadError> {
        let key = Key::new(engine, wasm);
        let path = self.folder.join(key.file_name());
        if let Some(found) = Found::open(&path, &key)
            && let Some(plugin) = found.load(engine, wasm)
        {
            return Ok((plugin, Origin::Cache));
        }
        let code = engine.precompile(wasm)?;
        self.write(&path, &key, &code);
        let plugin = match load(engine, wasm, PluginCode::Bytes(code)) {
            Some(plugin) => plugin,
            None => engine.compile(wasm)?,
        };
        Ok((plugin, Origin::Compiler))
    }

    /// Writes a file whole or not at all.
    fn write(&self, path: &Path, key: &Key, code: &[u8]) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{}-{number}.tmp", std::process::id());
        let temporary = self.folder.join(name);
        let written = create_private(&temporary).and_then(|mut file| {
            file.write_all(code)?;
            file.write_all(&key.trailer(code.len() as u64, crc32fast::hash(code)))?;
            file.sync_all()
        });
        // Failing to cache costs time and nothing else.
        if written.and_then(|()| fs::rename(&temporary, path)).is_err() {
            let _ = fs::remove_file(&temporary);
        }
        self.make_room();
    }

    /// Removes the oldest files until the others fit.
    fn make_room(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| Path::new(&entry.file_name()).extension() == Some(ENDING.as_ref()))
            .filter_map(|entry| {
                let about = entry.metadata().ok()?;
                Some((about.modified().ok()?, about.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        for (_, size, path) in files {
            if total <= LIMIT {
                return;
            }
            if fs::remove_file(path).is_ok() {
                total -= size;
            }
        }
    }
}

/// What code is for.
struct Key {
    module: [u8; 32],
    engine: u64,
}

impl Key {
    fn new(engine: &Engine, wasm: &[u8]) -> Self {
        Self {
            module: Sha256::digest(wasm).into(),
            engine: engine.fingerprint(),
        }
    }

    fn file_name(&self) -> String {
        let hash: String = self
            .module
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{hash}-{:016x}-{FORMAT}.{ENDING}", self.engine)
    }

    fn trailer(&self, length: u64, sum: u32) -> Vec<u8> {
        let mut trailer = Vec::with_capacity(TRAILER);
        trailer.extend_from_slice(MAGIC);
        trailer.extend_from_slice(&self.module);
        trailer.extend_from_slice(&self.engine.to_le_bytes());
        trailer.extend_from_slice(&length.to_le_bytes());
        trailer.extend_from_slice(&sum.to_le_bytes());
        trailer
    }
}

/// Bytes that are read at once.
const PART: usize = 64 * 1024;

/// The code in a file that nothing speaks against.
struct Found {
    file: fs::File,
    /// Bytes of code, at the beginning.
    length: u64,
    may_be_mapped: bool,
}

impl Found {
    fn open(path: &Path, key: &Key) -> Option<Self> {
        let mut file = fs::File::open(path).ok()?;
        let about = file.metadata().ok()?;
        let folder = fs::metadata(path.parent()?).ok()?;
        if !about.is_file() || !is_private(&about) || !same_owner(&about, &folder) {
            return None;
        }
        let length = about.len().checked_sub(TRAILER as u64)?;
        let mut sum = crc32fast::Hasher::new();
        let mut part = vec![0; PART];
        let mut left = length;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(PART).min(PART);
            let part = part.get_mut(..wanted)?;
            file.read_exact(part).ok()?;
            sum.update(part);
            left -= wanted as u64;
        }
        let mut trailer = Vec::with_capacity(TRAILER);
        file.read_to_end(&mut trailer).ok()?;
        (trailer == key.trailer(length, sum.finalize())).then(|| Self {
            file,
            length,
            may_be_mapped: is_local(&about),
        })
    }

    fn load(self, engine: &Engine, wasm: &[u8]) -> Option<Plugin> {
        let mapped = self.may_be_mapped.then(|| self.file.try_clone().ok());
        mapped
            .flatten()
            .and_then(|file| load(engine, wasm, PluginCode::File(file)))
            // Not every file system lets what is on it be executed.
            .or_else(|| load(engine, wasm, PluginCode::Bytes(self.read()?)))
    }

    fn read(mut self) -> Option<Vec<u8>> {
        let mut code = Vec::with_capacity(usize::try_from(self.length).ok()?);
        self.file.rewind().ok()?;
        self.file.take(self.length).read_to_end(&mut code).ok()?;
        Some(code)
    }
}

/// Whether a file lies on a disk of this machine. One without a device, of which the major number
/// is 0, may be on a network, where another machine can take away what is mapped here.
fn is_local(about: &fs::Metadata) -> bool {
    #[cfg(target_os = "linux")]
    {
        let device = std::os::linux::fs::MetadataExt::st_dev(about);
        (device >> 8) & 0xfff != 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = about;
        false
    }
}

#[expect(
    unsafe_code,
    reason = "native code from the cache, checked against its trailer"
)]
fn load(engine: &Engine, wasm: &[u8], code: PluginCode) -> Option<Plugin> {
    // SAFETY: the code was made by `precompile` just now, or is in a file of ours: in a folder that
    // only the user can write to, where files are replaced whole and never changed, with a trailer
    // that names this module, this engine and the sum of this very code.
    unsafe { engine.load(wasm, code) }.ok()
}

fn prepare(folder: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| error.to_string();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(fail)?;
    let about = fs::symlink_metadata(folder).map_err(fail)?;
    if !about.is_dir() {
        return Err("it is not a folder".to_owned());
    }
    if !is_private(&about) {
        return Err("others may write to it; `chmod 700` it".to_owned());
    }
    // A file made now belongs to this user: so must the folder.
    let probe = folder.join(format!(".{}-probe.tmp", std::process::id()));
    let _ = fs::remove_file(&probe);
    let made = create_private(&probe).and_then(|file| file.metadata());
    let _ = fs::remove_file(&probe);
    if !same_owner(&made.map_err(fail)?, &about) {
        return Err("it belongs to another user".to_owned());
    }
    Ok(())
}

/// A new file that only the user may read and write; one that is there already is an error.
fn create_private(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether nobody but the owner may write to it.
fn is_private(about: &fs::Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::mode(about) & 0o022 == 0;
    #[cfg(not(unix))]
    return !about.permissions().readonly();
}

fn same_owner(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        one.uid() == other.uid()
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        true
    }
}
