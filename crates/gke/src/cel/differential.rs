//! Generated expressions and requests on which our evaluation and the interpreter of the `cel`
//! crate have to agree.
//!
//! The interpreter is an oracle of CEL: it knows nothing of matchers, so a request is given to
//! it as maps, and methods that only the load balancer has as functions. Texts are ASCII here,
//! since its regular expressions read Unicode and ours bytes, by design.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use ::cel::extractors::This;
use ::cel::{Context, Env, Program, Value};

use super::*;

/// How many expressions are compared.
const EXPRESSIONS: usize = 20_000;

/// A small generator of numbers (xorshift*): the same seed gives the same tests everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    pub(super) fn of<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}

const TEXTS: &[&str] = &[
    "", "a", "A", "b", "ab", "aB", "/a", "/a/b", "5", "-7", "+5", "x=1", "a,b",
];
const TEXT_ATTRIBUTES: &[&str] = &[
    "request.method",
    "request.host",
    "request.path",
    "request.query",
    "request.scheme",
    "source.ip",
    "connection.sni",
    "connection.tls_version",
    "connection.sha256_peer_certificate_digest",
    "request.backend_service_name",
];
const NUMBER_ATTRIBUTES: &[&str] = &["source.port", "request.backend_service_project_number"];
const HEADERS: &[&str] = &["a", "x-b", "accept", "missing"];
const PATTERNS: &[&str] = &[
    "",
    "a",
    "^a",
    "a$",
    "^/a.*b$",
    "[ab]+",
    "(?i)A",
    "a|b$",
    "^.$",
    r"\d",
    r"[^/]$",
    "(a|b){2}",
    r"\/a",
    "^[+-]?[0-9]+$",
    r"\bb\b",
    "a*?$",
    r"\Qa,b\E",
    r"\Q/a\E.",
];
const ORDERS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
const NUMBERS: &[&str] = &["0", "1", "2", "5", "-7", "443", "9223372036854775807"];

/// Writes well-typed expressions of bounded depth.
struct Writer {
    random: Random,
}

impl Writer {
    fn literal(&mut self) -> String {
        let text = *self.random.of(TEXTS);
        match self.random.below(4) {
            0 => format!("\"{text}\""),
            1 => format!("R'{text}'"),
            2 => format!("'{}'", text.replace('a', "\\x61").replace('/', "\\057")),
            _ => format!("'{text}'"),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let random = &mut self.random;
        match random.below(if depth == 0 { 6 } else { 10 }) {
            0 | 1 => self.literal(),
            2 | 3 => (*random.of(TEXT_ATTRIBUTES)).to_owned(),
            4 => format!("request.headers['{}']", random.of(HEADERS)),
            5 => format!("request.headers.{}", random.of(&["a", "accept", "missing"])),
            6 => {
                let method = *random.of(&["lowerAscii", "upperAscii", "lower", "upper"]);
                format!("{}.{method}()", self.text(depth - 1))
            }
            7 => format!("({} + {})", self.text(depth - 1), self.text(depth - 1)),
            8 => {
                let condition = self.predicate(depth - 1);
                let (yes, no) = (self.text(depth - 1), self.text(depth - 1));
                format!("(({condition}) ? {yes} : {no})")
            }
            _ => format!("request.headers[{}]", self.text(depth - 1)),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        let random = &mut self.random;
        match random.below(if depth == 0 { 4 } else { 8 }) {
            0 | 1 => (*random.of(NUMBERS)).to_owned(),
            2 => (*random.of(NUMBER_ATTRIBUTES)).to_owned(),
            3 => format!("int(request.headers['{}'])", random.of(HEADERS)),
            4 => format!("int({})", self.text(depth - 1)),
            5 => {
                let text = self.text(depth - 1);
                match self.random.below(2) {
                    0 => format!("size({text})"),
                    _ => format!("{text}.size()"),
                }
            }
            6 => format!("-({})", self.number(depth - 1)),
            _ => {
                let sign = *random.of(&["+", "-", "*", "/", "%"]);
                format!(
                    "({} {sign} {})",
                    self.number(depth - 1),
                    self.number(depth - 1)
                )
            }
        }
    }

    fn predicate(&mut self, depth: usize) -> String {
        let below = depth.saturating_sub(1);
        match self.random.below(if depth == 0 { 8 } else { 16 }) {
            0 | 1 => {
                let method = *self.random.of(&["contains", "startsWith", "endsWith"]);
                format!("{}.{method}({})", self.text(below), self.text(below))
            }
            2 | 3 => {
                let order = *self.random.of(ORDERS);
                format!("{} {order} {}", self.text(below), self.text(below))
            }
            4 => {
                let order = *self.random.of(ORDERS);
                format!("{} {order} {}", self.number(below), self.number(below))
            }
            5 => {
                let pattern = *self.random.of(PATTERNS);
                format!("{}.matches(R\"{pattern}\")", self.text(below))
            }
            6 => match self.random.below(3) {
                0 => (*self.random.of(&["true", "false"])).to_owned(),
                1 => format!("has(request.headers.{})", self.random.of(&["a", "missing"])),
                _ => format!("{} in request.headers", self.text(below)),
            },
            7 => match self.random.below(2) {
                0 => {
                    let list = [self.text(below), self.text(below), self.literal()].join(", ");
                    format!("{} in [{list}]", self.text(below))
                }
                _ => format!("{} in [{}, 5]", self.number(below), self.number(below)),
            },
            8..=10 => format!("({}) && {}", self.predicate(below), self.predicate(below)),
            11..=13 => format!("{} || ({})", self.predicate(below), self.predicate(below)),
            14 => format!("!({})", self.predicate(below)),
            _ => {
                let parts: Vec<String> = (0..3).map(|_| self.predicate(below)).collect();
                match self.random.below(2) {
                    0 => format!("(({}) ? ({}) : ({}))", parts[0], parts[1], parts[2]),
                    _ => format!("(({}) == ({}))", parts[0], parts[1]),
                }
            }
        }
    }
}

/// A request in owned form, from which both sides are given theirs.
#[derive(Debug)]
struct Owned {
    texts: HashMap<&'static str, &'static str>,
    headers: Vec<(&'static str, &'static str)>,
    port: u16,
    project: Option<i64>,
}

impl Owned {
    fn new(random: &mut Random) -> Self {
        let optional = TEXT_ATTRIBUTES[7..].iter().copied();
        let mut texts: HashMap<_, _> = TEXT_ATTRIBUTES[..7]
            .iter()
            .map(|name| (*name, *random.of(TEXTS)))
            .collect();
        for name in optional {
            if random.below(2) == 0 {
                texts.insert(name, *random.of(TEXTS));
            }
        }
        let mut headers = Vec::new();
        for name in &HEADERS[..3] {
            for _ in 0..random.below(3) {
                headers.push((*name, *random.of(TEXTS)));
            }
        }
        Owned {
            texts,
            headers,
            port: *random.of(&[0, 5, 443]),
            project: (random.below(2) == 0).then_some(7),
        }
    }

    fn ours(&self) -> Request<'_> {
        let text = |name| self.texts.get(name).map(|text: &&str| text.as_bytes());
        let always = |name| text(name).unwrap_or_default();
        Request {
            method: always("request.method"),
            query: always("request.query"),
            scheme: always("request.scheme"),
            source_address: always("source.ip"),
            source_port: self.port,
            sni: always("connection.sni"),
            tls_version: text("connection.tls_version"),
            peer_certificate_sha256: text("connection.sha256_peer_certificate_digest"),
            backend_service: text("request.backend_service_name"),
            backend_project_number: self.project,
            ..Request::new(
                always("request.host"),
                always("request.path"),
                &self.headers,
            )
        }
    }

    fn theirs(&self) -> Context<'static, 'static> {
        let mut roots: HashMap<&str, HashMap<String, Value>> = HashMap::new();
        for (name, value) in &self.texts {
            let (root, field) = name.split_once('.').unwrap();
            roots
                .entry(root)
                .or_default()
                .insert(field.to_owned(), (*value).into());
        }
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in &self.headers {
            headers
                .entry((*name).to_owned())
                .and_modify(|joined| *joined = format!("{joined},{value}"))
                .or_insert_with(|| (*value).to_owned());
        }
        headers.insert("host".to_owned(), self.texts["request.host"].to_owned());
        let request = roots.entry("request").or_default();
        request.insert("headers".to_owned(), headers.into());
        if let Some(number) = self.project {
            request.insert("backend_service_project_number".to_owned(), number.into());
        }
        let source = roots.entry("source").or_default();
        source.insert("port".to_owned(), i64::from(self.port).into());
        let mut context = Context::with_env(Arc::clone(&ENV));
        for (root, fields) in roots {
            context.add_variable_from_value(root, fields);
        }
        let lower = |This(text): This<Arc<String>>| text.to_ascii_lowercase();
        let upper = |This(text): This<Arc<String>>| text.to_ascii_uppercase();
        context.add_function("lower", lower).unwrap();
        context.add_function("lowerAscii", lower).unwrap();
        context.add_function("upper", upper).unwrap();
        context.add_function("upperAscii", upper).unwrap();
        context
    }
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The oracle's value, or none for an error. Its regular expressions do not know `\Q…\E`.
fn oracle(text: &str, request: &Owned) -> Option<bool> {
    let text = text.replace(r"\Qa,b\E", "a,b").replace(r"\Q/a\E", "/a");
    match Program::compile(&text).unwrap().execute(&request.theirs()) {
        Ok(Value::Bool(value)) => Some(value),
        Ok(other) => panic!("{text} is {other:?}"),
        Err(_) => None,
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the count is a figure, read with --nocapture"
)]
fn evaluation_agrees_with_the_interpreter() {
    let options = Options {
        dialect: Dialect::LoadBalancer,
        attach: AttachPoint::Traffic,
    };
    let mut writer = Writer {
        random: Random::new(2025),
    };
    let (mut compared, mut differing) = (0, Vec::new());
    // That the cases are worth comparing: how often each outcome came up.
    let mut outcomes = [0_usize; 3];
    while compared < EXPRESSIONS {
        let depth = 1 + writer.random.below(4);
        let text = writer.predicate(depth);
        if text.len() > options.dialect.length_limit() {
            continue;
        }
        let compiled = compile(&text, options);
        let Some(matcher) = compiled.matcher else {
            panic!("{text} is refused: {:#?}", compiled.findings);
        };
        for _ in 0..2 {
            let request = Owned::new(&mut writer.random);
            let ours = matcher.evaluate(&request.ours()).ok();
            let theirs = oracle(&text, &request);
            if ours != theirs {
                differing.push(format!(
                    "{text}\nover {request:#?}\nours {ours:?}, theirs {theirs:?}"
                ));
            }
            outcomes[ours.map_or(2, usize::from)] += 1;
        }
        compared += 1;
    }
    println!("figure cel-differential {compared}");
    println!("figure cel-differing {}", differing.len());
    assert!(differing.is_empty(), "{}", differing[0]);
    for count in outcomes {
        assert!(count > EXPRESSIONS / 10, "{outcomes:?}");
    }
}
