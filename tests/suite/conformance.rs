//! Our host against the conformance kit, through the adapter that any host can use.

use gatewright_host::{Hostcall, Profile};
use gatewright_tests::conformance::{
    HOSTCALLS, Host, Ours, Program, all, check, hostcalls_covered, load,
};

fn holds_to(profile: &str) {
    let mut host = Ours::new().expect("the engine starts");
    let mut failures = Vec::new();
    for (name, case) in all().expect("the cases are read") {
        failures.extend(check(&mut host, name, &case, profile));
    }
    let text: String = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}\n{text}", failures.len());
}

#[test]
fn our_host_is_the_load_balancer() {
    holds_to("google");
}

#[test]
fn our_host_is_googles_tester() {
    holds_to("tester");
}

#[test]
fn our_host_is_envoy() {
    holds_to("envoy");
}

#[test]
fn every_hostcall_is_shown_in_every_profile() {
    for profile in Profile::ALL {
        let name = profile.name();
        assert_eq!(hostcalls_covered(name), Hostcall::ALL.len(), "{name}");
    }
}

#[test]
fn every_script_asks_for_what_its_file_is_about() {
    for (call, text) in HOSTCALLS {
        let verb = call.name().strip_prefix("proxy_").unwrap_or_default();
        for case in load(text).expect("the file is one of cases") {
            assert!(
                case.script.contains(verb),
                "{}: {}",
                call.name(),
                case.about
            );
        }
    }
}

#[test]
fn a_wrong_expectation_is_told_with_the_lines_that_differ() {
    let (name, mut case) = all().expect("the cases are read").swap_remove(0);
    for text in case.expect.values_mut() {
        text.push_str("one line too many\n");
    }
    let mut host = Ours::new().expect("the engine starts");
    let failures = check(&mut host, name, &case, "envoy");
    assert_eq!(failures.len(), case.guests.len());
    assert!(
        failures[0]
            .to_string()
            .contains("\n  - one line too many\n")
    );
}

/// Our own host again, as a program that knows nothing but JSON.
#[test]
fn a_host_in_another_process_gives_the_same_traces() {
    let mut ours = Ours::new().expect("the engine starts");
    let mut program = Program {
        program: env!("CARGO_BIN_EXE_conformance").into(),
        arguments: vec!["--serve".to_owned()],
    };
    let cases = all().expect("the cases are read");
    // A process compiles its guest anew, so a few cases stand for all.
    for (_, case) in cases.iter().step_by(40) {
        for guest in &case.guests {
            let run = case.run("envoy", guest);
            assert_eq!(program.run(&run), ours.run(&run), "{}", case.about);
        }
    }
}

#[test]
fn a_host_that_cannot_be_run_is_a_failure_of_every_case() {
    let mut program = Program {
        program: "/nowhere/host".into(),
        arguments: Vec::new(),
    };
    let (name, case) = all().expect("the cases are read").swap_remove(0);
    let failures = check(&mut program, name, &case, "google");
    assert!(failures[0].to_string().contains("the host was not run"));
}
