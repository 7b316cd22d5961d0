//! Manifests: what a condition costs, and what a large repository of manifests does.

use std::hint::black_box;
use std::path::PathBuf;

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
    let (seconds, megabytes) = hostile_input();
    figure("gke", "hostile-input-s", seconds, "s", Bound::AtMost(3.0));
    figure(
        "gke",
        "hostile-input-mb",
        megabytes,
        "MB",
        Bound::AtMost(500.0),
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
    let program = program();
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

#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn program() -> PathBuf {
    std::env::current_exe()
        .expect("it has a path")
        .with_file_name("gatewright")
}

/// The most seconds and megabytes that the program takes for input made to hurt it. Each is
/// refused: what it costs to say so is what counts.
#[expect(
    clippy::expect_used,
    reason = "a figure that cannot be measured is a failure"
)]
fn hostile_input() -> (f64, f64) {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..40 {
        bomb.push_str(&format!("a{level}: &a{level} [*a{0},*a{0}]\n", level - 1));
    }
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let garbage: Vec<u8> = noise.take(100 << 20).collect();
    let inputs: [(&str, &[u8]); 4] = [
        ("bomb.yaml", bomb.as_bytes()),
        ("garbage.yaml", &garbage),
        (
            "documents.yaml",
            &b"---\n[\n".repeat(100 << 20 >> 2)[..100 << 20],
        ),
        ("deep.yaml", &b"[".repeat(1000)),
    ];
    let (mut slowest, mut largest) = (0.0_f64, 0.0_f64);
    for (name, bytes) in inputs {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("there is room for temporary files");
        let rounds = (0..3).map(|_| {
            let mut peak = 0.0;
            let taken = seconds(|| {
                let mut child = std::process::Command::new(program())
                    .arg("validate")
                    .arg(&path)
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .expect("the program is beside this one");
                let status = loop {
                    peak = peak_megabytes(child.id()).unwrap_or(peak);
                    if let Some(status) = child.try_wait().expect("it is our child") {
                        break status;
                    }
                    std::thread::sleep(std::time::Duration::from_millis(1));
                };
                assert_eq!(status.code(), Some(1), "{name} is refused");
            });
            largest = largest.max(peak);
            taken
        });
        slowest = slowest.max(median(rounds.collect()));
    }
    assert!(
        largest > 0.0,
        "peak memory is read from /proc, which is not there"
    );
    (slowest, largest)
}

/// The most memory that a process had so far, as Linux tells it; nothing once it has ended.
fn peak_megabytes(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1024.0)
}
