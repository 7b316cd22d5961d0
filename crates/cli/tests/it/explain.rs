//! `gatewright explain` for requests that a routing extension sends elsewhere.

use crate::serving::{documented, place};

/// The pages of the routing extension.
pub(crate) const ROUTING: [&str; 3] = [
    "store-route.yaml",
    "extension-service-app.yaml",
    "gcp-routing-extension.yaml",
];

/// Its Gateway.
pub(crate) const INTERNAL: &str =
    "--gateway internal-http=gke-l7-rilb --substitute GATEWAY_NAME=internal-http";

/// The route as the documentation's output wants it: it prints `service-extensions.example.com`.
pub(crate) fn mended_route() -> String {
    let text = String::from_utf8(documented("store-route.yaml")).expect("text");
    text.replace("service-extensions.example.com", "service-extensions.com")
}

#[test]
fn explain_says_why_the_printed_route_takes_nothing_that_is_rerouted() {
    let place = place(&ROUTING);
    let explain = |more: &str| {
        let url = "http://store.example.com/serviceextensions";
        place.run(&format!("explain m {INTERNAL} --request {url}{more}"))
    };
    let made = "it makes of the request: GET http://service-extensions.com/\n  route: none of 1 takes the request: 404";
    let run = explain("");
    run.expect(0, made);
    run.expect(
        0,
        "has store.example.com, service-extensions.example.com; asked for service-extensions.com",
    );
    let other = explain(" --rerouted http://store.example.com/de");
    other.expect(0, "-> store-german:8080");
    place.file("m/store-route.yaml", mended_route());
    explain("").expect(0, "rule 0 match 0 -> store-v1:8080");
}
