//! Output without what differs from run to run: times, ages, identities, versions, addresses.

use regex::Regex;

/// Output in which only what is stable is left.
pub(super) fn normal(text: &str) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
            "UID",
        ),
        (r"(Resource Version: +)\d+", "${1}N"),
        (r"127\.\d+\.\d+\.\d+", "ADDRESS"),
        (
            r"extension-service-app-[a-z0-9]{10}-[a-z0-9]{5}",
            "extension-service-app-HASH",
        ),
        (
            r"\b\d+(s|m|m\d+s)( \(x\d+ over \d+(s|m|m\d+s)\))?( +)sc-gateway",
            "AGE sc-gateway",
        ),
        (r"(?m) +\d+(s|m|m\d+s)$", " AGE"),
        (r"(?m)^< date: .*$", "< date: DATE"),
        (r"(?m)^([*{}].*|< server: .*)\n", ""),
        (r"(?m)^> (User-Agent|Accept).*\n", ""),
        (r#""(timestamp|pod_name)": "[^"]*""#, "\"$1\": \"…\""),
        (r"(?m)^(  +Type +Reason|  +-+ +-+).*$", "  COLUMNS"),
        (r" +", " "),
        (r"(?m) +$", ""),
    ];
    rules
        .iter()
        .fold(text.replace('\r', ""), |text, (pattern, with)| {
            let pattern = Regex::new(pattern).expect("a pattern");
            pattern.replace_all(&text, *with).into_owned()
        })
}

#[test]
fn what_differs_from_run_to_run_is_left_out() {
    let one = "Resource Version:  12\nUID: 549a12c7-91d1-43ad-a406-d6157a799b79\n  Normal  SYNC  3m25s (x4 over 11m)  sc-gateway-controller  x\na  1/1  7s\n";
    let other = "Resource Version:  345\nUID: 649a12c7-91d1-43ad-a406-d6157a799b79\n  Normal  SYNC  5s  sc-gateway-controller  x\na  1/1  12m\n";
    assert_eq!(normal(one), normal(other));
}
