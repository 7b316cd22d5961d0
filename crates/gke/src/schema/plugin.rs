//! `GCPWasmPlugin`. The CRDs of April 2026 that were published have no such kind, so both
//! profiles take the one of 1.33.

use super::{LABEL, Schema, optional, required};
use crate::api::rules;
use crate::rule::Rule;

const IMAGE: &str = "^(https://)?([^/][a-z0-9-.]+)/[a-z0-9-./:@?=]+$";
const KMS_KEY: &str = "^projects/([^/]+)/locations/([^/]+)/keyRings/([^/]+)/cryptoKeys/([^/]+)$";

#[cfg(test)]
pub(super) fn patterns() -> Vec<String> {
    vec![IMAGE.to_owned(), KMS_KEY.to_owned()]
}

pub(super) fn spec() -> Schema {
    let log_config = Schema::object(vec![
        required("enabled", Schema::boolean()),
        optional(
            "minLogLevel",
            Schema::one_of(
                Rule::MinLogLevel,
                &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"],
            ),
        ),
        optional(
            "sampleRate",
            Schema::integer(Rule::SampleRate, 0, 1_000_000),
        ),
    ])
    .validated(rules::LOG_CONFIG.iter().copied());
    let version = Schema::object(vec![
        optional(
            "description",
            Schema::sized(Rule::VersionDescription, 0, 1024),
        ),
        required(
            "image",
            Schema::sized(Rule::VersionImage, 0, 2000).matching(IMAGE),
        ),
        required(
            "name",
            Schema::sized(Rule::VersionName, 1, 63).matching(LABEL),
        ),
        optional(
            "pluginConfigURI",
            Schema::sized(Rule::PluginConfigUri, 0, 2000).matching(IMAGE),
        ),
        required("weight", Schema::integer(Rule::VersionWeight, 0, 1_000_000)),
    ]);
    Schema::object(vec![
        optional(
            "kmsKeyName",
            Schema::sized(Rule::KmsKeyName, 0, 1000).matching(KMS_KEY),
        ),
        optional("logConfig", log_config),
        required(
            "versions",
            Schema::list(Rule::VersionsCount, 1, Some(10), version)
                .validated(rules::VERSIONS.iter().copied()),
        ),
    ])
}
