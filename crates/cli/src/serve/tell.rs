//! What people are told: addresses, what to try, and the objects' conditions. It goes to standard
//! error, since standard output is for log entries.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use gatewright_gateway::{Gateway, Listening, Problem};
use gatewright_gke::{Report, Severity};

use crate::commands::{DIM, GREEN, RED, RESET, YELLOW};

/// The ports and what to try on them.
pub(crate) fn addresses(gateway: &Gateway, report: &Report, authority: &Path) -> String {
    let mut text = String::new();
    for at in gateway.listening() {
        let listener = &at.listener;
        let certificate = match (&listener.secret, listener.scheme) {
            (Some(secret), _) => format!("  {DIM}certificate of Secret {secret}{RESET}"),
            (None, "https") => {
                format!(
                    "  {DIM}certificate signed by {}{RESET}",
                    authority.display()
                )
            }
            _ => String::new(),
        };
        // A string takes whatever is written to it.
        let _ = writeln!(
            text,
            "Gateway {}, port {}: {GREEN}{}://{}{RESET}{certificate}",
            listener.gateway, listener.port, listener.scheme, at.address
        );
        let _ = writeln!(text, "  {}", curl(&at, report, authority));
    }
    let _ = writeln!(
        text,
        "{DIM}page with live exchanges: http://{}/ (also /status /metrics /healthz){RESET}",
        gateway.admin()
    );
    text
}

/// A command that reaches a port, on a path that an extension cares for if there is one.
fn curl(at: &Listening, report: &Report, authority: &Path) -> String {
    let listener = &at.listener;
    let path = example_path(report, &listener.gateway);
    let trust = match (&listener.secret, listener.scheme) {
        (None, "https") => format!(" --cacert {}", authority.display()),
        _ => String::new(),
    };
    let (ip, port) = (at.address.ip(), at.address.port());
    match &listener.example_host {
        Some(host) => format!(
            "curl {}://{host}:{port}{path} --resolve {host}:{port}:{ip}{trust}",
            listener.scheme
        ),
        None => format!("curl {}://{}{path}{trust}", listener.scheme, at.address),
    }
}

/// `/word` for the first condition that looks for a word in the path.
fn example_path(report: &Report, gateway: &str) -> String {
    let plans = report.plan.gateways.iter().filter(|plan| {
        let id = &plan.gateway.id;
        format!("{}/{}", id.namespace, id.name) == gateway
    });
    let words = plans
        .filter_map(|plan| plan.traffic.as_ref())
        .flat_map(|traffic| &traffic.set.chains)
        .flat_map(|chain| &chain.expressions)
        .filter_map(|expression| {
            let text = &expression.matcher.as_ref()?.value;
            let rest = text.split_once("request.path.contains(")?.1;
            let quote = rest.chars().next()?;
            let word = rest[quote.len_utf8()..].split_once(quote)?.0;
            Some(word.trim_start_matches('/').to_owned())
        });
    format!("/{}", words.into_iter().next().unwrap_or_default())
}

/// The conditions of each object.
pub(crate) fn conditions(report: &Report) -> String {
    let mut text = String::new();
    for (id, status) in &report.statuses {
        for ancestor in &status.ancestors {
            let conditions: Vec<_> = ancestor
                .conditions
                .iter()
                .map(|condition| {
                    let (style, word) = if condition.status {
                        (GREEN, "True")
                    } else {
                        (RED, "False")
                    };
                    let message = match condition.message.as_str() {
                        "" => String::new(),
                        message => format!(": {message}"),
                    };
                    format!(
                        "{}={style}{word}{RESET} ({}{message})",
                        condition.kind.as_str(),
                        condition.reason
                    )
                })
                .collect();
            let _ = writeln!(text, "{id}: {}", conditions.join(" "));
        }
    }
    text
}

/// What images and Services turned out to be.
pub(crate) fn origins(
    origins: &BTreeMap<String, String>,
    stores: &[String],
    callouts: &[String],
) -> String {
    let mut text = String::new();
    for (image, origin) in origins {
        let _ = writeln!(text, "image {image}: {origin}");
    }
    for store in stores {
        let _ = writeln!(text, "Service {store}: the built-in store");
    }
    for callout in callouts {
        let _ = writeln!(text, "{callout}");
    }
    text
}

/// What cannot be served as it is meant, and what is worth knowing.
pub(crate) fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let what = match problem.is_error {
            true => format!("{RED}not served{RESET}"),
            false => format!("{YELLOW}note{RESET}"),
        };
        let _ = writeln!(text, "{what}: {}: {}", problem.object, problem.message);
    }
    text
}

/// Findings as they count for whether a change is taken: the errors, each as one line.
pub(crate) fn errors(report: &Report, problems: &[Problem]) -> Vec<String> {
    let findings = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| {
            let object = finding.object.as_ref().map(ToString::to_string);
            format!(
                "{} {} {}",
                object.unwrap_or_default(),
                finding.path,
                finding.message
            )
        });
    let problems = problems
        .iter()
        .filter(|problem| problem.is_error)
        .map(|problem| format!("{} {}", problem.object, problem.message));
    findings.chain(problems).collect()
}
