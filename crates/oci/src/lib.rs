//! Plugin images for the load balancer: packed, read, inspected, pushed, pulled, signed.
//!
//! `GCPWasmPlugin.spec.versions[].image` points at an image that holds a single file
//! `plugin.wasm`, and `pluginConfigURI` at one that holds a single `plugin.config`. This crate
//! makes such images as a function of their input, so that one plugin has one digest on every
//! machine, and reads images that anyone made, believing nothing.
//!
//! It does not run or check plugins: what the checks of other crates found is handed to it.
//! It prints nothing and asks nothing. Images are small (5 MiB at most) and held in memory.
//!
//! ```
//! use gatewright_oci::{Annotations, Limits, Plugin, Variant, pack_plugin};
//!
//! let image = pack_plugin(&Plugin {
//!     wasm: b"\0asm\x01\0\0\0",
//!     variant: Variant::Image,
//!     annotations: Annotations { title: Some("local-reply".into()), ..Annotations::default() },
//!     config_size: 0,
//!     findings: &[],
//! })?;
//! let content = image.content(&Limits::default())?;
//! assert_eq!(content.name, "plugin.wasm");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod digest;
mod finding;
pub mod media;

mod annotations;
mod image;
pub mod layer;
mod module;
mod pack;

mod inspect;
pub mod layout;
mod pattern;
pub mod registry;

pub mod manifest;
pub mod sbom;
pub mod sign;

pub use annotations::{ABI, AnnotationError, Annotations, BUILT_WITH, CONFIG_SCHEMA};
pub use digest::{Digest, DigestError};
pub use finding::{Finding, Severity};
pub use image::{Blob, Content, Image, ImageError, Limits, Variant};
pub use inspect::{Inspection, Part, inspect};
pub use module::{Module, ModuleError};
pub use oci_spec::distribution::Reference;
pub use pack::{PackError, Plugin, pack_config, pack_plugin};
pub use pattern::{PatternError, gke_accepts};
pub use registry::{Registry, RegistryError};

/// Name of the only file of a plugin's image.
pub const PLUGIN_FILE: &str = "plugin.wasm";
/// Name of the only file of a configuration's image.
pub const CONFIG_FILE: &str = "plugin.config";
/// Bytes that a plugin and its configuration may take together: 5 MiB.
pub const SIZE_LIMIT: u64 = 5 << 20;
