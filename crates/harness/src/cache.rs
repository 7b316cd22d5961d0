//! Compiled plugins on disk, so that nothing is compiled twice.
//!
//! Code from the cache runs as native code, so a file is taken only when it lies in a folder of the
//! user's own that nobody else may write to, belongs to the user itself, and is whole: its header
//! names the module, the engine and the SHA-256 of the code. On any doubt the plugin is compiled
//! and the file written anew, to a temporary name first, so that no reader ever sees half of one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use gatewright_host::{Engine, LoadError, Plugin};
use sha2::{Digest as _, Sha256};

const MAGIC: &[u8; 8] = b"gwcode\x00\x01";
/// Magic, module, engine, length, hash of the code.
const HEADER: usize = 8 + 32 + 8 + 8 + 32;
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
        if let Some(code) = read(&path, &key)
            && let Some(plugin) = load(engine, wasm, code.bytes())
        {
            return Ok((plugin, Origin::Cache));
        }
        let code = engine.precompile(wasm)?;
        self.write(&path, &key, &code);
        let plugin = match load(engine, wasm, &code) {
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
            file.write_all(&key.header(code))?;
            file.write_all(code)?;
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
        format!("{hash}-{:016x}.{ENDING}", self.engine)
    }

    fn header(&self, code: &[u8]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&self.module);
        header.extend_from_slice(&self.engine.to_le_bytes());
        header.extend_from_slice(&(code.len() as u64).to_le_bytes());
        header.extend_from_slice(&Sha256::digest(code));
        header
    }
}

/// The code in a file, if nothing speaks against it.
fn read(path: &Path, key: &Key) -> Option<Code> {
    let mut file = fs::File::open(path).ok()?;
    let about = file.metadata().ok()?;
    let folder = fs::metadata(path.parent()?).ok()?;
    if !about.is_file() || !is_private(&about) || !same_owner(&about, &folder) {
        return None;
    }
    let mut content = Vec::with_capacity(usize::try_from(about.len()).ok()?);
    file.read_to_end(&mut content).ok()?;
    let (header, code) = content.split_at_checked(HEADER)?;
    (header == key.header(code)).then_some(Code(content))
}

/// A file of the cache that was found to be whole.
struct Code(Vec<u8>);

impl Code {
    fn bytes(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

#[expect(
    unsafe_code,
    reason = "native code from the cache, checked against its header"
)]
fn load(engine: &Engine, wasm: &[u8], code: &[u8]) -> Option<Plugin> {
    // SAFETY: the code was made by `precompile` just now, or was read from a file of ours: in a
    // folder that only the user can write to, with a header that names this module, this engine
    // and the hash of this very code.
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
