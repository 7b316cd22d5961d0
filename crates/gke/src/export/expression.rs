//! A matcher of the CRD in the words of the load balancer's reference.

/// Words that only the CRD lists, with those of the load balancer. Whether the controller rewrites
/// them or the load balancer takes both is not published; the reference documents the latter.
const WORDS: [(&str, &str); 4] = [
    ("source.address", "source.ip"),
    ("connection.requested_server_name", "connection.sni"),
    (".lowerAscii(", ".lower("),
    (".upperAscii(", ".upper("),
];

/// Rewrites a `celMatcher` for `match_condition.cel_expression`; what stands in quotes stays.
#[must_use]
pub fn to_load_balancer(matcher: &str) -> String {
    let mut text = String::with_capacity(matcher.len());
    let mut rest = matcher;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = literal(rest) {
            let (quoted, after) = rest.split_at(length);
            // The CRD admits curly quotes, which CEL does not know.
            match quoted
                .strip_prefix('\u{201c}')
                .and_then(|inner| inner.strip_suffix('\u{201d}'))
            {
                Some(inner) => {
                    text.push('"');
                    text.push_str(inner);
                    text.push('"');
                }
                None => text.push_str(quoted),
            }
            rest = after;
        } else if let Some((word, instead)) = WORDS.iter().find(|(word, _)| rest.starts_with(word))
        {
            text.push_str(instead);
            rest = &rest[word.len()..];
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    text
}

/// The length of the literal that the text starts with, raw ones included.
fn literal(text: &str) -> Option<usize> {
    let raw = text.starts_with("R\"") || text.starts_with("r\"");
    let body = if raw { &text[1..] } else { text };
    let open = body.chars().next()?;
    let close = match open {
        '"' | '\'' => open,
        '\u{201c}' => '\u{201d}',
        _ => return None,
    };
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && !raw {
            escaped = true;
        } else if c == close {
            return Some(usize::from(raw) + at + c.len_utf8());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::to_load_balancer;

    #[test]
    fn words_change_and_literals_stay() {
        let check = |matcher, expected: &str| assert_eq!(to_load_balancer(matcher), expected);
        check(
            "source.address == 'source.address'",
            "source.ip == 'source.address'",
        );
        check(
            "request.host.lowerAscii() == \"a\\\"source.address\"",
            "request.host.lower() == \"a\\\"source.address\"",
        );
        check(
            "connection.requested_server_name != R\"\\\"",
            "connection.sni != R\"\\\"",
        );
        check(
            "request.path.matches(\u{201c}/a.*\u{201d})",
            "request.path.matches(\"/a.*\")",
        );
        check("'unclosed source.address", "'unclosed source.ip");
    }
}
