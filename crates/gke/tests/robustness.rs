//! Whatever comes in, a report comes out: broken bytes, hostile sizes, mends that make it worse.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::Path;

use gatewright_gke::{
    Client, Cloud, DescribeOptions, Era, ExportOptions, Input, Options, Profile, Request, Rule,
    check, describe, export, fix, render,
};

/// All fixtures, as names and texts.
fn fixtures() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["docs", "rules"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            all.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    all.sort();
    all
}

fn input(bytes: &[u8]) -> Input<'_> {
    Input {
        name: "input.yaml",
        bytes,
    }
}

/// Runs everything that takes a report.
fn everything(bytes: &[u8], profile: Profile) {
    let options = Options {
        profile,
        substitutions: vec![("GATEWAY_NAME".into(), "external-http".into())],
        ..Options::default()
    };
    let report = check(&[input(bytes)], &options);
    let shown = render::human(&report);
    assert!(!shown.contains('\u{1b}'));
    for text in [render::json(&report), render::sarif(&report)] {
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
    let describing = DescribeOptions {
        era: Era::August2025,
        time: "2025-08-08T20:16:13Z",
        reconciled: true,
        cloud: Cloud::default(),
    };
    for object in &report.objects {
        let id = &object.id;
        let _ = describe(&report, &id.kind, &id.namespace, &id.name, &describing);
    }
    let request = Request {
        method: b"GET",
        scheme: b"https",
        host: b"store.example.com",
        path: b"/de",
        query: b"a=1",
        headers: &[(b"env", b"canary")],
        client: Client::default(),
    };
    for gateway in &report.plan.gateways {
        let _ = gateway.explain(&request);
    }
    let exporting = ExportOptions {
        project: "p",
        region: "us-central1",
        forwarding_rule: None,
    };
    let exported = export(&report, &exporting);
    serde_json::from_str::<serde_json::Value>(&exported.rest()).unwrap();
    let _ = exported.terraform();
}

#[test]
fn mutated_fixtures_never_break_anything() {
    const SPLICES: [&[u8]; 16] = [
        b":",
        b"- ",
        b"\n",
        b"{",
        b"]",
        b"\"",
        b"&a ",
        b"*a",
        b"<<: ",
        b"\t",
        b"\xff",
        b"null",
        b"\xe2\x80\x9c",
        b"---\n",
        b"|\n",
        b"99999999999999999999",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n.max(1) as u64).unwrap()
    };
    for (name, text) in fixtures() {
        if name.starts_with("ExcessiveAliasing") {
            continue;
        }
        for round in 0..40 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(3) {
                    0 => {
                        bytes.splice(at..at, SPLICES[below(SPLICES.len())].iter().copied());
                    }
                    1 => {
                        let end = (at + below(20)).min(bytes.len());
                        bytes.drain(at..end);
                    }
                    _ => {
                        let end = (at + below(80)).min(bytes.len());
                        let piece = bytes[at..end].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            everything(&bytes, Profile::ALL[round % 2]);
        }
    }
}

#[test]
fn mending_ends_and_never_adds_errors() {
    use gatewright_gke::Severity;
    for (name, text) in fixtures() {
        let before = check(&[input(text.as_bytes())], &Options::default());
        let (files, after) = fix(&[input(text.as_bytes())], &Options::default());
        assert!(
            after
                .findings
                .iter()
                .all(|finding| finding.fix.is_none() || finding.severity != Severity::Error),
            "{name}: a mend is left over"
        );
        let syntax = |report: &gatewright_gke::Report| {
            report
                .findings
                .iter()
                .filter(|finding| finding.rule == Rule::YamlSyntax)
                .count()
        };
        assert!(syntax(&after) <= syntax(&before), "{name}");
        for file in files {
            assert_ne!(file.before, file.after, "{name}");
        }
    }
}

#[test]
fn huge_and_hostile_input_is_bounded() {
    let limit = Options::default().limits.findings;
    let check = |bytes: &[u8], rule: Rule| {
        let report = check(&[input(bytes)], &Options::default());
        assert!(
            report.findings.iter().any(|finding| finding.rule == rule),
            "{rule:?}"
        );
        assert!(report.findings.len() <= limit + 1);
    };
    check(&vec![b'['; 100 << 20], Rule::TooLarge);
    check(&"---\n[\n".repeat(1 << 20).into_bytes(), Rule::YamlSyntax);
    check(&vec![b'a'; 4 << 20], Rule::TooLarge);
    check(&"[".repeat(1000).into_bytes(), Rule::TooDeep);
    check("a: [\n".repeat(1000).as_bytes(), Rule::TooDeep);
    let spec: String = (0..150_000).map(|n| format!("  k{n}: 1\n")).collect();
    let wide = format!(
        "apiVersion: networking.gke.io/v1\nkind: GCPWasmPlugin\nmetadata: {{name: a}}\nspec:\n{spec}"
    );
    check(wide.as_bytes(), Rule::UnknownField);
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..40 {
        bomb.push_str(&format!("a{level}: &a{level} [*a{0},*a{0}]\n", level - 1));
    }
    check(bomb.as_bytes(), Rule::ExcessiveAliasing);
}

#[test]
fn ten_thousand_documents_in_a_thousand_files_are_all_read() {
    let document = |file: usize, n: usize| {
        format!(
            "---\napiVersion: networking.gke.io/v1\nkind: GCPWasmPlugin\nmetadata: {{name: p-{file}-{n}}}\nspec:\n  versions:\n  - {{name: v1, image: a.example/b@sha256:00, weight: 1000000}}\n"
        )
    };
    let texts: Vec<String> = (0..1000)
        .map(|file| (0..10).map(|n| document(file, n)).collect())
        .collect();
    let inputs: Vec<Input<'_>> = texts.iter().map(|text| input(text.as_bytes())).collect();
    let report = check(&inputs, &Options::default());
    assert_eq!(report.objects.len(), 10_000);
}
