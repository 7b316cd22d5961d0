//! Plugins to begin with: all templates, in a workspace of their own and as its members.

use std::path::Path;
use std::process::Command;

use crate::support::Place;

/// Cargo, as a person would run it in that folder.
fn cargo(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("cargo runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn every_template_is_a_plugin_whose_cases_and_tests_pass() {
    let place = Place::new();
    place
        .run("new alpha-one")
        .expect(0, "gatewright test plugins/alpha-one");
    let root = place.at("alpha-one");
    for template in ["body", "auth", "log"] {
        let line = format!("new {template}-one --template {template}");
        place.run_in(&root, &line).expect(0, "Cargo.toml");
    }
    place.run_in(&root, "test").expect(0, "8 cases: 8 passed");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let optimiser = std::env::split_paths(&path).any(|folder| folder.join("wasm-opt").is_file());
    let said = match optimiser {
        true => "optimised by wasm-opt 1",
        false => "not optimised: `wasm-opt` is not on the path",
    };
    place.run_in(&root, "build").expect(0, said);
    let packed = place.run_in(&root, "pack auth-one");
    packed.expect(0, "ok  auth-one");
    place
        .run_in(&root, "inspect target/images/auth-one")
        .expect(0, "gatewright.config-schema=");
    // Names lie beside the module, so nobody is told to keep them.
    let checked = place.run_in(&root, "check auth-one");
    checked.expect(0, "0 errors");
    assert!(!checked.out.contains("NoNames"), "{}", checked.out);
    let again = place.run_in(&root, "new log-one");
    again.expect(2, "is there already");

    let (passes, text) = cargo(&root, &["test", "--quiet"]);
    assert!(passes, "{text}");

    // In wasm too, each test in a VM of its own, by the runner that the workspace names.
    let program = Path::new(env!("CARGO_BIN_EXE_gatewright"));
    let path = std::env::join_paths(
        std::iter::once(program.parent().expect("a folder").to_path_buf()).chain(
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
        ),
    )
    .expect("a path");
    let output = Command::new(env!("CARGO"))
        .args([
            "test",
            "--quiet",
            "--target",
            "wasm32-wasip1",
            "--package",
            "auth-one",
        ])
        .current_dir(&root)
        .env_remove("CARGO_TARGET_DIR")
        .env("PATH", path)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("2 passed; 0 failed"), "{text}");
    assert!(
        text.contains("only_a_whole_token_is_known ... ok"),
        "{text}"
    );
}

#[test]
fn a_failing_test_in_wasm_takes_no_other_along() {
    let place = Place::new();
    place.run("new beta-one").expect(0, "made");
    let code = place.at("beta-one/plugins/beta-one/src/lib.rs");
    let text = std::fs::read_to_string(&code).expect("it was written");
    let text = text.replace(
        "    #[test]\n    fn the_header_is_set() {",
        "    #[test]\n    fn a_wrong_one() {\n        println!(\"before\");\n        panic!(\"on purpose\");\n    \
         }\n\n    #[test]\n    fn the_header_is_set() {",
    );
    std::fs::write(&code, text).expect("writes");
    let root = place.at("beta-one");
    let arguments = [
        "test",
        "--quiet",
        "--target",
        "wasm32-wasip1",
        "--no-run",
        "--message-format",
        "json",
    ];
    let (built, text) = cargo(&root, &arguments);
    assert!(built, "{text}");
    let module = text
        .split('"')
        .find(|part| part.contains("/deps/") && part.ends_with(".wasm"))
        .expect("cargo names the module");
    let run = place.run(&format!("run-tests {module}"));
    let all = run.expect(1, "2 passed; 1 failed");
    assert_eq!(all, "");
    for part in [
        "a_wrong_one ... FAILED",
        "on purpose",
        "before",
        "the_header_is_set ... ok",
    ] {
        assert!(run.out.contains(part), "{part} is not in {}", run.out);
    }
    let one = place.run(&format!(
        "run-tests {module} --exact tests::the_header_is_set"
    ));
    one.expect(0, "1 passed");
    let filtered = place.run(&format!("run-tests {module} header"));
    filtered.expect(0, "2 passed; 0 failed");
}

#[test]
fn what_is_no_name_and_no_sdk_is_said() {
    let place = Place::new();
    place
        .run("new Guard")
        .expect(2, "`Guard` is no name for a plugin");
    place
        .run("new guard --sdk no/where")
        .expect(2, "there is no SDK in `no/where`");
    assert!(!place.at("guard").exists());
}

#[test]
fn a_need_is_refused_by_name_for_the_load_balancer() {
    let place = Place::new();
    place.run("new gamma-one --template log").expect(0, "made");
    let manifest = place.at("gamma-one/plugins/gamma-one/Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("it was written");
    let needs = |needs: &str| text.replace("needs = []", &format!("needs = [{needs}]"));
    let root = place.at("gamma-one");
    std::fs::write(&manifest, needs("\"metrics\"")).expect("writes");
    let refused = place.run_in(&root, "check gamma-one");
    refused.expect(1, "needs `metrics`, which `google` does not offer");
    place
        .run_in(&root, "check gamma-one --profile envoy")
        .expect(0, "ok");
    std::fs::write(&manifest, needs("\"metric\"")).expect("writes");
    place
        .run_in(&root, "check gamma-one")
        .expect(2, "`metric` is nothing a plugin can need");
}
