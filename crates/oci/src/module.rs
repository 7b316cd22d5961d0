//! What can be told of a module without running it: exports, ABI version, producers.

use std::collections::BTreeMap;

use wasmparser::{ExternalKind, KnownCustom, Parser, Payload};

/// A module's outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Exported functions, in the module's order.
    pub exports: Vec<String>,
    /// Imported functions as `module.name`, in the module's order.
    pub imports: Vec<String>,
    /// `0.1.0`, `0.2.0` or `0.2.1`, from the marker that the module exports.
    pub abi: Option<String>,
    /// Producers by field, such as `language` and `processed-by`, as `name version`.
    pub producers: BTreeMap<String, Vec<String>>,
}

/// A file that begins like a module and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`plugin.wasm` is not a valid module at offset {offset:#x}: {reason}")]
pub struct ModuleError {
    /// Where, in bytes.
    pub offset: u64,
    /// The parser's words.
    pub reason: String,
}

impl From<wasmparser::BinaryReaderError> for ModuleError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self {
            offset: error.offset() as u64,
            reason: error.message().to_owned(),
        }
    }
}

impl Module {
    /// Reads the outside of a module. Function bodies are not validated.
    ///
    /// # Errors
    ///
    /// [`ModuleError`] where the bytes stop being a module.
    pub fn read(wasm: &[u8]) -> Result<Self, ModuleError> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        let import = import?;
                        if matches!(import.ty, wasmparser::TypeRef::Func(_)) {
                            module
                                .imports
                                .push(format!("{}.{}", import.module, import.name));
                        }
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.exports.push(export.name.to_owned());
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(fields) = section.as_known() {
                        // The section is a remark: one that cannot be read is left out.
                        module.producers = producers(fields).unwrap_or_default();
                    }
                }
                _ => {}
            }
        }
        let marker = module
            .exports
            .iter()
            .find_map(|name| name.strip_prefix("proxy_abi_version_"));
        module.abi = marker.map(|version| version.replace('_', "."));
        Ok(module)
    }

    /// What built the module, on one line, if it says.
    #[must_use]
    pub fn built_with(&self) -> Option<String> {
        let tools: Vec<_> = ["processed-by", "sdk"]
            .iter()
            .filter_map(|field| self.producers.get(*field))
            .flatten()
            .map(String::as_str)
            .collect();
        (!tools.is_empty()).then(|| tools.join(", "))
    }
}

fn producers(
    fields: wasmparser::ProducersSectionReader<'_>,
) -> wasmparser::Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for field in fields {
        let field = field?;
        for value in field.values {
            let value = value?;
            let text = format!("{} {}", value.name, value.version)
                .trim_end()
                .to_owned();
            found.entry(field.name.to_owned()).or_default().push(text);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_imports_and_the_abi_marker_are_found() {
        let wasm = wat::parse_str(
            r#"(module (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "proxy_on_vm_start")))"#,
        )
        .expect("valid text");
        let module = Module::read(&wasm).expect("valid module");
        assert_eq!(module.abi.as_deref(), Some("0.2.1"));
        assert_eq!(
            module.exports,
            ["proxy_abi_version_0_2_1", "proxy_on_vm_start"]
        );
        assert_eq!(module.imports, ["env.proxy_log"]);
        assert_eq!(module.built_with(), None);
    }

    #[test]
    fn a_module_cut_off_says_where() {
        let wasm = wat::parse_str(r#"(module (func (export "f")))"#).expect("valid text");
        let error = Module::read(&wasm[..wasm.len() - 3]).expect_err("cut off");
        assert!(error.offset > 8, "{error}");
    }
}
