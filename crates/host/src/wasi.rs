//! WASI preview 1 as proxy-wasm hosts offer it: standard output and error, clock, randomness, and
//! an empty environment. Everything else exists, because a Rust plugin imports nearly all of it
//! whatever it uses, and answers an error number.

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use gatewright_abi::LogLevel;

use crate::fault::Ended;
use crate::finding::FindingKind;
use crate::hostcalls::{memory, read, write};
use crate::state::{Mode, State};
use crate::trace::LogSource;

/// Error numbers of WASI that hosts answer.
mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const FAULT: i32 = 21;
    pub(super) const INVAL: i32 = 28;
    pub(super) const NOENT: i32 = 44;
    pub(super) const NOSYS: i32 = 52;
    pub(super) const NOTSUP: i32 = 58;
    pub(super) const NOTCAPABLE: i32 = 76;
}

/// The modules under which the functions are imported.
const MODULES: &[&str] = &["wasi_snapshot_preview1", "wasi_unstable"];

/// Functions that answer one number whatever they are asked: name, parameters, answer.
const CONSTANT: &[(&str, &str, i32)] = &[
    ("args_get", "ii", errno::SUCCESS),
    ("clock_res_get", "ii", errno::NOTSUP),
    ("environ_get", "ii", errno::SUCCESS),
    ("fd_advise", "iIIi", errno::NOTSUP),
    ("fd_allocate", "iII", errno::NOTSUP),
    ("fd_close", "i", errno::SUCCESS),
    ("fd_datasync", "i", errno::NOTSUP),
    ("fd_fdstat_set_flags", "ii", errno::NOTSUP),
    ("fd_fdstat_set_rights", "iII", errno::NOTSUP),
    ("fd_filestat_get", "ii", errno::NOTSUP),
    ("fd_filestat_set_size", "iI", errno::NOTSUP),
    ("fd_filestat_set_times", "iIIi", errno::NOTSUP),
    ("fd_pread", "iiiIi", errno::NOTSUP),
    ("fd_prestat_dir_name", "iii", errno::NOTSUP),
    ("fd_prestat_get", "ii", errno::BADF),
    ("fd_pwrite", "iiiIi", errno::NOTSUP),
    ("fd_read", "iiii", errno::NOSYS),
    ("fd_readdir", "iiiIi", errno::NOTSUP),
    ("fd_renumber", "ii", errno::NOTSUP),
    ("fd_seek", "iIii", errno::SUCCESS),
    ("fd_sync", "i", errno::NOTSUP),
    ("fd_tell", "ii", errno::NOTSUP),
    ("path_create_directory", "iii", errno::NOTSUP),
    ("path_filestat_get", "iiiii", errno::NOTSUP),
    ("path_filestat_set_times", "iiiiIIi", errno::NOTSUP),
    ("path_link", "iiiiiii", errno::NOTSUP),
    ("path_open", "iiiiiIIii", errno::NOENT),
    ("path_readlink", "iiiiii", errno::NOTSUP),
    ("path_remove_directory", "iii", errno::NOTSUP),
    ("path_rename", "iiiiii", errno::NOTSUP),
    ("path_symlink", "iiiii", errno::NOTSUP),
    ("path_unlink_file", "iii", errno::NOTSUP),
    ("poll_oneoff", "iiii", errno::SUCCESS),
    ("sched_yield", "", errno::SUCCESS),
    ("sock_accept", "iii", errno::NOTSUP),
    ("sock_recv", "iiiiii", errno::NOTSUP),
    ("sock_send", "iiiii", errno::NOTSUP),
    ("sock_shutdown", "ii", errno::NOTSUP),
];

/// Functions that do something.
const WORKING: &[&str] = &[
    "args_sizes_get",
    "clock_time_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_write",
    "proc_exit",
    "random_get",
];

/// Whether hosts offer a WASI function of this name.
pub(crate) fn is_known(name: &str) -> bool {
    WORKING.contains(&name) || CONSTANT.iter().any(|(known, ..)| *known == name)
}

/// Whether hosts answer this function with an error, whatever it is asked.
pub(crate) fn refuses(name: &str) -> bool {
    const REFUSALS: [i32; 3] = [errno::NOENT, errno::NOSYS, errno::NOTSUP];
    CONSTANT
        .iter()
        .any(|(known, _, answer)| *known == name && REFUSALS.contains(answer))
}

/// Defines every function under both module names.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for module in MODULES {
        for (name, parameters, answer) in CONSTANT {
            let parameters = parameters.chars().map(|letter| match letter {
                'I' => ValType::I64,
                _ => ValType::I32,
            });
            let ty = FuncType::new(linker.engine(), parameters, [ValType::I32]);
            linker.func_new(module, name, ty, move |mut caller, _arguments, results| {
                if let Some(result) = results.first_mut() {
                    let refused = refused(caller.data_mut(), name)?;
                    *result = Val::I32(refused.unwrap_or(*answer));
                }
                Ok(())
            })?;
        }
        for name in ["args_sizes_get", "environ_sizes_get"] {
            linker.func_wrap(
                module,
                name,
                move |caller: Caller<'_, State>, count, size| zero_sizes(caller, name, count, size),
            )?;
        }
        linker.func_wrap(module, "clock_time_get", clock_time_get)?;
        linker.func_wrap(module, "fd_fdstat_get", fd_fdstat_get)?;
        linker.func_wrap(module, "fd_write", fd_write)?;
        linker.func_wrap(module, "random_get", random_get)?;
        // Hosts do not end the guest here; what a Rust program does next is to trap.
        linker.func_wrap(module, "proc_exit", |_code: i32| {})?;
    }
    Ok(())
}

/// What the guest may call while its allocator runs.
const WHILE_ALLOCATING: &[&str] = &["fd_write", "clock_time_get", "poll_oneoff"];

/// Whether a call is refused: with an error number for want of a capability, or with the guest's
/// end while its allocator runs.
fn refused(state: &mut State, name: &'static str) -> wasmtime::Result<Option<i32>> {
    if state.mode == Mode::Allocating && !WHILE_ALLOCATING.contains(&name) {
        let ended = Ended::Restricted(name, "the allocator runs");
        return Err(wasmtime::Error::new(ended));
    }
    let capabilities = state.settings.capabilities.as_ref();
    if capabilities.is_none_or(|capabilities| capabilities.allows(name)) {
        return Ok(None);
    }
    state.find(FindingKind::CapabilityDenied, || name.to_owned());
    Ok(Some(errno::NOTCAPABLE))
}

/// Nothing in the environment, no arguments.
fn zero_sizes(
    mut caller: Caller<'_, State>,
    name: &'static str,
    count: u32,
    size: u32,
) -> wasmtime::Result<i32> {
    if let Some(refused) = refused(caller.data_mut(), name)? {
        return Ok(refused);
    }
    let memory = memory(&mut caller)?;
    let bytes = memory.data_mut(&mut caller);
    let written = write(bytes, count, &[0; 4]).and_then(|()| write(bytes, size, &[0; 4]));
    Ok(written.map_or(errno::FAULT, |()| errno::SUCCESS))
}

/// Realtime and monotonic clocks, which show the same moment to a guest.
fn clock_time_get(
    mut caller: Caller<'_, State>,
    clock: u32,
    _precision: u64,
    out: u32,
) -> wasmtime::Result<i32> {
    if let Some(refused) = refused(caller.data_mut(), "clock_time_get")? {
        return Ok(refused);
    }
    let memory = memory(&mut caller)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    let now = match clock {
        0 => state.now(),
        1 if state.rules.clock == crate::profile::Clock::Live => state.door.monotonic(),
        1 => state.now(),
        _ => return Ok(errno::NOTSUP),
    };
    Ok(write(bytes, out, &now.to_le_bytes()).map_or(errno::FAULT, |()| errno::SUCCESS))
}

/// Standard output and error can be written to; there are no other files.
fn fd_fdstat_get(mut caller: Caller<'_, State>, fd: u32, out: u32) -> wasmtime::Result<i32> {
    if let Some(refused) = refused(caller.data_mut(), "fd_fdstat_get")? {
        return Ok(refused);
    }
    if fd != 1 && fd != 2 {
        return Ok(errno::BADF);
    }
    let memory = memory(&mut caller)?;
    let mut stat = [0; 24];
    stat[8] = 64; // The right to write, in the lowest byte of the base rights.
    let written = write(memory.data_mut(&mut caller), out, &stat);
    Ok(written.map_or(errno::FAULT, |()| errno::SUCCESS))
}

/// Standard output is logged at `INFO`, standard error at `ERROR`, one trailing newline cut off.
fn fd_write(
    mut caller: Caller<'_, State>,
    fd: u32,
    vectors: u32,
    count: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    if let Some(refused) = refused(caller.data_mut(), "fd_write")? {
        return Ok(refused);
    }
    let (level, source) = match fd {
        1 => (LogLevel::Info, LogSource::Stdout),
        2 => (LogLevel::Error, LogSource::Stderr),
        _ => return Ok(errno::BADF),
    };
    let memory = memory(&mut caller)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    let mut text = Vec::new();
    for index in 0..count {
        let Some(part) = io_vector(bytes, vectors, index) else {
            return Ok(errno::FAULT);
        };
        // Vectors may overlap, so that a few bytes of guest could ask for more than the machine has.
        if text.len() + part.len() > bytes.len() {
            return Ok(errno::INVAL);
        }
        text.extend_from_slice(part);
    }
    let written = text.len() as u32;
    if written > 0 {
        state.meter.bytes_from_guest += u64::from(written);
        state.log(level, source, text.strip_suffix(b"\n").unwrap_or(&text));
    }
    Ok(write(bytes, out, &written.to_le_bytes()).map_or(errno::FAULT, |()| errno::SUCCESS))
}

fn io_vector(memory: &[u8], vectors: u32, index: u32) -> Option<&[u8]> {
    let at = vectors.checked_add(index.checked_mul(8)?)?;
    let word = |at| -> Option<u32> {
        Some(u32::from_le_bytes(
            read(memory, at, 4).ok()?.try_into().ok()?,
        ))
    };
    read(memory, word(at)?, word(at.checked_add(4)?)?).ok()
}

fn random_get(mut caller: Caller<'_, State>, out: u32, length: u32) -> wasmtime::Result<i32> {
    if let Some(refused) = refused(caller.data_mut(), "random_get")? {
        return Ok(refused);
    }
    let memory = memory(&mut caller)?;
    let (bytes, state) = memory.data_and_store_mut(&mut caller);
    if length as usize > state.limits.random_bytes {
        return Ok(errno::INVAL);
    }
    let target = bytes
        .get_mut(out as usize..)
        .and_then(|rest| rest.get_mut(..length as usize));
    Ok(match target {
        Some(target) => {
            state.door.random(target);
            errno::SUCCESS
        }
        None => errno::FAULT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_defined_once() {
        let mut names: Vec<_> = CONSTANT.iter().map(|(name, ..)| *name).collect();
        names.extend(WORKING);
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(count, 45);
    }
}
