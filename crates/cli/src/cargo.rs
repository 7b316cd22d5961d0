//! Cargo, asked for the plugins of a workspace and to build them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use cargo_metadata::{CrateType, Message, Metadata, MetadataCommand, Package, TargetKind};

use gatewright_host::Need;

use crate::exit::Usage;
use crate::finish::{Finished, Optimised, finish_all};

/// The target of every plugin.
const TARGET: &str = "wasm32-wasip1";
/// The profile for production: `[profile.plugin]` of the workspace.
pub(crate) const PROFILE: &str = "plugin";

/// A plugin of the workspace: a package with a `cdylib`, among the default members where the
/// workspace names some. Guests of tests are plugins too, and nothing that anybody would pack.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The package.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What it says of itself.
    pub(crate) description: Option<String>,
    /// What its `[package.metadata.gatewright]` says that it needs.
    needs: Vec<String>,
}

impl Source {
    /// What it says that it needs of a host.
    pub(crate) fn needs(&self) -> Result<Vec<Need>, Usage> {
        let needs = self.needs.iter().map(|need| {
            need.parse().map_err(|error| {
                let manifest = self.folder.join("Cargo.toml");
                Usage(format!("`needs` in `{}`: {error}", manifest.display()))
            })
        });
        needs.collect()
    }

    /// The JSON Schema of its configuration, without white space, if it has one.
    pub(crate) fn config_schema(&self) -> anyhow::Result<Option<String>> {
        let path = self.folder.join("config.schema.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = crate::images::read_text(&path)?;
        let schema: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| Usage(format!("`{}`: {error}", path.display())))?;
        Ok(Some(schema.to_string()))
    }
}

/// The workspace around the current folder.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Its root.
    pub(crate) root: PathBuf,
    /// Its plugins, by name.
    pub(crate) plugins: Vec<Source>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let metadata = metadata(&std::env::current_dir().unwrap_or_default())?;
        let mut plugins: Vec<_> = metadata
            .workspace_default_packages()
            .into_iter()
            .filter(|package| is_plugin(package))
            .map(|package| Source {
                name: package.name.to_string(),
                folder: package
                    .manifest_path
                    .parent()
                    .map(|folder| folder.as_std_path().to_path_buf())
                    .unwrap_or_default(),
                description: package.description.clone(),
                needs: needs(&package.metadata),
            })
            .collect();
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            plugins,
        })
    }

    /// The plugin of this name.
    pub(crate) fn plugin(&self, name: &str) -> Option<&Source> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// The plugin of this name, or a sentence that lists those there are.
    pub(crate) fn require(&self, name: &str) -> Result<&Source, Usage> {
        self.plugin(name).ok_or_else(|| {
            let known: Vec<_> = self.plugins.iter().map(|p| p.name.as_str()).collect();
            Usage(format!(
                "no plugin `{name}` here; there are: {}",
                known.join(", ")
            ))
        })
    }

    /// The plugin in whose folder a file lies.
    pub(crate) fn plugin_around(&self, file: &Path) -> Option<&Source> {
        let file = file.canonicalize().ok()?;
        self.plugins.iter().find(|plugin| {
            plugin
                .folder
                .canonicalize()
                .is_ok_and(|folder| file.starts_with(folder))
        })
    }
}

/// What cargo says of the workspace around a folder. It is asked at the root, because in the folder of
/// a member it takes that one alone for the default.
fn metadata(here: &Path) -> Result<Metadata, Usage> {
    let ask = |command: &mut MetadataCommand| {
        command
            .no_deps()
            .exec()
            .map_err(|error| Usage(format!("no cargo workspace here: {error}")))
    };
    let mut manifests = here.ancestors().map(|folder| folder.join("Cargo.toml"));
    let nearest = manifests.clone().find(|manifest| manifest.is_file());
    let root = manifests.find(|manifest| is_root(manifest));
    if let (Some(nearest), Some(root)) = (&nearest, &root) {
        let metadata = ask(MetadataCommand::new().manifest_path(root))?;
        let members = &metadata.packages;
        if nearest == root
            || members
                .iter()
                .any(|member| member.manifest_path == *nearest)
        {
            return Ok(metadata);
        }
    }
    // A workspace that leaves this folder out, or one that a package names as its own.
    let metadata = ask(MetadataCommand::new().current_dir(here))?;
    let root = metadata.workspace_root.join("Cargo.toml");
    if nearest.is_none_or(|nearest| root == nearest) {
        return Ok(metadata);
    }
    ask(MetadataCommand::new().manifest_path(root))
}

/// Whether a manifest is that of a workspace, as far as it can be read.
fn is_root(manifest: &Path) -> bool {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    toml::from_str(&text).is_ok_and(|table: toml::Table| table.contains_key("workspace"))
}

/// The list of texts under `gatewright.needs`.
fn needs(metadata: &serde_json::Value) -> Vec<String> {
    let needs = metadata.pointer("/gatewright/needs");
    let needs = needs.and_then(serde_json::Value::as_array);
    let text = |need: &serde_json::Value| match need.as_str() {
        Some(text) => text.to_owned(),
        // Said as it is written, so that the error names it.
        None => need.to_string(),
    };
    needs.map_or_else(Vec::new, |needs| needs.iter().map(text).collect())
}

fn is_plugin(package: &Package) -> bool {
    package.targets.iter().any(|target| {
        target.kind.contains(&TargetKind::CDyLib) || target.crate_types.contains(&CrateType::CDyLib)
    })
}

/// A plugin that was built.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The package.
    pub(crate) name: String,
    /// The module, as it is packed.
    pub(crate) wasm: PathBuf,
    /// What Binaryen did to it.
    pub(crate) optimised: Optimised,
}

/// Builds plugins for production and says where they are, or `None` when cargo failed, which told
/// the user why. Cargo decides what is stale, so a module never is.
pub(crate) fn build<'a>(
    workspace: &Workspace,
    plugins: impl Iterator<Item = &'a Source>,
    quiet: bool,
) -> anyhow::Result<Option<Vec<Built>>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(&workspace.root)
        .args(["build", "--target", TARGET, "--profile", PROFILE])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if quiet {
        command.arg("--quiet");
    }
    let mut any = false;
    for plugin in plugins {
        any = true;
        command.arg("--package").arg(&plugin.name);
    }
    if !any {
        bail!(Usage(
            "there are no plugins in this workspace: no package with a `cdylib`".into()
        ));
    }
    let mut cargo = command.spawn().context("cannot run cargo")?;
    let output = cargo.stdout.take().context("cargo has no output")?;
    let mut built = Vec::new();
    for message in Message::parse_stream(std::io::BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("reading what cargo says")? {
            let wasm = artifact
                .filenames
                .iter()
                .find(|file| file.extension() == Some("wasm"));
            if let Some(wasm) = wasm {
                // A package's library has its name with underscores.
                built.push((
                    artifact.target.name.replace('_', "-"),
                    wasm.as_std_path().to_path_buf(),
                ));
            }
        }
    }
    if !cargo.wait().context("waiting for cargo")?.success() {
        return Ok(None);
    }
    built.sort();
    let (names, modules): (Vec<_>, Vec<_>) = built.into_iter().unzip();
    let finished = names.into_iter().zip(finish_all(&modules));
    let finished = finished.map(|(name, finished)| {
        let Finished { wasm, optimised } = finished?;
        Ok(Built {
            name,
            wasm,
            optimised,
        })
    });
    finished.collect::<anyhow::Result<_>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A package of this name, with more in its manifest.
    fn package(folder: &Path, more: &str) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let manifest = format!("[package]\nname = {name:?}\nedition = \"2024\"\n{more}");
        write(&folder.join("Cargo.toml"), &manifest);
        write(&folder.join("src/lib.rs"), "");
    }

    /// The default members that are found from a folder.
    fn found(folder: &Path) -> Vec<String> {
        let metadata = metadata(folder).unwrap();
        let packages = metadata.workspace_default_packages();
        let mut names: Vec<_> = packages.iter().map(|p| p.name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_plugins_are_the_same_wherever_in_the_workspace_one_stands() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let members = "[workspace]\nmembers = [\"p/*\"]\nexclude = [\"p/out\", \"p/else\"]\n";
        write(&root.join("Cargo.toml"), members);
        for name in ["p/one", "p/two", "p/out"] {
            package(&root.join(name), "");
        }
        write(
            &root.join("other/Cargo.toml"),
            "[workspace]\nmembers = [\"../p/else\", \"a\"]\n",
        );
        package(&root.join("other/a"), "");
        package(&root.join("p/else"), "workspace = \"../../other\"\n");
        for place in ["", "p", "p/one", "p/two/src"] {
            assert_eq!(found(&root.join(place)), ["one", "two"], "{place}");
        }
        assert_eq!(found(&root.join("p/out/src")), ["out"]);
        assert_eq!(found(&root.join("p/else")), ["a", "else"]);
        assert!(metadata(Path::new("/")).is_err());
    }
}
