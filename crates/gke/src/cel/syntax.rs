//! From text to a tree whose nodes know where they are: the `cel` crate's parser, guarded.
//!
//! The parser is generated, recursive and made for programs; here it is handed text from a
//! manifest. So what would cost it stack or time, or make it stumble, is found in the tokens
//! first: what does not lex, brackets that do not pair or nest too deep, and sheer length.

use std::sync::LazyLock;

use cel::common::ast::{IdedExpr, SourceInfo};

use super::lexer::{Kind, Token, bad_escape, tokens};
use super::{Finding, Rule, Span};

/// Above this many bytes an expression is not parsed. It is several times any limit in
/// characters, so that whatever could be accepted is parsed whatever its alphabet.
pub(super) const PARSED_BYTES: usize = 2048;
/// How deep brackets nest: the default of the parser in cel-cpp, which Envoy uses.
const DEPTH: usize = 32;

/// The environment that parses: no macros, so that `has` and `all` stay calls in the tree, and
/// no optional syntax.
static PARSER: LazyLock<cel::Env> =
    LazyLock::new(|| cel::Env::default().with_optional_support(false));

/// A parsed expression.
pub(super) struct Tree<'t> {
    pub(super) text: &'t str,
    pub(super) root: IdedExpr,
    info: SourceInfo,
    /// Without blanks and comments.
    tokens: Vec<Token>,
    /// For each bracket, its partner; for other tokens, themselves.
    partners: Vec<usize>,
}

/// Parses `text`, or says why it is not CEL.
pub(super) fn parse(text: &str) -> Result<Tree<'_>, Vec<Finding>> {
    if text.len() > PARSED_BYTES {
        let message = format!("an expression of {} bytes is not read further", text.len());
        let all = Span::new(0, text.len());
        return Err(vec![Finding::new(Rule::Syntax, all, message)]);
    }
    let mut tokens = tokens(text);
    tokens.retain(|token| !token.is_trivia());
    // What follows a literal left open may be its content: nothing is said of it.
    let open = |token: &Token| matches!(token.kind, Kind::Text(quoted) if !quoted.closed);
    let readable = tokens
        .iter()
        .position(open)
        .map_or(tokens.len(), |at| at + 1);
    let unread: Vec<Finding> = tokens[..readable]
        .iter()
        .filter_map(|token| unread(text, token))
        .collect();
    if !unread.is_empty() {
        return Err(unread);
    }
    let partners = pair(text, &tokens).map_err(|finding| vec![finding])?;
    if tokens.is_empty() {
        let message = "an expression is empty";
        return Err(vec![Finding::new(
            Rule::Syntax,
            Span::new(0, text.len()),
            message,
        )]);
    }
    match PARSER.parser().parse_with_source_info(text) {
        Ok((root, info)) => Ok(Tree {
            text,
            root,
            info,
            tokens,
            partners,
        }),
        Err(errors) => {
            // The first error is where the parser got to; what follows comes of its recovery.
            let first = errors.errors.into_iter().next();
            Err(vec![misplaced(text, &tokens, first)])
        }
    }
}

/// The finding for a token that cannot be part of any expression.
fn unread(text: &str, token: &Token) -> Option<Finding> {
    let written = token.text(text);
    match token.kind {
        Kind::Text(quoted) if !quoted.closed => Some(
            Finding::new(Rule::Syntax, token.span, "a literal is not closed")
                .help("close the quote"),
        ),
        Kind::Text(quoted) if !quoted.raw => {
            let content = token.content();
            let (start, end) = bad_escape(content.of(text))?;
            let at = content.start as usize;
            let span = Span::new(at + start, at + end);
            let finding = Finding::new(
                Rule::Syntax,
                span,
                format!("`{}` is no escape in CEL", span.of(text)),
            );
            let raw = format!("R{written}");
            Some(
                if written.starts_with('"') && !content.of(text).contains('"') {
                    finding
                        .help("write the literal raw, as in `R\"…\"`, or double the backslash")
                        .fix(token.span, raw)
                } else {
                    finding.help("double the backslash")
                },
            )
        }
        Kind::Curly { closed } => {
            let finding = Finding::new(
                Rule::CurlyQuotes,
                token.span,
                "typographic quotes do not make a literal in CEL",
            );
            let inner = token.content().of(text);
            let plain = closed && !inner.contains(['"', '\\']);
            let finding = finding.help("the field's pattern lets them pass; write `\"`");
            Some(if plain {
                finding.fix(token.span, format!("\"{inner}\""))
            } else {
                finding
            })
        }
        Kind::Unknown => {
            let message = format!("`{}` means nothing in CEL", written.escape_debug());
            let finding = Finding::new(Rule::Syntax, token.span, message);
            Some(match written {
                "=" => finding.help("equality is `==`").fix(token.span, "=="),
                "&" => finding.help("and is `&&`"),
                "|" => finding.help("or is `||`"),
                _ => finding,
            })
        }
        _ => None,
    }
}

/// Pairs the brackets: for each token its partner, or itself.
fn pair(text: &str, tokens: &[Token]) -> Result<Vec<usize>, Finding> {
    let mut partners: Vec<usize> = (0..tokens.len()).collect();
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let written = token.text(text);
        match written {
            "(" | "[" | "{" => {
                open.push(at);
                if open.len() > DEPTH {
                    let message = format!("brackets nest deeper than {DEPTH}");
                    return Err(Finding::new(Rule::Depth, token.span, message)
                        .help("split the condition into several expressions; they are ORed"));
                }
            }
            ")" | "]" | "}" => {
                let opening = match written {
                    ")" => "(",
                    "]" => "[",
                    _ => "{",
                };
                match open.pop() {
                    Some(start) if tokens[start].text(text) == opening => {
                        partners[start] = at;
                        partners[at] = start;
                    }
                    _ => {
                        let message = format!("`{written}` closes nothing");
                        return Err(Finding::new(Rule::Syntax, token.span, message));
                    }
                }
            }
            _ => {}
        }
    }
    match open.pop() {
        Some(start) => {
            let message = format!("`{}` is not closed", tokens[start].text(text));
            Err(Finding::new(Rule::Syntax, tokens[start].span, message))
        }
        None => Ok(partners),
    }
}

/// The finding for the parser's error, in terms of the token where it stopped.
fn misplaced(text: &str, tokens: &[Token], error: Option<cel::ParseError>) -> Finding {
    let (line, column) = error.as_ref().map_or((1, 1), |error| error.pos);
    if line < 1 {
        // Without a place it is the parser's own limit, which only `? :` in a row reaches.
        let message = "the expression nests too deep";
        return Finding::new(Rule::Depth, Span::new(0, text.len()), message)
            .help("split the condition into several expressions; they are ORed");
    }
    // Lines and columns count from 1, columns in characters.
    let line_start: usize = text
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(str::len)
        .sum();
    let in_line = text[line_start..]
        .char_indices()
        .nth(usize::try_from(column - 1).unwrap_or(0));
    let offset = in_line.map_or(text.len(), |(at, _)| line_start + at);
    let reserved = error.filter(|error| !error.msg.starts_with("Syntax error"));
    let found = tokens.iter().find(|token| token.span.end as usize > offset);
    match (found, reserved) {
        (Some(token), Some(error)) => Finding::new(Rule::Syntax, token.span, error.msg),
        (Some(token), None) => {
            let written = token.text(text);
            let finding = Finding::new(Rule::Syntax, token.span, format!("unexpected `{written}`"));
            match written {
                "and" => finding.help("and is `&&`").fix(token.span, "&&"),
                "or" => finding.help("or is `||`").fix(token.span, "||"),
                _ => finding,
            }
        }
        (None, _) => {
            let end = text.trim_end().len();
            let message = "the expression ends where an operand is expected";
            Finding::new(Rule::Syntax, Span::new(end, end), message)
        }
    }
}

/// The tokens that a node extends over, by their places among the tree's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Tree<'_> {
    /// The token that the parser notes for a node: a literal or name itself, an operator, or
    /// the opening bracket of a call, index or list.
    pub(super) fn token(&self, node: &IdedExpr) -> usize {
        let offset = self.info.offset_for(node.id).map_or(0, |(start, _)| start);
        let at = self
            .tokens
            .partition_point(|token| token.span.end <= offset);
        at.min(self.tokens.len() - 1)
    }

    /// A token alone.
    pub(super) fn alone(&self, token: usize) -> Extent {
        Extent {
            first: token,
            last: token,
        }
    }

    /// From one operand to another, the parentheses around each included.
    pub(super) fn over(&self, first: Extent, last: Extent) -> Extent {
        Extent {
            first: self.with_parentheses(first).first,
            last: self.with_parentheses(last).last,
        }
    }

    /// From an operand to the token after the one noted: `request` to `path` at the `.`.
    pub(super) fn until(&self, first: Extent, token: usize) -> Extent {
        Extent {
            first: self.with_parentheses(first).first,
            last: token.min(self.tokens.len() - 1),
        }
    }

    /// The closing partner of an opening bracket.
    pub(super) fn partner(&self, token: usize) -> usize {
        self.partners.get(token).copied().unwrap_or(token)
    }

    /// Widens an operand to the parentheses that only group it.
    fn with_parentheses(&self, mut extent: Extent) -> Extent {
        while let (Some(before), Some(after)) = (
            extent.first.checked_sub(1),
            self.tokens.get(extent.last + 1),
        ) {
            let opens = self.tokens[before].text(self.text) == "(";
            let closes = after.text(self.text) == ")" && self.partner(before) == extent.last + 1;
            let calls = before.checked_sub(1).is_some_and(|name| {
                let token = self.tokens[name];
                token.kind == Kind::Ident && token.text(self.text) != "in"
            });
            if !opens || !closes || calls {
                break;
            }
            extent = Extent {
                first: before,
                last: extent.last + 1,
            };
        }
        extent
    }

    /// The bytes of an extent.
    pub(super) fn span(&self, extent: Extent) -> Span {
        self.tokens[extent.first]
            .span
            .join(self.tokens[extent.last].span)
    }

    /// The place of a string literal's content, if it is written without escapes.
    pub(super) fn plain_content(&self, extent: Extent) -> Option<Span> {
        let content = self.tokens[extent.first].content();
        let Kind::Text(quoted) = self.tokens[extent.first].kind else {
            return None;
        };
        (quoted.raw || !content.of(self.text).contains('\\')).then_some(content)
    }
}
