//! The two eras of GKE that manifests can be checked against, and what each admits: one table.

use crate::rule::Rule;

/// Which CRDs and words apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// GKE 1.33 from 1.33.3 on, the time of the documentation (August 2025).
    #[default]
    Gke133,
    /// The CRDs of April 2026, with callouts generally available.
    Gke202604,
}

impl Profile {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Gke133, Self::Gke202604];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gke133 => "gke-1.33",
            Self::Gke202604 => "gke-2026-04",
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == name)
    }

    /// What the profile admits.
    #[must_use]
    pub(crate) fn admits(self) -> &'static Admits {
        match self {
            Self::Gke133 => &GKE_1_33,
            Self::Gke202604 => &GKE_2026_04,
        }
    }
}

/// Where the profiles differ. Everything else is the same in both.
pub(crate) struct Admits {
    /// Groups of a `backendRef`, in the CRD's order, which the server's message keeps.
    pub(crate) backend_groups: &'static [&'static str],
    /// Kinds of a `backendRef`.
    pub(crate) backend_kinds: &'static [&'static str],
    /// Kinds that are called out to, and so take authority and body modes.
    pub(crate) authority_kinds: &'static [&'static str],
    /// Kinds that take body send modes.
    pub(crate) body_mode_kinds: &'static [&'static str],
    /// Pattern of `googleAPIServiceName`.
    pub(crate) google_api_name: &'static str,
    /// Words of the matcher beyond the common ones, as the pattern has them.
    pub(crate) matcher_words: &'static str,
    /// Bound on `celExpressions[].backendRefs`.
    pub(crate) cel_backend_refs: Option<usize>,
    /// Whether `observabilityMode` is a field.
    pub(crate) observability_mode: bool,
    /// How the server prints a value that is null.
    pub(crate) null: &'static str,
    /// Rules of the CRD that only this profile has.
    pub(crate) only: &'static [Rule],
    /// Message of the rule on a callout's authority.
    pub(crate) authority_message: &'static str,
    /// Message of the rules on body modes, after the field's name.
    pub(crate) body_mode_message: &'static str,
}

const GKE_1_33: Admits = Admits {
    backend_groups: &["", "networking.gke.io"],
    backend_kinds: &["Service", "GCPWasmPlugin"],
    authority_kinds: &["Service"],
    body_mode_kinds: &["Service"],
    google_api_name: r"^((modelarmor|dlp)\.([a-z0-9-]+\.rep\.)?googleapis\.com|(staging-modelarmor|staging-dlp)\.([a-z0-9-]+\.rep\.)?sandbox\.googleapis\.com)$",
    matcher_words: "",
    cel_backend_refs: None,
    observability_mode: false,
    null: "\"null\"",
    only: &[],
    authority_message: "authority must be set if backendRef kind is set to Service",
    body_mode_message: "can be configured only for extensions using backendRef with kind Service",
};

const GKE_2026_04: Admits = Admits {
    backend_groups: &["", "net.gke.io", "networking.gke.io", "apim.googleapis.com"],
    backend_kinds: &[
        "Service",
        "ServiceImport",
        "GCPWasmPlugin",
        "ApigeeBackendService",
    ],
    authority_kinds: &["Service", "ServiceImport"],
    body_mode_kinds: &["Service", "ApigeeBackendService", "ServiceImport"],
    google_api_name: r"^[a-z0-9.-]+\.(googleapis|sandbox\.googleapis)\.com$",
    matcher_words: "(request.backend_service_num_endpoints)|",
    cel_backend_refs: Some(1),
    observability_mode: true,
    null: "null",
    only: &[
        Rule::ServiceImportGroup,
        Rule::ApigeeGroup,
        Rule::ServiceImportPort,
        Rule::CelBackendKind,
        Rule::ApigeeAuthority,
        Rule::ObservabilityModes,
        Rule::TrafficEvents,
    ],
    authority_message: "authority must be set if backendRef kind is set to Service or ServiceImport",
    body_mode_message: "can be configured only for extensions using backendRef with kind Service, ApigeeBackendService or ServiceImport",
};
