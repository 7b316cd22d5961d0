//! RE2's regular expressions, written for the engine that we have.
//!
//! Google's tester matches with RE2. The `regex` crate has its syntax but for a few corners, and
//! those are turned here: classes such as `\d` know only ASCII there, `[a[b]` and `[a&&b]` are
//! plain sets of characters, `{` begins a repetition only where it reads as one, `\<` is a `<`,
//! and `\Q…\E` quotes.

use regex::bytes::{Regex, RegexBuilder};

/// A pattern that must match a whole text.
pub(crate) fn full_match(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern);
    RegexBuilder::new(&format!(r"\A(?:{translated})\z"))
        .octal(true)
        .build()
        .map_err(|error| match error {
            regex::Error::Syntax(text) => {
                // The engine shows the pattern we gave it; the last line says what is wrong.
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
            other => other.to_string(),
        })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(after, in_class, &mut out),
            '[' if in_class => match posix_class(rest) {
                Some(end) => {
                    out.push_str(&rest[..end]);
                    &rest[end..]
                }
                None => {
                    out.push_str(r"\[");
                    after
                }
            },
            '[' => {
                in_class = true;
                out.push('[');
                let mut inner = after;
                if let Some(negated) = inner.strip_prefix('^') {
                    out.push('^');
                    inner = negated;
                }
                // A bracket that closes at once is itself a member.
                if let Some(member) = inner.strip_prefix(']') {
                    out.push_str(r"\]");
                    inner = member;
                }
                inner
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
                after
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
                after
            }
            '-' if in_class && after.starts_with('-') => {
                out.push_str(r"\-");
                after
            }
            '{' if !in_class && !is_repetition(rest) => {
                out.push_str(r"\{");
                after
            }
            _ => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// Turns what follows a backslash, and returns what is left.
fn escape<'a>(after: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[c.len_utf8()..];
    let class = match c {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\t\n\f\r ",
        'D' => "^0-9",
        'W' => "^0-9A-Za-z_",
        'S' => r"^\t\n\f\r ",
        'b' | 'B' if !in_class => {
            out.push_str("(?-u:\\");
            out.push(c);
            out.push(')');
            return rest;
        }
        'C' if !in_class => {
            out.push_str("(?s-u:.)");
            return rest;
        }
        'Q' if !in_class => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        '<' | '>' => {
            out.push(c);
            return rest;
        }
        _ => {
            out.push('\\');
            out.push(c);
            // `\x{..}` and `\p{..}` keep their braces.
            if let (true, Some(end)) = (rest.starts_with('{'), rest.find('}')) {
                out.push_str(&rest[..=end]);
                return &rest[end + 1..];
            }
            return rest;
        }
    };
    match (in_class, class.starts_with('^')) {
        (true, false) => out.push_str(class),
        _ => {
            out.push('[');
            out.push_str(class);
            out.push(']');
        }
    }
    rest
}

/// The length of `[:name:]` at the start of the text.
fn posix_class(text: &str) -> Option<usize> {
    let name = text.strip_prefix("[:")?;
    let end = name.find(":]")?;
    let letters = name[..end].trim_start_matches('^');
    letters
        .chars()
        .all(|c| c.is_ascii_lowercase())
        .then_some(end + 4)
}

/// Whether the text begins with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let Some((inner, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else {
        return false;
    };
    let (from, to) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !from.is_empty() && digits(from) && digits(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let regex = full_match(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(
            regex.is_match(text.as_bytes()),
            expected,
            "{pattern} on {text}"
        );
    }

    #[test]
    fn a_match_is_of_the_whole_text() {
        check("Hello World", "Hello World", true);
        check("Hello", "Hello World", false);
        check("a|ab", "ab", true);
        check(".*", "a\nb", false);
        check("(?s).*", "a\nb", true);
        check("^a$", "a", true);
    }

    #[test]
    fn classes_know_only_ascii() {
        check(r"\d+", "123", true);
        check(r"\d", "٣", false);
        check(r"[\d]", "٣", false);
        check(r"[\w.]+", "a_1.b", true);
        check(r"\w", "é", false);
        check(r"[^\s]+", "é", true);
        check(r"\S+", "é!", true);
        check(r"\s", "\u{b}", false);
        check(r"[[:xdigit:]]{8}", "00ffAA11", true);
        check(r"[[:^digit:]]", "x", true);
        check(r"[\D]", "x", true);
    }

    #[test]
    fn brackets_and_braces_are_what_they_look_like() {
        check(r#"{"a":1}"#, r#"{"a":1}"#, true);
        check("a{2}", "aa", true);
        check("a{,2}", "a{,2}", true);
        check("[[]", "[", true);
        check("[a&&b]+", "a&b", true);
        check("[]a]+", "]a", true);
        check("[^]a]+", "xy", true);
        check("[+--]", "-", true);
    }

    #[test]
    fn escapes_mean_what_they_mean_there() {
        check(r"\<a\>", "<a>", true);
        check(r"\Qa.b\E+", "a.bb", true);
        check(r"\Qa.b", "a.b", true);
        check(r"\x{41}\x42", "AB", true);
        check(r"\101", "A", true);
        check(r"\/\.\-", "/.-", true);
        check(r"\pL\p{Lu}", "éA", true);
        check(r"a\b.*", "a b", true);
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        assert!(full_match("(").unwrap_err().contains("unclosed"));
        assert!(full_match("*a").is_err());
        assert!(full_match(r"(a)\1(?=b)").is_err());
    }
}
