//! `gatewright new`: a plugin to begin with, whose cases pass.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{DIM, GREEN, RESET};
use crate::cargo::Workspace;
use crate::exit::{Outcome, Usage};

/// Make a plugin to begin with.
///
/// In a cargo workspace it becomes the member `plugins/NAME`; elsewhere a workspace of its own is
/// made for it in the folder NAME. It has code, a native test, cases and a README, and all of them
/// pass.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright new guard --template auth          then: cd guard && gatewright test\n  \
    gatewright new tag --sdk https://example.com/gatewright.git")]
pub(crate) struct Arguments {
    /// Name of the plugin: lower-case letters, digits and hyphens
    #[arg(value_name = "NAME")]
    name: String,
    /// What it does to begin with
    #[arg(long, value_enum, default_value_t = Template::Headers)]
    template: Template,
    /// The SDK: a folder, a git URL, or a version from the registry [default: that of the workspace,
    /// else the checkout that this program was built from]
    #[arg(long, value_name = "PATH|GIT|VERSION")]
    sdk: Option<String>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Template {
    /// Sets a header that its configuration names
    Headers,
    /// Changes the body of responses as it streams by
    Body,
    /// Refuses requests without a token
    Auth,
    /// Logs a line for each exchange
    Log,
}

/// The files of a template.
struct Files {
    code: &'static str,
    cases: &'static str,
    /// For a plugin with a configuration.
    schema: Option<&'static str>,
    does: &'static str,
}

impl Template {
    const fn files(self) -> Files {
        match self {
            Self::Headers => Files {
                code: include_str!("../../templates/headers/lib.rs"),
                cases: include_str!("../../templates/headers/case.yaml"),
                schema: Some(include_str!("../../templates/headers/config.schema.json")),
                does: "Sets a header on every request",
            },
            Self::Body => Files {
                code: include_str!("../../templates/body/lib.rs"),
                cases: include_str!("../../templates/body/case.yaml"),
                schema: None,
                does: "Replaces a word in the body of HTML responses",
            },
            Self::Auth => Files {
                code: include_str!("../../templates/auth/lib.rs"),
                cases: include_str!("../../templates/auth/case.yaml"),
                schema: Some(include_str!("../../templates/auth/config.schema.json")),
                does: "Lets requests pass that carry a known token",
            },
            Self::Log => Files {
                code: include_str!("../../templates/log/lib.rs"),
                cases: include_str!("../../templates/log/case.yaml"),
                schema: None,
                does: "Logs a line for each exchange",
            },
        }
    }
}

/// Where this program's own source was, which is the default for the SDK.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// What a plugin is built with for production, as this workspace has it.
const OUR_MANIFEST: &str = include_str!("../../../../Cargo.toml");
const OUR_CONFIG: &str = include_str!("../../../../.cargo/config.toml");

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let name = check_name(&arguments.name)?;
    let around = Workspace::find().ok();
    let mut written = Vec::new();
    let (root, sdk) = match &around {
        Some(workspace) => {
            let known = dependencies(&workspace.root)?;
            let sdk = match (&arguments.sdk, known.contains(&"gatewright".to_owned())) {
                (None, true) => None,
                (sdk, _) => Some(Sdk::parse(sdk.as_deref())?),
            };
            (workspace.root.clone(), sdk)
        }
        None => {
            let root = PathBuf::from(name);
            let sdk = Sdk::parse(arguments.sdk.as_deref())?;
            if root.exists() {
                return Err(Usage(format!("`{name}` is there already")).into());
            }
            let files = [
                ("Cargo.toml", workspace_manifest(&sdk)),
                (".cargo/config.toml", workspace_config(&sdk)),
                (".gitignore", "/target\n".to_owned()),
            ];
            for (file, text) in files {
                write(&root.join(file), &text, &mut written)?;
            }
            if let Some(lock) = sdk.lockfile() {
                // The same versions that the SDK was tested with, some of them built already.
                std::fs::copy(&lock, root.join("Cargo.lock"))
                    .with_context(|| format!("cannot copy `{}`", lock.display()))?;
            }
            (root, None)
        }
    };
    let folder = root.join("plugins").join(name);
    if folder.exists() {
        return Err(Usage(format!("`{}` is there already", folder.display())).into());
    }
    let inherited = dependencies(&root)?;
    for (file, text) in member(name, arguments.template, sdk.as_ref(), &inherited) {
        write(&folder.join(file), &text, &mut written)?;
    }
    for path in &written {
        anstream::println!("{GREEN}made{RESET}  {}", shown(path));
    }
    let to = match around {
        Some(_) => String::new(),
        None => format!("cd {name} && "),
    };
    anstream::println!("{DIM}next:  {to}gatewright test plugins/{name}{RESET}");
    Ok(Outcome::Fine)
}

fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn write(path: &Path, text: &str, written: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    written.push(path.to_path_buf());
    Ok(())
}

/// A name that cargo, the image and the load balancer's resources all take.
fn check_name(name: &str) -> Result<&str, Usage> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    // Crates that a plugin links with, and words that are no crate.
    let taken = [
        "gatewright",
        "gatewright-abi",
        "serde",
        "log",
        "test",
        "core",
        "std",
        "alloc",
    ];
    let keywords = [
        "as", "break", "const", "crate", "else", "enum", "extern", "fn", "for", "if",
    ];
    let more = [
        "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "self",
    ];
    let rest = [
        "static", "struct", "super", "trait", "true", "false", "type", "use", "where", "while",
    ];
    if fits
        && ![&taken[..], &keywords, &more, &rest]
            .concat()
            .contains(&name)
    {
        return Ok(name);
    }
    Err(Usage(format!(
        "`{name}` is no name for a plugin: use lower-case letters, digits and hyphens, a letter \
         first, and no word of Rust"
    )))
}

/// Where the SDK comes from.
enum Sdk {
    Path(PathBuf),
    Git(String),
    Version(String),
}

impl Sdk {
    fn parse(text: Option<&str>) -> Result<Self, Usage> {
        let Some(text) = text else {
            let checkout = Path::new(CHECKOUT).join("crates/sdk");
            return match checkout.canonicalize() {
                Ok(path) => Ok(Self::Path(path)),
                Err(_) => Err(Usage(
                    "the checkout that this program was built from is gone; say where the SDK is \
                     with `--sdk PATH`, `--sdk GIT-URL` or `--sdk VERSION`"
                        .to_owned(),
                )),
            };
        };
        if text.contains("://") || text.ends_with(".git") {
            return Ok(Self::Git(text.to_owned()));
        }
        let is_version = text.starts_with(|c: char| c.is_ascii_digit() || "=^~".contains(c));
        if is_version && !Path::new(text).exists() {
            return Ok(Self::Version(text.to_owned()));
        }
        // The checkout or the crate in it.
        let given = Path::new(text);
        let inner = given.join("crates/sdk");
        let path = if inner.is_dir() {
            inner
        } else {
            given.to_path_buf()
        };
        match path.canonicalize() {
            Ok(path) if path.join("Cargo.toml").is_file() => Ok(Self::Path(path)),
            _ => Err(Usage(format!("there is no SDK in `{text}`"))),
        }
    }

    /// As an inline table without its braces.
    fn source(&self) -> String {
        match self {
            Self::Path(path) => format!("path = {:?}", path.display().to_string()),
            Self::Git(url) => format!("git = {url:?}"),
            Self::Version(version) => format!("version = {version:?}"),
        }
    }

    /// The checkout that the SDK lies in.
    fn checkout(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => path.parent()?.parent(),
            Self::Git(_) | Self::Version(_) => None,
        }
    }

    fn lockfile(&self) -> Option<PathBuf> {
        let lock = self.checkout()?.join("Cargo.lock");
        lock.is_file().then_some(lock)
    }
}

/// What of a manifest begins with this line, up to the next empty line that a table follows.
fn part<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(heading).unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.find("\n\n").map_or(rest.len(), |end| end + 1);
    rest.get(..end).unwrap_or_default()
}

/// One of our own versions of a dependency, as this workspace writes it.
fn our_version(name: &str) -> &'static str {
    let start = format!("{name} = ");
    let line = OUR_MANIFEST
        .lines()
        .find_map(|line| line.strip_prefix(&start));
    line.unwrap_or("\"*\"")
}

fn workspace_manifest(sdk: &Sdk) -> String {
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\"]\n\n\
         [workspace.dependencies]\ngatewright = {{ {} }}\nserde = {}\n\n{}\n# What is packed for \
         production: small, and without unwinding.\n{}",
        sdk.source(),
        our_version("serde"),
        // The profile that the other one builds on.
        part(OUR_MANIFEST, "[profile.release]"),
        part(OUR_MANIFEST, "[profile.plugin]"),
    )
}

fn workspace_config(sdk: &Sdk) -> String {
    // What a checkout has built already is not built again.
    let target = sdk.checkout().map_or(String::new(), |checkout| {
        let target = checkout.join("target").display().to_string();
        format!(
            "# Shared with the SDK's checkout, so that dependencies are built once.\n[build]\n\
             target-dir = {target:?}\n\n"
        )
    });
    let ours = part(OUR_CONFIG, "[target.wasm32-wasip1]");
    let flags: String = ours
        .lines()
        .take_while(|line| !line.starts_with("# `cargo test"))
        .map(|line| format!("{line}\n"))
        .collect();
    format!(
        "{target}{flags}# `cargo test --target wasm32-wasip1`: every test in a VM of its own.\n\
         runner = [\"gatewright\", \"run-tests\"]\n"
    )
}

/// Names of the dependencies that members can inherit.
fn dependencies(root: &Path) -> anyhow::Result<Vec<String>> {
    let path = root.join("Cargo.toml");
    let text = crate::images::read_text(&path)?;
    let manifest: toml::Table =
        toml::from_str(&text).map_err(|error| Usage(format!("`{}`: {error}", path.display())))?;
    let table = manifest
        .get("workspace")
        .and_then(|w| w.get("dependencies"));
    let table = table.and_then(toml::Value::as_table);
    Ok(table.map_or_else(Vec::new, |table| table.keys().cloned().collect()))
}

/// The files of the plugin itself.
fn member(
    name: &str,
    template: Template,
    sdk: Option<&Sdk>,
    inherited: &[String],
) -> Vec<(&'static str, String)> {
    let files = template.files();
    let sdk = sdk.map_or_else(|| "workspace = true".to_owned(), Sdk::source);
    let serde = match (files.schema, inherited.iter().any(|known| known == "serde")) {
        (None, _) => String::new(),
        (Some(_), true) => "serde = { workspace = true }\n".to_owned(),
        (Some(_), false) => format!("serde = {}\n", our_version("serde")),
    };
    let class = if files.schema.is_some() {
        "typed"
    } else {
        "plain"
    };
    let manifest = format!(
        "[package]\nname = \"{name}\"\ndescription = \"{}\"\nversion = \"0.1.0\"\n\
         edition = \"2024\"\npublish = false\n\n[package.metadata.gatewright]\n\
         size-class = \"{class}\"\n# What it needs that production does not offer, such as \
         \"metrics\".\nneeds = []\n\n[lib]\n# Only this: with an `rlib` beside it cargo skips \
         link-time optimisation.\ncrate-type = [\"cdylib\"]\n\n[dependencies]\n\
         gatewright = {{ {sdk} }}\n{serde}\n[dev-dependencies]\n\
         gatewright = {{ {sdk}, features = [\"schema\", \"testing\"] }}\n",
        files.does
    );
    let configuration = match files.schema {
        Some(_) => {
            "Its configuration is described by `config.schema.json`, which \
                    `GATEWRIGHT_BLESS=1 cargo test` writes\nanew when the type changes.\n"
        }
        None => "It takes no configuration.\n",
    };
    let readme = format!(
        "# {name}\n\n{}.\n\n{configuration}\n```sh\ngatewright test plugins/{name}    # replay its \
         cases\ncargo test -p {name}              # its tests, natively\ngatewright pack {name}     \
                  # as an image\n```\n",
        files.does
    );
    let mut all = vec![
        ("Cargo.toml", manifest),
        ("src/lib.rs", files.code.to_owned()),
        ("cases/first.yaml", files.cases.to_owned()),
        ("README.md", readme),
    ];
    if let Some(schema) = files.schema {
        all.push(("config.schema.json", schema.replace("{{name}}", name)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_something_on_the_way_would_refuse_are_refused_here() {
        for good in ["a", "guard", "jwt-auth", "v2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "", "2fast", "Guard", "a_b", "-a", "a-", "a b", "../a", "serde", "match", "é",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sdk_is_told_by_what_it_looks_like() {
        let source = |text| Sdk::parse(Some(text)).map(|sdk| sdk.source());
        assert_eq!(source("0.1").unwrap(), "version = \"0.1\"");
        assert_eq!(
            source("https://a.example/b").unwrap(),
            "git = \"https://a.example/b\""
        );
        assert!(source(CHECKOUT).unwrap().starts_with("path = "));
        assert!(source("no/such/folder").is_err());
    }

    #[test]
    fn a_workspace_is_built_as_this_one_is() {
        let sdk = Sdk::Version("0.1".to_owned());
        let manifest: toml::Table = toml::from_str(&workspace_manifest(&sdk)).unwrap();
        let ours: toml::Table = toml::from_str(OUR_MANIFEST).unwrap();
        for profile in ["release", "plugin"] {
            let mut ours = ours["profile"][profile].clone();
            // What is said of single packages is about plugins that a new workspace has not.
            ours.as_table_mut().unwrap().remove("package");
            assert_eq!(manifest["profile"][profile], ours);
        }
        let config: toml::Table = toml::from_str(&workspace_config(&sdk)).unwrap();
        let flags = |config: &toml::Table| config["target"]["wasm32-wasip1"]["rustflags"].clone();
        assert_eq!(flags(&config), flags(&toml::from_str(OUR_CONFIG).unwrap()));
    }
}
