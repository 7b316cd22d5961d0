//! Manifests: what a condition costs, and what a large repository of manifests does.

use std::hint::black_box;

use gatewright_gke::cel::{Options, Request, compile};

use crate::measure::{median, seconds};
use crate::{Bound, figure};

const ROUNDS: usize = 15;
/// The expression of the documentation.
const DOCUMENTED: &str = r#"request.path.contains("serviceextensions")"#;
/// One with a header look-up and a regular expression.
const REGEX: &str = r#"request.headers["x-18"] == "value" && request.path.matches("/service.*s$")"#;
const DOCUMENTS: usize = 10_000;
const FILES: usize = 1_000;

pub(crate) fn measure() {
    let value = [DOCUMENTED, REGEX]
        .into_iter()
        .map(evaluation)
        .fold(0.0, f64::max);
    figure("gke", "cel-eval-us", value, "us", Bound::AtMost(1.0));
    // The first expression of a process also builds the parser's tables.
    black_box(compile(DOCUMENTED, Options::default()));
    let rounds = (0..ROUNDS).map(|_| {
        seconds(|| {
            for _ in 0..100 {
                black_box(compile(black_box(DOCUMENTED), Options::default()));
            }
        }) * 1e4
    });
    let value = median(rounds.collect());
    figure("gke", "cel-compile-us", value, "us", Bound::AtMost(100.0));
    figure(
        "gke",
        "validate-10k-s",
        many_documents(),
        "s",
        Bound::AtMost(3.0),
    );
}

/// Microseconds of one evaluation, the binding of a request of twenty headers included.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn evaluation(expression: &str) -> f64 {
    const EVALUATIONS: usize = 100_000;
    let matcher = compile(expression, Options::default())
        .matcher
        .expect("it compiles");
    let headers: Vec<(String, String)> = (0..20)
        .map(|index| (format!("x-{index}"), "value".to_owned()))
        .collect();
    let rounds = (0..ROUNDS).map(|_| {
        seconds(|| {
            for _ in 0..EVALUATIONS {
                let request = Request::new(b"store.example.com", b"/serviceextensions", &headers);
                assert!(black_box(&matcher).matches(black_box(&request)));
            }
        }) * 1e6
            / EVALUATIONS as f64
    });
    median(rounds.collect())
}

/// Seconds that the program takes for many documents in many files.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn many_documents() -> f64 {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    for file in 0..FILES {
        let mut text = String::new();
        for document in 0..DOCUMENTS / FILES {
            text.push_str(&format!(
                "---\nkind: GCPWasmPlugin\napiVersion: networking.gke.io/v1\nmetadata:\n  \
                 name: plugin-{file}-{document}\nspec:\n  versions:\n  - name: v1\n    \
                 image: us-docker.pkg.dev/project/plugins/local-reply:main\n    weight: 1000000\n  \
                 logConfig:\n    enabled: true\n    sampleRate: 1000000\n    minLogLevel: INFO\n"
            ));
        }
        let path = folder.path().join(format!("{file}.yaml"));
        std::fs::write(path, text).expect("there is room for temporary files");
    }
    let program = std::env::current_exe()
        .expect("it has a path")
        .with_file_name("gatewright");
    let rounds = (0..5).map(|_| {
        seconds(|| {
            let status = std::process::Command::new(&program)
                .arg("validate")
                .arg(folder.path())
                .stdout(std::process::Stdio::null())
                .status()
                .expect("the program is beside this one");
            assert!(status.success(), "the manifests are valid");
        })
    });
    median(rounds.collect())
}
