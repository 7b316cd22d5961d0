//! Google's own suites, where they are at hand.

use std::path::{Path, PathBuf};

use gatewright_harness::{Format, SuiteMap, find, load};

/// The folder of suites; `None`, with a visible line, where it is missing and may be.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("GATEWRIGHT_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/google-suites"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("GATEWRIGHT_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "GATEWRIGHT_REQUIRE_PEERS=1, and there is no folder {}",
        folder.display()
    );
    eprintln!(
        "SKIPPED: no folder {} (set GATEWRIGHT_SUITES)",
        folder.display()
    );
    None
}

#[test]
fn every_suite_is_read() {
    let Some(folder) = folder() else { return };
    let mut suites = 0;
    let mut tests = 0;
    for file in find(&folder).unwrap() {
        let suite = load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(suite.format, Format::Google, "{}", file.display());
        assert!(!suite.cases.is_empty(), "{}", file.display());
        if file
            .extension()
            .is_some_and(|extension| extension == "textpb")
        {
            suites += 1;
            tests += suite.cases.len();
            continue;
        }
        // A twin in YAML says the same as the text beside it.
        let text = load(&file.with_extension("textpb")).unwrap();
        for (twin, original) in suite.cases.iter().zip(&text.cases) {
            assert_eq!(twin.name, original.name);
            assert_eq!(
                format!("{:?}", twin.exchanges),
                format!("{:?}", original.exchanges)
            );
        }
        assert_eq!(suite.cases.len(), text.cases.len());
    }
    assert_eq!((suites, tests), (26, 97));
}

#[test]
fn every_suite_has_its_place_in_the_map() {
    let Some(folder) = folder() else { return };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/google-suites.toml");
    let map = SuiteMap::read(&file).unwrap_or_else(|error| panic!("{error}"));
    for suite in find(&folder).unwrap() {
        let entry = map
            .find(&suite)
            .unwrap_or_else(|| panic!("{} is not in the map", suite.display()));
        if let Some(gatewright_harness::MappedConfig::Suite(_)) = entry.config {
            let config = entry.config_path(&suite, Path::new("")).unwrap();
            assert!(config.is_file(), "{}", config.display());
        }
    }
    // The map also has Google's suites that do not lie here; of those that do, none is left out,
    // and none of its lines is a slip that matches nothing.
    let here = map
        .suites
        .iter()
        .filter(|entry| folder.join(&entry.path).is_file());
    assert_eq!(here.count(), find(&folder).unwrap().len());
}
