//! What to do about a finding of the API server, and the mend where there is one right answer.

use super::{Subject, duration};
use crate::finding::{Edit, Finding, Fix};
use crate::node::{Entry, Node, Value};
use crate::place::{Place, Span};
use crate::rule::Rule;
use crate::schema::Field;

/// Words of the load balancer's reference and of CEL that the CRD does not admit, with what it
/// admits instead.
const MATCHER_WORDS: [(&str, &str); 4] = [
    ("source.ip", "source.address"),
    ("connection.sni", "connection.requested_server_name"),
    (".lower()", ".lowerAscii()"),
    (".upper()", ".upperAscii()"),
];

/// A field that the kind does not have, perhaps one that it has spelt otherwise.
pub(super) fn unknown_field(
    subject: &Subject<'_>,
    entry: &Entry,
    fields: &[Field],
    path: &str,
) -> Finding {
    let finding = subject.finding(
        Rule::UnknownField,
        entry.key_span,
        path,
        super::messages::unknown_field(path),
    );
    let same = fields
        .iter()
        .find(|field| squeeze(field.name) == squeeze(&entry.key));
    if let Some(field) = same {
        let place = Place {
            file: subject.file_index,
            span: entry.key_span,
        };
        return finding.help(format!("the field is `{}`", field.name)).fix(
            format!("rename the field to `{}`", field.name),
            place,
            requote(subject.source(entry.key_span), field.name),
        );
    }
    let near = fields
        .iter()
        .map(|field| (distance(field.name, &entry.key), field.name))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    match near {
        Some((_, name)) => finding.help(format!("did you mean `{name}`?")),
        None => {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            finding.help(format!("the fields here are {}", names.join(", ")))
        }
    }
}

/// Help for a value that is there.
pub(super) fn value(subject: &Subject<'_>, finding: Finding, node: &Node) -> Finding {
    let place = Place {
        file: subject.file_index,
        span: node.span,
    };
    let source = subject.source(node.span);
    match (finding.rule, &node.value) {
        (Rule::TimeoutFormat, Value::String(text)) => {
            let help = finding.help("write whole numbers with h, m, s or ms, such as 1s or 250ms");
            match milliseconds(text) {
                Some(fixed) => help.fix(format!("write `{fixed}`"), place, requote(source, &fixed)),
                None => help,
            }
        }
        (Rule::WrongType, Value::String(text)) => {
            if let Some(at) = crate::yaml::colon_without_space(source)
                && text.contains(':')
                && finding.message.contains("must be of type object")
            {
                let at = node.span.start as usize + at;
                let place = Place {
                    file: subject.file_index,
                    span: Span::new(at, at),
                };
                return finding.help("write a space after the colon").fix(
                    "insert a space after the colon",
                    place,
                    " ".to_owned(),
                );
            }
            finding
        }
        (Rule::WrongType, Value::Bool(_) | Value::Int(_) | Value::Float(_))
            if finding.message.contains("must be of type string") =>
        {
            finding.help("quote it, so that it is text").fix(
                "quote the value",
                place,
                format!("\"{source}\""),
            )
        }
        (Rule::CelMatcherTokens, Value::String(text)) => matcher(subject, finding, node, text),
        (Rule::VersionImage | Rule::PluginConfigUri, Value::String(text)) => {
            finding.help(image_help(text))
        }
        (rule, Value::String(text)) => {
            let Some(list) = finding.message.split_once("supported values: ") else {
                return match help(rule) {
                    Some(help) => finding.help(help),
                    None => finding,
                };
            };
            let fixed = list
                .1
                .split(", ")
                .map(|value| value.trim_matches('"'))
                .find(|value| squeeze(value) == squeeze(text) && !value.is_empty())
                .map(str::to_owned);
            match fixed {
                Some(fixed) => finding.help(format!("write `{fixed}`")).fix(
                    format!("write `{fixed}`"),
                    place,
                    requote(source, &fixed),
                ),
                None => finding,
            }
        }
        _ => finding,
    }
}

/// Help for something missing or too much.
pub(super) fn absent(subject: &Subject<'_>, finding: Finding) -> Finding {
    if finding.rule == Rule::RequiredField
        && finding.path.starts_with("spec.targetRefs[")
        && finding.path.ends_with("].group")
        && let Some(Place { file, span }) = finding.place
    {
        return finding
            .help("a target is `group: gateway.networking.k8s.io`")
            .fix(
                "add the group",
                Place {
                    file,
                    span: Span {
                        start: span.start,
                        end: span.start,
                    },
                },
                before(subject, span, "group: gateway.networking.k8s.io"),
            );
    }
    match finding.rule {
        Rule::RequiredField => {
            let field = finding
                .path
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned();
            finding.help(format!("add `{field}`"))
        }
        Rule::ExtensionsCount => {
            finding.help("1 to 3 extensions; move the others to another chain")
        }
        rule => match help(rule) {
            Some(help) => finding.help(help),
            None => finding,
        },
    }
}

/// Help for a validation rule.
pub(super) fn rule(
    subject: &Subject<'_>,
    mut finding: Finding,
    node: &Node,
    errored: bool,
) -> Finding {
    if errored && finding.message.contains("no such key: supportedEvents") {
        return finding
            .help("list `supportedEvents`: the rule reads it without asking whether it is there");
    }
    let entry = |field: &str| {
        node.entries()
            .iter()
            .find(|entry| entry.key == field)
            .filter(|entry| entry.key_span != node.span)
    };
    match finding.rule {
        Rule::WasmPluginGroup => {
            let wanted = "networking.gke.io";
            let edit = match entry("group") {
                Some(group) => Some(Edit {
                    place: Place {
                        file: subject.file_index,
                        span: group.value.span,
                    },
                    replacement: requote(subject.source(group.value.span), wanted),
                }),
                None => node.entries().first().map(|first| Edit {
                    place: Place {
                        file: subject.file_index,
                        span: Span {
                            start: first.key_span.start,
                            end: first.key_span.start,
                        },
                    },
                    replacement: before(subject, first.key_span, &format!("group: {wanted}")),
                }),
            };
            finding.fix = edit.map(|edit| Fix {
                title: format!("set the group to `{wanted}`"),
                edits: vec![edit],
            });
            finding.help(format!("write `group: {wanted}`"))
        }
        Rule::ServiceAuthority => finding.help("add `authority`, the :authority of the calls to the Service"),
        Rule::OneBackend if node.get("backendRef").is_some() => {
            finding.help("remove either backendRef or googleAPIServiceName")
        }
        Rule::OneBackend => finding.help("add a backendRef or a googleAPIServiceName"),
        Rule::WasmTimeout | Rule::WasmAuthority | Rule::WasmMetadata | Rule::WasmPluginPort => {
            finding.help("remove it: a plugin runs inside the load balancer and is not called over the network")
        }
        Rule::WasmEvents => finding.help("plugins see no trailers; remove the trailer events"),
        Rule::OneServingVersion => finding.help("give one version the weight 1000000 and all others 0"),
        Rule::SampleRateNeedsLogging | Rule::LogLevelNeedsLogging => finding.help("set `enabled: true`"),
        Rule::ServicePort | Rule::ServiceImportPort => finding.help("add the Service's `port`"),
        _ => finding,
    }
}

fn help(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::ChainName | Rule::ExtensionName | Rule::VersionName => {
            "use up to 63 lower-case letters, digits and `-`, starting with a letter"
        }
        Rule::CelMatcherLength => {
            "split it over up to ten celExpressions, which are ORed; 512 characters is also the limit for all of them together"
        }
        Rule::ChainsCount => "1 to 5 chains",
        Rule::GoogleApiName => "the form is `modelarmor.<region>.rep.googleapis.com`",
        Rule::MetadataValue => "1 to 1023 characters of letters, digits, blanks and punctuation",
        _ => return None,
    })
}

fn image_help(image: &str) -> &'static str {
    if image.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "the path, tag included, has to be lower-case"
    } else if image.contains('_') {
        "the path cannot have underscores"
    } else {
        "the form is host/path:tag or host/path@sha256:…, lower-case and without a port in the host"
    }
}

fn matcher(subject: &Subject<'_>, finding: Finding, node: &Node, text: &str) -> Finding {
    if text.contains('\n') {
        return finding
            .help("the matcher has a line break; write it plainly or with `>-` instead of `|`");
    }
    let source = subject.source(node.span);
    for (word, instead) in MATCHER_WORDS {
        if !text.contains(word) {
            continue;
        }
        let edits: Vec<Edit> = source
            .match_indices(word)
            .map(|(at, _)| {
                let at = node.span.start as usize + at;
                Edit {
                    place: Place {
                        file: subject.file_index,
                        span: Span::new(at, at + word.len()),
                    },
                    replacement: instead.to_owned(),
                }
            })
            .collect();
        let mut finding = finding.help(format!("the CRD admits `{instead}`, not `{word}`"));
        if !edits.is_empty() {
            finding.fix = Some(Fix {
                title: format!("write `{instead}`"),
                edits,
            });
        }
        return finding;
    }
    if matches!(text.trim(), "true" | "\"true\"" | "'true'") {
        return finding.help("to match every request leave matchCondition out, or write `1 == 1`");
    }
    finding.help("the CRD admits only the attributes request.headers, method, host, path, query, scheme, source.address, source.port and connection.*, and literals without blanks, `?`, `@`, `#`, `^`, `|`, `<`, `>`, brackets or braces")
}

/// `0.1s` as the same time in whole milliseconds, if that is a time and the CRD admits it.
fn milliseconds(text: &str) -> Option<String> {
    let nanoseconds = duration::parse(text).filter(|n| *n > 0 && n % 1_000_000 == 0)?;
    let milliseconds = nanoseconds / 1_000_000;
    (milliseconds <= 99_999).then(|| format!("{milliseconds}ms"))
}

/// A line to stand before a key at the key's own indentation.
fn before(subject: &Subject<'_>, key: Span, line: &str) -> String {
    let (_, column) = subject.file.line_column(key.start);
    // In flow style (`{kind: Gateway}`) a comma separates, in block style a line break does.
    let start = key.start as usize;
    let head = subject
        .file
        .text
        .get(..start)
        .unwrap_or_default()
        .trim_end();
    if head.ends_with('{') || head.ends_with(',') {
        return match line.split_once(": ") {
            Some((name, value)) if subject.source(key).starts_with('"') => {
                format!("\"{name}\": \"{value}\", ")
            }
            _ => format!("{line}, "),
        };
    }
    format!("{line}\n{}", " ".repeat(column.saturating_sub(1)))
}

/// A new value in the quotes of the old one.
fn requote(old: &str, new: &str) -> String {
    match old.as_bytes().first() {
        Some(b'"') => format!("\"{new}\""),
        Some(b'\'') => format!("'{new}'"),
        _ => new.to_owned(),
    }
}

/// A name without case and separators, so that `REQUEST_HEADERS` equals `RequestHeaders`.
fn squeeze(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// How many letters differ between two names, up to three.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().take(64).collect());
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()].min(3)
}
