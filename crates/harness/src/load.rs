//! Files of cases: which format one is in, and where they lie in a folder.

use std::path::{Path, PathBuf};

use crate::model::Suite;
use crate::place::{LoadError, Place, Wrong};
use crate::yaml::{self, Kind};
use crate::{cases, google};

/// Reads a file of cases: ours or Google's, by its ending and its first keys.
///
/// # Errors
/// [`LoadError`], with file, line and column, when the file or one that it names cannot be read,
/// or is not what its format asks for.
pub fn load(file: &Path) -> Result<Suite, LoadError> {
    let bytes = std::fs::read(file).map_err(|error| {
        Wrong::new(Place::default(), format!("cannot be read: {error}")).in_file(file)
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Wrong::new(Place::of_offset(&text, valid), "not UTF-8").in_file(file)
    })?;
    load_text(&text, file)
}

/// Reads cases from a text, as if it stood in this file.
///
/// # Errors
/// As [`load`].
pub fn load_text(text: &str, file: &Path) -> Result<Suite, LoadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = match extension(file) {
        Some("textpb" | "textproto" | "pbtxt" | "txtpb") => google::read_text(text, file),
        Some("yaml" | "yml") => yaml::parse(text).and_then(|node| {
            if is_google(&node.kind) {
                google::read_yaml(&node, file)
            } else {
                cases::read(&node, file)
            }
        }),
        _ => Err(Wrong::new(Place::default(), "not a file of cases")
            .help("cases end in `.yaml`, Google's suites in `.textpb` or `.yaml`")),
    };
    read.map_err(|wrong| wrong.in_file(file))
}

fn extension(file: &Path) -> Option<&str> {
    file.extension().and_then(|extension| extension.to_str())
}

/// Google's YAML has `test` and `env` at the top, ours has `cases`.
fn is_google(kind: &Kind) -> bool {
    let Kind::Map(entries) = kind else {
        return false;
    };
    entries
        .iter()
        .any(|(key, _)| matches!(key.name.as_str(), "test" | "env"))
}

/// The files of cases in a folder and those under it, in the order of their names. A file given
/// instead of a folder is itself the answer.
///
/// # Errors
/// [`LoadError`] when a folder cannot be read.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let fail = |path: &Path, error: std::io::Error| {
        Wrong::new(Place::default(), format!("cannot be read: {error}")).in_file(path)
    };
    let about = std::fs::metadata(path).map_err(|error| fail(path, error))?;
    if about.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| fail(&folder, error))? {
            let entry = entry.map_err(|error| fail(&folder, error))?;
            let kind = entry.file_type().map_err(|error| fail(&folder, error))?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if is_cases(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file found in a folder holds cases. Text protocol buffers serve other ends as well,
/// so one that has neither `test` nor `env` at the top is passed over; YAML among cases is cases.
fn is_cases(file: &Path) -> bool {
    match extension(file) {
        Some("yaml" | "yml") => true,
        // What cannot be read is told when it is loaded.
        Some("textpb" | "textproto") => {
            std::fs::read_to_string(file).map_or(true, |text| google::looks_like_suite(&text))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Format;

    #[test]
    fn a_folder_gives_its_cases_in_order_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("b.yaml", "cases: []");
        write("a/tests.textpb", "# c\ntest { name: \"x\" }");
        write("a/config.textpb", "key: \"test\"\nnested { test: 1 }");
        write("a/data.json", "{}");
        let found = find(folder.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a/tests.textpb", "b.yaml"]);
        assert!(find(&folder.path().join("none")).is_err());
    }

    #[test]
    fn the_format_is_known_by_its_first_keys() {
        let suite = load_text("test: []", Path::new("x.yaml")).unwrap();
        assert_eq!(suite.format, Format::Google);
        let suite = load_text("cases: []", Path::new("x.yaml")).unwrap();
        assert_eq!(suite.format, Format::Cases);
        let suite = load_text("", Path::new("x.textpb")).unwrap();
        assert_eq!(suite.format, Format::Google);
        let error = load_text("", Path::new("x.json")).unwrap_err();
        assert!(error.to_string().contains("not a file of cases"), "{error}");
    }
}
