//! The CEL matcher of an extension chain: checking an expression and evaluating it.
//!
//! An expression is read three times over: by the [pattern](Dialect::pattern) that the CRD puts
//! on the field, by the `cel` crate's parser, and by a check of our own that knows the load
//! balancer's attributes and functions. Every mistake is a [`Finding`] with the bytes it is in
//! and, where there is one right answer, a [`Fix`]. Without an error there is a [`Matcher`]: a
//! typed form with its regular expressions compiled, evaluated over a borrowed [`Request`].
//!
//! ```
//! use gatewright_gke::cel::{Options, Request, compile};
//!
//! let compiled = compile(r#"request.path.contains("serviceextensions")"#, Options::default());
//! let matcher = compiled.matcher.unwrap();
//! let headers = [("accept", "*/*")];
//! assert!(matcher.matches(&Request::new(b"store.example.com", b"/serviceextensions", &headers)));
//!
//! let compiled = compile(r#"source.ip == "192.0.2.1""#, Options::default());
//! assert_eq!(compiled.findings[0].help.as_deref(), Some("the CRD has `source.address`"));
//! ```
//!
//! It does not decide which chain a request takes, knows no manifests, and is no CEL engine:
//! what matchers do not have is refused, not evaluated.

mod calls;
mod check;
mod envoy;
mod explain;
mod finding;
mod lexer;
mod operators;
mod pattern;
mod re2;
mod request;
mod syntax;
mod typed;
mod vocabulary;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;

pub use envoy::{NotInEnvoy, to_envoy};
pub use explain::{Cause, Explanation, Seen, Verdict};
pub use finding::{Finding, Fix, Layer, Rule, Span};
pub use request::{Headers, Request};
pub use typed::{EvalError, EvalErrorKind};
pub use vocabulary::{AttachPoint, Dialect};

/// What an expression is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Whose rules.
    pub dialect: Dialect,
    /// For which kind of extension.
    pub attach: AttachPoint,
}

/// What came of an expression.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Everything wrong or surprising, in the order of layer and place.
    pub findings: Vec<Finding>,
    /// The expression ready to be evaluated, if nothing in it is refused.
    pub matcher: Option<Matcher>,
}

impl Compiled {
    /// Whether something in the expression is refused.
    pub fn is_refused(&self) -> bool {
        self.matcher.is_none()
    }
}

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub struct Matcher {
    source: Box<str>,
    predicate: typed::Predicate,
}

impl Matcher {
    /// Whether the request matches: nothing but true does, and an error is no match.
    pub fn matches(&self, request: &Request<'_>) -> bool {
        self.evaluate(request) == Ok(true)
    }

    /// The expression's value over a request.
    ///
    /// # Errors
    /// What CEL's operators did not absorb: a missing header or attribute, a text that is no
    /// number, arithmetic beyond 64 bits.
    pub fn evaluate(&self, request: &Request<'_>) -> Result<bool, EvalError> {
        self.predicate.evaluate(request)
    }

    /// Why the request matches or does not, with the values seen.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        explain::explain(&self.predicate, &self.source, request)
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Checks an expression and prepares it for evaluation.
///
/// Takes any text: time is linear in its length, and what nests or is too long is refused
/// before anything recursive sees it.
pub fn compile(text: &str, options: Options) -> Compiled {
    let mut findings: Vec<Finding> = length(text, options.dialect).into_iter().collect();
    findings.extend(pattern::refusal(text, options.dialect));
    // An empty or overlong text has been spoken of; nothing more can be said of either.
    let read = findings.is_empty() || (!text.is_empty() && text.len() <= syntax::PARSED_BYTES);
    let predicate = read.then(|| parse(text, options, &mut findings)).flatten();
    let refused = findings.iter().any(Finding::is_error);
    findings.sort_by_key(|finding| (finding.rule.layer(), finding.span.start));
    Compiled {
        findings,
        matcher: predicate.filter(|_| !refused).map(|predicate| Matcher {
            source: text.into(),
            predicate,
        }),
    }
}

/// Parses and checks, and leaves out what repeats the pattern's refusal of the same place.
fn parse(text: &str, options: Options, findings: &mut Vec<Finding>) -> Option<typed::Predicate> {
    let (predicate, found) = match syntax::parse(text) {
        Ok(tree) => check::check(&tree, options),
        Err(found) => (None, found),
    };
    let refused = findings
        .iter()
        .find(|finding| finding.rule == Rule::FieldPattern);
    let refused = refused.map(|finding| finding.span);
    let new = |finding: &Finding| {
        let repeats = refused.is_some_and(|span| span.touches(finding.span));
        !repeats || !is_about_names(finding.rule)
    };
    findings.extend(found.into_iter().filter(new));
    predicate
}

/// Whether a rule speaks of a name or sign that the pattern has spoken of already.
fn is_about_names(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Syntax
            | Rule::UnknownAttribute
            | Rule::UnknownFunction
            | Rule::Literal
            | Rule::Undocumented
            | Rule::Assumption
    )
}

/// The finding for an expression that is too long by itself.
fn length(text: &str, dialect: Dialect) -> Option<Finding> {
    let limit = dialect.length_limit();
    let length = text.chars().count();
    if length <= limit {
        return None;
    }
    let rule = match dialect {
        Dialect::LoadBalancer => Rule::ExpressionLength,
        Dialect::Crd133 | Dialect::Crd2026 => Rule::FieldLength,
    };
    let beyond = text
        .char_indices()
        .nth(limit)
        .map_or(text.len(), |(at, _)| at);
    let message = format!("an expression has at most {limit} characters, this has {length}");
    Some(Finding::new(rule, Span::new(beyond, text.len()), message))
}

impl Dialect {
    /// The most characters of one expression.
    pub fn length_limit(self) -> usize {
        match self {
            Dialect::Crd133 | Dialect::Crd2026 => 512,
            Dialect::LoadBalancer => 500,
        }
    }

    /// The most characters of all expressions of one condition, ORed. The load balancer has one
    /// expression and no list, so there it is the same limit.
    pub fn condition_limit(self) -> usize {
        self.length_limit()
    }
}

/// One expression for a list of which any may match, as the load balancer takes it.
///
/// How GKE's controller joins them is not published: each stands in parentheses here, which is
/// the form that needs no thought about precedence.
pub fn join_any<'e>(expressions: impl IntoIterator<Item = &'e str>) -> String {
    let expressions: Vec<&str> = expressions.into_iter().collect();
    match &expressions[..] {
        [only] => (*only).to_owned(),
        several => several
            .iter()
            .map(|expression| format!("({expression})"))
            .collect::<Vec<_>>()
            .join(" || "),
    }
}

/// The finding for a condition whose expressions together are too long, or may be. Its span is
/// empty: it is about all of them.
///
/// Since the controller's way of joining is not published, it is an error only if no way could
/// fit, `a||b` being the shortest, and a warning if the [usual](join_any) one does not.
pub fn check_condition(expressions: &[&str], dialect: Dialect) -> Option<Finding> {
    let limit = dialect.condition_limit();
    let length = |text: &str| text.chars().count();
    let joined = length(&join_any(expressions.iter().copied()));
    let signs = 2 * expressions.len().saturating_sub(1);
    let least = expressions.iter().map(|e| length(e)).sum::<usize>() + signs;
    // A single expression has its own limit, and is spoken of there.
    if expressions.len() < 2 || joined <= limit {
        return None;
    }
    let finding = if least > limit {
        let message = format!(
            "the expressions of one condition, ORed, have at most {limit} characters, these \
             have {least} at least"
        );
        Finding::new(Rule::ConditionLength, Span::default(), message)
    } else {
        let message = format!(
            "the expressions of one condition have {joined} characters when ORed in \
             parentheses, and at most {limit} are allowed"
        );
        Finding::new(Rule::ConditionNearLimit, Span::default(), message)
    };
    Some(finding.help("match by a shorter common part, or use another chain"))
}

/// Compiles any bytes in every dialect and evaluates what compiles: the entry of the fuzzer.
///
/// The first byte chooses dialect and extension, the text up to the first zero byte is the
/// expression, and what follows is path, query and a header value.
pub fn fuzz(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut parts = data.splitn(4, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let text = String::from_utf8_lossy(part());
    let headers = [(&b"x"[..], part()), (b"x", b"2"), (b"accept", b"a/b")];
    let mut request = Request::new(b"h", b"/", &headers);
    (request.path, request.query) = (part(), part());
    let options = Options {
        dialect: [Dialect::Crd133, Dialect::Crd2026, Dialect::LoadBalancer]
            [usize::from(choice % 3)],
        attach: [AttachPoint::Route, AttachPoint::Traffic, AttachPoint::Edge]
            [usize::from(choice / 3 % 3)],
    };
    let compiled = compile(&text, options);
    for finding in &compiled.findings {
        // Spans and fixes are for slicing: they fall on character boundaries, or this panics.
        let _ = &text[finding.span.range()];
        if let Some(fix) = &finding.fix {
            let _ = &text[fix.span.range()];
        }
    }
    if let Some(matcher) = compiled.matcher {
        let explained = matcher.explain(&request).verdict == Verdict::True;
        assert_eq!(matcher.matches(&request), explained, "{text}");
    }
}
