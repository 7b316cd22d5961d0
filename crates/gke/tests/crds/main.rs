//! The API-server layer against the live CRDs: generated manifests through the schemas' structure
//! and their own CEL rules on one side and our rules on the other; same verdict, path and rule.
//!
//! The schemas are data beside the checkout (`../shared/crds`, or where `GATEWRIGHT_CRDS` points)
//! and no part of the project. A status is left out: the server drops it before validation.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

mod distort;
mod generate;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gatewright_gke::{Input, Layer, Options, Profile, Rule, check};
use serde_json::Value as Json;

const ROUNDS: usize = 6000;

fn crds() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/crds");
    let folder = std::env::var_os("GATEWRIGHT_CRDS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("GATEWRIGHT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "the live CRDs are missing; set GATEWRIGHT_CRDS to their folder"
    );
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    {
        eprintln!("skipped: no CRDs beside the checkout; set GATEWRIGHT_CRDS");
    }
    None
}

fn load(path: &Path) -> Json {
    let text = std::fs::read_to_string(path).unwrap();
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return serde_json::from_str(&text).unwrap();
    }
    let crd: Json = serde_saphyr::from_str(&text).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// What we say of a document: `(path, fault)` in the oracle's words.
fn ours(document: &Json, profile: Profile) -> BTreeSet<(String, String)> {
    let text = serde_json::to_vec(document).unwrap();
    let input = Input {
        name: "generated.json",
        bytes: &text,
    };
    let options = Options {
        profile,
        ..Options::default()
    };
    check(&[input], &options)
        .findings
        .into_iter()
        .filter(|finding| finding.layer() == Layer::ApiServer)
        .map(|finding| {
            let fault = fault(&finding.message);
            if finding.rule == Rule::RulesNotChecked {
                assert_eq!(fault, "rules not checked");
            }
            (finding.path, fault)
        })
        .collect()
}

fn fault(message: &str) -> String {
    const WORDS: [(&str, &str); 12] = [
        (
            "some validation rules were not checked",
            "rules not checked",
        ),
        ("strict decoding error: unknown field", "unknown"),
        ("Required value", "required"),
        ("Unsupported value", "enum"),
        ("Too long", "maxLength"),
        ("Too many", "maxItems"),
        ("chars long", "minLength"),
        ("in body should match", "pattern"),
        ("in body should have at least", "minItems"),
        ("in body should be less than", "maximum"),
        ("in body should be greater than", "minimum"),
        ("in body must be of type", "type"),
    ];
    for marker in ["Invalid value: \"object\": ", "Invalid value: \"array\": "] {
        if let Some((_, detail)) = message.split_once(marker)
            && !detail.contains(" in body ")
        {
            return match detail.split_once(" evaluating rule: ") {
                Some((_, rule)) => format!("error: {rule}"),
                None => detail.to_owned(),
            };
        }
    }
    WORDS
        .iter()
        .find(|(word, _)| message.contains(word))
        .map_or_else(
            || format!("unclassified: {message}"),
            |(_, fault)| (*fault).to_owned(),
        )
}

/// What a comparison found.
struct Compared {
    documents: usize,
    disagreements: Vec<String>,
}

impl Compared {
    fn expect_agreement(&self) {
        assert!(
            self.disagreements.is_empty(),
            "{} of {} differ, first:\n{}",
            self.disagreements.len(),
            self.documents,
            self.disagreements[..self.disagreements.len().min(5)].join("\n")
        );
    }
}

/// Compares `rounds` documents; what the schema can find and never found is a failure.
fn compare(kind: &str, schema: &Json, profile: Profile, rounds: usize, seed: u64) -> Compared {
    let mut rng = generate::Rng::new(seed);
    let mut oracle = oracle::Oracle::new(schema);
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut valid = 0;
    let mut disagreements = Vec::new();
    for document in generate::documents(
        kind,
        schema,
        profile == Profile::Gke202604,
        rounds,
        &mut rng,
    ) {
        let theirs = oracle.faults(&document);
        let ours = ours(&document, profile);
        valid += usize::from(theirs.is_empty());
        for (path, fault) in &theirs {
            *seen
                .entry((oracle::without_indexes(path), fault.clone()))
                .or_default() += 1;
        }
        if theirs != ours {
            disagreements.push(format!(
                "{document}\n  schema only: {:?}\n  ours only: {:?}",
                theirs.difference(&ours).collect::<Vec<_>>(),
                ours.difference(&theirs).collect::<Vec<_>>()
            ));
        }
    }
    assert!(
        valid * 20 > rounds,
        "only {valid} of {rounds} documents are valid"
    );
    let unseen: Vec<_> = oracle::possible(schema)
        .into_iter()
        .filter(|fault| !seen.contains_key(fault))
        .collect();
    assert!(unseen.is_empty(), "never provoked in {kind}: {unseen:#?}");
    Compared {
        documents: rounds,
        disagreements,
    }
}

#[test]
fn the_1_33_crds_and_our_rules_agree_on_every_generated_manifest() {
    let Some(crds) = crds() else { return };
    let mut all = Compared {
        documents: 0,
        disagreements: Vec::new(),
    };
    for (seed, kind, file) in [
        (1, "GCPTrafficExtension", "gcptrafficextension_v1.json"),
        (2, "GCPRoutingExtension", "gcproutingextension_v1.json"),
        (3, "GCPWasmPlugin", "gcpwasmplugin_v1.json"),
    ] {
        let schema = load(&crds.join("gke-1.33").join(file));
        let compared = compare(kind, &schema, Profile::Gke133, ROUNDS, seed);
        all.documents += compared.documents;
        all.disagreements.extend(compared.disagreements);
    }
    #[expect(
        clippy::print_stdout,
        reason = "the counts are figures, read with --nocapture"
    )]
    {
        println!("figure crd-compared {}", all.documents);
        println!("figure crd-disagreements {}", all.disagreements.len());
    }
    all.expect_agreement();
    assert!(
        all.documents >= 5000,
        "compared {} documents",
        all.documents
    );
}

/// The routing CRD in that folder is of April 2025 and there is no GCPWasmPlugin, so only the
/// traffic extension can be compared.
#[test]
fn the_2026_04_traffic_crd_and_our_rules_agree_on_every_generated_manifest() {
    let Some(crds) = crds() else { return };
    let schema = load(&crds.join("gke-2026-04/networking.gke.io_gcptrafficextensions.yaml"));
    compare(
        "GCPTrafficExtension",
        &schema,
        Profile::Gke202604,
        ROUNDS,
        4,
    )
    .expect_agreement();
}

#[test]
fn a_pattern_in_a_message_is_the_crds_to_the_letter() {
    let Some(crds) = crds() else { return };
    for (profile, file) in [
        (Profile::Gke133, "gke-1.33/gcptrafficextension_v1.json"),
        (
            Profile::Gke202604,
            "gke-2026-04/networking.gke.io_gcptrafficextensions.yaml",
        ),
    ] {
        let schema = load(&crds.join(file));
        let chain =
            &schema["properties"]["spec"]["properties"]["extensionChains"]["items"]["properties"];
        let expression =
            &chain["matchCondition"]["properties"]["celExpressions"]["items"]["properties"];
        let extension = &chain["extensions"]["items"]["properties"];
        let document = serde_json::json!({
            "apiVersion": "networking.gke.io/v1", "kind": "GCPTrafficExtension", "metadata": {"name": "x"},
            "spec": {
                "targetRefs": [{"group": "A", "kind": "1", "name": "x"}],
                "extensionChains": [{
                    "name": "A",
                    "matchCondition": {"celExpressions": [{"celMatcher": "?"}]},
                    "extensions": [{
                        "name": "x", "authority": "?", "timeout": "0.5s", "googleAPIServiceName": "x",
                        "forwardHeaders": ["a b"], "metadata": {"a": "\u{e9}"}, "supportedEvents": ["RequestHeaders"],
                    }],
                }],
            },
        });
        let text = document.to_string();
        let input = Input {
            name: "x",
            bytes: text.as_bytes(),
        };
        let options = Options {
            profile,
            ..Options::default()
        };
        let report = check(&[input], &options);
        for pattern in [
            &expression["celMatcher"]["pattern"],
            &extension["authority"]["pattern"],
            &extension["timeout"]["pattern"],
            &extension["googleAPIServiceName"]["pattern"],
            &extension["forwardHeaders"]["items"]["pattern"],
            &extension["metadata"]["additionalProperties"]["pattern"],
            &chain["name"]["pattern"],
        ] {
            let words = format!("in body should match '{}'", pattern.as_str().unwrap());
            assert!(
                report
                    .findings
                    .iter()
                    .any(|finding| finding.message.ends_with(&words)),
                "{words}"
            );
        }
    }
}
