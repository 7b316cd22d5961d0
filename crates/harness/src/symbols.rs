//! Names of functions, kept in a file beside the module instead of in it.
//!
//! Production never shows a backtrace, and names are a fifth of a plugin. So what is packed has
//! none, and whoever runs the module here reads them from its side file, which is believed only if
//! it was made for exactly this module.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Begins a side file; a hash of its module and the name section follow.
const MAGIC: &[u8; 8] = b"gwnames\x01";
const HASH: usize = 32;
/// What a module begins with: its magic number and version.
const PREAMBLE: usize = 8;

/// Where the side file of a module lies: beside it, under its name and `.names`.
pub fn side_file(module: &Path) -> PathBuf {
    let mut path = module.as_os_str().to_owned();
    path.push(".names");
    PathBuf::from(path)
}

/// Takes the names out of a module, and what debuggers would read. `None` if the bytes are no
/// module or it has no names.
///
/// ```
/// use gatewright_harness::symbols;
///
/// let module = wat::parse_str("(module (func $hello))")?;
/// let (small, side) = symbols::split(&module).ok_or("it has names")?;
/// assert!(small.len() < module.len());
/// assert_eq!(symbols::attach(&small, &side), module);
/// assert_eq!(symbols::attach(b"another", &side), b"another");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn split(module: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut small = module.get(..PREAMBLE)?.to_vec();
    let mut names = None;
    let mut rest = module.get(PREAMBLE..)?;
    while !rest.is_empty() {
        let (section, after) = section(rest)?;
        match custom_name(section) {
            Some(b"name") => names = Some(section),
            Some(name) if name.starts_with(b".debug") || name == b"external_debug_info" => {}
            _ => small.extend_from_slice(section),
        }
        rest = after;
    }
    let mut side = MAGIC.to_vec();
    side.extend_from_slice(&Sha256::digest(&small));
    side.extend_from_slice(names?);
    Some((small, side))
}

/// The module with the names of its side file; as it is, if the file was made for another.
pub fn attach(module: &[u8], side: &[u8]) -> Vec<u8> {
    let mut whole = module.to_vec();
    if let Some((hash, names)) = side
        .strip_prefix(MAGIC)
        .and_then(|side| side.split_at_checked(HASH))
        && hash == Sha256::digest(module).as_slice()
        && !module.is_empty()
    {
        whole.extend_from_slice(names);
    }
    whole
}

/// Reads a module, with its names if it has a side file.
///
/// # Errors
/// What the system says of the module. A side file that cannot be read is as good as none.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let module = std::fs::read(path)?;
    Ok(match std::fs::read(side_file(path)) {
        Ok(side) => attach(&module, &side),
        Err(_) => module,
    })
}

/// The first section, its header included, and what follows it.
fn section(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, content) = leb128(bytes.get(1..)?)?;
    let header = bytes.len() - content.len();
    bytes.split_at_checked(header.checked_add(length)?)
}

/// The name of a custom section.
fn custom_name(section: &[u8]) -> Option<&[u8]> {
    let [0, rest @ ..] = section else {
        return None;
    };
    let (_, content) = leb128(rest)?;
    let (length, content) = leb128(content)?;
    content.get(..length)
}

/// An unsigned number of at most 32 bits, and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_no_module() {
        let module = wat::parse_str("(module (memory 1) (func $a) (func $b (call $a)))").unwrap();
        let (small, side) = split(&module).unwrap();
        for end in 0..module.len() {
            // Between two sections it may be a module, and then it has no names.
            assert_eq!(split(&module[..end]), None, "{end}");
        }
        assert_eq!(split(&small), None);
        for end in 0..side.len() {
            let attached = attach(&small, &side[..end]);
            assert!(attached.starts_with(&small));
        }
    }

    #[test]
    fn the_names_of_another_module_are_not_believed() {
        let a = wat::parse_str("(module (func $a))").unwrap();
        let b = wat::parse_str("(module (func $b) (func $c))").unwrap();
        let (small, _) = split(&a).unwrap();
        let (_, side) = split(&b).unwrap();
        assert_eq!(attach(&small, &side), small);
    }

    #[test]
    fn names_beside_a_module_are_read_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.wasm");
        let module = wat::parse_str("(module (func $a))").unwrap();
        let (small, side) = split(&module).unwrap();
        std::fs::write(&path, &small).unwrap();
        assert_eq!(read(&path).unwrap(), small);
        std::fs::write(side_file(&path), side).unwrap();
        assert_eq!(read(&path).unwrap(), module);
    }
}
