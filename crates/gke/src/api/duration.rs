//! Durations as Go's parser, and so the API server's CEL, reads them.

/// Nanoseconds of a duration such as `1h2.5s`, or nothing if Go refuses it.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let whole: i128 = match digits {
            0 => 0,
            _ => rest[..digits].parse::<u64>().ok()?.into(),
        };
        rest = &rest[digits..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let length = after.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 && length == 0 {
                return None;
            }
            (fraction, rest) = after.split_at(length);
        } else if digits == 0 {
            return None;
        }
        let length = rest
            .bytes()
            .take_while(|byte| *byte != b'.' && !byte.is_ascii_digit())
            .count();
        let unit: i128 = match &rest[..length] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3600 * 1_000_000_000,
            _ => return None,
        };
        rest = &rest[length..];
        total += whole * unit;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        if total > i128::from(i64::MAX) {
            return None;
        }
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_read_as_in_go() {
        let check =
            |text: &str, expected: Option<i128>| assert_eq!(parse(text), expected, "{text}");
        check("10ms", Some(10_000_000));
        check("0.1s", Some(100_000_000));
        check("1h1m", Some(3_660_000_000_000));
        check("0", Some(0));
        check("5", None);
        check("", None);
        check("s", None);
        check(".s", None);
        check("-1s", Some(-1_000_000_000));
        check("1day", None);
        check("99999999h", None);
        check("1.5é", None);
    }
}
