//! Manifests as the commands take them: files and folders, and what the pages leave out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gatewright_gke::{CelLanguage, Input, Options, Profile};

use crate::exit::Usage;
use crate::serve::settings;

/// Arguments of every command that reads manifests.
#[derive(clap::Args)]
pub(crate) struct Manifests {
    /// Manifests: YAML or JSON files, or folders with some
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// The era of GKE whose rules hold
    #[arg(long, value_name = "gke-1.33|gke-2026-04", default_value = "gke-1.33", value_parser = profile)]
    pub(crate) profile: Profile,
    /// A Gateway that the manifests leave out, as `external-http=gke-l7-global-external-managed`
    #[arg(long, value_name = "NAME=CLASS", value_parser = pair)]
    gateway: Vec<(String, String)>,
    /// What stands for a placeholder, as `GATEWAY_NAME=external-http`
    #[arg(long, value_name = "TEXT=TEXT", value_parser = pair)]
    substitute: Vec<(String, String)>,
}

fn profile(text: &str) -> Result<Profile, String> {
    Profile::from_name(text).ok_or_else(|| {
        format!(
            "there are {}",
            Profile::ALL.map(|p| p.as_str()).join(" and ")
        )
    })
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("it takes two texts with `=` between them".to_owned()),
    }
}

/// Files that were read.
pub(crate) struct Files(Vec<(PathBuf, String, Vec<u8>)>);

impl Files {
    /// The files as the checker takes them.
    pub(crate) fn inputs(&self) -> Vec<Input<'_>> {
        self.0
            .iter()
            .map(|(_, name, bytes)| Input { name, bytes })
            .collect()
    }

    /// The path of a file, by its place.
    pub(crate) fn path(&self, index: usize) -> Option<&Path> {
        self.0.get(index).map(|(path, ..)| path.as_path())
    }
}

impl Manifests {
    /// Reads every file that is named or lies in a folder that is, if any is named.
    pub(crate) fn read_if_named(&self) -> anyhow::Result<Files> {
        if self.are_named() {
            self.read()
        } else {
            Ok(Files(Vec::new()))
        }
    }

    /// Whether the command line says where manifests are, other than by default.
    pub(crate) fn are_named(&self) -> bool {
        self.paths != [Path::new(".")]
    }

    /// Reads every file that is named or lies in a folder that is.
    pub(crate) fn read(&self) -> anyhow::Result<Files> {
        let mut files = Vec::new();
        for path in &self.paths {
            for file in find(path)? {
                let bytes = std::fs::read(&file)
                    .with_context(|| format!("cannot read `{}`", file.display()))?;
                files.push((file.clone(), file.display().to_string(), bytes));
            }
        }
        if files.is_empty() {
            let searched: Vec<_> = self.paths.iter().map(|p| p.display().to_string()).collect();
            let searched = searched.join("`, `");
            return Err(Usage(format!("there are no manifests in `{searched}`")).into());
        }
        Ok(Files(files))
    }

    /// How to check them.
    pub(crate) fn options(&self) -> Options {
        Options {
            profile: self.profile,
            gateways: self.gateway.clone(),
            substitutions: self.substitute.clone(),
            language: Some(std::sync::Arc::new(CelLanguage::of(self.profile))),
            ..Options::default()
        }
    }

    /// The same with Gateways and placeholders that are written down elsewhere; what the command line
    /// says goes first. The documentation's own placeholder stands for the one Gateway that is
    /// supplied, if there is one.
    pub(crate) fn options_with(
        &self,
        gateways: &BTreeMap<String, String>,
        substitute: &BTreeMap<String, String>,
    ) -> Options {
        let mut options = self.options();
        let add = |to: &mut Vec<(String, String)>, from: &BTreeMap<String, String>| {
            for (name, value) in from {
                if !to.iter().any(|(known, _)| known == name) {
                    to.push((name.clone(), value.clone()));
                }
            }
        };
        add(&mut options.gateways, gateways);
        add(&mut options.substitutions, substitute);
        if let [(only, _)] = &options.gateways[..] {
            let name = only.rsplit('/').next().unwrap_or(only).to_owned();
            let placeholder = BTreeMap::from([(PLACEHOLDER.to_owned(), name)]);
            add(&mut options.substitutions, &placeholder);
        }
        options
    }
}

/// What stands for the Gateway's name in the documentation's manifests.
const PLACEHOLDER: &str = "GATEWAY_NAME";

/// The manifests under a path, in the order of their names. Hidden folders and build output are
/// passed over.
fn find(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let about = std::fs::metadata(path)
        .map_err(|error| Usage(format!("cannot read `{}`: {error}", path.display())))?;
    if !about.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read `{}`", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read `{}`", folder.display()))?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = entry
                .file_type()
                .with_context(|| format!("cannot read `{name}`"))?;
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if kind.is_file() && is_manifest(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The settings of `gatewright serve` lie beside manifests and are none.
fn is_manifest(path: &Path) -> bool {
    let is_settings = path.file_name().is_some_and(|name| name == settings::FILE);
    let ending = path.extension();
    !is_settings && ending.is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_needs_both_sides() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err() && pair("=b").is_err() && pair("a=").is_err());
    }

    #[test]
    fn an_era_is_known_by_its_name() {
        assert_eq!(profile("gke-1.33"), Ok(Profile::Gke133));
        assert!(profile("1.33").is_err_and(|error| error.contains("gke-2026-04")));
    }
}
