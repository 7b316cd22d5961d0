//! Rules of the house that a machine can hold.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Which of our crates may use which: the table of `ARCHITECTURE.md`.
const EDGES: &[(&str, &[&str])] = &[
    ("gatewright-abi", &[]),
    ("gatewright-callout", &[]),
    ("gatewright-gke", &[]),
    ("gatewright-oci", &[]),
    ("gatewright", &["gatewright-abi"]),
    ("gatewright-host", &["gatewright-abi"]),
    ("gatewright-kube", &["gatewright-gke"]),
    ("gatewright-view", &["gatewright-host"]),
    (
        "gatewright-harness",
        &["gatewright-host", "gatewright-view"],
    ),
    (
        "gatewright-gateway",
        &[
            "gatewright-callout",
            "gatewright-gke",
            "gatewright-host",
            "gatewright-view",
        ],
    ),
    (
        "gatewright-envoy",
        &["gatewright-gke", "gatewright-harness", "gatewright-host"],
    ),
    (
        "gatewright-cli",
        &[
            "gatewright-callout",
            "gatewright-envoy",
            "gatewright-gateway",
            "gatewright-gke",
            "gatewright-harness",
            "gatewright-host",
            "gatewright-kube",
            "gatewright-oci",
            "gatewright-view",
        ],
    ),
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(gatewright_tests::root())
        .no_deps()
        .exec()
        .expect("cargo describes the workspace")
}

fn ours<'a>(package: &'a Package, all: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let names = package
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str());
    names.filter(|name| all.contains(*name)).collect()
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let metadata = metadata();
    let all: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    for package in &metadata.packages {
        let used = ours(package, &all);
        let is_plugin = package.manifest_path.as_str().contains("/plugins/");
        let is_guest = package.manifest_path.as_str().contains("/tests/guests/");
        let allowed: BTreeSet<&str> = match package.name.as_str() {
            "gatewright-tests" => continue,
            _ if is_plugin => BTreeSet::from(["gatewright"]),
            _ if is_guest => BTreeSet::from(["gatewright", "gatewright-abi", "guest-script"]),
            name => match EDGES.iter().find(|(known, _)| *known == name) {
                Some((_, allowed)) => allowed.iter().copied().collect(),
                None => panic!("`{name}` is not in the table of edges"),
            },
        };
        let extra: Vec<_> = used.difference(&allowed).collect();
        assert!(
            extra.is_empty(),
            "`{}` must not use {extra:?}",
            package.name
        );
    }
}

#[test]
fn versions_are_written_in_the_workspace_table_only() {
    for package in metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("it is there");
        let offending: Vec<_> = manifest
            .lines()
            .skip_while(|line| !line.contains("dependencies"))
            .filter(|line| !line.starts_with('[') && line.contains(" = \""))
            .filter(|line| !line.contains("path = "))
            .collect();
        assert!(
            offending.is_empty(),
            "{}: {offending:?}",
            package.manifest_path
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["crates", "plugins", "tests"] {
        visit(&gatewright_tests::root().join(folder), &mut |path| {
            let text = std::fs::read_to_string(path).expect("source is text");
            assert!(
                text.starts_with("//!"),
                "{} does not begin with `//!`",
                path.display()
            );
        });
    }
}

#[test]
fn there_is_no_mod_rs() {
    for folder in ["crates", "plugins", "tests"] {
        visit(&gatewright_tests::root().join(folder), &mut |path| {
            assert!(
                path.file_name().is_none_or(|name| name != "mod.rs"),
                "{}",
                path.display()
            );
        });
    }
}

fn visit(folder: &Path, check: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            visit(&path, check);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            check(&path);
        }
    }
}
