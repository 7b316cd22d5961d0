//! Where a chain's condition is compiled and evaluated: the seam to the expression language.
//!
//! The language of `celMatcher` comes through [`Language`]; everything else about a condition,
//! such as which expressions are ORed and what an absent one means, is decided here.

use std::fmt;
use std::sync::Arc;

use crate::finding::{Finding, Severity};
use crate::model::{Chain, ExtensionKind, ExtensionSet};
use crate::place::{File, Place, Span};
use crate::plan::Request;
use crate::report::Sink;
use crate::rule::Rule;

/// The language of `celMatcher`.
pub trait Language: fmt::Debug + Send + Sync {
    /// Compiles an expression for a kind of extension; faults may come with a matcher or without.
    fn compile(&self, text: &str, kind: ExtensionKind) -> Compiled;
}

/// What became of an expression.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The matcher, unless an error keeps it from existing.
    pub matcher: Option<Arc<dyn Matcher>>,
    /// What is wrong or surprising.
    pub faults: Vec<Fault>,
}

/// A compiled expression.
pub trait Matcher: fmt::Debug + Send + Sync {
    /// Whether it holds; an error or a value that is no boolean is no match.
    fn is_match(&self, request: &Request<'_>) -> bool;
}

/// A problem in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Bytes of the expression.
    pub span: Span,
    /// An error makes the condition invalid, a warning says what will surprise.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// The condition of a chain, ready to evaluate.
#[derive(Clone, Debug)]
pub struct Condition {
    expressions: Vec<Alternative>,
}

#[derive(Clone, Debug)]
struct Alternative {
    text: Option<String>,
    matcher: Option<Arc<dyn Matcher>>,
    backends: Vec<(String, Option<u16>)>,
}

impl Alternative {
    /// Whether the route chose one of the backends that are named, if any are.
    fn is_chosen(&self, backend: Option<(&str, Option<u16>)>) -> bool {
        self.backends.is_empty()
            || self.backends.iter().any(|(name, port)| {
                backend.is_some_and(|(n, p)| n == name && (port.is_none() || *port == p))
            })
    }
}

/// Whether a condition holds, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no condition.
    Always,
    /// This expression holds.
    Matched(String),
    /// None of these holds.
    Unmatched(Vec<String>),
    /// These were not compiled, for want of a language or because they are faulty.
    NotEvaluated(Vec<String>),
}

impl Verdict {
    /// Whether the chain runs.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, Self::Always | Self::Matched(_))
    }
}

impl Condition {
    /// Compiles the expressions of a chain; faults go to whoever checked them before.
    #[must_use]
    pub fn new(chain: &Chain, kind: ExtensionKind, language: Option<&dyn Language>) -> Self {
        Self {
            expressions: chain
                .expressions
                .iter()
                .map(|expression| {
                    let text = expression.matcher.as_ref().map(|text| text.value.clone());
                    Alternative {
                        matcher: text
                            .as_deref()
                            .zip(language)
                            .and_then(|(text, language)| language.compile(text, kind).matcher),
                        text,
                        backends: expression.backends.clone(),
                    }
                })
                .collect(),
        }
    }

    /// Whether the chain runs: [`evaluate`](Self::evaluate) without the reasons.
    #[must_use]
    pub fn holds(&self, request: &Request<'_>, backend: Option<(&str, Option<u16>)>) -> bool {
        self.expressions.is_empty()
            || self.expressions.iter().any(|expression| {
                let matches = match (&expression.text, &expression.matcher) {
                    (None, _) => true,
                    (Some(_), matcher) => matcher.as_ref().is_some_and(|m| m.is_match(request)),
                };
                matches && expression.is_chosen(backend)
            })
    }

    /// Evaluates: one expression suffices, and inside it matcher and backend must both agree.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>, backend: Option<(&str, Option<u16>)>) -> Verdict {
        if self.expressions.is_empty() {
            return Verdict::Always;
        }
        let mut unmatched = Vec::new();
        let mut unknown = Vec::new();
        for expression in &self.expressions {
            let shown = expression
                .text
                .clone()
                .unwrap_or_else(|| "backendRefs".to_owned());
            let chosen = expression.is_chosen(backend);
            match (&expression.text, &expression.matcher) {
                _ if !chosen => unmatched.push(shown),
                (Some(_), None) => unknown.push(shown),
                (Some(_), Some(matcher)) if !matcher.is_match(request) => unmatched.push(shown),
                _ => return Verdict::Matched(shown),
            }
        }
        if unknown.is_empty() {
            Verdict::Unmatched(unmatched)
        } else {
            Verdict::NotEvaluated(unknown)
        }
    }
}

/// Checks all expressions of an extension set; the message of the first error, if there is one.
pub(crate) fn check(
    set: &ExtensionSet,
    files: &[File],
    language: Option<&dyn Language>,
    sink: &mut Sink,
) -> Option<String> {
    let language = language?;
    let mut first = None;
    for (index, chain) in set.chains.iter().enumerate() {
        for (number, expression) in chain.expressions.iter().enumerate() {
            let Some(matcher) = &expression.matcher else {
                continue;
            };
            for fault in language.compile(&matcher.value, set.kind).faults {
                let rule = match fault.severity {
                    Severity::Error => Rule::InvalidCelExpression,
                    Severity::Warning | Severity::Note => Rule::CelSurprise,
                };
                if fault.severity == Severity::Error && first.is_none() {
                    first = Some(fault.message.clone());
                }
                let mut finding = Finding::new(rule, fault.message).of(&set.id).path(format!(
                    "spec.extensionChains[{index}].matchCondition.celExpressions[{number}].celMatcher"
                ));
                finding.severity = fault.severity;
                finding.help = fault.help;
                finding.place = matcher
                    .place
                    .map(|place| inside(place, &matcher.value, fault.span, files));
                sink.push(finding);
            }
        }
    }
    first
}

/// The place of a part of a text; the whole scalar where the file writes it otherwise, as with
/// escapes or folded lines.
fn inside(place: Place, text: &str, part: Span, files: &[File]) -> Place {
    let source = files
        .get(place.file)
        .and_then(|file| file.text.get(place.span.range()))
        .unwrap_or_default();
    match source.find(text) {
        Some(at) => {
            let start = place.span.start as usize + at;
            let (from, to) = (part.start as usize, part.end as usize);
            Place {
                file: place.file,
                span: Span::new(start + from, start + to),
            }
        }
        None => place,
    }
}
