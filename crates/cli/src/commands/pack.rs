//! `gatewright pack`: plugins and configurations as images.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gatewright_host::Profile;
use gatewright_oci::{
    Annotations, Image, PackError, Plugin, SIZE_LIMIT, Variant, pack_config, pack_plugin,
};

use super::{DIM, GREEN, RED, RESET};
use crate::cargo::{self, Workspace};
use crate::exit::{Outcome, Usage};
use crate::images;
use crate::modules::{self, Compiler};

/// Pack plugins as images for the load balancer.
///
/// A plugin of the workspace is built first. The module is checked as by `gatewright check`,
/// and what production would refuse is not packed. The same input gives the same digest on every machine.
///
/// An output that ends in `.tar` is written as one file, any other as a folder; both are OCI image
/// layouts. Annotations that all plugins of a workspace share are read from `oci/image.toml`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright pack local-reply                        to target/images/local-reply\n  \
    gatewright pack --all                              every plugin of the workspace\n  \
    gatewright pack plugin.wasm --version 1.2.0 -o plugin.tar\n  \
    gatewright pack local-reply --config prod.yaml --config-image config.tar")]
pub(crate) struct Arguments {
    /// A plugin of the workspace, by the name of its package, or a module's file
    #[arg(value_name = "PLUGIN|FILE.wasm", required_unless_present_any = ["all", "config_image"])]
    plugin: Option<String>,
    /// Every plugin of the workspace; `-o` is then the folder for their images
    #[arg(long, conflicts_with_all = ["plugin", "config", "config_image"])]
    all: bool,
    /// The configuration it will run with, which counts against the limit of 5 MiB
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to write an image of the configuration, for `pluginConfigURI`
    #[arg(long, value_name = "PATH", requires = "config")]
    config_image: Option<PathBuf>,
    /// How the module is stored
    #[arg(long, value_enum, default_value_t = Layout::Image)]
    variant: Layout,
    /// Where to write the image; for a plugin of the workspace, `target/images/PLUGIN` if left out
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    notes: Notes,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Layout {
    /// linux/amd64 with one layer: what the load balancer takes
    Image,
    /// The same, with the annotation of Istio's variant of that name
    Compat,
    /// The CNCF Wasm artifact
    Artifact,
}

/// What is written about a plugin; what is not given is not written.
#[derive(clap::Args)]
#[command(next_help_heading = "Annotations")]
struct Notes {
    /// The name, which is the package's for a plugin of the workspace
    #[arg(long)]
    title: Option<String>,
    /// The plugin's version
    #[arg(long)]
    version: Option<String>,
    /// URL of the code
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// The commit
    #[arg(long)]
    revision: Option<String>,
    /// An SPDX expression
    #[arg(long, value_name = "SPDX")]
    licenses: Option<String>,
    /// A time as RFC 3339 has it; gives each build a digest of its own
    #[arg(long, value_name = "TIME")]
    created: Option<String>,
}

impl Notes {
    /// What the command line says, over what is known.
    fn over(&self, known: Annotations) -> Annotations {
        let either = |given: &Option<String>, known: Option<String>| given.clone().or(known);
        Annotations {
            title: either(&self.title, known.title),
            version: either(&self.version, known.version),
            source: either(&self.source, known.source),
            revision: either(&self.revision, known.revision),
            licenses: either(&self.licenses, known.licenses),
            created: either(&self.created, known.created),
            ..known
        }
    }
}

/// A module, what is known of it, and where its image goes.
struct Job {
    name: String,
    wasm: PathBuf,
    known: Annotations,
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = match &arguments.config {
        Some(path) => Some(images::read_file(path, SIZE_LIMIT)?),
        None => None,
    };
    let Some(jobs) = jobs(arguments)? else {
        return Ok(Outcome::Failed);
    };
    let config_size = config.as_ref().map_or(0, |config| config.len() as u64);
    let width = jobs.iter().map(|job| job.name.len()).max().unwrap_or(0);
    let compiler = Compiler::new()?;
    let mut outcome = Outcome::Fine;
    for job in &jobs {
        // One byte above the limit is enough to be refused for the size.
        let wasm = images::read_file(&job.wasm, SIZE_LIMIT)?;
        let packed = if wasm.len() as u64 > SIZE_LIMIT {
            let size = std::fs::metadata(&job.wasm).map_or(0, |found| found.len());
            Err(PackError::TooLarge {
                size: size.max(wasm.len() as u64) + config_size,
            })
        } else {
            pack_plugin(&Plugin {
                wasm: &wasm,
                variant: match arguments.variant {
                    Layout::Image => Variant::Image,
                    Layout::Compat => Variant::Compat,
                    Layout::Artifact => Variant::Artifact,
                },
                annotations: arguments.notes.over(job.known.clone()),
                config_size,
                findings: &images::as_findings(&modules::check(
                    &compiler,
                    &wasm,
                    Profile::Google,
                    config.as_deref(),
                )),
            })
        };
        let name = format!("{:width$}", job.name);
        let size = wasm.len() as u64 + config_size;
        outcome = worse(outcome, written(&name, packed, size, &job.output)?);
    }
    if let (Some(config), Some(output)) = (&config, &arguments.config_image) {
        let notes = arguments.notes.over(Annotations::default());
        let name = format!("{:width$}", "plugin.config");
        let packed = pack_config(config, &notes);
        outcome = worse(
            outcome,
            written(&name, packed, config.len() as u64, output)?,
        );
    }
    Ok(outcome)
}

fn worse(one: Outcome, other: Outcome) -> Outcome {
    if one == Outcome::Fine { other } else { one }
}

/// What is to be packed, built if it has to be; `None` when the build failed and said why.
fn jobs(arguments: &Arguments) -> anyhow::Result<Option<Vec<Job>>> {
    let name = match &arguments.plugin {
        Some(file) if modules::is_file(file) => {
            let output = arguments
                .output
                .clone()
                .ok_or_else(|| Usage("say where to write the image with `-o PATH`".to_owned()))?;
            return Ok(Some(vec![Job {
                name: file.clone(),
                wasm: file.into(),
                known: Annotations::default(),
                output,
            }]));
        }
        Some(name) => Some(name),
        None if arguments.all => None,
        // Only a configuration.
        None => return Ok(Some(Vec::new())),
    };
    let workspace = Workspace::find()?;
    let chosen: Vec<_> = match name {
        Some(name) => vec![workspace.require(name)?],
        None => workspace.plugins.iter().collect(),
    };
    let common = common(&workspace.root)?;
    let Some(built) = cargo::build(&workspace, chosen.iter().copied(), true)? else {
        return Ok(None);
    };
    let folder = match &arguments.output {
        Some(output) if arguments.all => output.clone(),
        // Not where cargo builds, which several workspaces may share.
        _ => workspace.root.join("target/images"),
    };
    if arguments.all || arguments.output.is_none() {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    }
    let mut jobs = Vec::new();
    for source in chosen {
        let built = built.iter().find(|built| built.name == source.name);
        let built =
            built.with_context(|| format!("cargo built no module for `{}`", source.name))?;
        jobs.push(Job {
            name: source.name.clone(),
            wasm: built.wasm.clone(),
            known: Annotations {
                title: Some(source.name.clone()),
                description: source.description.clone(),
                config_schema: source.config_schema()?,
                ..common.clone()
            },
            output: match &arguments.output {
                Some(output) if !arguments.all => output.clone(),
                _ => folder.join(&source.name),
            },
        });
    }
    Ok(Some(jobs))
}

/// The annotations that the images of a workspace share.
fn common(root: &Path) -> anyhow::Result<Annotations> {
    let path = root.join("oci/image.toml");
    if !path.exists() {
        return Ok(Annotations::default());
    }
    Annotations::from_toml(&images::read_text(&path)?)
        .map_err(|error| Usage(format!("`{}`: {error}", path.display())).into())
}

/// Writes what was packed and says so, or says what was refused.
fn written(
    name: &str,
    packed: Result<Image, PackError>,
    size: u64,
    output: &Path,
) -> anyhow::Result<Outcome> {
    let image = match packed {
        Ok(image) => image,
        Err(PackError::Annotation(error)) => return Err(Usage(error.to_string()).into()),
        Err(error @ PackError::Layer(_)) => return Err(error.into()),
        Err(error) => {
            anstream::println!("{RED}no{RESET}  {name}  {error}");
            return Ok(Outcome::Failed);
        }
    };
    images::write_layout(&image, output)?;
    let here = std::env::current_dir().unwrap_or_default();
    anstream::println!(
        "{GREEN}ok{RESET}  {name}  {}  {:>6.1} KiB  {DIM}{:.1} % of the limit  {}{RESET}",
        image.digest(),
        size as f64 / 1024.0,
        100.0 * size as f64 / SIZE_LIMIT as f64,
        output.strip_prefix(here).unwrap_or(output).display(),
    );
    Ok(Outcome::Fine)
}
