//! Files that are there whole or not at all.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever may read other new files.
    Usual,
    /// Its owner alone.
    Owner,
}

/// Writes a file beside its place and moves it there.
pub(crate) fn whole(path: &Path, bytes: &[u8], readers: Readers) -> anyhow::Result<()> {
    put(path, bytes, readers).with_context(|| format!("cannot write `{}`", path.display()))
}

fn put(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::Builder::new();
    new.prefix(".gatewright-");
    // A temporary file is its owner's alone unless one says otherwise.
    #[cfg(unix)]
    if readers == Readers::Usual {
        new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let mut new = new.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    new.write_all(bytes)?;
    new.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_the_place_of_another_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for (text, readers) in [("one", Readers::Usual), ("two", Readers::Owner)] {
            whole(&path, text.as_bytes(), readers).expect("written");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
            assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = std::fs::metadata(&path)
                    .expect("there")
                    .permissions()
                    .mode();
                let for_others = mode & 0o044 != 0;
                assert!(!for_others || readers == Readers::Usual, "{mode:o}");
            }
        }
        assert!(whole(&folder.path().join("none/file"), b"", Readers::Usual).is_err());
    }
}
