//! Cases come to the same, replayed and served.

use gatewright_tests::served::compare_all;

/// Cases that are served at least: the figure's own bound.
const SERVED: usize = 150;

#[test]
fn every_case_that_http_can_express_comes_to_the_same_replayed_and_served() {
    let summary = compare_all();
    assert!(
        summary.differ.is_empty(),
        "{} differ:\n{}",
        summary.differ.len(),
        summary.differ.join("\n")
    );
    // A reason that swallows cases would be a fault of the reason.
    let skipped = &summary.skipped;
    assert!(
        summary.same >= SERVED,
        "{} served, not {skipped:#?}",
        summary.same
    );
    // No reason takes more than a few: each is about what HTTP or GKE does not have.
    for (reason, cases) in skipped {
        assert!(cases.len() <= 0, "{reason:?} takes {cases:#?}");
    }
}
