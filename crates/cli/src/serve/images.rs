//! Images for the gateway: what stands for them by the settings, our twins of published ones, or,
//! if the user said so, a registry.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatewright_gateway::PluginSource;
use gatewright_harness::CodeCache;
use gatewright_host::{Engine, Plugin};
use gatewright_oci::{CONFIG_FILE, Content, Digest, Image, Limits, PLUGIN_FILE};

use super::settings::{ImageAt, Settings};
use crate::cargo::{self, Workspace};
use crate::commands;
use crate::images::{self, Access};
use crate::progress::Bar;

/// Published images, with those of our plugins that stand for them and their modules.
static TWINS: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/twins.rs"));

/// Where Google publishes its samples.
const PUBLISHED: &str = "us-docker.pkg.dev/service-extensions-samples/plugins/";

/// Where images come from.
pub(crate) struct Images {
    engine: Engine,
    cache: Option<CodeCache>,
    settings: Settings,
    /// How a registry is reached; nothing without `--pull`.
    pull: Option<Access>,
    /// Compiled plugins by digest, kept from one reload to the next, and whether this one uses them.
    compiled: RefCell<BTreeMap<String, (Plugin, bool)>>,
    /// Images that came from a registry; a tag is resolved once a run, as production resolves it
    /// once a version.
    pulled: RefCell<BTreeMap<String, Image>>,
    /// What each image turned out to be.
    origins: RefCell<BTreeMap<String, String>>,
}

impl Images {
    pub(crate) fn new(engine: Engine, settings: Settings, pull: Option<Access>) -> Self {
        Self {
            engine,
            // Everything works without a cache, only slower.
            cache: commands::cache()
                .ok()
                .and_then(|folder| CodeCache::open(folder).ok()),
            settings,
            pull,
            compiled: RefCell::default(),
            pulled: RefCell::default(),
            origins: RefCell::default(),
        }
    }

    /// Takes other settings, and forgets what images turned out to be under the old ones. Plugins that
    /// nothing used any more are let go: whoever changes a plugin all day would gather them.
    pub(crate) fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.origins.take();
        let mut compiled = self.compiled.borrow_mut();
        compiled.retain(|_, (_, used)| std::mem::take(used));
    }

    /// What each image turned out to be, by its reference.
    pub(crate) fn origins(&self) -> BTreeMap<String, String> {
        self.origins.borrow().clone()
    }

    /// Files and folders whose change changes an image.
    pub(crate) fn watched(&self) -> Vec<PathBuf> {
        let overrides = self.settings.images.values();
        overrides
            .filter_map(|at| match at {
                ImageAt::Wasm(path) | ImageAt::Layout(path) | ImageAt::Config(path) => {
                    Some(self.at(path))
                }
                ImageAt::Build(name) => {
                    let workspace = Workspace::find().ok()?;
                    Some(workspace.plugin(name)?.folder.clone())
                }
                // A registry tells nobody when an image changes.
                ImageAt::Registry(_) => None,
            })
            .collect()
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.settings.folder.join(path)
    }

    fn is(&self, reference: &str, origin: String) {
        self.origins
            .borrow_mut()
            .insert(reference.to_owned(), origin);
    }

    /// The module of an image.
    pub(crate) fn module(&self, reference: &str) -> Result<Vec<u8>, String> {
        let name = reference.strip_prefix("https://").unwrap_or(reference);
        let found = self.settings.images.get(name);
        if let Some(at) = found.or_else(|| self.settings.images.get(reference)) {
            return self.instead(reference, at, PLUGIN_FILE);
        }
        let published = name.strip_prefix(PUBLISHED).map(|rest| {
            let end = rest.find([':', '@']).unwrap_or(rest.len());
            &rest[..end]
        });
        let twin = TWINS.iter().find(|(image, ..)| Some(*image) == published);
        if let Some((_, twin, wasm)) = twin {
            self.is(
                reference,
                format!("our plugin `{twin}`, which does the same as Google's"),
            );
            return Ok(wasm.to_vec());
        }
        self.pulled_file(reference, name, PLUGIN_FILE)
    }

    fn instead(&self, reference: &str, at: &ImageAt, file: &str) -> Result<Vec<u8>, String> {
        match at {
            ImageAt::Build(name) => {
                let workspace = Workspace::find().map_err(|error| error.to_string())?;
                let source = workspace.require(name).map_err(|error| error.to_string())?;
                let built = cargo::build(&workspace, std::iter::once(source), true)
                    .map_err(|error| format!("{error:#}"))?
                    .ok_or_else(|| format!("the plugin `{name}` does not build"))?;
                let built = built
                    .iter()
                    .find(|built| built.name == *name)
                    .ok_or_else(|| format!("cargo built no module of `{name}`"))?;
                self.is(reference, format!("the plugin `{name}`, built here"));
                read(&built.wasm)
            }
            ImageAt::Wasm(path) | ImageAt::Config(path) => {
                let path = self.at(path);
                self.is(reference, format!("`{}`", path.display()));
                read(&path)
            }
            ImageAt::Layout(path) => {
                let path = self.at(path);
                self.is(reference, format!("the image in `{}`", path.display()));
                let image = images::read_layout(&path).map_err(|error| format!("{error:#}"))?;
                content(&image, file).map_err(|error| format!("`{}`: {error}", path.display()))
            }
            ImageAt::Registry(name) => self.pulled_file(reference, name, file),
        }
    }

    fn pulled_file(&self, reference: &str, name: &str, file: &str) -> Result<Vec<u8>, String> {
        let Some(access) = &self.pull else {
            return Err(format!(
                "nothing stands for the image `{name}`: say what does under `images` in \
                 `{}`, or let registries be asked with `--pull`",
                super::settings::FILE
            ));
        };
        if let Some(image) = self.pulled.borrow().get(name) {
            self.is(reference, format!("pulled, {}", image.digest()));
            return content(image, file);
        }
        let pull = || -> anyhow::Result<Image> {
            let parsed = images::reference(name)?;
            let bar = Bar::new();
            let pulled = images::block_on(async {
                let registry = access.connect(&parsed, bar.clone(), None).await?;
                registry.pull(&parsed).await.map_err(images::registry_error)
            });
            bar.clear();
            pulled
        };
        let image = pull().map_err(|error| format!("{error:#}"))?;
        self.is(reference, format!("pulled, {}", image.digest()));
        let bytes = content(&image, file)?;
        self.pulled.borrow_mut().insert(name.to_owned(), image);
        Ok(bytes)
    }
}

impl PluginSource for Images {
    fn plugin(&self, image: &str) -> Result<(Plugin, String), String> {
        let wasm = self.module(image)?;
        let digest = Digest::of(&wasm).to_string();
        if let Some((plugin, used)) = self.compiled.borrow_mut().get_mut(&digest) {
            *used = true;
            return Ok((plugin.clone(), digest));
        }
        let plugin = match &self.cache {
            Some(cache) => cache.plugin(&self.engine, &wasm).map(|(plugin, _)| plugin),
            None => self.engine.compile(&wasm),
        };
        let plugin = plugin.map_err(|error| format!("the image `{image}`: {error}"))?;
        self.compiled
            .borrow_mut()
            .insert(digest.clone(), (plugin.clone(), true));
        Ok((plugin, digest))
    }

    fn configuration(&self, uri: &str) -> Result<Arc<[u8]>, String> {
        let name = uri.strip_prefix("https://").unwrap_or(uri);
        let found = self.settings.images.get(name);
        let bytes = match found.or_else(|| self.settings.images.get(uri)) {
            Some(at) => self.instead(uri, at, CONFIG_FILE)?,
            None => self.pulled_file(uri, name, CONFIG_FILE)?,
        };
        Ok(bytes.into())
    }
}

/// The one file of an image, which must have this name.
fn content(image: &Image, file: &str) -> Result<Vec<u8>, String> {
    let Content { name, bytes, .. } = image
        .content(&Limits::default())
        .map_err(|error| error.to_string())?;
    if name == file {
        Ok(bytes.to_vec())
    } else {
        Err(format!("the image holds `{name}`, and `{file}` is needed"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_host::EngineOptions;

    #[test]
    fn every_published_image_has_a_twin_that_is_a_plugin() {
        let engine = Engine::new(&EngineOptions::default()).unwrap();
        let images = Images::new(engine, Settings::default(), None);
        for (image, plugin) in [
            ("local-reply:main", "local-reply"),
            ("enable-recaptcha@sha256:00", "html-rewrite"),
        ] {
            let reference = format!("{PUBLISHED}{image}");
            let wasm = images.module(&reference).unwrap();
            let info = gatewright_host::ModuleInfo::read(&wasm).unwrap();
            assert!(info.require_plugin().is_ok(), "{image}");
            let origin = &images.origins()[&reference];
            assert!(origin.contains(&format!("`{plugin}`")), "{origin}");
        }
        assert!(images.module(&format!("{PUBLISHED}local-replies")).is_err());
    }
}
