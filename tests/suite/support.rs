//! The page of what each profile supports, against the table and against the conformance kit.

use gatewright_host::{Callback, Profile, support_page};
use gatewright_tests::conformance::{CALLBACKS, load};

/// Whether some line of a trace is the guest telling of this callback.
fn tells(lines: &[&str], callback: Callback) -> bool {
    let name = callback
        .name()
        .strip_prefix("proxy_on_")
        .unwrap_or_default();
    let told = format!("on {name} ");
    lines.iter().any(|line| line.starts_with(&told))
}

#[test]
fn every_callback_is_shown_where_the_page_of_support_says_it_is_called() {
    let page = support_page();
    for (callback, text) in CALLBACKS {
        let cases = load(text).expect("the file is one of cases");
        let row = format!("| `{}` |", callback.name());
        let row = page.lines().find(|line| line.starts_with(&row));
        let row = row.expect("the page has every callback");
        let columns: Vec<_> = row.split('|').skip(2).map(str::trim).collect();
        for (profile, column) in Profile::ALL.iter().zip(columns) {
            let shown = cases.iter().any(|case| {
                let lines = case.expected(profile.name());
                tells(&lines.unwrap_or_default(), *callback)
            });
            let called = column == "called";
            assert_eq!(shown, called, "{} in {profile}", callback.name());
        }
    }
}

#[test]
fn the_page_of_support_is_not_stale() {
    let file = gatewright_tests::root().join("crates/host/SUPPORT.md");
    let page = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        page,
        support_page(),
        "write it anew: cargo run -p gatewright-tests --bin conformance -- --support > crates/host/SUPPORT.md"
    );
}
