//! What a module says of itself: read from its bytes, before anything is compiled.

use std::collections::BTreeMap;

use gatewright_abi::{Hostcall, Version};
use wasmparser::{Encoding, ExternalKind, Parser, Payload, TypeRef, ValType};

use crate::wasi;

/// Why bytes are not a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes do not begin as a wasm module does.
    #[error("not a wasm module: it begins with `{0}`{hint}", hint = hint(.0))]
    NotWasm(String),
    /// A component, not a core module.
    #[error(
        "a wasm component, not a core module; build for `wasm32-wasip1`, not for `wasm32-wasip2`"
    )]
    Component,
    /// The bytes end early or do not validate.
    #[error("not a valid wasm module: {reason} (at byte {offset} of {length})")]
    Invalid {
        /// What the validator says.
        reason: String,
        /// Where.
        offset: usize,
        /// How many bytes there are.
        length: usize,
    },
    /// No `proxy_abi_version_*` export.
    #[error(
        "not a proxy-wasm plugin: it exports no `proxy_abi_version_*`; does the crate call the \
         plugin macro, and is its crate type `cdylib`?"
    )]
    NoAbiMarker,
    /// Neither allocator export.
    #[error(
        "exports neither `proxy_on_memory_allocate` nor `malloc`, so the host cannot hand it data"
    )]
    NoAllocator,
    /// No memory export.
    #[error("exports no memory named `memory`")]
    NoMemory,
    /// Imports that no host offers.
    #[error("imports that no proxy-wasm host offers: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// An export or import of the wrong type.
    #[error("{0}")]
    WrongType(String),
    /// The compiler refused it.
    #[error("the compiler refused the module: {0}")]
    Compile(String),
}

fn hint(start: &str) -> &'static str {
    if start.starts_with("(module") {
        "; it is wasm text, assemble it first"
    } else if start.starts_with('<') {
        "; it looks like a web page"
    } else if start.starts_with("\\x1f\\x8b") {
        "; it is compressed with gzip"
    } else if start.is_empty() {
        "; it is empty"
    } else {
        ""
    }
}

/// An import, by module and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module that it is asked of.
    pub module: String,
    /// Its name there.
    pub name: String,
}

impl Import {
    /// The hostcall that it is, if it is one.
    pub fn hostcall(&self) -> Option<Hostcall> {
        (self.module == "env")
            .then(|| Hostcall::from_name(&self.name))
            .flatten()
    }
}

/// What a module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Bytes of the module.
    pub size: usize,
    /// Versions of the ABI that it marks.
    pub versions: Vec<Version>,
    /// Functions that it imports.
    pub imports: Vec<Import>,
    /// Functions that it exports, with their parameters and results.
    pub exports: BTreeMap<String, Signature>,
    /// Whether it exports its memory.
    pub exports_memory: bool,
    /// Pages of 64 KiB that its memory starts with.
    pub memory_pages: u64,
    /// Pages that its memory may grow to, if it says so.
    pub memory_pages_max: Option<u64>,
    /// Elements that its tables start with.
    pub table_elements: u64,
    /// Bytes of its stack in linear memory, where the linker's layout tells them.
    pub stack_bytes: Option<u64>,
    /// Whether it has a start function.
    pub has_start: bool,
    /// Its custom sections, by name, with their size.
    pub custom_sections: Vec<(String, usize)>,
}

/// Parameters and results of a function, one letter each: `i` and `I` for 32 and 64 bits of
/// integer, `f` and `F` for floats, `?` for anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Parameters.
    pub parameters: String,
    /// Results.
    pub results: String,
}

impl ModuleInfo {
    /// Reads a module without compiling it.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are not a whole and valid core module. Whether it is a plugin
    /// is asked by [`ModuleInfo::require_plugin`].
    pub fn read(wasm: &[u8]) -> Result<Self, LoadError> {
        let info = Self::of_valid(wasm)?;
        wasmparser::Validator::new()
            .validate_all(wasm)
            .map_err(|error| LoadError::Invalid {
                reason: error.message().to_owned(),
                offset: error.offset(),
                length: wasm.len(),
            })?;
        Ok(info)
    }

    /// Reads a module that was found to be valid before.
    pub(crate) fn of_valid(wasm: &[u8]) -> Result<Self, LoadError> {
        if !wasm.starts_with(b"\0asm") {
            let start = wasm.get(..16).unwrap_or(wasm).escape_ascii().to_string();
            return Err(LoadError::NotWasm(start));
        }
        let mut info = Self {
            size: wasm.len(),
            ..Self::default()
        };
        info.walk(wasm)?;
        Ok(info)
    }

    fn walk(&mut self, wasm: &[u8]) -> Result<(), LoadError> {
        let length = wasm.len();
        let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid {
            reason: error.message().to_owned(),
            offset: error.offset(),
            length,
        };
        let mut types: Vec<Option<Signature>> = Vec::new();
        let mut functions: Vec<u32> = Vec::new();
        let mut stack = Stack::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(invalid)? {
                Payload::Version {
                    encoding: Encoding::Component,
                    ..
                } => {
                    return Err(LoadError::Component);
                }
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group.map_err(invalid)?.into_types() {
                            types.push(match ty.composite_type.inner {
                                wasmparser::CompositeInnerType::Func(function) => Some(Signature {
                                    parameters: function.params().iter().map(letter).collect(),
                                    results: function.results().iter().map(letter).collect(),
                                }),
                                _ => None,
                            });
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(invalid)?;
                        if let TypeRef::Func(ty) = import.ty {
                            functions.push(ty);
                        }
                        self.imports.push(Import {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                        });
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        functions.push(ty.map_err(invalid)?);
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        let memory = memory.map_err(invalid)?;
                        self.memory_pages = memory.initial;
                        self.memory_pages_max = memory.maximum;
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        self.table_elements += table.map_err(invalid)?.ty.initial;
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        stack.see_global(&global.map_err(invalid)?);
                    }
                }
                Payload::DataSection(section) => {
                    for data in section {
                        stack.see_data(&data.map_err(invalid)?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(invalid)?;
                        match export.kind {
                            ExternalKind::Func => {
                                let signature = functions
                                    .get(export.index as usize)
                                    .and_then(|ty| types.get(*ty as usize))
                                    .cloned()
                                    .flatten()
                                    .unwrap_or_default();
                                self.exports.insert(export.name.to_owned(), signature);
                            }
                            ExternalKind::Memory if export.name == "memory" => {
                                self.exports_memory = true;
                            }
                            _ => {}
                        }
                    }
                }
                Payload::StartSection { .. } => self.has_start = true,
                Payload::CustomSection(section) => {
                    self.custom_sections
                        .push((section.name().to_owned(), section.data().len()));
                }
                _ => {}
            }
        }
        self.stack_bytes = stack.bytes();
        self.versions = Version::ALL
            .iter()
            .copied()
            .filter(|version| self.exports.contains_key(version.marker()))
            .collect();
        Ok(())
    }

    /// The newest version of the ABI that it marks.
    pub fn version(&self) -> Option<Version> {
        self.versions.last().copied()
    }

    /// Imports that no host offers.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &Import> {
        self.imports.iter().filter(|import| !is_known(import))
    }

    /// Imports that no host offers, as `module.name`.
    pub fn unknown_imports(&self) -> Vec<String> {
        self.unknown()
            .map(|import| format!("`{}.{}`", import.module, import.name))
            .collect()
    }

    /// Checks that a host can run it as a plugin.
    ///
    /// # Errors
    /// The first of: no version marker, imports that no host offers, no memory, no allocator.
    pub fn require_plugin(&self) -> Result<Version, LoadError> {
        let version = self.version().ok_or(LoadError::NoAbiMarker)?;
        let unknown = self.unknown_imports();
        if !unknown.is_empty() {
            return Err(LoadError::UnknownImports(unknown));
        }
        if !self.exports_memory {
            return Err(LoadError::NoMemory);
        }
        if self.allocator().is_none() {
            return Err(LoadError::NoAllocator);
        }
        Ok(version)
    }

    /// Bytes of its name section, if it has one.
    pub fn name_bytes(&self) -> Option<usize> {
        let names = self.custom_sections.iter().find(|(name, _)| name == "name");
        names.map(|(_, size)| *size)
    }

    /// Bytes of its debug sections.
    pub fn debug_bytes(&self) -> usize {
        let debug = |name: &str| name.starts_with(".debug") || name == "external_debug_info";
        let sections = self.custom_sections.iter();
        sections
            .filter(|(name, _)| debug(name))
            .map(|(_, size)| size)
            .sum()
    }

    /// The export through which the host asks for memory. Hosts look for `malloc` first.
    pub fn allocator(&self) -> Option<&'static str> {
        ["malloc", "proxy_on_memory_allocate"]
            .into_iter()
            .find(|name| self.exports.contains_key(*name))
    }
}

/// Where a linker of the LLVM family puts the stack: it grows down from the first mutable global,
/// `__stack_pointer`, to the start of memory or to the end of the data below it.
#[derive(Default)]
struct Stack {
    pointer: Option<u64>,
    data: Vec<(u64, u64)>,
}

impl Stack {
    fn see_global(&mut self, global: &wasmparser::Global<'_>) {
        if global.ty.mutable && self.pointer.is_none() {
            self.pointer = constant(&global.init_expr);
        }
    }

    fn see_data(&mut self, data: &wasmparser::Data<'_>) {
        if let wasmparser::DataKind::Active { offset_expr, .. } = &data.kind
            && let Some(start) = constant(offset_expr)
        {
            self.data
                .push((start, start.saturating_add(data.data.len() as u64)));
        }
    }

    fn bytes(&self) -> Option<u64> {
        let top = self.pointer?;
        let below = self.data.iter().filter(|(start, _)| *start < top);
        let floor = below.map(|(_, end)| *end).max().unwrap_or(0);
        top.checked_sub(floor).filter(|bytes| *bytes > 0)
    }
}

/// The number that a constant expression gives, if it is one number.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> Option<u64> {
    match expression.get_operators_reader().read().ok()? {
        wasmparser::Operator::I32Const { value } => Some(u64::from(value.cast_unsigned())),
        wasmparser::Operator::I64Const { value } => u64::try_from(value).ok(),
        _ => None,
    }
}

fn is_known(import: &Import) -> bool {
    match import.module.as_str() {
        "env" => {
            import.hostcall().is_some()
                || matches!(
                    import.name.as_str(),
                    "emscripten_notify_memory_growth" | "pthread_equal"
                )
        }
        "wasi_snapshot_preview1" | "wasi_unstable" => wasi::is_known(&import.name),
        _ => false,
    }
}

fn letter(ty: &ValType) -> char {
    match ty {
        ValType::I32 => 'i',
        ValType::I64 => 'I',
        ValType::F32 => 'f',
        ValType::F64 => 'F',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Version, LoadError>) {
        let wasm = wat::parse_str(text).unwrap();
        assert_eq!(
            ModuleInfo::read(&wasm).and_then(|info| info.require_plugin()),
            expected
        );
    }

    const GOOD: &str = r#"(module
        (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#;

    #[test]
    fn a_plugin_is_told_from_other_modules() {
        check(GOOD, Ok(Version::V0_2_1));
        check("(module)", Err(LoadError::NoAbiMarker));
        check(
            &GOOD.replace("proxy_abi_version_0_2_1", "x"),
            Err(LoadError::NoAbiMarker),
        );
        check(
            &GOOD.replace("proxy_on_memory_allocate", "x"),
            Err(LoadError::NoAllocator),
        );
        check(
            &GOOD.replace("\"memory\"", "\"mem\""),
            Err(LoadError::NoMemory),
        );
        check(
            &GOOD.replace("proxy_log", "proxy_dance"),
            Err(LoadError::UnknownImports(vec!["`env.proxy_dance`".into()])),
        );
    }

    #[test]
    fn what_is_no_module_is_named() {
        let read = |bytes: &[u8]| ModuleInfo::read(bytes).unwrap_err().to_string();
        assert!(read(b"").contains("it is empty"));
        assert!(read(b"<!DOCTYPE html>").contains("web page"));
        assert!(read(b"(module)").contains("assemble it first"));
        assert!(read(b"\x1f\x8b\x08").contains("gzip"));
    }

    #[test]
    fn every_truncation_is_refused() {
        let wasm = wat::parse_str(GOOD).unwrap();
        for end in 0..wasm.len() {
            let read = ModuleInfo::read(&wasm[..end]).and_then(|info| info.require_plugin());
            assert!(read.is_err(), "{end} of {} bytes were accepted", wasm.len());
        }
    }

    #[test]
    fn what_a_module_says_is_read() {
        let info = ModuleInfo::read(&wat::parse_str(GOOD).unwrap()).unwrap();
        assert_eq!((info.memory_pages, info.stack_bytes), (2, None));
        assert_eq!(info.imports[0].hostcall(), Some(Hostcall::Log));
        assert_eq!(info.exports["proxy_on_memory_allocate"].parameters, "i");
    }

    #[test]
    fn the_stack_lies_below_or_above_the_data() {
        let stack = |text: &str| {
            ModuleInfo::read(&wat::parse_str(text).unwrap())
                .unwrap()
                .stack_bytes
        };
        let pointer = "(memory 2) (global (mut i32) (i32.const 65536))";
        assert_eq!(stack("(module)"), None);
        assert_eq!(stack(&format!("(module {pointer})")), Some(65536));
        let first = format!("(module {pointer} (data (i32.const 65536) \"abc\"))");
        assert_eq!(stack(&first), Some(65536));
        let last = format!("(module {pointer} (data (i32.const 1024) \"abcd\"))");
        assert_eq!(stack(&last), Some(65536 - 1028));
    }
}
