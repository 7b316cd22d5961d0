//! Cases come to the same, replayed and served.

use gatewright_tests::served::compare_all;

#[test]
fn every_case_that_http_can_express_comes_to_the_same_replayed_and_served() {
    let summary = compare_all();
    assert!(
        summary.differ.is_empty(),
        "{} differ:\n{}",
        summary.differ.len(),
        summary.differ.join("\n")
    );
    // Most cases are served; a reason that takes them all would be a fault of the reason.
    let skipped: usize = summary.skipped.values().sum();
    assert!(
        summary.same > skipped,
        "{} served, {:?} not",
        summary.same,
        summary.skipped
    );
}
