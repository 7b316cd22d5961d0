//! As much of WASI preview 1 as a test program needs.

use std::sync::Arc;

use wasmtime::{Caller, Extern, Linker};

use super::Start;

mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const FAULT: i32 = 21;
    pub(super) const NOSYS: i32 = 52;
    pub(super) const SPIPE: i32 = 70;
}

/// What a running program sees and has done.
pub(super) struct State {
    /// Ended by zero bytes, as C has them.
    arguments: Vec<Vec<u8>>,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    random: u64,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) exit: Option<i32>,
}

impl State {
    pub(super) fn new(start: &Start) -> Self {
        let ended = |argument: &String| [argument.as_bytes(), &[0]].concat();
        Self {
            arguments: start.arguments.iter().map(ended).collect(),
            clock: Arc::clone(&start.clock),
            random: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            exit: None,
        }
    }
}

const MODULE: &str = "wasi_snapshot_preview1";

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "args_sizes_get", args_sizes_get)?;
    linker.func_wrap(MODULE, "args_get", args_get)?;
    linker.func_wrap(MODULE, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(MODULE, "environ_get", |_: i32, _: i32| errno::SUCCESS)?;
    linker.func_wrap(MODULE, "clock_time_get", clock_time_get)?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "proc_exit", proc_exit)?;
    linker.func_wrap(MODULE, "sched_yield", || errno::SUCCESS)?;
    linker.func_wrap(MODULE, "fd_close", |_: i32| errno::SUCCESS)?;
    linker.func_wrap(MODULE, "fd_seek", |_: i32, _: i64, _: i32, _: i32| {
        errno::SPIPE
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(MODULE, "fd_prestat_get", |_: i32, _: i32| errno::BADF)?;
    linker.func_wrap(MODULE, "fd_read", |_: i32, _: i32, _: i32, _: i32| {
        errno::NOSYS
    })?;
    Ok(())
}

/// Memory and state of the caller.
fn parts<'a>(caller: &'a mut Caller<'_, State>) -> Option<(&'a mut [u8], &'a mut State)> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Some(memory.data_and_store_mut(caller)),
        _ => None,
    }
}

fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> Option<()> {
    let start = usize::try_from(at).ok()?;
    let target = memory.get_mut(start..start.checked_add(bytes.len())?)?;
    target.copy_from_slice(bytes);
    Some(())
}

fn word(memory: &[u8], at: u32) -> Option<u32> {
    let start = usize::try_from(at).ok()?;
    let bytes = memory.get(start..start.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn answer(done: Option<()>) -> i32 {
    done.map_or(errno::FAULT, |()| errno::SUCCESS)
}

fn sizes(memory: &mut [u8], count: u32, size: u32, items: &[Vec<u8>]) -> Option<()> {
    let bytes: usize = items.iter().map(Vec::len).sum();
    write(
        memory,
        count,
        &u32::try_from(items.len()).ok()?.to_le_bytes(),
    )?;
    write(memory, size, &u32::try_from(bytes).ok()?.to_le_bytes())
}

fn args_sizes_get(mut caller: Caller<'_, State>, count: u32, size: u32) -> i32 {
    answer(
        parts(&mut caller).and_then(|(memory, state)| sizes(memory, count, size, &state.arguments)),
    )
}

fn environ_sizes_get(mut caller: Caller<'_, State>, count: u32, size: u32) -> i32 {
    answer(parts(&mut caller).and_then(|(memory, _)| sizes(memory, count, size, &[])))
}

fn args_get(mut caller: Caller<'_, State>, mut pointers: u32, mut at: u32) -> i32 {
    answer(parts(&mut caller).and_then(|(memory, state)| {
        for argument in &state.arguments {
            write(memory, pointers, &at.to_le_bytes())?;
            write(memory, at, argument)?;
            pointers = pointers.checked_add(4)?;
            at = at.checked_add(u32::try_from(argument.len()).ok()?)?;
        }
        Some(())
    }))
}

fn clock_time_get(mut caller: Caller<'_, State>, _clock: i32, _precision: i64, out: u32) -> i32 {
    answer(parts(&mut caller).and_then(|(memory, state)| {
        let now = (state.clock)();
        write(memory, out, &now.to_le_bytes())
    }))
}

/// From a seed, so that a test that fails fails again.
fn random_get(mut caller: Caller<'_, State>, out: u32, size: u32) -> i32 {
    answer(parts(&mut caller).and_then(|(memory, state)| {
        for at in out..out.checked_add(size)? {
            state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let [byte, ..] = (word ^ (word >> 31)).to_le_bytes();
            write(memory, at, &[byte])?;
        }
        Some(())
    }))
}

fn fd_write(mut caller: Caller<'_, State>, fd: i32, vectors: u32, count: u32, out: u32) -> i32 {
    answer(parts(&mut caller).and_then(|(memory, state)| {
        let mut written = Vec::new();
        for index in 0..count {
            let at = vectors.checked_add(index.checked_mul(8)?)?;
            let start = usize::try_from(word(memory, at)?).ok()?;
            let size = usize::try_from(word(memory, at.checked_add(4)?)?).ok()?;
            let part = memory.get(start..start.checked_add(size)?)?;
            // Vectors may overlap: a program that fits into memory writes no more than it.
            if written.len() + part.len() > memory.len() {
                return None;
            }
            written.extend_from_slice(part);
        }
        write(
            memory,
            out,
            &u32::try_from(written.len()).ok()?.to_le_bytes(),
        )?;
        match fd {
            1 => state.stdout.append(&mut written),
            2 => state.stderr.append(&mut written),
            _ => return None,
        }
        Some(())
    }))
}

/// Standard output and error are character devices that can be written to.
fn fd_fdstat_get(mut caller: Caller<'_, State>, fd: i32, out: u32) -> i32 {
    if !(0..=2).contains(&fd) {
        return errno::BADF;
    }
    let mut stat = [0; 24];
    stat[0] = 2;
    stat[8] = 64;
    answer(parts(&mut caller).and_then(|(memory, _)| write(memory, out, &stat)))
}

/// The one way to end a program from within: a trap, with the code put down before.
fn proc_exit(mut caller: Caller<'_, State>, code: i32) -> wasmtime::Result<()> {
    caller.data_mut().exit = Some(code);
    Err(wasmtime::Error::msg("the program exited"))
}
