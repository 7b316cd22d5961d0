//! The operators of matchers: logic, `? :`, comparison and `in`.

use cel::common::ast::{Expr, IdedExpr, operators};

use super::Rule;
use super::check::{Checker, Typed, Value};
use super::syntax::Extent;
use super::typed::{Number, Order, Predicate, Test, Text};

impl Checker<'_> {
    /// A boolean operand, and its extent.
    pub(super) fn boolean(&mut self, node: &IdedExpr, of: &str) -> Option<(Predicate, Extent)> {
        let operand = self.node(node)?;
        match operand.value {
            Value::Boolean(predicate) => Some((predicate, operand.extent)),
            other => {
                let message = format!("{of} takes booleans, this is {}", other.type_name());
                self.found(Rule::Type, operand.extent, message);
                None
            }
        }
    }

    /// `&&` or `||`: parts of the same operator become one list.
    pub(super) fn logic(
        &mut self,
        node: &IdedExpr,
        a: &IdedExpr,
        b: &IdedExpr,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Option<Typed> {
        let sign = self.tree.span(self.tree.alone(self.tree.token(node)));
        let sign = format!("`{}`", sign.of(self.tree.text));
        // Both sides are checked before the first missing one ends it.
        let (a, b) = (self.boolean(a, &sign), self.boolean(b, &sign));
        let ((a, first), (b, last)) = (a?, b?);
        let mut parts = Vec::new();
        let whole = join(Vec::new());
        for part in [a, b] {
            match (part, &whole) {
                (Predicate::All(inner), Predicate::All(_))
                | (Predicate::Any(inner), Predicate::Any(_)) => parts.extend(inner),
                (other, _) => parts.push(other),
            }
        }
        Some(Typed {
            value: Value::Boolean(join(parts)),
            extent: self.tree.over(first, last),
        })
    }

    pub(super) fn choice(
        &mut self,
        condition: &IdedExpr,
        yes: &IdedExpr,
        no: &IdedExpr,
    ) -> Option<Typed> {
        let condition = self.boolean(condition, "the condition of `? :`");
        let (yes, no) = (self.node(yes), self.node(no));
        let ((condition, first), yes, no) = (condition?, yes?, no?);
        let extent = self.tree.over(first, no.extent);
        self.undocumented(extent, "`? :`");
        let value = match (yes.value, no.value) {
            (Value::Boolean(yes), Value::Boolean(no)) => {
                Value::Boolean(Predicate::Choose(Box::new([condition, yes, no])))
            }
            (Value::Text(yes), Value::Text(no)) => {
                Value::Text(Text::Choose(Box::new((condition, yes, no))))
            }
            (Value::Number(yes), Value::Number(no)) => {
                Value::Number(Number::Choose(Box::new((condition, yes, no))))
            }
            (yes, no) => {
                let message = format!(
                    "`? :` gives one type, not {} or {}",
                    yes.type_name(),
                    no.type_name()
                );
                self.found(Rule::Type, extent, message);
                return None;
            }
        };
        Some(Typed { value, extent })
    }

    pub(super) fn membership(&mut self, item: &IdedExpr, list: &IdedExpr) -> Option<Typed> {
        let item = self.node(item);
        let Expr::List(elements) = &list.expr else {
            return self.map_membership(item, list);
        };
        let last = self.bracketed(list);
        let elements: Vec<Option<Typed>> = elements
            .elements
            .iter()
            .map(|element| self.node(element))
            .collect();
        let item = item?;
        let extent = self.tree.over(item.extent, last);
        self.undocumented(extent, "`in`, although samples of Google's use it");
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        for element in elements {
            let element = element?;
            match (&item.value, element.value) {
                (Value::Text(_), Value::Text(text)) => texts.push(text),
                (Value::Number(_), Value::Number(number)) => numbers.push(number),
                (item, other) => {
                    let message = format!("{} is never {}", item.type_name(), other.type_name());
                    self.found(Rule::Type, element.extent, message);
                    return None;
                }
            }
        }
        let span = self.tree.span(extent);
        let test = match item.value {
            Value::Text(text) => Test::TextIn(text, texts),
            Value::Number(number) => Test::NumberIn(number, numbers),
            other => {
                let message = format!(
                    "`in` looks for strings and integers, not {}",
                    other.type_name()
                );
                self.found(Rule::Type, item.extent, message);
                return None;
            }
        };
        Some(self.test(test, span, extent))
    }

    /// `'name' in request.headers`.
    fn map_membership(&mut self, item: Option<Typed>, map: &IdedExpr) -> Option<Typed> {
        let map = self.node(map);
        let (item, map) = (item?, map?);
        let extent = self.tree.over(item.extent, map.extent);
        let span = self.tree.span(extent);
        match (item.value, map.value) {
            (Value::Text(name), Value::Headers) => {
                self.undocumented(extent, "`in`");
                self.header_name(&name, item.extent);
                Some(self.test(Test::HasHeader(name), span, extent))
            }
            (item, other) => {
                let message = format!(
                    "`in` looks in a list or the request's headers: {} in {} is neither",
                    item.type_name(),
                    other.type_name()
                );
                self.found(Rule::Type, extent, message);
                None
            }
        }
    }

    pub(super) fn comparison(
        &mut self,
        node: &IdedExpr,
        order: Order,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Option<Typed> {
        let (a, b) = (self.node(a), self.node(b));
        let (a, b) = (a?, b?);
        let extent = self.tree.over(a.extent, b.extent);
        let span = self.tree.span(extent);
        let test = match (a.value, b.value) {
            (Value::Text(a), Value::Text(b)) => Test::Text(order, a, b),
            (Value::Number(a), Value::Number(b)) => Test::Number(order, a, b),
            (Value::Boolean(a), Value::Boolean(b)) => Test::Boolean(order, a, b),
            (a, b) => {
                let sign = self.tree.span(self.tree.alone(self.tree.token(node)));
                let message = format!(
                    "`{}` compares {} with {}",
                    sign.of(self.tree.text),
                    a.type_name(),
                    b.type_name()
                );
                let finding = self.found(Rule::Type, extent, message);
                finding.help = match (a, b) {
                    (Value::Text(_), Value::Number(_)) | (Value::Number(_), Value::Text(_)) => {
                        Some("`int(…)` makes an integer of a string".to_owned())
                    }
                    _ => None,
                };
                return None;
            }
        };
        Some(self.test(test, span, extent))
    }
}

/// The comparison of an operator.
pub(super) fn order(name: &str) -> Option<Order> {
    Some(match name {
        operators::EQUALS => Order::Equal,
        operators::NOT_EQUALS => Order::NotEqual,
        operators::LESS => Order::Less,
        operators::LESS_EQUALS => Order::AtMost,
        operators::GREATER => Order::More,
        operators::GREATER_EQUALS => Order::AtLeast,
        _ => return None,
    })
}
