//! The cache of compiled code: what it takes, and what it does not.

use std::fs;
use std::path::{Path, PathBuf};

use gatewright_harness::{CodeCache, Origin};

use crate::plugins::{engine, worker_wasm};

fn origin(cache: &CodeCache) -> Origin {
    cache.plugin(engine(), &worker_wasm()).unwrap().1
}

/// A way to damage a file.
type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);

/// The one file of code in a folder.
fn file(folder: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn open(folder: &Path) -> CodeCache {
    CodeCache::open(folder.join("cache")).unwrap()
}

#[test]
fn code_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(origin(&open(folder.path())), Origin::Compiler);
    assert_eq!(origin(&open(folder.path())), Origin::Cache);
}

#[test]
fn a_damaged_file_is_compiled_anew_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    origin(&cache);
    let path = file(&folder.path().join("cache"));
    let whole = fs::read(&path).unwrap();
    let damage: [Damage<'_>; 7] = [
        &|bytes| bytes.truncate(bytes.len() / 2),
        &Vec::clear,
        &|bytes| bytes.truncate(20),
        &|bytes| bytes.push(0),
        &|bytes| bytes[0] ^= 1,
        &|bytes| bytes[60] ^= 1,
        &|bytes| *bytes.last_mut().unwrap() ^= 1,
    ];
    for (index, damage) in damage.iter().enumerate() {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        assert_eq!(origin(&cache), Origin::Compiler, "{index}");
        assert_eq!(fs::read(&path).unwrap(), whole, "{index}");
        assert_eq!(origin(&cache), Origin::Cache, "{index}");
    }
}

#[test]
fn code_of_another_module_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    origin(&cache);
    let inside = folder.path().join("cache");
    let ours = file(&inside);
    let code = fs::read(&ours).unwrap();
    fs::remove_file(&ours).unwrap();
    let mut other = worker_wasm();
    // A custom section more: another module that does the same.
    other.extend_from_slice(&[0, 2, 1, b'x']);
    cache.plugin(engine(), &other).unwrap();
    let theirs = file(&inside);
    fs::write(&theirs, code).unwrap();
    assert_eq!(cache.plugin(engine(), &other).unwrap().1, Origin::Compiler);
}

#[cfg(unix)]
#[test]
fn what_others_may_write_to_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    origin(&cache);
    let inside = folder.path().join("cache");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(
        fs::metadata(&inside).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let path = file(&inside);
    mode(&path, 0o622);
    assert_eq!(origin(&cache), Origin::Compiler);
    assert_eq!(origin(&cache), Origin::Cache);
    mode(&inside, 0o777);
    let error = CodeCache::open(&inside).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
    let error = CodeCache::open(&path).unwrap_err();
    assert!(error.to_string().contains("cannot be a cache"), "{error}");
}

#[test]
fn bytes_that_are_no_plugin_are_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    assert!(cache.plugin(engine(), b"\0asm").is_err());
    assert_eq!(
        fs::read_dir(folder.path().join("cache")).unwrap().count(),
        0
    );
}
