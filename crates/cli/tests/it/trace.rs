//! `gatewright trace`: a case told on the terminal and as a page.

use crate::support::{Place, plugin};

const CASES: &str = "cases:\n  - name: passes </script>\n    request: {path: /a}\n";

fn place() -> Place {
    let place = Place::new();
    place.file("cases.yaml", CASES);
    place.file("p.wasm", plugin(1024));
    place
}

#[test]
fn a_case_is_written_as_one_file_that_needs_nothing_else() {
    let place = place();
    let run = place.run("trace cases.yaml --plugin p.wasm --html page.html");
    run.expect(0, "wrote page.html");
    assert_eq!(run.out, "");
    let page = std::fs::read_to_string(place.at("page.html")).expect("it is there");
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("passes &lt;/script&gt;") && page.contains("proxy_on_request_headers"));
    assert!(page.contains("<dd>cases.yaml</dd>"));
    for loaded in [" src=", "href=\"http", "href=\"/", "url(", "@import"] {
        assert!(!page.contains(loaded), "{loaded}");
    }
    // The same again takes the place of the first, and leaves nothing beside it.
    std::fs::write(place.at("page.html"), "old").expect("writes");
    place
        .run("trace cases.yaml --plugin p.wasm --html page.html")
        .expect(0, "wrote");
    assert_eq!(
        std::fs::read_to_string(place.at("page.html")).expect("it is there"),
        page
    );
    let mut names: Vec<_> = std::fs::read_dir(place.at("."))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["cases.yaml", "p.wasm", "page.html"]);
}

#[test]
fn a_page_that_cannot_be_written_is_said() {
    let place = place();
    place
        .run("trace cases.yaml --plugin p.wasm --html nowhere/page.html")
        .expect(3, "cannot write `nowhere/page.html`");
    // A case that is not there is said before anything is written.
    place
        .run("trace cases.yaml nothing --plugin p.wasm --html page.html")
        .expect(
            2,
            "no case `nothing` in `cases.yaml`; it has:\n  passes </script>",
        );
    assert!(!place.at("page.html").exists());
}
