//! What production does, as data: one table of rules a platform.
//!
//! Every difference between the platforms that the host emulates is a field of [`Rules`], and every
//! value is in this file. Code asks the rules; it never asks which platform it is.

use std::fmt;
use std::str::FromStr;

use gatewright_abi::Hostcall;

use crate::limits::Limits;

/// The platform whose behaviour is emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Google Cloud's load balancers, as Service Extensions run plugins.
    #[default]
    Google,
    /// Google's own test tool for plugins, its quirks included.
    Tester,
    /// Envoy with proxy-wasm-cpp-host.
    Envoy,
}

impl Profile {
    /// Every profile.
    pub const ALL: &'static [Self] = &[Self::Google, Self::Tester, Self::Envoy];

    /// The name as it is written in cases and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Tester => "tester",
            Self::Envoy => "envoy",
        }
    }

    /// What this platform does.
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::Google => &GOOGLE,
            Self::Tester => &TESTER,
            Self::Envoy => &ENVOY,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no profile; there are `google`, `tester` and `envoy`")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// How the platform treats a hostcall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what the specification says.
    Works,
    /// It answers `UNIMPLEMENTED` and does nothing.
    Unimplemented,
    /// It answers `OK` and does nothing.
    Ignored,
    /// It answers `NOT_FOUND` and does nothing.
    NotFound,
}

/// What happens to a second field of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Each keeps its own line, and a read by name sees the first.
    Kept,
    /// They become one field, values joined by a comma and a space, and the map is sorted by name.
    Merged,
    /// As Envoy's header map has it: some names have one line, to which further values are joined;
    /// pseudo-headers come first, and what is set comes last.
    Inline,
}

/// What the clock shows to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The moment its context was created.
    FrozenPerContext,
    /// The moment of the call.
    Live,
}

/// What becomes of a local reply that comes when response headers have left already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateReply {
    /// The guest is told `OK`, and nothing happens.
    Dropped,
    /// The guest is told `OK`, and the stream to the client is reset.
    Resets,
}

/// When a guest may read and write header maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderAccess {
    /// Only the map of the header callback that runs.
    CurrentCallback,
    /// The map of a callback that runs or that paused and was not continued; in `on_log`, all maps
    /// for reading.
    UntilContinued,
}

/// Which bytes of a body a guest may overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferWrites {
    /// Any range; its start is moved back to the end of the buffer.
    Anywhere,
    /// A range from the first byte on, or past the last; anything else is `BAD_ARGUMENT`.
    Ends,
}

/// What `proxy_get_log_level` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevelAnswer {
    /// The level that is set.
    Set,
    /// `TRACE`, whatever is set.
    Trace,
}

/// What becomes of an item put into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueue {
    /// The plugin that registered the queue is told.
    Announces,
    /// The host itself fails: it has nobody to tell.
    Fails,
}

/// What a body shows to a guest outside of its callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsentBody {
    /// `NOT_FOUND`.
    NotFound,
    /// `OK`, and nothing in it.
    Empty,
}

/// Everything in which one platform differs from another.
#[derive(Debug)]
pub struct Rules {
    /// Treatment of each hostcall, by its place in [`Hostcall::ALL`].
    pub(crate) support: [Support; Hostcall::ALL.len()],
    /// Limits that the platform enforces.
    pub limits: Limits,
    /// What happens to duplicate headers.
    pub duplicates: Duplicates,
    /// Whether header names are lower-cased.
    pub lower_names: bool,
    /// When header maps are there.
    pub header_access: HeaderAccess,
    /// What may be written to a body.
    pub buffer_writes: BufferWrites,
    /// What the clock shows.
    pub clock: Clock,
    /// Whether `Pause` holds a stream; where it does not, it is ignored.
    pub pause: bool,
    /// Whether trailers are delivered.
    pub trailers: bool,
    /// Whether `on_log` is called.
    pub on_log: bool,
    /// Whether header callbacks are told that the stream ends with the headers.
    pub end_of_stream_on_headers: bool,
    /// What a late local reply does.
    pub late_reply: LateReply,
    /// Whether edits to the headers that the load balancer owns are ignored.
    pub protected_headers: bool,
    /// Where properties come from.
    pub properties: Properties,
    /// Whether the plugin's configuration can be read outside of `on_configure` too.
    pub configuration_always: bool,
    /// Whether VMs have a configuration, which can be read at any time.
    pub vm_configuration: bool,
    /// What a body shows outside of its callback.
    pub absent_body: AbsentBody,
    /// What `proxy_get_log_level` answers.
    pub log_level: LogLevelAnswer,
    /// What becomes of an item put into a queue.
    pub enqueue: Enqueue,
    /// What `proxy_get_status` answers whatever happened; `None` for what a callout ended with.
    pub status: Option<(u32, &'static str)>,
    /// Whether a reply of a plugin passes the response callbacks of the plugins that the request
    /// came to.
    pub replies_pass_plugins: bool,
    /// Whether a plugin that failed is started again, unless its settings say otherwise.
    pub restarts: bool,
    /// Whether a plugin that fails open lets the very exchange go on in which it fails.
    pub open_when_it_fails: bool,
    /// The status that a client sees when a plugin fails closed.
    pub failure_status: u16,
}

/// Where properties come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Properties {
    /// Those that the case or the extension forwards, and the plugin's root id.
    Forwarded,
    /// Those of the test, looked up by their dotted name; outside of a stream only the root id.
    Given,
    /// Those that the proxy computes from the stream, and what was set.
    Computed,
}

impl Rules {
    /// How the platform treats this hostcall.
    #[inline]
    pub const fn support(&self, call: Hostcall) -> Support {
        self.support[call as usize]
    }
}

/// The hostcalls that work in production by its documentation: logs, clock, replies, headers,
/// bodies, configuration, properties.
const DOCUMENTED: &[Hostcall] = &[
    Hostcall::Done,
    Hostcall::SetEffectiveContext,
    Hostcall::Log,
    Hostcall::GetLogLevel,
    Hostcall::GetCurrentTimeNanoseconds,
    Hostcall::SetBufferBytes,
    Hostcall::GetBufferBytes,
    Hostcall::GetBufferStatus,
    Hostcall::GetHeaderMapSize,
    Hostcall::GetHeaderMapPairs,
    Hostcall::SetHeaderMapPairs,
    Hostcall::GetHeaderMapValue,
    Hostcall::AddHeaderMapValue,
    Hostcall::ReplaceHeaderMapValue,
    Hostcall::RemoveHeaderMapValue,
    Hostcall::SendLocalResponse,
    Hostcall::GetProperty,
];

/// A table in which the calls listed work and the others answer `UNIMPLEMENTED`, then the
/// exceptions.
const fn support(
    works: &[Hostcall],
    exceptions: &[(Hostcall, Support)],
) -> [Support; Hostcall::ALL.len()] {
    let mut table = [Support::Unimplemented; Hostcall::ALL.len()];
    let mut index = 0;
    while index < works.len() {
        table[works[index] as usize] = Support::Works;
        index += 1;
    }
    index = 0;
    while index < exceptions.len() {
        table[exceptions[index].0 as usize] = exceptions[index].1;
        index += 1;
    }
    table
}

/// The load balancer. Where its documentation says nothing, the choice is the tester's, which is
/// built by the same people on the same library.
static GOOGLE: Rules = Rules {
    support: support(
        DOCUMENTED,
        &[(Hostcall::CallForeignFunction, Support::NotFound)],
    ),
    limits: Limits::GOOGLE,
    duplicates: Duplicates::Kept,
    lower_names: true,
    header_access: HeaderAccess::CurrentCallback,
    buffer_writes: BufferWrites::Anywhere,
    clock: Clock::FrozenPerContext,
    pause: false,
    trailers: false,
    on_log: false,
    end_of_stream_on_headers: true,
    // Undocumented. The engine behind the load balancer resets a stream whose response has begun.
    late_reply: LateReply::Resets,
    protected_headers: true,
    properties: Properties::Forwarded,
    configuration_always: true,
    vm_configuration: false,
    absent_body: AbsentBody::NotFound,
    log_level: LogLevelAnswer::Set,
    enqueue: Enqueue::Announces,
    status: None,
    // Undocumented. The tester delivers nothing after a reply, and its authors run production.
    replies_pass_plugins: false,
    // "If frequent, plugin restarts are throttled": so there are restarts.
    restarts: true,
    open_when_it_fails: true,
    failure_status: 500,
};

/// Google's tester.
static TESTER: Rules = Rules {
    support: support(
        DOCUMENTED,
        &[
            (Hostcall::GetLogLevel, Support::Works),
            (Hostcall::SetTickPeriodMilliseconds, Support::Ignored),
            (Hostcall::SetSharedData, Support::Works),
            (Hostcall::GetSharedData, Support::Works),
            (Hostcall::RegisterSharedQueue, Support::Works),
            (Hostcall::ResolveSharedQueue, Support::Works),
            (Hostcall::DequeueSharedQueue, Support::Works),
            (Hostcall::EnqueueSharedQueue, Support::Works),
            (Hostcall::GetStatus, Support::Works),
            (Hostcall::CallForeignFunction, Support::NotFound),
        ],
    ),
    limits: Limits::TESTER,
    duplicates: Duplicates::Merged,
    lower_names: false,
    header_access: HeaderAccess::CurrentCallback,
    buffer_writes: BufferWrites::Anywhere,
    clock: Clock::FrozenPerContext,
    pause: false,
    trailers: false,
    on_log: false,
    end_of_stream_on_headers: false,
    late_reply: LateReply::Dropped,
    protected_headers: false,
    properties: Properties::Given,
    configuration_always: true,
    vm_configuration: false,
    absent_body: AbsentBody::NotFound,
    log_level: LogLevelAnswer::Trace,
    enqueue: Enqueue::Fails,
    // Spelt as its library spells it.
    status: Some((1, "unimplmemented")),
    replies_pass_plugins: false,
    restarts: false,
    open_when_it_fails: true,
    failure_status: 500,
};

/// Envoy.
static ENVOY: Rules = Rules {
    support: [Support::Works; Hostcall::ALL.len()],
    limits: Limits::ENVOY,
    duplicates: Duplicates::Inline,
    lower_names: true,
    header_access: HeaderAccess::UntilContinued,
    buffer_writes: BufferWrites::Ends,
    clock: Clock::Live,
    pause: true,
    trailers: true,
    on_log: true,
    end_of_stream_on_headers: true,
    late_reply: LateReply::Resets,
    protected_headers: false,
    properties: Properties::Computed,
    configuration_always: false,
    vm_configuration: true,
    absent_body: AbsentBody::Empty,
    log_level: LogLevelAnswer::Set,
    enqueue: Enqueue::Announces,
    status: None,
    replies_pass_plugins: true,
    // `FAIL_CLOSED` is the default; `FAIL_RELOAD` is set in the plugin's settings.
    restarts: false,
    // Envoy resets or answers 503 where the VM fails; `FAIL_OPEN` is about what comes after.
    open_when_it_fails: false,
    failure_status: 503,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_profile() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse::<Profile>().as_ref(), Ok(profile));
        }
        assert!("production".parse::<Profile>().is_err());
    }

    #[test]
    fn the_load_balancer_offers_no_callouts() {
        let rules = Profile::Google.rules();
        assert_eq!(rules.support(Hostcall::HttpCall), Support::Unimplemented);
        assert_eq!(rules.support(Hostcall::SendLocalResponse), Support::Works);
    }
}
