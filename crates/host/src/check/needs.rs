//! What a plugin says it needs beyond what the load balancer offers, and what its module shows.

use std::fmt;
use std::str::FromStr;

use gatewright_abi::Hostcall;

use super::{ModuleFinding, ModuleFindingKind};
use crate::module::ModuleInfo;
use crate::profile::{Profile, Support};

/// A capability that not every platform has, by the name that a plugin's manifest gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Calls to HTTP upstreams.
    HttpCallouts,
    /// Calls to gRPC upstreams.
    GrpcCallouts,
    /// Counters, gauges and histograms.
    Metrics,
    /// Data that VMs share.
    SharedData,
    /// Queues between VMs.
    Queues,
    /// A callback in a rhythm.
    Ticks,
    /// Functions that one build of a host offers.
    ForeignFunctions,
}

impl Need {
    /// Every need.
    pub const ALL: &'static [Self] = &[
        Self::HttpCallouts,
        Self::GrpcCallouts,
        Self::Metrics,
        Self::SharedData,
        Self::Queues,
        Self::Ticks,
        Self::ForeignFunctions,
    ];

    /// The name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpCallouts => "http-callouts",
            Self::GrpcCallouts => "grpc-callouts",
            Self::Metrics => "metrics",
            Self::SharedData => "shared-data",
            Self::Queues => "queues",
            Self::Ticks => "ticks",
            Self::ForeignFunctions => "foreign-functions",
        }
    }

    /// The hostcalls that it is made of.
    pub const fn hostcalls(self) -> &'static [Hostcall] {
        match self {
            Self::HttpCallouts => &[Hostcall::HttpCall],
            Self::GrpcCallouts => &[Hostcall::GrpcCall, Hostcall::GrpcStream],
            Self::Metrics => &[Hostcall::DefineMetric],
            Self::SharedData => &[Hostcall::GetSharedData, Hostcall::SetSharedData],
            Self::Queues => &[Hostcall::RegisterSharedQueue, Hostcall::ResolveSharedQueue],
            Self::Ticks => &[Hostcall::SetTickPeriodMilliseconds],
            Self::ForeignFunctions => &[Hostcall::CallForeignFunction],
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no need.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing a plugin can need; there are {names}", names = names())]
pub struct UnknownNeed(String);

fn names() -> String {
    let names: Vec<_> = Need::ALL.iter().map(|need| format!("`{need}`")).collect();
    names.join(", ")
}

impl FromStr for Need {
    type Err = UnknownNeed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.iter().copied();
        all.find(|need| need.name() == text)
            .ok_or_else(|| UnknownNeed(text.to_owned()))
    }
}

/// Holds what a plugin's manifest declares against the platform and against its module.
pub fn check_needs(info: &ModuleInfo, profile: Profile, declared: &[Need]) -> Vec<ModuleFinding> {
    let works = |call: &Hostcall| profile.rules().support(*call) == Support::Works;
    let mut findings = Vec::new();
    for need in Need::ALL {
        let is_declared = declared.contains(need);
        if is_declared && !need.hostcalls().iter().any(works) {
            let message = format!("needs `{need}`, which `{profile}` does not offer");
            findings.push(ModuleFinding::new(ModuleFindingKind::Need, message));
        }
        let imports = info.imports.iter().filter_map(|import| import.hostcall());
        let used = imports
            .filter(|call| need.hostcalls().contains(call))
            .map(|call| call.name())
            .next();
        if let Some(call) = used.filter(|_| !is_declared) {
            let message = format!("imports `{call}` and does not say that it needs `{need}`");
            findings.push(ModuleFinding::new(
                ModuleFindingKind::UndeclaredNeed,
                message,
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(declared: &[Need], import: Option<&str>, profile: Profile) -> Vec<String> {
        let import = import.map_or(String::new(), |name| {
            format!("(import \"env\" \"{name}\" (func (param i32) (result i32)))")
        });
        let wasm = wat::parse_str(format!("(module {import})")).unwrap();
        let info = ModuleInfo::read(&wasm).unwrap();
        let findings = check_needs(&info, profile, declared);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_need_is_refused_by_its_name_where_the_platform_lacks_it() {
        for need in Need::ALL {
            let found = codes(&[*need], None, Profile::Google);
            assert_eq!(found.len(), 1, "{found:?}");
            let expected = format!("error[Need]: needs `{need}`, which `google` does not offer;");
            assert!(found[0].starts_with(&expected), "{found:?}");
            assert!(codes(&[*need], None, Profile::Envoy).is_empty());
        }
    }

    #[test]
    fn a_need_that_the_module_shows_must_be_declared() {
        let tick = Some("proxy_set_tick_period_milliseconds");
        let found = codes(&[], tick, Profile::Envoy);
        assert!(
            found[0].contains("does not say that it needs `ticks`"),
            "{found:?}"
        );
        assert!(codes(&[Need::Ticks], tick, Profile::Envoy).is_empty());
    }

    #[test]
    fn every_name_finds_its_need_and_others_are_listed() {
        for need in Need::ALL {
            assert_eq!(need.name().parse(), Ok(*need));
        }
        let error = "metric".parse::<Need>().unwrap_err().to_string();
        assert!(error.contains("`metrics`"), "{error}");
    }
}
