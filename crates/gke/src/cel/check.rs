//! From the tree to the typed form: names, types, literals and availability, in one walk.
//!
//! The walk does not stop at a mistake: what it can still say about the rest it says, and a
//! node that has no type because of one stays silent above it.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::operators::order;
use super::syntax::{Extent, Tree};
use super::typed::{Predicate, Test, Text};
use super::vocabulary::{ATTRIBUTES, Attribute, Dialect, attribute, nearest};
use super::{AttachPoint, Finding, Options, Rule, Span, typed};

/// A checked expression of any type, and the tokens it extends over.
pub(super) struct Typed {
    pub(super) value: Value,
    pub(super) extent: Extent,
}

/// A checked expression, by its type.
pub(super) enum Value {
    Boolean(Predicate),
    Text(Text),
    Number(typed::Number),
    /// The header map itself, which only an index or `in` makes use of.
    Headers,
    /// The header map of the response.
    ResponseHeaders,
}

impl Value {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Boolean(_) => "a boolean",
            Value::Text(_) => "a string",
            Value::Number(_) => "an integer",
            Value::Headers | Value::ResponseHeaders => "the map of headers",
        }
    }
}

/// The walk's state: the tree, what it is held to, and what was found.
pub(super) struct Checker<'t> {
    pub(super) tree: &'t Tree<'t>,
    pub(super) options: Options,
    pub(super) findings: Vec<Finding>,
}

/// Checks a whole expression. Without an error among the findings there is a predicate.
pub(super) fn check(tree: &Tree<'_>, options: Options) -> (Option<Predicate>, Vec<Finding>) {
    let mut checker = Checker {
        tree,
        options,
        findings: Vec::new(),
    };
    let predicate = match checker.node(&tree.root) {
        Some(Typed {
            value: Value::Boolean(predicate),
            ..
        }) => Some(predicate),
        Some(other) => {
            let found = other.value.type_name();
            let message = format!("the expression is {found}, not a boolean");
            checker.found(Rule::NotBoolean, other.extent, message).help =
                Some("compare it, as in `… == \"…\"`; nothing but `true` matches".to_owned());
            None
        }
        None => None,
    };
    (predicate, checker.findings)
}

impl Checker<'_> {
    /// Notes a finding over an extent, to be added to.
    pub(super) fn found(
        &mut self,
        rule: Rule,
        extent: Extent,
        message: impl Into<String>,
    ) -> &mut Finding {
        let span = self.tree.span(extent);
        self.found_at(Finding::new(rule, span, message))
    }

    fn found_at(&mut self, finding: Finding) -> &mut Finding {
        let at = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[at]
    }

    /// Notes that something works and is not in the load balancer's reference.
    pub(super) fn undocumented(&mut self, extent: Extent, what: &str) {
        let message = format!("the load balancer's reference does not list {what}");
        self.found(Rule::Undocumented, extent, message);
    }

    /// Checks a node and what is below it.
    pub(super) fn node(&mut self, node: &IdedExpr) -> Option<Typed> {
        match &node.expr {
            Expr::Call(call) => self.call(node, call),
            Expr::Literal(literal) => self.literal(node, literal),
            Expr::Select(select) => self.select(node, select),
            Expr::Ident(name) => {
                let extent = self.tree.alone(self.tree.token(node));
                self.unknown(name, extent);
                None
            }
            Expr::List(_) => {
                let extent = self.bracketed(node);
                self.found(Rule::Literal, extent, "a list stands only after `in`");
                None
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => {
                let extent = self.bracketed(node);
                self.found(
                    Rule::Literal,
                    extent,
                    "matchers have no maps and no messages",
                );
                None
            }
        }
    }

    /// The extent of a node of which the parser noted the opening bracket.
    pub(super) fn bracketed(&self, node: &IdedExpr) -> Extent {
        let open = self.tree.token(node);
        self.tree
            .until(self.tree.alone(open), self.tree.partner(open))
    }

    fn literal(&mut self, node: &IdedExpr, literal: &LiteralValue) -> Option<Typed> {
        let token = self.tree.token(node);
        let mut extent = self.tree.alone(token);
        let value = match literal {
            LiteralValue::Boolean(value) => Value::Boolean(Predicate::Constant(*value.inner())),
            LiteralValue::String(text) => {
                Value::Text(Text::Literal(text.inner().as_bytes().into()))
            }
            LiteralValue::Int(number) => {
                let number = *number.inner();
                if number < 0 {
                    // The parser notes the digits of a negative number, not its sign.
                    extent.first = token.saturating_sub(1);
                }
                Value::Number(typed::Number::Literal(number))
            }
            LiteralValue::Bytes(_) => return self.no_literal(extent, "bytes literals"),
            LiteralValue::Double(_) => return self.no_literal(extent, "floating-point numbers"),
            LiteralValue::UInt(_) => return self.no_literal(extent, "unsigned numbers"),
            LiteralValue::Null => return self.no_literal(extent, "null"),
        };
        Some(Typed { value, extent })
    }

    fn no_literal(&mut self, extent: Extent, what: &str) -> Option<Typed> {
        self.found(Rule::Literal, extent, format!("matchers have no {what}"))
            .help = Some("literals are strings, integers, `true` and `false`".to_owned());
        None
    }

    /// `a.b`: an attribute, or a header as a field of the map.
    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Option<Typed> {
        let dot = self.tree.token(node);
        let operand = &*select.operand;
        if let Some((name, first)) = self.qualified(operand) {
            let extent = self.tree.until(first, dot + 1);
            let name = format!("{name}.{}", select.field);
            if let Some(entry) = attribute(&name) {
                return self.attribute(entry.name, extent);
            }
            // `request.headers.accept` goes on with a name that is an attribute already.
            if !self.is_attribute(operand) {
                self.unknown(&name, extent);
                return None;
            }
        }
        let map = self.node(operand)?;
        let extent = self.tree.until(map.extent, dot + 1);
        match map.value {
            Value::Headers | Value::ResponseHeaders => {
                self.undocumented(
                    extent,
                    "headers as fields; it has `request.headers['name']`",
                );
                let name = Text::Literal(select.field.as_bytes().into());
                self.header(&map.value, name, extent, extent)
            }
            other => {
                let message = format!("{} has no fields", other.type_name());
                self.found(Rule::Type, extent, message);
                None
            }
        }
    }

    /// The dotted name that a chain of selections spells, and where it begins.
    fn qualified(&self, node: &IdedExpr) -> Option<(String, Extent)> {
        match &node.expr {
            Expr::Ident(name) => Some((name.clone(), self.tree.alone(self.tree.token(node)))),
            Expr::Select(select) => {
                // Two levels are the longest attribute; a longer chain is none.
                let Expr::Ident(root) = &select.operand.expr else {
                    return None;
                };
                let extent = self.tree.alone(self.tree.token(&select.operand));
                Some((format!("{root}.{}", select.field), extent))
            }
            _ => None,
        }
    }

    fn is_attribute(&self, node: &IdedExpr) -> bool {
        self.qualified(node)
            .is_some_and(|(name, _)| attribute(&name).is_some())
    }

    fn unknown(&mut self, name: &str, extent: Extent) {
        let dialect = self.options.dialect;
        let span = self.tree.span(extent);
        let candidates = ATTRIBUTES.iter().filter(|entry| entry.in_dialect(dialect));
        let near = nearest(name, candidates.map(|entry| entry.name));
        let message = format!("there is no attribute `{name}`");
        let mut finding = Finding::new(Rule::UnknownAttribute, span, message);
        if let Some(near) = near {
            finding = finding
                .help(format!("did you mean `{near}`?"))
                .fix(span, near);
        }
        self.findings.push(finding);
    }

    /// An attribute where it stands: whether it exists there, and its type.
    fn attribute(&mut self, name: &'static str, extent: Extent) -> Option<Typed> {
        let entry = attribute(name)?;
        let Options { dialect, attach } = self.options;
        if attach == AttachPoint::Edge && !entry.edge {
            let message = format!("edge extensions do not have `{name}`");
            self.found(Rule::Unavailable, extent, message);
            return None;
        }
        if dialect == Dialect::LoadBalancer && !entry.reference {
            self.undocumented(extent, &format!("`{name}`; only GKE's field does"));
        }
        if dialect != Dialect::LoadBalancer && name == "source.address" {
            let message = "whether `source.address` has the port in it is not published";
            self.found(Rule::Assumption, extent, message).help =
                Some("here it is the address alone, since `source.port` exists".to_owned());
        }
        let span = self.tree.span(extent);
        let value = match entry.attribute {
            Attribute::Text(field) => Value::Text(Text::Attribute(field, span)),
            Attribute::Number(field) => Value::Number(typed::Number::Attribute(field, span)),
            Attribute::RequestHeaders => Value::Headers,
            Attribute::ResponseHeaders => {
                self.no_response(extent);
                Value::ResponseHeaders
            }
            Attribute::ResponseNumber => {
                self.no_response(extent);
                Value::Number(typed::Number::Absent(span))
            }
        };
        Some(Typed { value, extent })
    }

    fn no_response(&mut self, extent: Extent) {
        self.found(
            Rule::NoResponseYet,
            extent,
            "there is no response yet when a chain is chosen",
        )
        .help = Some("this is an error at every request, and an error is no match".to_owned());
    }

    /// A header by name, of either map. `place` is the name's own extent.
    pub(super) fn header(
        &mut self,
        map: &Value,
        name: Text,
        place: Extent,
        extent: Extent,
    ) -> Option<Typed> {
        let span = self.tree.span(extent);
        let value = match map {
            Value::ResponseHeaders => Text::Absent(span),
            _ => {
                self.header_name(&name, place);
                Text::Header(Box::new(name), span)
            }
        };
        Some(Typed {
            value: Value::Text(value),
            extent,
        })
    }

    /// Warns of a header name that no request can have.
    pub(super) fn header_name(&mut self, name: &Text, place: Extent) {
        let Text::Literal(bytes) = name else { return };
        let written = String::from_utf8_lossy(bytes).into_owned();
        if bytes.iter().any(u8::is_ascii_uppercase) {
            let lower = written.to_ascii_lowercase();
            let content = self.tree.plain_content(place);
            let message = format!("header names are in lower case, and `{written}` is not");
            let finding = self.found(Rule::HeaderName, place, message);
            finding.help = Some(format!("write `{lower}`; as it stands it is never found"));
            if let Some(span) = content {
                finding.fix = Some(super::Fix {
                    span,
                    replacement: lower,
                });
            }
            return;
        }
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let pseudo = super::request::derived_header(bytes).is_some();
        if !pseudo && (bytes.is_empty() || !bytes.iter().all(token)) {
            let message = format!("`{}` is no header name", written.escape_debug());
            self.found(Rule::HeaderName, place, message).help =
                Some("it is never found, and an error is no match".to_owned());
        }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        match (
            call.func_name.as_str(),
            call.target.as_deref(),
            &call.args[..],
        ) {
            (operators::LOGICAL_AND, None, [a, b]) => self.logic(node, a, b, Predicate::All),
            (operators::LOGICAL_OR, None, [a, b]) => self.logic(node, a, b, Predicate::Any),
            (operators::LOGICAL_NOT, None, [inner]) => {
                let (inner, extent) = self.boolean(inner, "`!`")?;
                let extent = self
                    .tree
                    .over(self.tree.alone(self.tree.token(node)), extent);
                Some(Typed {
                    value: Value::Boolean(Predicate::Not(Box::new(inner))),
                    extent,
                })
            }
            (operators::CONDITIONAL, None, [condition, yes, no]) => self.choice(condition, yes, no),
            (operators::INDEX, None, [map, key]) => self.index(node, map, key),
            (operators::IN, None, [item, list]) => self.membership(item, list),
            (name, None, [a, b]) if order(name).is_some() => {
                self.comparison(node, order(name)?, a, b)
            }
            (name, None, args) if super::calls::is_arithmetic(name) => {
                self.arithmetic(node, name, args)
            }
            (name, target, args) => self.function(node, name, target, args),
        }
    }

    fn index(&mut self, node: &IdedExpr, map: &IdedExpr, key: &IdedExpr) -> Option<Typed> {
        let (map, key) = (self.node(map), self.node(key));
        let (map, key) = (map?, key?);
        let close = self.tree.partner(self.tree.token(node));
        let extent = self.tree.until(map.extent, close);
        if !matches!(map.value, Value::Headers | Value::ResponseHeaders) {
            let message = format!("{} has no keys", map.value.type_name());
            self.found(Rule::Type, map.extent, message).help =
                Some("only `request.headers` is a map".to_owned());
            return None;
        }
        match key.value {
            Value::Text(name) => self.header(&map.value, name, key.extent, extent),
            other => {
                let message = format!("a header's name is a string, this is {}", other.type_name());
                self.found(Rule::Type, key.extent, message);
                None
            }
        }
    }

    /// A test as a checked expression.
    pub(super) fn test(&self, test: Test, span: Span, extent: Extent) -> Typed {
        Typed {
            value: Value::Boolean(Predicate::Test(Box::new(test), span)),
            extent,
        }
    }
}
