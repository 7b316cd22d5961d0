//! Every invalid manifest that the API server rejects is rejected in its words, and what it takes is
//! taken.

use std::path::Path;

use gatewright_gke::{Input, Layer, Options, Profile, Rule, Severity, check};

use super::cluster::{Cluster, have};

/// Faults that `kubectl` finds itself, in words of its own, before it asks the server.
const CLIENTS: &[Rule] = &[
    Rule::YamlSyntax,
    Rule::DuplicateField,
    Rule::ExcessiveAliasing,
    Rule::TooDeep,
    Rule::TooLarge,
    Rule::ApiVersion,
];

/// A fixture's sentence: what the API server says after the field.
fn sentences(text: &str, profile: Profile) -> Vec<(Rule, String)> {
    let input = Input {
        name: "fixture.yaml",
        bytes: text.as_bytes(),
    };
    let options = Options {
        profile,
        ..Options::default()
    };
    let report = check(&[input], &options);
    report
        .findings
        .iter()
        .filter(|f| f.layer() == Layer::ApiServer && f.severity == Severity::Error)
        .map(|f| (f.rule, f.message.clone()))
        .collect()
}

#[test]
fn what_the_api_server_rejects_is_rejected_in_its_words() {
    if !have(&["kubectl"]) {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gke/fixtures/rules");
    for profile in Profile::ALL {
        let cluster = Cluster::start(&["--profile", profile.as_str()]);
        let mut checked = 0;
        for rule in Rule::ALL {
            let path = folder.join(format!("{}.invalid.yaml", rule.name()));
            let text = std::fs::read_to_string(&path).expect("a fixture");
            let wants = text
                .lines()
                .find_map(|line| line.strip_prefix("# profile: "))
                .and_then(Profile::from_name)
                .unwrap_or_default();
            if rule.layer() != Layer::ApiServer
                || rule.severity() != Severity::Error
                || wants != profile
            {
                continue;
            }
            let run = cluster.sh(&format!("kubectl apply -f {}", path.display()));
            checked += 1;
            // The fixture's own bound is ours and smaller than the server's; and of a key that is
            // there twice kubectl sends one.
            if matches!(rule, Rule::TooLarge | Rule::DuplicateField) {
                continue;
            }
            assert_eq!(run.code, Some(1), "{rule:?}: {}\n{}", run.out, run.err);
            if CLIENTS.contains(rule) {
                continue;
            }
            let all = sentences(&text, profile);
            assert!(!all.is_empty(), "{rule:?}");
            for (rule, sentence) in all {
                if CLIENTS.contains(&rule) {
                    continue;
                }
                // kubectl prints causes as the field and the message; what cannot be decoded it
                // prints as the server says it, which names the version too.
                let part = match sentence.split_once(": json: ") {
                    Some((_, rest)) => rest.to_owned(),
                    None => sentence,
                };
                let part = part
                    .strip_prefix("strict decoding error: ")
                    .unwrap_or(&part);
                let said = run.err.replace("\n", " ");
                let part = part.replace("\n", " ");
                let is_clients = part.contains("error validating data");
                assert!(
                    is_clients || said.contains(&part),
                    "{rule:?}: `{part}` is not in {}",
                    run.err
                );
            }
        }
        assert!(checked >= 4, "{profile:?}: {checked}");
    }
}
