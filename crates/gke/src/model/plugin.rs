//! Wasm plugins and their versions.

use super::{Reader, Spot};
use crate::check::Object;
use crate::finding::ObjectId;
use crate::place::Place;

/// A `GCPWasmPlugin`.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Which object.
    pub id: ObjectId,
    /// Where its first key stands.
    pub place: Option<Place>,
    /// `versions`.
    pub versions: Vec<PluginVersion>,
    /// `logConfig`.
    pub log: LogConfig,
    /// `kmsKeyName`.
    pub kms_key: Option<String>,
}

/// An item of `versions`.
#[derive(Clone, Debug)]
pub struct PluginVersion {
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// `image`.
    pub image: Spot<String>,
    /// `pluginConfigURI`.
    pub config_uri: Option<Spot<String>>,
    /// `weight`.
    pub weight: Spot<i64>,
}

/// `logConfig`, with the defaults that the documentation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Whether logs are exported.
    pub enabled: bool,
    /// Of a million messages, how many.
    pub sample_rate: u32,
    /// The lowest level.
    pub min_level: String,
}

impl Plugin {
    fn read_log(spec: Option<Reader<'_>>) -> LogConfig {
        let log = spec.and_then(|spec| spec.field("logConfig"));
        LogConfig {
            enabled: log.and_then(|log| log.flag("enabled")).unwrap_or(false),
            sample_rate: log
                .and_then(|log| log.int("sampleRate"))
                .and_then(|rate| u32::try_from(rate).ok())
                .unwrap_or(1_000_000),
            min_level: log
                .and_then(|log| log.text("minLogLevel"))
                .unwrap_or_else(|| "INFO".to_owned()),
        }
    }

    pub(super) fn read(object: &Object) -> Self {
        let spec = Reader::new(object).field("spec");
        Self {
            id: object.id.clone(),
            place: object.place,
            versions: spec
                .into_iter()
                .flat_map(|spec| spec.list("versions").collect::<Vec<_>>())
                .map(|version| PluginVersion {
                    name: version.text_or("name", ""),
                    description: version.text("description"),
                    image: version.spot_or_default("image"),
                    config_uri: version.spot("pluginConfigURI"),
                    weight: Spot {
                        value: version.int("weight").unwrap_or(0),
                        place: version.field("weight").unwrap_or(version).place(),
                    },
                })
                .collect(),
            log: Self::read_log(spec),
            kms_key: spec.and_then(|spec| spec.text("kmsKeyName")),
        }
    }

    /// The version that serves: the one with a weight.
    #[must_use]
    pub fn serving(&self) -> Option<&PluginVersion> {
        self.versions
            .iter()
            .find(|version| version.weight.value != 0)
    }
}
