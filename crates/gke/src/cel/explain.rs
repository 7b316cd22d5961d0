//! Why an expression did or did not match a request, in terms of the tests that decided it.

use std::fmt;

use super::Span;
use super::request::Request;
use super::typed::{EvalErrorKind, Number, Predicate, Test, Text};

/// Longer values are cut in explanations.
const SHOWN: usize = 80;

/// What an expression came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// True: a match.
    True,
    /// False: no match.
    False,
    /// An error that no operator absorbed: no match.
    Error(EvalErrorKind),
}

/// A part of the expression, and what it was in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The part as written.
    pub text: String,
    /// Its place.
    pub span: Span,
    /// Its value, escaped and cut if long, or why it has none.
    pub value: Result<String, EvalErrorKind>,
}

/// A test that decided the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The test as written.
    pub text: String,
    /// Its place.
    pub span: Span,
    /// What the test came to; within a `!` it is the opposite of what it leads to.
    pub verdict: Verdict,
    /// The parts of the request that it looked at.
    pub seen: Vec<Seen>,
}

/// The verdict, and the tests without which it would have been another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What the expression came to.
    pub verdict: Verdict,
    /// The tests that decided; empty if the expression is constant.
    pub causes: Vec<Cause>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, cause) in self.causes.iter().enumerate() {
            if line > 0 {
                writeln!(f)?;
            }
            write!(f, "{cause}")?;
        }
        match (self.causes.is_empty(), self.verdict) {
            (false, _) => Ok(()),
            (true, Verdict::True) => f.write_str("the expression is always true"),
            (true, _) => f.write_str("the expression is never true"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::True => write!(f, "`{}` is true", self.text)?,
            Verdict::False => write!(f, "`{}` is false", self.text)?,
            Verdict::Error(kind) => write!(f, "`{}` is an error ({kind})", self.text)?,
        }
        for (at, seen) in self.seen.iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { ", " })?;
            match &seen.value {
                Ok(value) => write!(f, "`{}` is {value}", seen.text)?,
                Err(kind) => write!(f, "`{}`: {kind}", seen.text)?,
            }
        }
        Ok(())
    }
}

/// Explains what a predicate comes to over a request.
pub(super) fn explain(predicate: &Predicate, source: &str, request: &Request<'_>) -> Explanation {
    let mut explainer = Explainer {
        source,
        request,
        causes: Vec::new(),
    };
    let verdict = explainer.predicate(predicate);
    Explanation {
        verdict,
        causes: explainer.causes,
    }
}

struct Explainer<'e, 'r> {
    source: &'e str,
    request: &'e Request<'r>,
    causes: Vec<Cause>,
}

impl<'r> Explainer<'_, 'r> {
    fn verdict(&self, predicate: &Predicate) -> Verdict {
        match predicate.evaluate(self.request) {
            Ok(true) => Verdict::True,
            Ok(false) => Verdict::False,
            Err(error) => Verdict::Error(error.kind),
        }
    }

    /// Collects the causes of a predicate's verdict.
    fn predicate(&mut self, predicate: &Predicate) -> Verdict {
        let verdict = self.verdict(predicate);
        match predicate {
            Predicate::Constant(_) => {}
            Predicate::Not(inner) => {
                self.predicate(inner);
            }
            Predicate::All(parts) => self.parts(parts, verdict, Verdict::False),
            Predicate::Any(parts) => self.parts(parts, verdict, Verdict::True),
            Predicate::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                match self.predicate(condition) {
                    Verdict::True => _ = self.predicate(yes),
                    Verdict::False => _ = self.predicate(no),
                    Verdict::Error(_) => {}
                }
            }
            Predicate::Test(test, span) => {
                let mut seen = Vec::new();
                self.test(test, &mut seen);
                self.causes.push(Cause {
                    text: span.of(self.source).to_owned(),
                    span: *span,
                    verdict,
                    seen,
                });
            }
        }
        verdict
    }

    /// The parts of `&&` or `||` that decided: one that is decisive by itself, or all that are
    /// what the whole is.
    fn parts(&mut self, parts: &[Predicate], whole: Verdict, decisive: Verdict) {
        for part in parts {
            let verdict = self.verdict(part);
            let same = match (verdict, whole) {
                (Verdict::Error(_), Verdict::Error(_)) => true,
                (verdict, whole) => verdict == whole,
            };
            if same {
                self.predicate(part);
                if whole == decisive {
                    return;
                }
            }
        }
    }

    fn see(&self, span: Span, value: Result<String, EvalErrorKind>, seen: &mut Vec<Seen>) {
        if seen.iter().any(|before| before.span == span) {
            return;
        }
        seen.push(Seen {
            text: span.of(self.source).to_owned(),
            span,
            value,
        });
    }

    fn test(&mut self, test: &Test, seen: &mut Vec<Seen>) {
        match test {
            Test::Text(_, a, b)
            | Test::Contains(a, b)
            | Test::StartsWith(a, b)
            | Test::EndsWith(a, b) => {
                self.text(a, seen);
                self.text(b, seen);
            }
            Test::Number(_, a, b) => {
                self.number(a, seen);
                self.number(b, seen);
            }
            // Its parts are predicates: they are causes of their own.
            Test::Boolean(_, a, b) => {
                self.predicate(a);
                self.predicate(b);
            }
            Test::ContainsLiteral(text, _) | Test::Matches(text, _) => self.text(text, seen),
            Test::TextIn(text, list) => {
                self.text(text, seen);
                list.iter().for_each(|item| self.text(item, seen));
            }
            Test::NumberIn(number, list) => {
                self.number(number, seen);
                list.iter().for_each(|item| self.number(item, seen));
            }
            Test::HasHeader(name) => self.text(name, seen),
            Test::HasText(_) | Test::HasNumber(_) => {}
        }
    }

    fn text(&mut self, text: &Text, seen: &mut Vec<Seen>) {
        match text {
            Text::Literal(_) => {}
            Text::Attribute(_, span) | Text::Header(_, span) | Text::Absent(span) => {
                let value = text.evaluate(self.request);
                let value = value.map(|value| shown(&value)).map_err(|error| error.kind);
                self.see(*span, value, seen);
            }
            Text::Lower(inner) | Text::Upper(inner) => self.text(inner, seen),
            Text::Concatenated(parts) => parts.iter().for_each(|part| self.text(part, seen)),
            Text::Choose(parts) => {
                let (condition, yes, no) = &**parts;
                self.predicate(condition);
                self.text(yes, seen);
                self.text(no, seen);
            }
        }
    }

    fn number(&mut self, number: &Number, seen: &mut Vec<Seen>) {
        match number {
            Number::Literal(_) => {}
            Number::Attribute(_, span) | Number::Absent(span) => {
                let value = number.evaluate(self.request);
                let value = value.map(|n| n.to_string()).map_err(|error| error.kind);
                self.see(*span, value, seen);
            }
            Number::Parsed(text, _) | Number::Size(text) => self.text(text, seen),
            Number::Negated(inner, _) => self.number(inner, seen),
            Number::Arithmetic(_, parts, _) => {
                parts.iter().for_each(|part| self.number(part, seen));
            }
            Number::Choose(parts) => {
                let (condition, yes, no) = &**parts;
                self.predicate(condition);
                self.number(yes, seen);
                self.number(no, seen);
            }
        }
    }
}

/// A value as a literal: quoted, escaped, cut.
fn shown(value: &[u8]) -> String {
    let cut = value.get(..SHOWN).unwrap_or(value);
    let dots = if cut.len() < value.len() { "…" } else { "" };
    format!("\"{}\"{dots}", cut.escape_ascii())
}
