//! Puts every function of a module behind a wrapper, section by section.

use std::ops::Range;

use wasmparser::{CompositeInnerType, KnownCustom, Name, Parser, Payload, TypeRef};

use super::{START, TABLE};

/// What the host must know of the functions of an instrumented module.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// Names by number, empty where there is none.
    pub(super) names: Vec<String>,
    /// Parameters of each defined function.
    parameters: Vec<u64>,
    imported: u32,
}

impl Functions {
    /// Fuel that the wrapper burns between telling that the function is entered and its first
    /// instruction: an instruction for each argument, and the call.
    pub(super) fn handing_over(&self, function: u32) -> u64 {
        let place = function.checked_sub(self.imported);
        let parameters = place.and_then(|place| self.parameters.get(place as usize));
        parameters.copied().unwrap_or(0) + 1
    }
}

/// What is read of the module.
#[derive(Default)]
struct Module {
    sections: Vec<(u8, Range<usize>)>,
    /// Parameters by type.
    types: Vec<u64>,
    /// The type of each defined function.
    functions: Vec<u32>,
    bodies: Vec<Range<usize>>,
    imported: u32,
    tables: u32,
    start: Option<u32>,
    names: Vec<String>,
}

const TYPE: u8 = 1;
const FUNCTION: u8 = 3;
const TABLES: u8 = 4;
const EXPORT: u8 = 7;
const STARTS: u8 = 8;
const CODE: u8 = 10;

/// The module with every function behind a wrapper. The bytes must be a valid module.
pub(crate) fn instrument(
    wasm: &[u8],
) -> Result<(Vec<u8>, Functions), wasmparser::BinaryReaderError> {
    let module = Module::read(wasm)?;
    let mut out = wasm.get(..8).unwrap_or_default().to_vec();
    let mut tables_done = false;
    for (id, range) in &module.sections {
        let content = wasm.get(range.clone()).unwrap_or_default();
        // A table section comes after imports and functions and before all others.
        if !tables_done && *id != 0 && *id > TABLES {
            section(&mut out, TABLES, &module.table_section(None));
            tables_done = true;
        }
        match *id {
            TYPE => section(&mut out, TYPE, &appended(content, 1, &[0x60, 1, 0x7f, 0])),
            FUNCTION => section(&mut out, FUNCTION, &module.function_section(content)),
            TABLES => {
                section(&mut out, TABLES, &module.table_section(Some(content)));
                tables_done = true;
            }
            EXPORT => section(&mut out, EXPORT, &module.export_section(content)),
            STARTS => {}
            CODE => section(&mut out, CODE, &module.code_section(wasm)),
            id => section(&mut out, id, content),
        }
    }
    let parameters = |ty: &u32| module.types.get(*ty as usize).copied().unwrap_or(0);
    let functions = Functions {
        parameters: module.functions.iter().map(parameters).collect(),
        imported: module.imported,
        names: module.names,
    };
    Ok((out, functions))
}

impl Module {
    fn read(wasm: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            module.sections.extend(payload.as_section());
            match payload {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            module.types.push(match ty.composite_type.inner {
                                CompositeInnerType::Func(function) => {
                                    function.params().len() as u64
                                }
                                _ => 0,
                            });
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => module.imported += 1,
                            TypeRef::Table(_) => module.tables += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        module.functions.push(ty?);
                    }
                }
                Payload::TableSection(section) => module.tables += section.count(),
                Payload::StartSection { func, .. } => module.start = Some(func),
                Payload::CodeSectionEntry(body) => module.bodies.push(body.range()),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        module.read_names(names);
                    }
                }
                _ => {}
            }
        }
        Ok(module)
    }

    /// A broken name section is no name section.
    fn read_names(&mut self, names: wasmparser::NameSectionReader<'_>) {
        let count = self.imported as usize + self.functions.len();
        self.names.resize(count, String::new());
        for name in names {
            let Ok(Name::Function(functions)) = name else {
                continue;
            };
            for naming in functions.into_iter().flatten() {
                if let Some(name) = self.names.get_mut(naming.index as usize) {
                    *name = format!("{:#}", rustc_demangle::demangle(naming.name));
                }
            }
        }
    }

    /// The types of the wrappers, then those of the functions.
    fn function_section(&self, content: &[u8]) -> Vec<u8> {
        let mut types = Vec::new();
        for ty in &self.functions {
            unsigned(&mut types, *ty);
        }
        appended(content, self.functions.len() as u32, &types)
    }

    /// A table of two functions after those that there are.
    fn table_section(&self, content: Option<&[u8]>) -> Vec<u8> {
        appended(content.unwrap_or(&[0]), 1, &[0x70, 0, 2])
    }

    fn export_section(&self, content: &[u8]) -> Vec<u8> {
        let mut exports = Vec::new();
        let mut count = 1;
        export(&mut exports, TABLE, 1, self.tables);
        if let Some(start) = self.start {
            export(&mut exports, START, 0, start);
            count += 1;
        }
        appended(content, count, &exports)
    }

    /// The wrappers, then the functions as they were.
    fn code_section(&self, wasm: &[u8]) -> Vec<u8> {
        let count = self.functions.len() as u32;
        let mut out = Vec::new();
        unsigned(&mut out, count * 2);
        for (place, ty) in (0..).zip(&self.functions) {
            let parameters = self.types.get(*ty as usize).copied().unwrap_or(0);
            let body = self.wrapper(self.imported + place, count, parameters);
            unsigned(&mut out, body.len() as u32);
            out.extend(body);
        }
        for range in &self.bodies {
            let body = wasm.get(range.clone()).unwrap_or_default();
            unsigned(&mut out, body.len() as u32);
            out.extend(body);
        }
        out
    }

    /// Tells the host, calls the function, tells the host.
    fn wrapper(&self, function: u32, count: u32, parameters: u64) -> Vec<u8> {
        const I32_CONST: u8 = 0x41;
        const CALL: u8 = 0x10;
        const CALL_INDIRECT: u8 = 0x11;
        const LOCAL_GET: u8 = 0x20;
        const END: u8 = 0x0b;
        let tell = |body: &mut Vec<u8>, entry: u8| {
            body.push(I32_CONST);
            signed(body, i64::from(function));
            body.extend([I32_CONST, entry, CALL_INDIRECT]);
            unsigned(body, self.types.len() as u32);
            unsigned(body, self.tables);
        };
        let mut body = vec![0];
        tell(&mut body, 0);
        for parameter in 0..parameters as u32 {
            body.push(LOCAL_GET);
            unsigned(&mut body, parameter);
        }
        body.push(CALL);
        unsigned(&mut body, function + count);
        tell(&mut body, 1);
        body.push(END);
        body
    }
}

fn export(out: &mut Vec<u8>, name: &str, kind: u8, index: u32) {
    unsigned(out, name.len() as u32);
    out.extend(name.as_bytes());
    out.push(kind);
    unsigned(out, index);
}

/// A vector of the binary format with more entries at its end.
fn appended(content: &[u8], more: u32, entries: &[u8]) -> Vec<u8> {
    let (count, length) = read_unsigned(content);
    let mut out = Vec::new();
    unsigned(&mut out, count + more);
    out.extend(content.get(length..).unwrap_or_default());
    out.extend(entries);
    out
}

fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    unsigned(out, content.len() as u32);
    out.extend(content);
}

/// LEB128.
fn unsigned(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        let done = (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0);
        if done {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// A number and how many bytes it takes. The module is valid, so it ends.
fn read_unsigned(bytes: &[u8]) -> (u32, usize) {
    let mut value = 0_u32;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return (value, place + 1);
        }
    }
    (value, bytes.len().min(5))
}
