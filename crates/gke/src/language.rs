//! The load balancer's expression language, behind the seam of conditions.

use std::sync::Arc;

use crate::cel::{self, AttachPoint, Dialect, Layer};
use crate::condition::{Compiled, Fault, Language, Matcher};
use crate::finding::Severity;
use crate::model::ExtensionKind;
use crate::place::Span;
use crate::plan::Request;
use crate::profile::Profile;

/// The language of `celMatcher` in one of its dialects.
#[derive(Clone, Copy, Debug, Default)]
pub struct CelLanguage {
    dialect: Dialect,
}

impl CelLanguage {
    /// A dialect of one's choice, such as the load balancer's wider one.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect }
    }

    /// The dialect that the field admits in an era of GKE.
    #[must_use]
    pub const fn of(profile: Profile) -> Self {
        Self::new(match profile {
            Profile::Gke133 => Dialect::Crd133,
            Profile::Gke202604 => Dialect::Crd2026,
        })
    }
}

impl Language for CelLanguage {
    fn compile(&self, text: &str, kind: ExtensionKind) -> Compiled {
        let attach = match kind {
            ExtensionKind::Routing => AttachPoint::Route,
            ExtensionKind::Traffic => AttachPoint::Traffic,
        };
        let compiled = cel::compile(
            text,
            cel::Options {
                dialect: self.dialect,
                attach,
            },
        );
        let faults = compiled.findings.iter().map(fault).collect();
        let matcher = compiled
            .matcher
            .map(|matcher| Arc::new(Compared(matcher)) as Arc<dyn Matcher>);
        Compiled { matcher, faults }
    }
}

/// The API server says itself that a text does not fit its pattern; what is known here beyond that
/// is where and why, which is a note to it.
fn fault(finding: &cel::Finding) -> Fault {
    let severity = match finding.rule.layer() {
        Layer::ApiServer => Severity::Note,
        Layer::Controller => Severity::Error,
        Layer::Surprise => Severity::Warning,
    };
    Fault {
        span: Span::new(finding.span.start as usize, finding.span.end as usize),
        severity,
        message: finding.message.clone(),
        help: finding.help.clone(),
    }
}

#[derive(Debug)]
struct Compared(cel::Matcher);

impl Matcher for Compared {
    fn is_match(&self, request: &Request<'_>) -> bool {
        let headers = request.headers;
        let mut seen = cel::Request::new(request.host, request.path, &headers);
        seen.method = request.method;
        seen.scheme = request.scheme;
        seen.query = request.query;
        seen.source_address = request.client.address;
        seen.source_port = request.client.port;
        seen.sni = request.client.sni;
        seen.tls_version = request.client.tls_version;
        self.0.matches(&seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, path: &str, expected: bool) {
        let compiled = CelLanguage::default().compile(text, ExtensionKind::Traffic);
        let matcher = compiled.matcher.expect("it compiles");
        let request = Request {
            method: b"GET",
            scheme: b"https",
            host: b"store.example.com",
            path: path.as_bytes(),
            query: b"",
            headers: &[(b"Env", b"canary")],
            client: crate::plan::Client::default(),
        };
        assert_eq!(matcher.is_match(&request), expected, "{text} on {path}");
    }

    #[test]
    fn the_documented_expression_matches_by_the_path() {
        let text = r#"request.path.contains("serviceextensions")"#;
        check(text, "/serviceextensions", true);
        check(text, "/", false);
    }

    #[test]
    fn headers_are_looked_up_in_lower_case() {
        check(r#"request.headers["env"] == "canary""#, "/", true);
        check(r#"request.headers["nosuch"] == "canary""#, "/", false);
    }

    #[test]
    fn what_the_field_does_not_admit_is_a_note_to_the_api_servers_own_message() {
        let compiled =
            CelLanguage::default().compile("source.ip == '1.2.3.4'", ExtensionKind::Traffic);
        let note = compiled
            .faults
            .iter()
            .find(|fault| fault.severity == Severity::Note);
        assert!(
            note.is_some_and(|note| note.span.start == 0),
            "{:?}",
            compiled.faults
        );
    }
}
