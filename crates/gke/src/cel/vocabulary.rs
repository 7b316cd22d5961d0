//! The names of the language: attributes, methods, and which dialect knows which.

/// Whose rules an expression is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The field `celMatcher` of the CRDs of GKE 1.33: the load balancer's language behind a
    /// pattern that admits only part of it.
    #[default]
    Crd133,
    /// The same field of the CRDs of April 2026.
    Crd2026,
    /// The `celExpression` of the load balancer's own API.
    LoadBalancer,
}

/// Which kind of extension the expression chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AttachPoint {
    /// `GCPRoutingExtension`, `LbRouteExtension`.
    Route,
    /// `GCPTrafficExtension`, `LbTrafficExtension`.
    #[default]
    Traffic,
    /// `LbEdgeExtension`, for the export only: GKE has none.
    Edge,
}

/// An attribute with text in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TextField {
    Method,
    Host,
    Path,
    PathAndQuery,
    Query,
    Scheme,
    BackendService,
    SourceAddress,
    ClientRegion,
    Sni,
    TlsVersion,
    PeerCertificate,
}

/// An attribute with a number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NumberField {
    SourcePort,
    BackendProjectNumber,
    BackendEndpoints,
}

/// What an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Attribute {
    Text(TextField),
    Number(NumberField),
    RequestHeaders,
    ResponseHeaders,
    ResponseNumber,
}

/// A row of the table of attributes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) attribute: Attribute,
    /// Whether the pattern of the 1.33 CRDs, and of those of 2026, lists it.
    pub(super) crd133: bool,
    pub(super) crd2026: bool,
    /// Whether the load balancer's reference lists it.
    pub(super) reference: bool,
    /// Whether edge extensions have it.
    pub(super) edge: bool,
}

/// Every attribute that either dialect knows, in the order of the CRD's pattern.
///
/// The pattern's names that the reference does not have are taken as the controller's other
/// names for the same thing, which Google does not publish: `source.address` for `source.ip`,
/// since it stands beside a `source.port` of its own (Envoy's attribute of that name would carry
/// the port as well), and `connection.requested_server_name` for `connection.sni`.
pub(super) const ATTRIBUTES: &[Entry] = &[
    entry("request.headers", Attribute::RequestHeaders, CRD | REF),
    entry(
        "request.method",
        Attribute::Text(TextField::Method),
        CRD | REF,
    ),
    entry("request.host", Attribute::Text(TextField::Host), CRD | REF),
    entry("request.path", Attribute::Text(TextField::Path), CRD | REF),
    entry(
        "request.query",
        Attribute::Text(TextField::Query),
        CRD | REF,
    ),
    entry(
        "request.scheme",
        Attribute::Text(TextField::Scheme),
        CRD | REF,
    ),
    entry(
        "request.backend_service_num_endpoints",
        Attribute::Number(NumberField::BackendEndpoints),
        CRD2026 | NO_EDGE,
    ),
    entry("response.code", Attribute::ResponseNumber, CRD),
    entry("response.grpc_status", Attribute::ResponseNumber, CRD),
    entry("response.headers", Attribute::ResponseHeaders, CRD),
    entry(
        "source.address",
        Attribute::Text(TextField::SourceAddress),
        CRD,
    ),
    entry(
        "source.port",
        Attribute::Number(NumberField::SourcePort),
        CRD | REF,
    ),
    entry(
        "connection.requested_server_name",
        Attribute::Text(TextField::Sni),
        CRD,
    ),
    entry(
        "connection.tls_version",
        Attribute::Text(TextField::TlsVersion),
        CRD | REF,
    ),
    entry(
        "connection.sha256_peer_certificate_digest",
        Attribute::Text(TextField::PeerCertificate),
        CRD | REF,
    ),
    entry("source.ip", Attribute::Text(TextField::SourceAddress), REF),
    // In the reference's newer revision, of the middle of 2026.
    entry(
        "source.client_region",
        Attribute::Text(TextField::ClientRegion),
        REF,
    ),
    entry("connection.sni", Attribute::Text(TextField::Sni), REF),
    entry(
        "request.backend_service_name",
        Attribute::Text(TextField::BackendService),
        REF | NO_EDGE,
    ),
    entry(
        "request.backend_service_project_number",
        Attribute::Number(NumberField::BackendProjectNumber),
        REF | NO_EDGE,
    ),
];

const CRD2026: u8 = 1;
const CRD: u8 = 2 | CRD2026;
const REF: u8 = 4;
const NO_EDGE: u8 = 8;

const fn entry(name: &'static str, attribute: Attribute, flags: u8) -> Entry {
    Entry {
        name,
        attribute,
        crd133: flags & CRD == CRD,
        crd2026: flags & CRD2026 != 0,
        reference: flags & REF != 0,
        edge: flags & NO_EDGE == 0,
    }
}

impl Entry {
    /// Whether the dialect lists the attribute.
    pub(super) fn in_dialect(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Crd133 => self.crd133,
            Dialect::Crd2026 => self.crd2026,
            Dialect::LoadBalancer => self.reference,
        }
    }
}

/// The attribute of that name.
pub(super) fn attribute(name: &str) -> Option<&'static Entry> {
    ATTRIBUTES.iter().find(|entry| entry.name == name)
}

/// The method names that the CRD's pattern lists, in its order. `int` is a function.
pub(super) const CRD_FUNCTIONS: &[&str] = &[
    "endsWith",
    "startsWith",
    "matches",
    "contains",
    "lowerAscii",
    "upperAscii",
    "int",
];

/// Names that people write for something the field calls otherwise.
pub(super) const CRD_NAMES: &[(&str, &str)] = &[
    ("source.ip", "source.address"),
    ("connection.sni", "connection.requested_server_name"),
    ("lower", "lowerAscii"),
    ("upper", "upperAscii"),
    ("request.url_path", "request.path"),
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
];

/// The candidate nearest to `name`, if it is near enough to be a slip of the pen.
pub(super) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // A name longer than every candidate is no slip, and comparing costs its length.
    if name.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many single-letter edits make one name of the other, letter case not counted.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_name() {
        let names = || ATTRIBUTES.iter().map(|entry| entry.name);
        assert_eq!(nearest("request.pth", names()), Some("request.path"));
        assert_eq!(nearest("request.Path", names()), Some("request.path"));
        assert_eq!(nearest("destination.ip", names()), None);
    }
}
