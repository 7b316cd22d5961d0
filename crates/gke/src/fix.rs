//! Mends what has one right answer, and checks again until nothing more can be mended.

use crate::check::{Options, Report, check};
use crate::finding::Edit;
use crate::report::Input;

/// A file that was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedFile {
    /// Index of the file in the input.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The text as it was.
    pub before: String,
    /// The text as it should be.
    pub after: String,
    /// What was done, in order.
    pub done: Vec<String>,
}

/// Mends manifests; the report is that of the mended ones.
#[must_use]
pub fn fix(inputs: &[Input<'_>], options: &Options) -> (Vec<FixedFile>, Report) {
    // One mend can bring out the next: an event's name that is right lets the rules run.
    const ROUNDS: usize = 8;
    let mut texts: Vec<Option<String>> = vec![None; inputs.len()];
    let mut done: Vec<Vec<String>> = vec![Vec::new(); inputs.len()];
    let mut report = check(inputs, options);
    for _ in 0..ROUNDS {
        if !apply(&report, inputs, &mut texts, &mut done) {
            break;
        }
        let mended: Vec<Input<'_>> = inputs
            .iter()
            .zip(&texts)
            .map(|(input, text)| Input {
                name: input.name,
                bytes: text.as_ref().map_or(input.bytes, String::as_bytes),
            })
            .collect();
        report = check(&mended, options);
    }
    let files = texts
        .into_iter()
        .zip(done)
        .enumerate()
        .filter_map(|(index, (text, done))| {
            let input = inputs.get(index)?;
            Some(FixedFile {
                index,
                name: input.name.to_owned(),
                before: String::from_utf8(input.bytes.to_vec()).ok()?,
                after: text?,
                done,
            })
        })
        .collect();
    (files, report)
}

/// Applies the fixes of a report that do not overlap; whether there was any.
fn apply(
    report: &Report,
    inputs: &[Input<'_>],
    texts: &mut [Option<String>],
    done: &mut [Vec<String>],
) -> bool {
    let mut any = false;
    for (index, file) in report.files.iter().enumerate() {
        // A file that is no UTF-8 was read with replacements, and is not ours to write back.
        if inputs
            .get(index)
            .is_none_or(|input| std::str::from_utf8(input.bytes).is_err())
        {
            continue;
        }
        let mut edits: Vec<&Edit> = Vec::new();
        for finding in &report.findings {
            let Some(fix) = &finding.fix else { continue };
            let free = fix.edits.iter().all(|edit| {
                edit.place.file == index
                    && file.text.get(edit.place.span.range()).is_some()
                    && edits.iter().all(|other| {
                        let (a, b) = (edit.place.span, other.place.span);
                        a != b && (a.end <= b.start || b.end <= a.start)
                    })
            });
            if free && !fix.edits.is_empty() {
                edits.extend(&fix.edits);
                done[index].push(fix.title.clone());
            }
        }
        if edits.is_empty() {
            continue;
        }
        edits.sort_by_key(|edit| edit.place.span);
        let mut text = file.text.clone();
        for edit in edits.into_iter().rev() {
            text.replace_range(edit.place.span.range(), &edit.replacement);
        }
        texts[index] = Some(text);
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::fixtures::{APP, TRAFFIC};

    fn mend(text: &str) -> String {
        let options = Options {
            gateways: vec![(
                "GATEWAY_NAME".into(),
                "gke-l7-global-external-managed".into(),
            )],
            ..Options::default()
        };
        let inputs = [text, APP].map(|text| Input {
            name: "a.yaml",
            bytes: text.as_bytes(),
        });
        let (files, report) = fix(&inputs, &options);
        let errors: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        files
            .into_iter()
            .find(|file| file.index == 0)
            .map_or_else(|| text.to_owned(), |file| file.after)
    }

    #[test]
    fn what_has_one_right_answer_is_mended_and_nothing_else_changes() {
        let check = |right: &str, wrong: &str| {
            assert!(TRAFFIC.contains(right));
            assert_eq!(mend(&TRAFFIC.replace(right, wrong)), TRAFFIC, "{wrong}");
        };
        check("    name: GATEWAY_NAME", "    name:GATEWAY_NAME");
        check("celExpressions", "cel_expressions");
        check("authority", "Authority");
        assert_eq!(mend(TRAFFIC), TRAFFIC);
    }

    #[test]
    fn wrong_values_become_the_right_ones() {
        let check = |line: &str, wrong: &str, right: &str| {
            let with = |text: &str| TRAFFIC.replace(line, text);
            assert_eq!(mend(&with(wrong)), with(right), "{wrong}");
        };
        check("timeout: 1s", "timeout: 0.1s", "timeout: 100ms");
        let events = |event: &str| format!("timeout: 1s\n      supportedEvents: [{event}]");
        check(
            "timeout: 1s",
            &events("REQUEST_HEADERS"),
            &events("RequestHeaders"),
        );
        check(
            "timeout: 1s",
            &events("'request-body'"),
            &events("'RequestBody'"),
        );
        check(
            "request.path.contains(\"serviceextensions\")",
            "source.ip == '10.0.0.1' && request.host.lower() == 'a'",
            "source.address == '10.0.0.1' && request.host.lowerAscii() == 'a'",
        );
        check(
            "  - group: \"gateway.networking.k8s.io\"\n    kind: Gateway",
            "  - kind: Gateway",
            "  - group: gateway.networking.k8s.io\n    kind: Gateway",
        );
    }

    #[test]
    fn a_missing_group_is_added_in_flow_style_as_well() {
        let block =
            "  - group: \"gateway.networking.k8s.io\"\n    kind: Gateway\n    name: GATEWAY_NAME\n";
        let text = TRAFFIC.replace(block, "  - {kind: Gateway, name: GATEWAY_NAME}\n");
        assert!(mend(&text).contains(
            "  - {group: gateway.networking.k8s.io, kind: Gateway, name: GATEWAY_NAME}\n"
        ));
    }
}
