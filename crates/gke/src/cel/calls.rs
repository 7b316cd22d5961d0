//! The functions and methods of matchers, their arguments, and arithmetic.

use cel::common::ast::{Expr, IdedExpr, operators};
use memchr::memmem::Finder;

use super::check::{Checker, Typed, Value};
use super::syntax::Extent;
use super::typed::{Arithmetic, Number, Predicate, Test, Text};
use super::vocabulary::{Dialect, nearest};
use super::{Finding, Rule, re2};

/// The longest regular expression that the load balancer takes, in characters.
const REGEX_LENGTH: usize = 100;

/// Whether an operator is arithmetic, concatenation and the minus sign included.
pub(super) fn is_arithmetic(name: &str) -> bool {
    arithmetic(name).is_some() || name == operators::NEGATE
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

const METHODS: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "lower",
    "upper",
    "lowerAscii",
    "upperAscii",
    "size",
];
const FUNCTIONS: &[&str] = &["int", "has", "size", "matches"];

impl Checker<'_> {
    pub(super) fn arithmetic(
        &mut self,
        node: &IdedExpr,
        name: &str,
        args: &[IdedExpr],
    ) -> Option<Typed> {
        let sign = self.tree.alone(self.tree.token(node));
        let operands: Vec<Option<Typed>> = args.iter().map(|arg| self.node(arg)).collect();
        let operands = operands.into_iter().collect::<Option<Vec<Typed>>>()?;
        let last = operands.last()?.extent;
        let first = if operands.len() == 1 {
            sign
        } else {
            operands[0].extent
        };
        let extent = self.tree.over(first, last);
        let span = self.tree.span(extent);
        let written = self.tree.span(sign).of(self.tree.text).to_owned();
        let values: Vec<Value> = operands.into_iter().map(|operand| operand.value).collect();
        let types: Vec<&str> = values.iter().map(Value::type_name).collect();
        let types = types.join(" and ");
        let mut values = values.into_iter();
        let value = match (arithmetic(name), values.next()?, values.next()) {
            (None, Value::Number(a), None) => Value::Number(Number::Negated(Box::new(a), span)),
            (Some(Arithmetic::Add), Value::Text(a), Some(Value::Text(b))) => {
                Value::Text(Text::Concatenated(Box::new([a, b])))
            }
            (Some(operator), Value::Number(a), Some(Value::Number(b))) => {
                Value::Number(Number::Arithmetic(operator, Box::new([a, b]), span))
            }
            _ => {
                let message = format!("`{written}` does not take {types}");
                self.found(Rule::Type, extent, message);
                return None;
            }
        };
        self.undocumented(sign, &format!("`{written}`"));
        Some(Typed { value, extent })
    }

    /// A call by name, of a function or a method.
    pub(super) fn function(
        &mut self,
        node: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Option<Typed> {
        let open = self.tree.token(node);
        let called = self.tree.alone(open.saturating_sub(1));
        let close = self.tree.partner(open);
        let known = if target.is_some() { METHODS } else { FUNCTIONS };
        if !known.contains(&name) {
            self.unknown_function(name, target.is_some(), called);
            return None;
        }
        if name == "has" {
            return self.presence(args, called, self.tree.until(called, close));
        }
        let checked: Vec<Option<Typed>> = target
            .into_iter()
            .chain(args)
            .map(|arg| self.node(arg))
            .collect();
        let wanted = match name {
            "contains" | "startsWith" | "endsWith" | "matches" => 2,
            _ => 1,
        };
        let first = match target {
            Some(_) => checked.first()?.as_ref()?.extent,
            None => called,
        };
        let extent = self.tree.until(first, close);
        if checked.len() != wanted {
            let own = usize::from(target.is_some());
            let message = format!(
                "`{name}` takes {} in its parentheses, not {}",
                count(wanted - own),
                checked.len() - own
            );
            self.found(Rule::Type, self.tree.until(called, close), message);
            return None;
        }
        let mut operands = checked.into_iter().flatten();
        match (operands.next(), operands.next()) {
            (Some(one), None) if wanted == 1 => self.conversion(name, called, one, extent),
            (Some(one), Some(two)) => self.search(name, one, two, extent),
            // An operand with a mistake of its own has been spoken of.
            _ => None,
        }
    }

    fn unknown_function(&mut self, name: &str, method: bool, called: Extent) {
        let span = self.tree.span(called);
        let (what, candidates) = if method {
            ("method", METHODS)
        } else {
            ("function", FUNCTIONS)
        };
        let dialect = self.options.dialect;
        let candidates = candidates
            .iter()
            .copied()
            .filter(|name| dialect == Dialect::LoadBalancer || !matches!(*name, "lower" | "upper"));
        let finding = Finding::new(
            Rule::UnknownFunction,
            span,
            format!("matchers have no {what} `{name}`"),
        );
        let finding = match (name, nearest(name, candidates)) {
            ("all" | "exists" | "exists_one" | "filter" | "map", _) => {
                finding.help("matchers have no macros over lists and maps")
            }
            ("contains" | "startsWith" | "endsWith" | "lowerAscii" | "upperAscii", _) => {
                finding.help(format!("it is a method, as in `request.path.{name}(…)`"))
            }
            ("not", _) => finding.help("not is `!`").fix(span, "!"),
            (_, Some(near)) => finding
                .help(format!("did you mean `{near}`?"))
                .fix(span, near),
            _ => finding,
        };
        self.findings.push(finding);
    }

    /// `has(request.headers.name)`, which asks without looking up.
    fn presence(&mut self, args: &[IdedExpr], called: Extent, extent: Extent) -> Option<Typed> {
        let [arg] = args else {
            self.found(Rule::Type, extent, "`has` takes one field");
            return None;
        };
        let is_field = matches!(&arg.expr, Expr::Select(_));
        let before = self.findings.len();
        let field = self.node(arg)?;
        // The field form is what `has` is for: no second word about it.
        let said = self.findings.split_off(before);
        let kept = said
            .into_iter()
            .filter(|finding| finding.rule != Rule::Undocumented);
        self.findings.extend(kept);
        let span = self.tree.span(extent);
        let test = match field.value {
            Value::Text(Text::Header(name, _)) if is_field => Test::HasHeader(*name),
            Value::Text(Text::Attribute(field, _)) if is_field => Test::HasText(field),
            Value::Number(Number::Attribute(field, _)) if is_field => Test::HasNumber(field),
            Value::Headers if is_field => {
                self.undocumented(called, "`has`");
                let value = Value::Boolean(Predicate::Constant(true));
                return Some(Typed { value, extent });
            }
            Value::Text(Text::Absent(_))
            | Value::Number(Number::Absent(_))
            | Value::ResponseHeaders
                if is_field =>
            {
                let value = Value::Boolean(Predicate::Constant(false));
                return Some(Typed { value, extent });
            }
            _ => {
                self.found(
                    Rule::Type,
                    field.extent,
                    "`has` takes a field, as in `has(a.b)`",
                )
                .help = Some("a header may be asked for by `'name' in request.headers`".to_owned());
                return None;
            }
        };
        self.undocumented(called, "`has`");
        Some(self.test(test, span, extent))
    }

    /// A call of one operand: `int`, `size` and the changes of case.
    fn conversion(
        &mut self,
        name: &str,
        called: Extent,
        operand: Typed,
        extent: Extent,
    ) -> Option<Typed> {
        let span = self.tree.span(extent);
        let load_balancer = self.options.dialect == Dialect::LoadBalancer;
        let value = match (name, operand.value) {
            ("int", Value::Text(text)) => Value::Number(Number::Parsed(Box::new(text), span)),
            ("int", Value::Number(number)) => Value::Number(number),
            ("size", Value::Text(text)) => {
                self.undocumented(called, "`size`");
                Value::Number(Number::Size(Box::new(text)))
            }
            ("lower" | "lowerAscii", Value::Text(text)) => {
                if load_balancer && name == "lowerAscii" {
                    self.undocumented(called, "`lowerAscii`; it has `lower`");
                }
                Value::Text(Text::Lower(Box::new(text)))
            }
            ("upper" | "upperAscii", Value::Text(text)) => {
                if load_balancer && name == "upperAscii" {
                    self.undocumented(called, "`upperAscii`; it has `upper`");
                }
                Value::Text(Text::Upper(Box::new(text)))
            }
            (_, other) => {
                let message = format!("`{name}` takes a string, this is {}", other.type_name());
                self.found(Rule::Type, operand.extent, message);
                return None;
            }
        };
        Some(Typed { value, extent })
    }

    /// A call of two strings: `contains`, `startsWith`, `endsWith` and `matches`.
    fn search(&mut self, name: &str, text: Typed, sought: Typed, extent: Extent) -> Option<Typed> {
        let place = sought.extent;
        let mut string = |operand: Typed| match operand.value {
            Value::Text(text) => Some(text),
            other => {
                let message = format!("`{name}` takes strings, this is {}", other.type_name());
                let finding = self.found(Rule::Type, operand.extent, message);
                if matches!(other, Value::Headers) {
                    finding.help =
                        Some("name the header, as in `request.headers['accept']`".to_owned());
                }
                None
            }
        };
        let (text, sought) = (string(text), string(sought));
        let (text, sought) = (text?, sought?);
        let test = match (name, sought) {
            ("contains", Text::Literal(bytes)) => {
                Test::ContainsLiteral(text, Box::new(Finder::new(&bytes).into_owned()))
            }
            ("contains", sought) => Test::Contains(text, sought),
            ("startsWith", sought) => Test::StartsWith(text, sought),
            ("endsWith", sought) => Test::EndsWith(text, sought),
            (_, Text::Literal(pattern)) => {
                let regex = self.regex(&String::from_utf8_lossy(&pattern), place)?;
                Test::Matches(text, regex)
            }
            // CEL would let the pattern be computed. It is compiled once here, and the
            // reference shows literals only.
            (_, _) => {
                self.found(Rule::Regex, place, "a regular expression is a literal");
                return None;
            }
        };
        let span = self.tree.span(extent);
        Some(self.test(test, span, extent))
    }

    fn regex(&mut self, pattern: &str, place: Extent) -> Option<regex::bytes::Regex> {
        let length = pattern.chars().count();
        if length > REGEX_LENGTH {
            let message = format!(
                "a regular expression has at most {REGEX_LENGTH} characters, this has {length}"
            );
            self.found(Rule::RegexLength, place, message);
            return None;
        }
        match re2::compile(pattern) {
            Ok(regex) => Some(regex),
            Err(refused) => {
                let content = self.tree.plain_content(place);
                let finding = self.found(Rule::Regex, place, refused.message);
                finding.help = refused.help.map(str::to_owned);
                if let Some(content) = content {
                    let start = content.start as usize;
                    let range = refused.range;
                    finding.span = super::Span::new(start + range.start, start + range.end);
                }
                None
            }
        }
    }
}

/// A number of arguments, in words.
fn count(arguments: usize) -> &'static str {
    match arguments {
        0 => "nothing",
        1 => "one argument",
        _ => "two arguments",
    }
}
