//! A guest whose callbacks make the calls that a table says, and the table from a fuzzer's bytes.

use std::fmt::Write as _;

/// Where the guest's first allocation lies: its program.
const HEAP: u32 = 4096;
/// Bytes at the start of a program that pointers point to; records follow.
pub const DATA: usize = 1024;
/// Arguments of one record; the longest call has twelve.
const ARGUMENTS: usize = 12;
/// Bytes of one record: the call's number in eight bytes, and the arguments.
const RECORD: usize = 8 + 8 * ARGUMENTS;
/// Pages of the guest's memory.
const PAGES: u32 = 3;

macro_rules! table {
    ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
        const HOSTCALLS: &[(&str, &[&str])] = &[$(($name, &[$(stringify!($parameter)),*]),)*];
    };
}
gatewright_abi::foreach_hostcall!(table);

/// Calls of WASI, the last of which gives nothing.
const WASI: &[(&str, &[&str])] = &[
    ("args_get", &["i32", "i32"]),
    ("args_sizes_get", &["i32", "i32"]),
    ("clock_time_get", &["i32", "i64", "i32"]),
    ("environ_get", &["i32", "i32"]),
    ("environ_sizes_get", &["i32", "i32"]),
    ("fd_fdstat_get", &["i32", "i32"]),
    ("fd_prestat_get", &["i32", "i32"]),
    ("fd_read", &["i32", "i32", "i32", "i32"]),
    ("fd_write", &["i32", "i32", "i32", "i32"]),
    ("poll_oneoff", &["i32", "i32", "i32", "i32"]),
    ("random_get", &["i32", "i32"]),
    ("proc_exit", &["i32"]),
];

/// Callbacks: name, parameters, whether they answer.
const CALLBACKS: &[(&str, usize, bool)] = &[
    ("context_create", 2, false),
    ("vm_start", 2, true),
    ("tick", 1, false),
    ("queue_ready", 2, false),
    ("request_headers", 3, true),
    ("request_body", 3, true),
    ("request_trailers", 2, true),
    ("response_headers", 3, true),
    ("response_body", 3, true),
    ("response_trailers", 2, true),
    ("http_call_response", 5, false),
    ("grpc_receive_initial_metadata", 3, false),
    ("grpc_receive", 3, false),
    ("grpc_receive_trailing_metadata", 3, false),
    ("grpc_close", 3, false),
    ("foreign_function", 3, false),
    ("done", 1, true),
    ("log", 1, false),
    ("delete", 1, false),
];

/// The module. Its program is the plugin's configuration, which it takes in `on_configure`: data,
/// then for each callback in turn a count, an answer, and that many records.
pub fn module() -> String {
    let mut text = String::from("(module\n");
    for (index, (name, parameters)) in HOSTCALLS.iter().enumerate() {
        let _ = writeln!(
            text,
            r#"(import "env" "{name}" (func $c{index} (param {}) (result i32)))"#,
            parameters.join(" ")
        );
    }
    for (index, (name, parameters)) in WASI.iter().enumerate() {
        let index = HOSTCALLS.len() + index;
        let result = if *name == "proxy_exit" || *name == "proc_exit" { "" } else { "(result i32)" };
        let _ = writeln!(
            text,
            r#"(import "wasi_snapshot_preview1" "{name}" (func $c{index} (param {}) {result}))"#,
            parameters.join(" ")
        );
    }
    let _ = writeln!(
        text,
        r#"(memory (export "memory") {PAGES})
(global $heap (mut i32) (i32.const {HEAP}))
(global $cursor (mut i32) (i32.const 0))
(global $end (mut i32) (i32.const 0))
(func (export "proxy_abi_version_0_2_1"))
(func $malloc (export "malloc") (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $heap))
  (if (i32.gt_u (local.get $size) (i32.const 0x1000000)) (then (return (i32.const 0))))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (block $fits
    (loop $more
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
      (global.set $heap (local.get $at))
      (return (i32.const 0))))
  (local.get $at))
(func (export "proxy_on_configure") (param i32 i32) (result i32)
  (drop (call $c{get_buffer} (i32.const 7) (i32.const 0) (i32.const -1) (i32.const 16) (i32.const 20)))
  (global.set $cursor (i32.add (i32.load (i32.const 16)) (i32.const {DATA})))
  (global.set $end (i32.add (i32.load (i32.const 16)) (i32.load (i32.const 20))))
  (drop (call $run))
  (i32.const 1))
(func $run (result i32)
  (local $count i32) (local $answer i32)
  (if (i32.gt_u (i32.add (global.get $cursor) (i32.const 8)) (global.get $end))
    (then (return (i32.const 0))))
  (local.set $count (i32.load (global.get $cursor)))
  (local.set $answer (i32.load offset=4 (global.get $cursor)))
  (global.set $cursor (i32.add (global.get $cursor) (i32.const 8)))
  (block $over
    (loop $next
      (br_if $over (i32.eqz (local.get $count)))
      (br_if $over (i32.gt_u (i32.add (global.get $cursor) (i32.const {RECORD})) (global.get $end)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (global.set $cursor (i32.add (global.get $cursor) (i32.const {RECORD})))
      (drop (call $make (i32.sub (global.get $cursor) (i32.const {RECORD}))))
      (br $next)))
  (local.get $answer))"#,
        get_buffer = HOSTCALLS
            .iter()
            .position(|(name, _)| *name == "proxy_get_buffer_bytes")
            .unwrap_or(0),
    );
    text.push_str(&dispatch());
    for (name, parameters, answers) in CALLBACKS {
        let parameters = "i32 ".repeat(*parameters);
        let (result, body) = if *answers { ("(result i32)", "(call $run)") } else { ("", "(drop (call $run))") };
        // A VM that refuses to start shows nothing.
        let body = if *name == "vm_start" { "(drop (call $run)) (i32.const 1)" } else { body };
        let _ = writeln!(
            text,
            r#"(func (export "proxy_on_{name}") (param {parameters}) {result} {body})"#
        );
    }
    text.push(')');
    text
}

/// The function that makes the call of the record at an address.
fn dispatch() -> String {
    let calls: Vec<_> = HOSTCALLS.iter().chain(WASI).collect();
    let labels: Vec<_> = (0..calls.len()).map(|index| index.to_string()).collect();
    let mut body = format!(
        "(br_table {} {} (i32.load (local.get 0)))",
        labels.join(" "),
        calls.len() - 1
    );
    for (index, (name, parameters)) in calls.iter().enumerate() {
        let arguments: String = parameters
            .iter()
            .enumerate()
            .map(|(place, ty)| format!("({ty}.load offset={} (local.get 0))", 8 + 8 * place))
            .collect();
        let made = format!("(call $c{index} {arguments})");
        let returned = if *name == "proc_exit" {
            format!("{made} (return (i32.const 0))")
        } else {
            format!("(return {made})")
        };
        body = format!("(block {body}) {returned}");
    }
    format!("(func $make (param i32) (result i32) {body})\n")
}

/// Takes a fuzzer's bytes apart; zeros when there are no more.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An argument: mostly a number that means something somewhere.
    fn argument(&mut self) -> u64 {
        let kind = self.byte();
        match kind {
            // Enums, ids, short lengths.
            0..=95 => u64::from(kind % 24),
            // Where the data lies.
            96..=159 => u64::from(HEAP) + u64::from(self.byte()) * 4,
            // Where nothing lies that matters.
            160..=199 => 32 + u64::from(kind - 160) * 8,
            200..=219 => u64::from(self.byte()) * 16,
            // Edges: of memory, of numbers.
            220..=227 => u64::from(PAGES) * 65536 - u64::from(kind - 220),
            228 => u64::from(u32::MAX),
            229 => i64::MAX as u64,
            230 => i64::MIN as u64,
            231 => u64::MAX,
            232 => 1 << 31,
            233..=239 => u64::from(u32::MAX - u32::from(kind)),
            _ => {
                let mut word = [0; 4];
                word.fill_with(|| self.byte());
                u64::from(u32::from_le_bytes(word))
            }
        }
    }

    /// Some data, some callbacks with their calls: what the guest takes as its program.
    pub fn program(&mut self) -> Vec<u8> {
        let mut program = vec![0; DATA];
        let fixed = b":path\0x\0content-length\0request\0headers\0x-forwarded-for\0k\0u\0f\0\
            \x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0\
            \x03\0\0\0\x07\0\0\0\x03\0\0\0\x05\0\0\0\x01\0\0\0\x0a\0\0\0\x01\0\0\0\
            :method\0GET\0:path\0/\0:authority\0a\0";
        program[..fixed.len()].copy_from_slice(fixed);
        let own = usize::from(self.byte());
        for byte in &mut program[512..512 + own] {
            *byte = self.byte();
        }
        let calls = (HOSTCALLS.len() + WASI.len()) as u8;
        for _ in 0..16 {
            let header = self.byte();
            let count = u32::from(header % 7);
            let answer = u32::from(header / 7 % 4);
            program.extend_from_slice(&count.to_le_bytes());
            program.extend_from_slice(&answer.to_le_bytes());
            for _ in 0..count {
                let call = self.byte() % calls;
                program.extend_from_slice(&u64::from(call).to_le_bytes());
                let parameters = HOSTCALLS.iter().chain(WASI).nth(usize::from(call));
                let arity = parameters.map_or(0, |(_, parameters)| parameters.len());
                for place in 0..ARGUMENTS {
                    let argument = if place < arity { self.argument() } else { 0 };
                    program.extend_from_slice(&argument.to_le_bytes());
                }
            }
        }
        program
    }
}
