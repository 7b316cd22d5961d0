//! The folder of an export: modules beside the bootstrap, each file whole or not there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gatewright_envoy::export::PluginFiles;
use gatewright_gateway::PluginSource as _;

use crate::serve::images::Images;
use crate::write::{self, Readers};

/// Plugins as they are asked for; written once the translation is done.
pub(super) struct Modules {
    images: Images,
    /// The folder as Envoy will see it.
    at: PathBuf,
    /// Names and bytes, by image.
    found: RefCell<BTreeMap<String, (String, Vec<u8>)>>,
}

impl Modules {
    pub(super) fn new(images: Images, at: PathBuf) -> Self {
        Self {
            images,
            at,
            found: RefCell::default(),
        }
    }

    /// Writes all modules that were asked for.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (name, bytes) in self.found.borrow().values() {
            write(&folder.join(name), bytes)?;
        }
        Ok(())
    }
}

impl PluginFiles for Modules {
    fn module(&self, image: &str) -> Result<PathBuf, String> {
        if let Some((name, _)) = self.found.borrow().get(image) {
            return Ok(self.at.join(name));
        }
        let bytes = self.images.module(image)?;
        let mut found = self.found.borrow_mut();
        let name = name(image, |name| found.values().any(|(known, _)| known == name));
        let path = self.at.join(&name);
        found.insert(image.to_owned(), (name, bytes));
        Ok(path)
    }

    fn configuration(&self, uri: &str) -> Result<Vec<u8>, String> {
        Ok(self.images.configuration(uri)?.to_vec())
    }
}

/// A file's name for an image: the last part of its reference, and a number if another has it.
fn name(image: &str, taken: impl Fn(&str) -> bool) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let last = last.split('@').next().unwrap_or(last);
    let plain: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let mut name = format!("plugins/{plain}.wasm");
    let mut number = 2;
    while taken(&name) {
        name = format!("plugins/{plain}-{number}.wasm");
        number += 1;
    }
    name
}

/// Writes a file of the folder, which is made with the first.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    write::whole(path, bytes, Readers::Usual)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn names_are_files_and_differ() {
        let check = |image: &str, taken: &[&str], expected: &str| {
            assert_eq!(name(image, |name| taken.contains(&name)), expected);
        };
        check("us-docker.pkg.dev/p/r/a:v1", &[], "plugins/a-v1.wasm");
        check(
            "us-docker.pkg.dev/p/q/a:v1",
            &["plugins/a-v1.wasm"],
            "plugins/a-v1-2.wasm",
        );
        check("r/a@sha256:00", &[], "plugins/a.wasm");
    }
}
