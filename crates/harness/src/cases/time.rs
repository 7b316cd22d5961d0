//! Moments as RFC 3339 writes them.

/// Nanoseconds from the epoch to a moment such as `2025-06-01T12:00:00.5+02:00`.
pub(super) fn nanoseconds(text: &str) -> Result<u64, String> {
    parse(text)
        .ok_or_else(|| format!("`{text}` is no moment after 1970; `2025-06-01T12:00:00Z` is one"))
}

/// Nanoseconds of a stretch of time such as `100ms`.
pub(super) fn stretch(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, size)| number.parse::<u64>().ok()?.checked_mul(*size))
        .ok_or_else(|| format!("`{text}` is no stretch of time; `100ms`, `1s` and `2m` are some"))
}

/// Nanoseconds from the epoch as RFC 3339 writes the moment.
pub(crate) fn moment(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let (seconds, nanos) = (nanoseconds / SECOND, nanoseconds % SECOND);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days by the civil calendar in eras of 400 years that begin with March of a year 0.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = match nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

fn parse(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten()
    };
    let bytes = text.as_bytes();
    let separators = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")];
    if separators
        .iter()
        .any(|(at, sign)| bytes.get(*at) != Some(&sign[0]))
        || !bytes.get(10).is_some_and(|byte| b"Tt ".contains(byte))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let days_in_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        let kept = &after[..digits.min(9)];
        nanos = kept.parse::<i64>().ok()? * 10_i64.pow(9 - u32::try_from(kept.len()).ok()?);
        rest = &after[digits..];
    }
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let hours: i64 = rest.get(1..3)?.parse().ok()?;
            let minutes: i64 = rest.get(4..6)?.parse().ok()?;
            let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    // Days by the civil calendar, years counted from March so that the leap day comes last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted.div_euclid(4) - shifted.div_euclid(100)
        + shifted.div_euclid(400)
        + day_of_year
        - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(seconds)
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(u64::try_from(nanos).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: u64, nanos: u64) {
        assert_eq!(
            nanoseconds(text),
            Ok(seconds * 1_000_000_000 + nanos),
            "{text}"
        );
    }

    #[test]
    fn moments_are_counted_from_the_epoch() {
        check("1970-01-01T00:00:00Z", 0, 0);
        check("2000-02-29T00:00:00Z", 951_782_400, 0);
        check("2025-06-01T12:00:00Z", 1_748_779_200, 0);
        check("2025-06-01T14:00:00.25+02:00", 1_748_779_200, 250_000_000);
        check("2024-12-31T23:59:59-00:30", 1_735_691_399, 0);
        check(
            "2025-06-01 12:00:00.1234567891z",
            1_748_779_200,
            123_456_789,
        );
    }

    #[test]
    fn a_moment_is_written_as_it_is_read() {
        const DAY: u64 = 86_400 * 1_000_000_000;
        for day in 0..40_000 {
            let moment = day * DAY + day * 12_345_678_901;
            assert_eq!(nanoseconds(&super::moment(moment)), Ok(moment));
        }
        assert_eq!(
            super::moment(951_782_400_250_000_000),
            "2000-02-29T00:00:00.250000000Z"
        );
    }

    #[test]
    fn stretches_are_a_number_and_a_unit() {
        assert_eq!(stretch("100ms"), Ok(100_000_000));
        assert_eq!(stretch("2m"), Ok(120_000_000_000));
        assert_eq!(stretch("0s"), Ok(0));
        for text in ["", "5", "ms", "1.5s", "-1s", "1 s", "99999999999999m"] {
            assert!(stretch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2025-06-01",
            "2025-06-01T12:00:00",
            "2025-02-29T12:00:00Z",
            "2025-13-01T12:00:00Z",
            "2025-06-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2025-06-01T12:00:00.Z",
            "2025-06-01T12:00:00+2:00",
            "2025-06-01T12:00:00Zé",
            "9999-12-31T23:59:59Z",
        ] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
    }
}
