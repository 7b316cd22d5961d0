//! Programs that end with this one, however it ends.

use std::process::Command;

/// Has the kernel kill what a command starts once this program is gone, also where it had no time to
/// do so itself, as after SIGKILL. Elsewhere than on Linux there is no such thing, and what is
/// started is ended only in order.
///
/// The kernel looks at the thread that starts it, not at the process: it must be one that stays as
/// long as the program does, which the main thread is. What the program starts in its turn is its
/// own to end.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "the standard library cannot say so before another program is run"
)]
pub(super) fn bind(command: &mut Command) {
    use std::io::{Error, ErrorKind};
    use std::os::unix::process::{CommandExt as _, parent_id};

    let here = std::process::id();
    let before = move || {
        // SAFETY: it takes numbers only.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
            return Err(Error::last_os_error());
        }
        // It may have gone before the kernel was asked, and then nobody tells.
        if parent_id() != here {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec it allocates nothing, takes no lock, and makes two system calls.
    unsafe { command.pre_exec(before) };
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub(super) fn bind(_: &mut Command) {}
