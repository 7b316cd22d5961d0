//! Cases come to the same, replayed and served.

use gatewright_tests::served::{Skip, compare_all};

/// Cases whose exchanges are served at least: the bound of the figure, which counts plugins that do
/// not start too.
const SERVED: usize = 150;

/// Cases that are not, by the reason.
const SKIPPED: [(Skip, usize); 4] = [
    (Skip::OtherPlatform, 13),
    (Skip::OtherAttachPoint, 8),
    (Skip::Chunks, 1),
    (Skip::NoHttpHead, 2),
];

#[test]
fn every_case_that_http_can_express_comes_to_the_same_replayed_and_served() {
    let summary = compare_all();
    assert!(
        summary.differ.is_empty(),
        "{} differ:\n{}",
        summary.differ.len(),
        summary.differ.join("\n")
    );
    // Each reason keeps to the cases that it is about: one that swallows others is a fault of the
    // reason, and a new case that cannot be served says so here.
    let skipped: Vec<_> = summary
        .skipped
        .iter()
        .map(|(reason, cases)| (*reason, cases.len()))
        .collect();
    assert_eq!(skipped, SKIPPED, "{:#?}", summary.skipped);
    let served = summary.same - summary.unstarted;
    assert!(served >= SERVED, "{served} of {} served", summary.same);
}
