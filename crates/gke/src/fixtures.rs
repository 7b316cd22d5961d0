//! The fixtures: a valid and an invalid manifest for every rule, and the documentation's own.

use std::sync::Arc;

use crate::condition::{Compiled, Fault, Language, Matcher};
use crate::finding::{Finding, Severity};
use crate::model::ExtensionKind;
use crate::place::Span;
use crate::plan::Request;
use crate::profile::Profile;
use crate::report::Input;
use crate::rule::Rule;
use crate::{Options, Report, check};

/// Just enough of a language to see that its faults become findings and its matchers are asked.
#[derive(Debug)]
pub(crate) struct ToyLanguage;

#[derive(Debug)]
struct Contains(String);

impl Matcher for Contains {
    fn is_match(&self, request: &Request<'_>) -> bool {
        String::from_utf8_lossy(request.path).contains(&self.0)
    }
}

impl Language for ToyLanguage {
    fn compile(&self, text: &str, _: ExtensionKind) -> Compiled {
        let fault = |severity, word: &str| Fault {
            span: Span::new(0, text.len()),
            severity,
            message: format!("{word} in {text}"),
            help: None,
        };
        let mut compiled = Compiled::default();
        if text.matches('(').count() != text.matches(')').count() {
            compiled.faults.push(fault(Severity::Error, "unbalanced"));
            return compiled;
        }
        if text.contains("headers[\"H") {
            compiled.faults.push(fault(Severity::Warning, "capital"));
        }
        let literal = text.split('"').nth(1).unwrap_or("no literal");
        compiled.matcher = Some(Arc::new(Contains(literal.to_owned())));
        compiled
    }
}

/// Options with the directives of a fixture's first lines: `# profile: …`, `# document-bytes: …`.
fn options(text: &str) -> Options {
    let mut options = Options {
        language: Some(Arc::new(ToyLanguage)),
        ..Options::default()
    };
    for line in text.lines().take_while(|line| line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("# profile: ") {
            options.profile = Profile::from_name(name).unwrap();
        }
        if let Some(bytes) = line.strip_prefix("# document-bytes: ") {
            options.limits.document_bytes = bytes.parse().unwrap();
        }
    }
    options
}

fn findings(text: &str) -> Vec<Finding> {
    let input = Input {
        name: "fixture.yaml",
        bytes: text.as_bytes(),
    };
    check(&[input], &options(text)).findings
}

struct Fixture {
    rule: Rule,
    valid: &'static str,
    invalid: &'static str,
}

macro_rules! fixtures {
    ($($name:ident $code:literal $layer:ident $severity:ident $asks:literal;)*) => {
        const FIXTURES: &[Fixture] = &[$(Fixture {
            rule: Rule::$name,
            valid: include_str!(concat!("../fixtures/rules/", stringify!($name), ".valid.yaml")),
            invalid: include_str!(concat!("../fixtures/rules/", stringify!($name), ".invalid.yaml")),
        },)*];
    };
}
crate::rule::for_each_rule!(fixtures);

#[test]
fn every_rule_finds_its_invalid_fixture_and_takes_its_valid_one() {
    let mut wrong = Vec::new();
    for fixture in FIXTURES {
        let valid = findings(fixture.valid);
        let errors: Vec<_> = valid
            .iter()
            .filter(|finding| finding.rule == fixture.rule || finding.severity == Severity::Error)
            .map(|finding| (finding.rule, &finding.message))
            .collect();
        if !errors.is_empty() {
            wrong.push(format!("{:?} valid: {errors:?}", fixture.rule));
        }
        let invalid = findings(fixture.invalid);
        if !invalid.iter().any(|finding| finding.rule == fixture.rule) {
            let found: Vec<_> = invalid.iter().map(|f| (f.rule, &f.message)).collect();
            wrong.push(format!("{:?} invalid: {found:?}", fixture.rule));
        }
    }
    #[expect(
        clippy::print_stdout,
        reason = "the count is a figure, read with --nocapture"
    )]
    {
        println!("figure rules {}", Rule::ALL.len());
        println!(
            "figure rules-with-fixtures {}",
            FIXTURES.len() - wrong.len()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_finding_of_an_invalid_fixture_points_into_the_file() {
    for fixture in FIXTURES {
        for finding in findings(fixture.invalid) {
            let place = finding.place.unwrap_or_else(|| panic!("{finding:?}"));
            assert!(
                fixture.invalid.get(place.span.range()).is_some(),
                "{:?} {place:?}",
                finding.rule
            );
        }
    }
}

macro_rules! documentation {
    ($($constant:ident $file:literal)*) => {
        $(pub(crate) const $constant: &str = include_str!(concat!("../fixtures/docs/", $file, ".yaml"));)*
    };
}
documentation! {
    APP "extension-service-app"
    ROUTE "store-route"
    ROUTE_WITHOUT_SPACE "store-route-without-space"
    ROUTING "gcp-routing-extension"
    TRAFFIC "gcp-traffic-extension"
    PLUGIN "wasm-plugin"
    TWO_VERSIONS "wasm-plugin-two-versions"
    TRAFFIC_WITH_PLUGIN "gcp-traffic-extension-with-plugin"
    MISSING_PLUGIN "missing-plugin"
    MISSING_GATEWAY "missing-gateway"
    MISSING_SERVICE "missing-service"
    MISSING_PORT "missing-port"
    NO_ENDPOINTS "no-endpoints"
}

/// Checks pages of the documentation with a Gateway of that name and class supplied.
pub(crate) fn documented(texts: &[&str], gateway: &str, class: &str) -> Report {
    let inputs: Vec<Input<'_>> = texts
        .iter()
        .map(|text| Input {
            name: "docs.yaml",
            bytes: text.as_bytes(),
        })
        .collect();
    check(
        &inputs,
        &Options {
            gateways: vec![(gateway.to_owned(), class.to_owned())],
            substitutions: vec![("GATEWAY_NAME".to_owned(), gateway.to_owned())],
            language: Some(Arc::new(ToyLanguage)),
            ..Options::default()
        },
    )
}

pub(crate) const GLOBAL: &str = "gke-l7-global-external-managed";
pub(crate) const INTERNAL: &str = "gke-l7-rilb";

fn errors(report: &Report) -> Vec<(Rule, &str)> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| (finding.rule, finding.message.as_str()))
        .collect()
}

/// The conditions of an object's only ancestor, as `Type=Status Reason Message`.
fn conditions(report: &Report, kind: &str, name: &str) -> Vec<String> {
    let id = &report.object(kind, "default", name).unwrap().id;
    report.statuses[id].ancestors[0]
        .conditions
        .iter()
        .map(|c| {
            let line = format!(
                "{}={} {} {}",
                c.kind.as_str(),
                c.status,
                c.reason,
                c.message
            );
            line.trim_end().to_owned()
        })
        .collect()
}

const PROGRAMMED: [&str; 3] = [
    "Accepted=true Accepted",
    "ResolvedRefs=true ResolvedRefs",
    "Programmed=true ProgrammingSucceeded",
];

#[test]
fn the_documented_extensions_are_programmed() {
    let report = documented(&[APP, ROUTE, ROUTING], "internal-http", INTERNAL);
    assert_eq!(errors(&report), []);
    assert_eq!(
        conditions(&report, "GCPRoutingExtension", "my-gateway-extension"),
        PROGRAMMED
    );
    for (gateway, class) in [("external-http", GLOBAL), ("internal-http", INTERNAL)] {
        let report = documented(&[APP, ROUTE, TRAFFIC], gateway, class);
        assert_eq!(errors(&report), []);
        assert_eq!(
            conditions(&report, "GCPTrafficExtension", "my-traffic-extension"),
            PROGRAMMED
        );
    }
}

#[test]
fn the_documented_plugin_is_programmed_with_one_version_and_with_two() {
    for plugin in [PLUGIN, TWO_VERSIONS] {
        let report = documented(
            &[plugin, ROUTE, TRAFFIC_WITH_PLUGIN],
            "external-http",
            GLOBAL,
        );
        assert_eq!(errors(&report), []);
        assert_eq!(
            conditions(
                &report,
                "GCPTrafficExtension",
                "gcp-traffic-extension-with-plugin"
            ),
            PROGRAMMED
        );
        assert_eq!(
            conditions(&report, "GCPWasmPlugin", "gcp-wasm-plugin"),
            PROGRAMMED
        );
    }
}

#[test]
fn the_route_without_a_space_is_found_and_read_past() {
    let report = documented(&[ROUTE_WITHOUT_SPACE], "internal-http", INTERNAL);
    assert_eq!(errors(&report).len(), 1);
    let finding = &report.findings[0];
    assert_eq!(finding.rule, Rule::YamlSyntax);
    let (line, column) = report.files[0].line_column(finding.place.unwrap().span.start);
    assert_eq!((line, column), (8, 5));
    assert_eq!(report.plan.gateways[0].routes.len(), 1);
}

#[test]
fn a_missing_plugin_gives_the_documented_condition_and_no_further_one() {
    let report = documented(&[MISSING_PLUGIN], "external-http", GLOBAL);
    assert_eq!(
        conditions(
            &report,
            "GCPTrafficExtension",
            "my-gateway-plugin-extension"
        ),
        [
            "Accepted=true Accepted",
            "ResolvedRefs=false GCPWasmPluginNotFound error cause: invalid-wasm-plugin: GCPWasmPlugin default/my-wasm-plugin in GCPTrafficExtension default/my-gateway-plugin-extension does not exist",
        ]
    );
}

#[test]
fn the_troubleshooting_cases_give_the_documented_sentences() {
    let check = |fixture, expected: Rule, sentence: &str| {
        let report = documented(&[fixture], "external-http", GLOBAL);
        let sentence = format!(
            "error: failed to create resource: GCPTrafficExtension.networking.gke.io \"my-traffic-extension\" is invalid: {sentence}"
        );
        assert!(
            errors(&report).contains(&(expected, sentence.as_str())),
            "{:?}",
            errors(&report)
        );
    };
    check(
        MISSING_GATEWAY,
        Rule::GatewayNotFound,
        "spec.gatewayRef: gateway \"my-gateway\" not found in namespace \"default\"",
    );
    let service = "spec.service: service \"callout-service\" not found in namespace \"default\"";
    check(MISSING_SERVICE, Rule::ServiceNotFound, service);
    check(MISSING_PORT, Rule::ServicePortNotFound, service);
    check(
        NO_ENDPOINTS,
        Rule::NoNetworkEndpoints,
        "spec.service: no network endpoints found for service \"callout-service\"",
    );
}

#[test]
fn a_plugin_extension_without_events_is_refused_by_the_rule_that_reads_them() {
    let text = TRAFFIC_WITH_PLUGIN.replace(
        "      supportedEvents:\n      - RequestHeaders\n      - ResponseHeaders\n",
        "",
    );
    let report = documented(&[PLUGIN, &text], "external-http", GLOBAL);
    assert_eq!(
        errors(&report),
        [(
            Rule::WasmEvents,
            "spec.extensionChains[0].extensions[0]: Invalid value: \"object\": no such key: supportedEvents evaluating rule: Extensions with backendRef kind GCPWasmPlugin support only RequestHeaders, RequestBody, ResponseHeaders and ResponseBody events"
        )]
    );
    assert!(report.plan.gateways[0].traffic.is_none());
}

#[test]
fn events_of_a_wrong_name_are_not_also_called_absent() {
    let invalid = include_str!("../fixtures/rules/EventName.invalid.yaml");
    let rules: Vec<_> = findings(invalid)
        .iter()
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(rules, [Rule::RulesNotChecked, Rule::EventName]);
}
