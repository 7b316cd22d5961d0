//! An expression after checking: every node has one type, every name is resolved, every regular
//! expression is compiled; and its evaluation.
//!
//! Evaluation borrows from the request. It allocates only for a header with several values, a
//! string with capitals to be lowered or the reverse, and a concatenation.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::Span;
use super::request::Request;
use super::vocabulary::{NumberField, TextField};

/// Why an evaluation has no value, and the part of the expression that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// What happened.
    pub kind: EvalErrorKind,
    /// Where in the expression.
    pub span: Span,
}

/// What can happen to an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvalErrorKind {
    /// The request has no such header.
    NoSuchHeader,
    /// The request has no such attribute.
    NoSuchAttribute,
    /// `int` of a text that is no number, or none of 64 bits.
    NotAnInteger,
    /// The result does not fit 64 bits.
    Overflow,
    /// Division or remainder by zero.
    DivisionByZero,
}

impl fmt::Display for EvalErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EvalErrorKind::NoSuchHeader => "no such header in the request",
            EvalErrorKind::NoSuchAttribute => "the request has no such attribute",
            EvalErrorKind::NotAnInteger => "the text is not an integer",
            EvalErrorKind::Overflow => "the number does not fit 64 bits",
            EvalErrorKind::DivisionByZero => "division by zero",
        })
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind, self.span.start)
    }
}

impl std::error::Error for EvalError {}

type Outcome<T> = Result<T, EvalError>;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Order {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Order::Equal => ordering.is_eq(),
            Order::NotEqual => ordering.is_ne(),
            Order::Less => ordering.is_lt(),
            Order::AtMost => ordering.is_le(),
            Order::More => ordering.is_gt(),
            Order::AtLeast => ordering.is_ge(),
        }
    }
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A boolean expression.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    Constant(bool),
    Not(Box<Predicate>),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Choose(Box<[Predicate; 3]>),
    Test(Box<Test>, Span),
}

/// A boolean expression without boolean operators: what `explain` speaks of.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Text(Order, Text, Text),
    Number(Order, Number, Number),
    Boolean(Order, Predicate, Predicate),
    Contains(Text, Text),
    /// `contains` of a literal, with the search prepared.
    ContainsLiteral(Text, Box<Finder<'static>>),
    StartsWith(Text, Text),
    EndsWith(Text, Text),
    Matches(Text, Regex),
    TextIn(Text, Vec<Text>),
    NumberIn(Number, Vec<Number>),
    HasHeader(Text),
    HasText(TextField),
    HasNumber(NumberField),
}

/// A string expression.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Literal(Box<[u8]>),
    Attribute(TextField, Span),
    Header(Box<Text>, Span),
    Lower(Box<Text>),
    Upper(Box<Text>),
    Concatenated(Box<[Text; 2]>),
    Choose(Box<(Predicate, Text, Text)>),
    /// What a request never has.
    Absent(Span),
}

/// An integer expression.
#[derive(Clone, Debug)]
pub(super) enum Number {
    Literal(i64),
    Attribute(NumberField, Span),
    Parsed(Box<Text>, Span),
    Size(Box<Text>),
    Negated(Box<Number>, Span),
    Arithmetic(Arithmetic, Box<[Number; 2]>, Span),
    Choose(Box<(Predicate, Number, Number)>),
    Absent(Span),
}

impl EvalErrorKind {
    fn at(self, span: Span) -> EvalError {
        EvalError { kind: self, span }
    }
}

impl Predicate {
    /// The value, or the error that CEL's operators did not absorb: `false && error` is false
    /// and `true || error` is true, on whichever side the error is.
    pub(super) fn evaluate(&self, request: &Request<'_>) -> Outcome<bool> {
        match self {
            Predicate::Constant(value) => Ok(*value),
            Predicate::Not(inner) => inner.evaluate(request).map(|value| !value),
            Predicate::All(parts) => absorb(parts, request, false),
            Predicate::Any(parts) => absorb(parts, request, true),
            Predicate::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if condition.evaluate(request)? {
                    yes
                } else {
                    no
                };
                chosen.evaluate(request)
            }
            Predicate::Test(test, _) => test.evaluate(request),
        }
    }
}

/// The value of parts joined by `&&` (decided by the first false) or `||` (by the first true).
fn absorb(parts: &[Predicate], request: &Request<'_>, decisive: bool) -> Outcome<bool> {
    let mut error = None;
    for part in parts {
        match part.evaluate(request) {
            Ok(value) if value == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(met) => error = error.or(Some(met)),
        }
    }
    error.map_or(Ok(!decisive), Err)
}

impl Test {
    pub(super) fn evaluate(&self, request: &Request<'_>) -> Outcome<bool> {
        let both = |a: &Text, b: &Text, test: fn(&[u8], &[u8]) -> bool| {
            Ok(test(&a.evaluate(request)?, &b.evaluate(request)?))
        };
        match self {
            // Without the order: equality of slices of unequal length costs nothing.
            Test::Text(Order::Equal, a, b) => both(a, b, |a, b| a == b),
            Test::Text(Order::NotEqual, a, b) => both(a, b, |a, b| a != b),
            Test::Text(order, a, b) => {
                Ok(order.holds(a.evaluate(request)?.cmp(&b.evaluate(request)?)))
            }
            Test::Number(order, a, b) => {
                Ok(order.holds(a.evaluate(request)?.cmp(&b.evaluate(request)?)))
            }
            Test::Boolean(order, a, b) => {
                Ok(order.holds(a.evaluate(request)?.cmp(&b.evaluate(request)?)))
            }
            Test::Contains(a, b) => both(a, b, |a, b| memchr::memmem::find(a, b).is_some()),
            Test::ContainsLiteral(text, finder) => {
                Ok(finder.find(&text.evaluate(request)?).is_some())
            }
            Test::StartsWith(a, b) => both(a, b, |a, b| a.starts_with(b)),
            Test::EndsWith(a, b) => both(a, b, |a, b| a.ends_with(b)),
            Test::Matches(text, regex) => Ok(regex.is_match(&text.evaluate(request)?)),
            Test::TextIn(text, list) => {
                let text = text.evaluate(request)?;
                // The whole list is built before it is searched, and so every error counts.
                list.iter().try_fold(false, |found, item| {
                    Ok(item.evaluate(request)? == text || found)
                })
            }
            Test::NumberIn(number, list) => {
                let number = number.evaluate(request)?;
                list.iter().try_fold(false, |found, item| {
                    Ok(item.evaluate(request)? == number || found)
                })
            }
            Test::HasHeader(name) => Ok(request.header(&name.evaluate(request)?).is_some()),
            Test::HasText(field) => Ok(request.text(*field).is_some()),
            Test::HasNumber(field) => Ok(request.number(*field).is_some()),
        }
    }
}

impl Text {
    pub(super) fn evaluate<'r>(&'r self, request: &Request<'r>) -> Outcome<Cow<'r, [u8]>> {
        Ok(match self {
            Text::Literal(bytes) => Cow::Borrowed(bytes),
            Text::Attribute(field, span) => request
                .text(*field)
                .ok_or(EvalErrorKind::NoSuchAttribute.at(*span))?,
            Text::Header(name, span) => request
                .header(&name.evaluate(request)?)
                .ok_or(EvalErrorKind::NoSuchHeader.at(*span))?,
            Text::Lower(inner) => {
                let mut text = inner.evaluate(request)?;
                if text.iter().any(u8::is_ascii_uppercase) {
                    text.to_mut().make_ascii_lowercase();
                }
                text
            }
            Text::Upper(inner) => {
                let mut text = inner.evaluate(request)?;
                if text.iter().any(u8::is_ascii_lowercase) {
                    text.to_mut().make_ascii_uppercase();
                }
                text
            }
            Text::Concatenated(parts) => {
                let [first, second] = &**parts;
                let mut text = first.evaluate(request)?;
                text.to_mut().extend_from_slice(&second.evaluate(request)?);
                text
            }
            Text::Choose(parts) => {
                let (condition, yes, no) = &**parts;
                let chosen = if condition.evaluate(request)? {
                    yes
                } else {
                    no
                };
                chosen.evaluate(request)?
            }
            Text::Absent(span) => return Err(EvalErrorKind::NoSuchAttribute.at(*span)),
        })
    }
}

impl Number {
    pub(super) fn evaluate(&self, request: &Request<'_>) -> Outcome<i64> {
        Ok(match self {
            Number::Literal(value) => *value,
            Number::Attribute(field, span) => request
                .number(*field)
                .ok_or(EvalErrorKind::NoSuchAttribute.at(*span))?,
            Number::Parsed(text, span) => {
                let text = text.evaluate(request)?;
                // No blanks around it, as in the specification; cel-cpp would let them pass,
                // but a header value has none at its ends.
                let parsed = std::str::from_utf8(&text)
                    .ok()
                    .and_then(|text| text.parse().ok());
                parsed.ok_or(EvalErrorKind::NotAnInteger.at(*span))?
            }
            Number::Size(text) => {
                // Code points: every byte but those that continue one.
                let text = text.evaluate(request)?;
                let points = text.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
                i64::try_from(points).unwrap_or(i64::MAX)
            }
            Number::Negated(inner, span) => inner
                .evaluate(request)?
                .checked_neg()
                .ok_or(EvalErrorKind::Overflow.at(*span))?,
            Number::Arithmetic(operator, parts, span) => {
                let [a, b] = &**parts;
                let (a, b) = (a.evaluate(request)?, b.evaluate(request)?);
                let result = match operator {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Subtract => a.checked_sub(b),
                    Arithmetic::Multiply => a.checked_mul(b),
                    Arithmetic::Divide | Arithmetic::Remainder if b == 0 => {
                        return Err(EvalErrorKind::DivisionByZero.at(*span));
                    }
                    Arithmetic::Divide => a.checked_div(b),
                    Arithmetic::Remainder => a.checked_rem(b),
                };
                result.ok_or(EvalErrorKind::Overflow.at(*span))?
            }
            Number::Choose(parts) => {
                let (condition, yes, no) = &**parts;
                let chosen = if condition.evaluate(request)? {
                    yes
                } else {
                    no
                };
                chosen.evaluate(request)?
            }
            Number::Absent(span) => return Err(EvalErrorKind::NoSuchAttribute.at(*span)),
        })
    }
}
