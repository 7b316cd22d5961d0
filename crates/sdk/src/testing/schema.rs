//! The JSON Schema of a configuration, generated from its type and kept in a file.
//!
//! A plugin derives it in its tests only, and one line keeps the file fresh:
//!
//! ```
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! #[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
//! #[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
//! struct Config {
//!     /// Requests with one of these tokens are refused.
//!     denied: Vec<String>,
//! }
//!
//! #[cfg(test)]
//! mod tests {
//!     gatewright::config_schema!(super::Config);
//! }
//! ```
//!
//! with `gatewright = { workspace = true, features = ["schema", "testing"] }` among the
//! dev-dependencies. `GATEWRIGHT_BLESS=1 cargo test` writes `config.schema.json` beside the
//! plugin's `Cargo.toml`; `gatewright pack` puts it into the image.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use std::path::Path;

/// The schema of what a type is read from, titled with the plugin's name.
pub fn generate<T: JsonSchema>(plugin: &str) -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert(
        "title".to_owned(),
        format!("Configuration of the plugin {plugin}").into(),
    );
    format!("{:#}\n", schema.as_value())
}

/// Compares the schema of a type with the file in this folder; writes it where the variable
/// `GATEWRIGHT_BLESS` is `1`.
///
/// # Errors
/// What is wrong with the file, and how it is written anew.
pub fn check<T: JsonSchema>(folder: &str, plugin: &str) -> Result<(), String> {
    let path = Path::new(folder).join("config.schema.json");
    let fresh = generate::<T>(plugin);
    let shown = path.display();
    if std::env::var_os("GATEWRIGHT_BLESS").is_some_and(|value| value == "1") {
        return std::fs::write(&path, fresh).map_err(|error| format!("`{shown}`: {error}"));
    }
    // By value: the order of keys hangs on features that a build happens to turn on.
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match std::fs::read_to_string(&path) {
        Ok(known) if value(&known) == value(&fresh) => Ok(()),
        Ok(_) => Err(format!(
            "`{shown}` is not what the type says; `GATEWRIGHT_BLESS=1 cargo test` writes it"
        )),
        Err(error) => Err(format!(
            "`{shown}`: {error}; `GATEWRIGHT_BLESS=1 cargo test` writes it"
        )),
    }
}

/// A test that holds `config.schema.json` against the type of the configuration.
#[macro_export]
macro_rules! config_schema {
    ($config:ty) => {
        // In wasm there are no files.
        #[cfg(not(target_arch = "wasm32"))]
        #[test]
        fn the_schema_of_the_configuration_is_fresh() -> ::core::result::Result<(), String> {
            $crate::testing::schema::check::<$config>(
                env!("CARGO_MANIFEST_DIR"),
                env!("CARGO_PKG_NAME"),
            )
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Config {
        /// How many.
        #[serde(default)]
        limit: u32,
    }

    #[test]
    fn a_schema_says_what_serde_takes() {
        let schema = generate::<Config>("guard");
        for part in [
            "\"title\": \"Configuration of the plugin guard\"",
            "\"additionalProperties\": false",
            "\"description\": \"How many.\"",
        ] {
            assert!(schema.contains(part), "{part} is not in {schema}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_stale_is_named() {
        let folder = std::env::temp_dir().join(format!("gatewright-schema-{}", std::process::id()));
        let folder = folder.display().to_string();
        let missing = check::<Config>(&folder, "guard").unwrap_err();
        assert!(missing.contains("config.schema.json") && missing.contains("GATEWRIGHT_BLESS"));
    }
}
