//! A condition as the syntax tree that Envoy's CEL matcher takes (`cel.expr.ParsedExpr` in its
//! JSON form).
//!
//! Envoy has CEL without the extension for strings, and attributes of other names and contents:
//! its `request.path` holds the query, its `source.address` the port. What means the same there
//! is translated; what does not is refused, never approximated.

use std::fmt;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::{Value as Json, json};

use super::syntax;

/// Why a condition has no equal in Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInEnvoy(String);

impl fmt::Display for NotInEnvoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotInEnvoy {}

/// The attributes of the load balancer with those of Envoy that hold the same.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("request.headers", "request.headers"),
    ("request.method", "request.method"),
    // With `strip_matching_host_port`, as an exported listener has it, without port in both.
    ("request.host", "request.host"),
    ("request.path", "request.url_path"),
    ("request.query", "request.query"),
    ("request.scheme", "request.scheme"),
    ("source.port", "source.port"),
    (
        "connection.requested_server_name",
        "connection.requested_server_name",
    ),
    ("connection.sni", "connection.requested_server_name"),
    ("connection.tls_version", "connection.tls_version"),
    (
        "connection.sha256_peer_certificate_digest",
        "connection.sha256_peer_certificate_digest",
    ),
];

/// The client's address, which in Envoy has its port behind it.
const ADDRESSES: &[&str] = &["source.address", "source.ip"];

/// Translates an expression that [`compile`](super::compile) accepts.
///
/// # Errors
/// What in it has no equal, as a fragment such as ``Envoy has no `source.client_region` ``.
pub fn to_envoy(text: &str) -> Result<Json, NotInEnvoy> {
    let tree = syntax::parse(text)
        .map_err(|findings| NotInEnvoy(findings.into_iter().map(|f| f.message).collect()))?;
    let mut nodes = Nodes::default();
    let expression = nodes.expression(&tree.root)?;
    Ok(json!({"expr": expression, "source_info": {}}))
}

/// Hands out the ids of nodes.
#[derive(Default)]
struct Nodes {
    last: u64,
}

/// A change of letters that a comparison asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    Lower,
    Upper,
}

impl Nodes {
    fn node(&mut self, kind: &str, content: Json) -> Json {
        self.last += 1;
        // 64-bit numbers are strings in protobuf's JSON.
        json!({"id": self.last.to_string(), kind: content})
    }

    fn text(&mut self, value: &str) -> Json {
        self.node("const_expr", json!({"string_value": value}))
    }

    fn call(&mut self, function: &str, target: Option<Json>, args: Vec<Json>) -> Json {
        let mut call = json!({"function": function, "args": args});
        if let Some(target) = target {
            call["target"] = target;
        }
        self.node("call_expr", call)
    }

    fn not(&mut self, negated: bool, node: Json) -> Json {
        if negated {
            self.call(operators::LOGICAL_NOT, None, vec![node])
        } else {
            node
        }
    }

    /// `request.url_path` as selections.
    fn path(&mut self, name: &str) -> Json {
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        let mut node = self.node("ident_expr", json!({"name": first}));
        for field in parts {
            node = self.node("select_expr", json!({"operand": node, "field": field}));
        }
        node
    }

    fn expression(&mut self, node: &IdedExpr) -> Result<Json, NotInEnvoy> {
        match &node.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::List(list) => {
                let elements = list.elements.iter().map(|e| self.expression(e));
                let elements = elements.collect::<Result<Vec<_>, _>>()?;
                Ok(self.node("list_expr", json!({"elements": elements})))
            }
            Expr::Select(_) | Expr::Ident(_) => {
                let name = dotted(node).unwrap_or_default();
                if ADDRESSES.contains(&name.as_str()) {
                    return Err(NotInEnvoy(format!(
                        "`{name}` holds the port in Envoy; compare it with `==`, `!=`, `in` or \
                         `startsWith` and a literal"
                    )));
                }
                self.attribute(&name)
            }
            Expr::Call(call) => self.called(call),
            Expr::Map(_) | Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => Err(
                NotInEnvoy("maps, structs and macros are not translated".to_owned()),
            ),
        }
    }

    fn attribute(&mut self, name: &str) -> Result<Json, NotInEnvoy> {
        match ATTRIBUTES.iter().find(|(ours, _)| *ours == name) {
            Some((_, theirs)) => Ok(self.path(theirs)),
            None => Err(NotInEnvoy(format!("Envoy has no `{name}`"))),
        }
    }

    fn literal(&mut self, literal: &LiteralValue) -> Result<Json, NotInEnvoy> {
        let constant = match literal {
            LiteralValue::Boolean(value) => json!({"bool_value": value.inner()}),
            LiteralValue::String(text) => json!({"string_value": text.inner()}),
            LiteralValue::Int(number) => json!({"int64_value": number.inner().to_string()}),
            LiteralValue::Bytes(_)
            | LiteralValue::Double(_)
            | LiteralValue::UInt(_)
            | LiteralValue::Null => {
                return Err(NotInEnvoy(
                    "only strings, integers and booleans are translated".to_owned(),
                ));
            }
        };
        Ok(self.node("const_expr", constant))
    }

    fn called(&mut self, call: &CallExpr) -> Result<Json, NotInEnvoy> {
        if let Some(address) = self.of_the_address(call)? {
            return Ok(address);
        }
        if let Some(folded) = self.without_case(call)? {
            return Ok(folded);
        }
        match call.func_name.as_str() {
            "lowerAscii" | "upperAscii" | "lower" | "upper" => {
                return Err(NotInEnvoy(format!(
                    "Envoy has no `{}`; compare its result with a literal at once",
                    call.func_name
                )));
            }
            // Only the form `has(request.headers)` and the like; the field is asked for.
            "has" => return self.has(call),
            operators::INDEX => lower_case(call.args.get(1))?,
            operators::IN => lower_case(call.args.first().filter(|_| {
                call.args.get(1).and_then(dotted).as_deref() == Some("request.headers")
            }))?,
            _ => {}
        }
        let target = match &call.target {
            Some(target) => Some(self.expression(target)?),
            None => None,
        };
        let args = call.args.iter().map(|arg| self.expression(arg));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        Ok(self.call(&call.func_name, target, args))
    }

    fn has(&mut self, call: &CallExpr) -> Result<Json, NotInEnvoy> {
        let name = call.args.first().and_then(dotted).unwrap_or_default();
        let mut node = self.attribute(&name)?;
        node["select_expr"]["test_only"] = Json::Bool(true);
        Ok(node)
    }

    /// A comparison of the client's address with literals, which Envoy's ends with a colon and the
    /// port after.
    fn of_the_address(&mut self, call: &CallExpr) -> Result<Option<Json>, NotInEnvoy> {
        let is_address =
            |node: &IdedExpr| dotted(node).is_some_and(|name| ADDRESSES.contains(&name.as_str()));
        let (function, negated, literals) = match (call.func_name.as_str(), &call.args[..]) {
            (operators::EQUALS | operators::NOT_EQUALS, [one, other])
                if is_address(one) || is_address(other) =>
            {
                let literal = if is_address(one) { other } else { one };
                let negated = call.func_name == operators::NOT_EQUALS;
                (":", negated, vec![literal])
            }
            (operators::IN, [one, list]) if is_address(one) => match &list.expr {
                Expr::List(list) => (":", false, list.elements.iter().collect()),
                _ => return Ok(None),
            },
            ("startsWith", [literal]) if call.target.as_deref().is_some_and(is_address) => {
                ("", false, vec![literal])
            }
            _ => return Ok(None),
        };
        let mut any = None;
        for literal in literals {
            let Some(text) = string(literal) else {
                return Ok(None);
            };
            // An address of IPv6 stands in brackets before its port.
            let start = match (function, text.contains(':')) {
                (":", true) => format!("[{text}]:"),
                (_, true) => format!("[{text}"),
                _ => format!("{text}{function}"),
            };
            let (address, start) = (self.path("source.address"), self.text(&start));
            let one = self.call("startsWith", Some(address), vec![start]);
            any = Some(match any {
                None => one,
                Some(before) => self.call(operators::LOGICAL_OR, None, vec![before, one]),
            });
        }
        let any = any.unwrap_or_else(|| self.node("const_expr", json!({"bool_value": false})));
        Ok(Some(self.not(negated, any)))
    }

    /// A comparison of a text in other letters with a literal: a regular expression that does not
    /// look at the case.
    fn without_case(&mut self, call: &CallExpr) -> Result<Option<Json>, NotInEnvoy> {
        let (subject, literal, before, after, negated) = match (&call.target, &call.args[..]) {
            (None, [one, other]) => {
                let negated = match call.func_name.as_str() {
                    operators::EQUALS => false,
                    operators::NOT_EQUALS => true,
                    _ => return Ok(None),
                };
                let swapped = string(one).is_some();
                let (subject, literal) = if swapped { (other, one) } else { (one, other) };
                (subject, literal, "^", "$", negated)
            }
            (Some(target), [literal]) => {
                let (before, after) = match call.func_name.as_str() {
                    "startsWith" => ("^", ""),
                    "endsWith" => ("", "$"),
                    "contains" => ("", ""),
                    _ => return Ok(None),
                };
                (&**target, literal, before, after, false)
            }
            _ => return Ok(None),
        };
        let (Some((inner, letters)), Some(text)) = (folded(subject), string(literal)) else {
            return Ok(None);
        };
        let other = match letters {
            Letters::Lower => |c: char| c.is_ascii_uppercase(),
            Letters::Upper => |c: char| c.is_ascii_lowercase(),
        };
        let inner = self.expression(inner)?;
        // A literal with letters that the text cannot have any more: asked all the same, since
        // what is missing is an error, but for what no text has.
        let pattern = if text.contains(other) {
            "[^\\x00-\\x{10FFFF}]".to_owned()
        } else {
            format!("(?i){before}{}{after}", regex::escape(text))
        };
        let pattern = self.text(&pattern);
        let found = self.call("matches", Some(inner), vec![pattern]);
        Ok(Some(self.not(negated, found)))
    }
}

/// The text below `lowerAscii` and its like.
fn folded(node: &IdedExpr) -> Option<(&IdedExpr, Letters)> {
    let Expr::Call(call) = &node.expr else {
        return None;
    };
    let letters = match call.func_name.as_str() {
        "lowerAscii" | "lower" => Letters::Lower,
        "upperAscii" | "upper" => Letters::Upper,
        _ => return None,
    };
    Some((call.target.as_deref()?, letters))
}

/// Refuses a header's name with capitals: it finds nothing in the load balancer and something in
/// Envoy.
fn lower_case(name: Option<&IdedExpr>) -> Result<(), NotInEnvoy> {
    match name.and_then(string) {
        Some(text) if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Err(NotInEnvoy(format!(
                "the header `{text}` is found in Envoy and never in the load balancer; write it \
                 in lower case"
            )))
        }
        _ => Ok(()),
    }
}

fn string(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// `request.path` of the selections that say so.
fn dotted(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", dotted(&select.operand)?, select.field)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expression back in words, for tests.
    fn words(node: &Json) -> String {
        if let Some(name) = node["ident_expr"]["name"].as_str() {
            return name.to_owned();
        }
        if let Some(field) = node["select_expr"]["field"].as_str() {
            return format!("{}.{field}", words(&node["select_expr"]["operand"]));
        }
        if let Some(list) = node["list_expr"]["elements"].as_array() {
            return format!("{:?}", list.iter().map(words).collect::<Vec<_>>());
        }
        if let Some(constant) = node["const_expr"].as_object() {
            return constant.values().map(Json::to_string).collect();
        }
        let call = &node["call_expr"];
        let args = call["args"].as_array().into_iter().flatten();
        let args: Vec<_> = args.map(words).collect();
        let function = call["function"].as_str().unwrap_or_default();
        match call.get("target") {
            Some(target) => format!("{}.{function}({})", words(target), args.join(", ")),
            None => format!("{function}({})", args.join(", ")),
        }
    }

    #[test]
    fn what_means_the_same_is_translated() {
        let check = |text: &str, expected: &str| {
            let tree = to_envoy(text).expect(text);
            assert_eq!(words(&tree["expr"]), expected, "{text}");
        };
        check(
            r#"request.path.startsWith("/a") && request.query == "q""#,
            r#"_&&_(request.url_path.startsWith("/a"), _==_(request.query, "q"))"#,
        );
        check(
            r#"request.headers["x-a"].matches(R"\d+")"#,
            r#"_[_](request.headers, "x-a").matches("\\d+")"#,
        );
        check(
            r#"source.address == "10.0.0.1" || source.ip in ["::1"]"#,
            r#"_||_(source.address.startsWith("10.0.0.1:"), source.address.startsWith("[::1]:"))"#,
        );
        check(
            r#"request.host.lowerAscii() != "a.b" && request.host.upperAscii().endsWith("x")"#,
            r#"_&&_(!_(request.host.matches("(?i)^a\\.b$")), request.host.matches("[^\\x00-\\x{10FFFF}]"))"#,
        );
        check("source.port > 1024", r#"_>_(source.port, "1024")"#);
    }

    #[test]
    fn what_means_something_else_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = to_envoy(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check(r#"source.client_region == "US""#, "`source.client_region`");
        check(r#"source.address.contains("1")"#, "holds the port");
        check(r#"request.headers["X-A"] == "1""#, "`X-A`");
        check(r#""X-A" in request.headers"#, "`X-A`");
        check(
            "request.host.lowerAscii() == request.headers['h']",
            "`lowerAscii`",
        );
        check("request.path ==", "operand");
    }
}
