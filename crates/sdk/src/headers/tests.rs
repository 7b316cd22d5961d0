//! Tests of the header model: pure ones of the list and its diff, and of what reaches a host.

use super::*;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn list(headers: &[(&str, &str)]) -> HeaderList {
    headers.iter().copied().collect()
}

/// Edits a list as a plugin would and compares the changes, written as text.
fn check(before: &[(&str, &str)], edit: impl FnOnce(&mut HeaderList), expected: &[&str]) {
    let mut headers = HeaderList::from_wire(list(before).to_wire()).unwrap();
    let then = Before::of(&headers);
    edit(&mut headers);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let changes: Vec<String> = then
        .changes(&headers)
        .iter()
        .map(|change| match change {
            Change::Remove(name) => format!("- {}", text(name)),
            Change::Replace(name, value) => format!("= {}: {}", text(name), text(value)),
            Change::Append(name, value) => format!("+ {}: {}", text(name), text(value)),
        })
        .collect();
    assert_eq!(changes, expected);
}

#[test]
fn bytes_that_are_not_text_survive() {
    let mut headers = HeaderList::new();
    headers.append(b"x-\xff", b"\x00\xfe");
    let back = HeaderList::from_wire(headers.to_wire()).unwrap();
    assert_eq!(back.get(b"x-\xff"), Some(&b"\x00\xfe"[..]));
    assert_eq!(format!("{back:?}"), r#"["x-\\xff: \\x00\\xfe"]"#);
}

#[test]
fn setting_keeps_the_first_place_and_drops_duplicates() {
    let mut headers = list(&[("a", "1"), ("B", "2"), ("A", "3"), ("c", "4")]);
    headers.set("A", "new");
    assert_eq!(headers, list(&[("a", "new"), ("b", "2"), ("c", "4")]));
}

#[test]
fn renaming_keeps_places_and_replaces_the_target() {
    let mut headers = list(&[("old", "1"), ("new", "x"), ("a", "2"), ("OLD", "3")]);
    assert!(headers.rename("old", "new"));
    assert_eq!(headers, list(&[("new", "1"), ("a", "2"), ("new", "3")]));
    assert!(!headers.rename("gone", "new"));
    assert_eq!(headers.len(), 3);
    assert!(headers.rename("new", "NEW"));
    assert_eq!(headers.len(), 3);
}

#[test]
fn an_edit_that_changes_nothing_has_no_changes() {
    check(&[("a", "1")], |_| (), &[]);
    check(&[("a", "1")], |headers| assert!(!headers.remove("b")), &[]);
    check(&[("a", "1")], |headers| headers.set("a", "1"), &[]);
}

#[test]
fn each_edit_is_the_fewest_hostcalls() {
    let before = &[("a", "1"), ("b", "2"), ("a", "3")];
    check(before, |h| _ = h.remove("a"), &["- a"]);
    check(before, |h| h.set("b", "new"), &["= b: new"]);
    check(before, |h| h.append("A", "4"), &["+ A: 4"]);
    check(before, |h| h.append("c", "5"), &["= c: 5"]);
    check(before, |h| h.set("A", "only"), &["= a: only"]);
    check(
        before,
        |h| _ = h.rename("a", "c"),
        &["= c: 1", "+ c: 3", "- a"],
    );
    check(
        before,
        |headers| {
            headers.remove("a");
            headers.append("a", "x");
            headers.append("a", "y");
        },
        &["= a: x", "+ a: y"],
    );
}

#[test]
fn the_changes_lead_to_the_edited_list() {
    // Every pair of edits out of a few, applied to a host's map as hostcalls.
    type Edit = fn(&mut HeaderList);
    let edits: [Edit; 7] = [
        |h| h.set("a", "new"),
        |h| h.append("a", "more"),
        |h| _ = h.remove("a"),
        |h| _ = h.rename("a", "b"),
        |h| _ = h.rename("b", "a"),
        |h| h.append("c", ""),
        |h| h.set("c", "x"),
    ];
    for first in edits {
        for second in edits {
            let start = list(&[("a", "1"), ("b", "2"), ("a", "3")]);
            let mut edited = HeaderList::from_wire(start.to_wire()).unwrap();
            let before = Before::of(&edited);
            first(&mut edited);
            second(&mut edited);
            let mut host = start;
            for change in before.changes(&edited) {
                match change {
                    Change::Remove(name) => _ = host.remove(name),
                    Change::Replace(name, value) => host.set(name, value),
                    Change::Append(name, value) => host.append(name, value),
                }
            }
            for name in ["a", "b", "c"] {
                assert!(
                    host.get_all(name).eq(edited.get_all(name)),
                    "{host:?} {edited:?}"
                );
            }
            assert_eq!(host.len(), edited.len());
        }
    }
}

#[test]
fn a_status_is_three_digits() {
    for (text, expected) in [
        ("200", Some(200)),
        ("999", Some(999)),
        ("", None),
        ("20", None),
        ("2000", None),
        ("+20", None),
        ("2x0", None),
    ] {
        assert_eq!(parse_status(text.as_bytes()), expected, "{text}");
    }
}
