//! Annotations of an image: the standard ones that are given, and what built the plugin.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Annotations to write. What is not given is not written: there is no default time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Annotations {
    /// `org.opencontainers.image.title`
    pub title: Option<String>,
    /// `org.opencontainers.image.description`
    pub description: Option<String>,
    /// `org.opencontainers.image.version`
    pub version: Option<String>,
    /// `org.opencontainers.image.source`: where the code is.
    pub source: Option<String>,
    /// `org.opencontainers.image.revision`: the commit.
    pub revision: Option<String>,
    /// `org.opencontainers.image.licenses`: an SPDX expression.
    pub licenses: Option<String>,
    /// `org.opencontainers.image.created`: RFC 3339, only for who wants to give up one digest
    /// for one content.
    pub created: Option<String>,
    /// `gatewright.config-schema`: the JSON Schema of the plugin's configuration. An annotation,
    /// because the image holds one file and nothing else, and because whoever copies the image
    /// copies it too, which is not so of an artifact that refers to it.
    #[serde(skip)]
    pub config_schema: Option<String>,
    /// Others, by key.
    pub others: BTreeMap<String, String>,
}

/// An annotation that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// A file of another form.
    #[error("the annotations cannot be read: {reason}")]
    Form {
        /// The parser's words, with line and column.
        reason: String,
    },
    /// A time of another form.
    #[error("`{value}` is not a time as RFC 3339 has it, such as `2026-01-31T12:00:00Z`")]
    Created {
        /// The value given.
        value: String,
    },
    /// A key that readers would refuse or lose.
    #[error(
        "`{key}` is not an annotation key: use letters, digits, `.`, `-`, `_` and `/`, as in `com.example.team`"
    )]
    Key {
        /// The key given.
        key: String,
    },
    /// A key that has its own field or is written by the packer.
    #[error("the annotation `{key}` is written by the packer and cannot be set by hand")]
    Reserved {
        /// The key given.
        key: String,
    },
}

/// Key of the annotation that names compilers and tools.
pub const BUILT_WITH: &str = "gatewright.built-with";
/// Key of the annotation that holds the JSON Schema of the configuration.
pub const CONFIG_SCHEMA: &str = "gatewright.config-schema";
/// Key of the annotation that names the ABI version.
pub const ABI: &str = "gatewright.abi";

impl Annotations {
    /// Reads annotations from TOML with the fields of this type, such as `oci/image.toml`.
    ///
    /// # Errors
    ///
    /// [`AnnotationError::Form`] for what is no TOML, or a field there is none of.
    pub fn from_toml(text: &str) -> Result<Self, AnnotationError> {
        toml::from_str(text).map_err(|error| AnnotationError::Form {
            reason: error.to_string(),
        })
    }

    /// The annotations by key.
    ///
    /// # Errors
    ///
    /// [`AnnotationError`] for a time or a key that is not one.
    pub fn to_map(&self) -> Result<BTreeMap<String, String>, AnnotationError> {
        let standard = [
            ("title", &self.title),
            ("description", &self.description),
            ("version", &self.version),
            ("source", &self.source),
            ("revision", &self.revision),
            ("licenses", &self.licenses),
            ("created", &self.created),
        ];
        if let Some(value) = self.created.as_ref().filter(|value| !is_rfc3339(value)) {
            return Err(AnnotationError::Created {
                value: value.clone(),
            });
        }
        let mut map = BTreeMap::new();
        for (name, value) in standard {
            if let Some(value) = value {
                map.insert(format!("org.opencontainers.image.{name}"), value.clone());
            }
        }
        if let Some(schema) = &self.config_schema {
            map.insert(CONFIG_SCHEMA.to_owned(), schema.clone());
        }
        for (key, value) in &self.others {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
            if key.is_empty() || !key.chars().all(plain) {
                return Err(AnnotationError::Key { key: key.clone() });
            }
            let ours = key.starts_with("gatewright.")
                || key == crate::media::ISTIO_VARIANT_KEY
                || standard
                    .iter()
                    .any(|(name, _)| key.strip_prefix("org.opencontainers.image.") == Some(name));
            if ours {
                return Err(AnnotationError::Reserved { key: key.clone() });
            }
            map.insert(key.clone(), value.clone());
        }
        Ok(map)
    }
}

/// Whether `text` has the form of an RFC 3339 time with plausible fields.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    let Some((date, rest)) = text.split_once('T') else {
        return false;
    };
    let number = |text: &str, len: usize, max: u32| {
        let digits = text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
        digits && text.parse::<u32>().is_ok_and(|n| n <= max)
    };
    let fields = |text: &str, mark: char, form: &[(usize, u32)]| {
        let parts: Vec<_> = text.split(mark).collect();
        parts.len() == form.len()
            && parts
                .iter()
                .zip(form)
                .all(|(part, (len, max))| number(part, *len, *max))
    };
    let clock = match rest.strip_suffix('Z') {
        Some(clock) => clock,
        None => {
            let Some(at) = rest.rfind(['+', '-']) else {
                return false;
            };
            let (clock, zone) = rest.split_at(at);
            if !fields(&zone[1..], ':', &[(2, 23), (2, 59)]) {
                return false;
            }
            clock
        }
    };
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    fields(date, '-', &[(4, 9999), (2, 12), (2, 31)])
        && fields(seconds, ':', &[(2, 23), (2, 59), (2, 60)])
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotations_common_to_our_images_can_be_read() {
        let common = include_str!("../../../oci/image.toml");
        let read = Annotations::from_toml(common).expect("reads");
        assert_eq!(read.licenses.as_deref(), Some("Apache-2.0"));
        let misspelt = Annotations::from_toml("license = \"MIT\"").expect_err("no such field");
        assert!(misspelt.to_string().contains("license"), "{misspelt}");
    }

    #[test]
    fn only_what_is_given_is_written() {
        let given = Annotations {
            title: Some("t".into()),
            ..Annotations::default()
        };
        let map = given.to_map().expect("valid");
        assert_eq!(
            map,
            BTreeMap::from([("org.opencontainers.image.title".into(), "t".into())])
        );
    }

    #[test]
    fn times_that_are_not_rfc3339_are_refused() {
        for good in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.25+05:30"] {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "",
            "today",
            "2026-1-31T12:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.Z",
            "2026-01-31 12:00:00Z",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
    }

    #[test]
    fn keys_of_the_packer_cannot_be_set_by_hand() {
        let check = |key: &str| {
            let others = BTreeMap::from([(key.to_owned(), "v".to_owned())]);
            Annotations {
                others,
                ..Annotations::default()
            }
            .to_map()
        };
        assert!(check("com.example.team").is_ok());
        for key in [
            "gatewright.abi",
            "module.wasm.image/variant",
            "org.opencontainers.image.title",
        ] {
            assert_eq!(
                check(key),
                Err(AnnotationError::Reserved { key: key.into() })
            );
        }
        assert_eq!(
            check("a b"),
            Err(AnnotationError::Key { key: "a b".into() })
        );
    }
}
