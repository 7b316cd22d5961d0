//! A bill of materials: CycloneDX in JSON, from a Cargo.lock.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::image::{self, Blob, Image};
use crate::{PackError, canonical, media, pack};

/// Why a lock file gives no bill of materials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SbomError {
    /// Not a lock file.
    #[error("the Cargo.lock cannot be read: {reason}")]
    Lock {
        /// The parser's words.
        reason: String,
    },
    /// The plugin is not in it.
    #[error("the Cargo.lock has no package `{name}`")]
    NoPackage {
        /// The plugin's package.
        name: String,
    },
    /// A dependency that no package of the file meets.
    #[error("`{package}` in the Cargo.lock depends on `{dependency}`, which is not in it")]
    Dangling {
        /// Who depends.
        package: String,
        /// On what.
        dependency: String,
    },
    /// The document cannot be written.
    #[error("the bill of materials cannot be written: {reason}")]
    Write {
        /// The writer's words.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Package {
    fn purl(&self) -> String {
        // `+` of a version's build part has a meaning of its own in an address.
        format!(
            "pkg:cargo/{}@{}",
            self.name,
            self.version.replace('+', "%2B")
        )
    }

    /// Whether a line of `dependencies` names this package: `name`, `name version` or
    /// `name version (source)`, as much as is needed to be unambiguous.
    fn is_meant(&self, line: &str) -> bool {
        let mut words = line.splitn(3, ' ');
        words.next() == Some(&self.name)
            && words.next().is_none_or(|version| version == self.version)
            && words.next().is_none_or(|source| {
                self.source.as_deref() == Some(source.trim_matches(['(', ')']))
            })
    }
}

/// The bill of materials of `package`: it and everything of the lock file that it reaches.
///
/// A function of its input: no serial number and no time. Cargo.lock does not tell normal from
/// development dependencies, so the list may be longer than what is compiled in.
///
/// # Errors
///
/// [`SbomError`] when the lock file is none or does not have the package.
pub fn cyclonedx(lock: &str, package: &str) -> Result<Vec<u8>, SbomError> {
    let lock: Lock = toml::from_str(lock).map_err(|error| SbomError::Lock {
        reason: error.message().to_owned(),
    })?;
    // A package without a source is a member of the workspace, which the plugin is.
    let root = lock
        .package
        .iter()
        .position(|found| found.name == package && found.source.is_none());
    let root = root.ok_or_else(|| SbomError::NoPackage {
        name: package.to_owned(),
    })?;
    let mut edges: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut open = vec![root];
    while let Some(at) = open.pop() {
        let Some(found) = lock.package.get(at).filter(|_| !edges.contains_key(&at)) else {
            continue;
        };
        let mut reached = Vec::new();
        for line in &found.dependencies {
            let target = lock.package.iter().position(|other| other.is_meant(line));
            reached.push(target.ok_or_else(|| SbomError::Dangling {
                package: found.name.clone(),
                dependency: line.clone(),
            })?);
        }
        open.extend(&reached);
        edges.insert(at, reached);
    }
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut main = Value::Null;
    for (at, reached) in &edges {
        let Some(found) = lock.package.get(*at) else {
            continue;
        };
        let purl = found.purl();
        let mut component = json!({
            "type": if *at == root { "application" } else { "library" },
            "bom-ref": purl, "purl": purl, "name": found.name, "version": found.version,
        });
        if let Some(checksum) = &found.checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        if *at == root {
            main = component
        } else {
            components.push(component)
        }
        let reached: Vec<_> = reached
            .iter()
            .filter_map(|at| lock.package.get(*at))
            .map(Package::purl)
            .collect();
        dependencies.push(json!({ "ref": purl, "dependsOn": reached }));
    }
    let document = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": main },
        "components": components, "dependencies": dependencies,
    });
    canonical::to_vec(&document).map_err(|error| SbomError::Write {
        reason: error.to_string(),
    })
}

/// The artifact that attaches a bill of materials to an image.
///
/// # Errors
///
/// [`PackError`] when its manifest cannot be written.
pub fn attach(sbom: Vec<u8>, subject: &Image) -> Result<Image, PackError> {
    // A bill that is no JSON would be found out only by its reader.
    serde_json::from_slice::<serde::de::IgnoredAny>(&sbom)
        .map_err(image::json("bill of materials"))?;
    pack::attachment(
        media::CYCLONEDX,
        Blob::new(media::CYCLONEDX, sbom),
        subject.manifest().descriptor(),
        HashMap::new(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4
[[package]]
name = "plugin"
version = "0.1.0"
dependencies = ["log", "dup 2.0.0"]
[[package]]
name = "log"
version = "0.4.1+a"
source = "registry+https://example.invalid/index"
checksum = "abcd"
[[package]]
name = "dup"
version = "1.0.0"
source = "registry+https://example.invalid/index"
[[package]]
name = "dup"
version = "2.0.0"
source = "registry+https://example.invalid/index"
dependencies = ["log"]
"#;

    #[test]
    fn only_what_the_plugin_reaches_is_listed() {
        let sbom: Value =
            serde_json::from_slice(&cyclonedx(LOCK, "plugin").expect("reads")).expect("JSON");
        assert_eq!(
            sbom["metadata"]["component"]["purl"],
            "pkg:cargo/plugin@0.1.0"
        );
        let purls: Vec<_> = sbom["components"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| c["purl"].clone())
            .collect();
        assert_eq!(purls, ["pkg:cargo/log@0.4.1%2Ba", "pkg:cargo/dup@2.0.0"]);
        assert_eq!(sbom["components"][0]["hashes"][0]["content"], "abcd");
        assert_eq!(
            sbom["dependencies"][0]["dependsOn"],
            json!(["pkg:cargo/log@0.4.1%2Ba", "pkg:cargo/dup@2.0.0"])
        );
    }

    #[test]
    fn a_lock_file_without_the_package_or_with_a_hole_is_refused() {
        assert_eq!(
            cyclonedx(LOCK, "log"),
            Err(SbomError::NoPackage { name: "log".into() })
        );
        assert!(matches!(
            cyclonedx("package = 3", "x"),
            Err(SbomError::Lock { .. })
        ));
        let hole = LOCK.replace("\"dup 2.0.0\"", "\"gone\"");
        assert_eq!(
            cyclonedx(&hole, "plugin"),
            Err(SbomError::Dangling {
                package: "plugin".into(),
                dependency: "gone".into()
            })
        );
    }
}
