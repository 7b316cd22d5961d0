//! Every hostcall and every callback with its file of cases: a missing file does not compile.

use gatewright_abi::{Callback, Hostcall};

use super::case::{Case, check, load};
use super::model::Host;

macro_rules! hostcall_files {
    ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
        /// The file of cases of each hostcall.
        pub const HOSTCALLS: &[(Hostcall, &str)] =
            &[$((Hostcall::$variant, include_str!(concat!("cases/", $name, ".yaml"))),)*];
    };
}

macro_rules! callback_files {
    ($($variant:ident $name:literal;)*) => {
        /// The file of cases of each callback.
        pub const CALLBACKS: &[(Callback, &str)] =
            &[$((Callback::$variant, include_str!(concat!("cases/", $name, ".yaml"))),)*];
    };
}

gatewright_abi::foreach_hostcall!(hostcall_files);
gatewright_abi::foreach_callback!(callback_files);

/// Files of cases about more than one call.
pub const MORE: &[(&str, &str)] = &[
    ("allocator", include_str!("cases/allocator.yaml")),
    ("initialize", include_str!("cases/initialize.yaml")),
    ("faults", include_str!("cases/faults.yaml")),
    ("wasi", include_str!("cases/wasi.yaml")),
];

/// Every case with the name of its file.
///
/// # Errors
/// A text that names the file that is no file of cases.
pub fn all() -> Result<Vec<(&'static str, Case)>, String> {
    let hostcalls = HOSTCALLS.iter().map(|(call, text)| (call.name(), *text));
    let callbacks = CALLBACKS.iter().map(|(call, text)| (call.name(), *text));
    let more = MORE.iter().copied();
    let mut cases = Vec::new();
    for (name, text) in hostcalls.chain(callbacks).chain(more) {
        let read = load(text).map_err(|error| format!("{name}.yaml: {error}"))?;
        cases.extend(read.into_iter().map(|case| (name, case)));
    }
    Ok(cases)
}

/// How many hostcalls have a case whose expected trace in this profile shows the call and what it
/// answered.
pub fn hostcalls_covered(profile: &str) -> usize {
    let covered = HOSTCALLS
        .iter()
        .filter(|(call, text)| shows(*call, &load(text).unwrap_or_default(), profile));
    covered.count()
}

/// How many hostcalls are shown like this by cases to which the host holds, all of them.
pub fn hostcalls_held(host: &mut dyn Host, profile: &str) -> usize {
    let held = HOSTCALLS.iter().filter(|(call, text)| {
        let cases = load(text).unwrap_or_default();
        shows(*call, &cases, profile)
            && cases
                .iter()
                .all(|case| check(host, call.name(), case, profile).is_empty())
    });
    held.count()
}

/// Whether the expected trace of some case shows the call and what it answered.
fn shows(call: Hostcall, cases: &[Case], profile: &str) -> bool {
    let verb = call.name().strip_prefix("proxy_").unwrap_or_default();
    cases.iter().any(|case| {
        let lines = case.expected(profile).unwrap_or_default();
        let is = |line: &&str| line.split(' ').next() == Some(verb) && line.contains(" = ");
        lines.iter().any(is)
    })
}
