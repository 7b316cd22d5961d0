//! Which plugin and which configuration a suite runs against that names neither.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::Error as _;

use crate::place::{LoadError, Place, Wrong};

/// A map of suites to plugins, as `tests/google-suites.toml` holds one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteMap {
    /// Its entries, in order.
    pub suites: Vec<MappedSuite>,
}

/// One suite, its plugin and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedSuite {
    /// The suite's file, relative to the folder of suites.
    pub path: PathBuf,
    /// The plugin's name: that of its folder.
    pub plugin: String,
    /// Its configuration, if it gets one.
    pub config: Option<MappedConfig>,
}

/// Where a configuration lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedConfig {
    /// Relative to the folder of the suite.
    Suite(PathBuf),
    /// Relative to the folder of the plugin.
    Plugin(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    #[serde(default)]
    suite: Vec<MappedSuite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuite {
    path: PathBuf,
    plugin: String,
    suite_config: Option<PathBuf>,
    plugin_config: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for MappedSuite {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawSuite::deserialize(deserializer)?;
        let config = match (raw.suite_config, raw.plugin_config) {
            (Some(_), Some(_)) => {
                return Err(D::Error::custom(
                    "`suite_config` and `plugin_config` exclude each other",
                ));
            }
            (Some(path), None) => Some(MappedConfig::Suite(path)),
            (None, Some(path)) => Some(MappedConfig::Plugin(path)),
            (None, None) => None,
        };
        Ok(Self {
            path: raw.path,
            plugin: raw.plugin,
            config,
        })
    }
}

impl SuiteMap {
    /// Reads the map in a file.
    ///
    /// # Errors
    /// [`LoadError`] with its place when the file cannot be read or is no map.
    pub fn read(file: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Wrong::new(Place::default(), format!("cannot be read: {error}")).in_file(file)
        })?;
        Self::parse(&text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, LoadError> {
        let raw: RawMap = toml::from_str(text).map_err(|error| {
            let place = error
                .span()
                .map(|span| Place::of_offset(text, span.start))
                .unwrap_or_default();
            Wrong::new(place, error.message()).in_file(file)
        })?;
        Ok(Self { suites: raw.suite })
    }

    /// The entry of a suite, whose file lies in a folder of suites.
    pub fn find(&self, suite: &Path) -> Option<&MappedSuite> {
        self.suites
            .iter()
            .find(|entry| suite.ends_with(&entry.path))
    }
}

impl MappedSuite {
    /// The file of the configuration, given the suite's file and the plugin's folder.
    pub fn config_path(&self, suite: &Path, plugin_folder: &Path) -> Option<PathBuf> {
        Some(match self.config.as_ref()? {
            MappedConfig::Suite(path) => suite.parent().unwrap_or(Path::new("")).join(path),
            MappedConfig::Plugin(path) => plugin_folder.join(path),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SuiteMap, LoadError> {
        SuiteMap::parse(text, Path::new("map.toml"))
    }

    #[test]
    fn an_entry_is_found_and_its_configuration_too() {
        let map = parse(
            "[[suite]]\npath = \"a/tests.textpb\"\nplugin = \"p\"\nsuite_config = \"c\"\n\
             [[suite]]\npath = \"b/tests.textpb\"\nplugin = \"q\"\nplugin_config = \"cases/x.json\"\n",
        )
        .unwrap();
        let config = |suite: &str| {
            let suite = Path::new(suite);
            map.find(suite)?.config_path(suite, Path::new("plugins/q"))
        };
        assert_eq!(config("/s/a/tests.textpb"), Some("/s/a/c".into()));
        assert_eq!(
            config("b/tests.textpb"),
            Some("plugins/q/cases/x.json".into())
        );
        assert_eq!(config("aa/tests.textpb"), None);
    }

    #[test]
    fn a_wrong_entry_is_refused_with_its_place() {
        let error = parse("[[suite]]\npath = \"a\"\nplugin = \"p\"\nconfg = \"c\"\n").unwrap_err();
        assert_eq!(error.place.line, 4, "{error}");
        assert!(error.message.contains("confg"), "{error}");
        let error = parse(
            "[[suite]]\npath = \"a\"\nplugin = \"p\"\nsuite_config = \"c\"\nplugin_config = \"d\"\n",
        )
        .unwrap_err();
        assert!(error.message.contains("exclude"), "{error}");
    }
}
