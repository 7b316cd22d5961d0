//! From text to documents: YAML and JSON, several documents a file, and every fault of the text
//! a finding instead of an end.
//!
//! A file is cut at its `---` lines first, as `kubectl` does, so that one broken document does not
//! take its neighbours along. Sizes, depth and the work that aliases cause are bounded.

mod build;
mod repair;

use build::{Build, Stop};
use repair::Repaired;
pub(crate) use repair::colon_without_space;

use crate::check::Options;
use crate::finding::Finding;
use crate::node::Node;
use crate::place::{File, Span};
use crate::report::{Input, Limits, Sink};
use crate::rule::Rule;

/// A document and the file it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) file: usize,
    pub(crate) node: Node,
}

/// What reading one file needs besides the file.
pub(crate) struct Loader<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) substitutions: &'a [(String, String)],
}

impl Loader<'_> {
    /// Reads a file: its text with a line index, its documents, and what is wrong with the text.
    pub(crate) fn load(
        &self,
        index: usize,
        input: &Input<'_>,
        sink: &mut Sink,
    ) -> (File, Vec<Document>) {
        if input.bytes.len() > self.limits.file_bytes {
            sink.push(
                Finding::new(
                    Rule::TooLarge,
                    format!(
                        "the file has {} bytes, more than the {} that are read",
                        input.bytes.len(),
                        self.limits.file_bytes
                    ),
                )
                .at(index, Span::default())
                .help("pass the manifests alone, in smaller files"),
            );
            return (File::new(input.name, String::new()), Vec::new());
        }
        let text = String::from_utf8_lossy(input.bytes);
        let file = File::new(input.name, text.into_owned());
        if let Err(error) = std::str::from_utf8(input.bytes) {
            let at = error.valid_up_to();
            sink.push(
                Finding::new(Rule::YamlSyntax, "the text is no UTF-8")
                    .at(index, Span::new(at, at + 1))
                    .help("save the file as UTF-8"),
            );
        }
        let mut documents = Vec::new();
        for chunk in chunks(&file.text) {
            if documents.len() >= self.limits.documents {
                sink.push(
                    Finding::new(
                        Rule::TooLarge,
                        format!(
                            "only the first {} documents are read",
                            self.limits.documents
                        ),
                    )
                    .at(index, Span::new(chunk.start, chunk.start)),
                );
                break;
            }
            if sink.is_full() {
                break;
            }
            self.load_chunk(index, &file, chunk, &mut documents, sink);
        }
        (file, documents)
    }

    fn load_chunk(
        &self,
        index: usize,
        file: &File,
        chunk: std::ops::Range<usize>,
        documents: &mut Vec<Document>,
        sink: &mut Sink,
    ) {
        if chunk.len() > self.limits.document_bytes {
            sink.push(
                Finding::new(
                    Rule::TooLarge,
                    format!(
                        "Request entity too large: limit is {}",
                        self.limits.document_bytes
                    ),
                )
                .at(index, Span::new(chunk.start, chunk.start)),
            );
            return;
        }
        let mut text = Repaired::new(&file.text[chunk.clone()], chunk.start);
        loop {
            let mut build = Build::new(self, index, &text);
            match build.run() {
                Ok(nodes) => {
                    sink.extend(build.findings);
                    documents.extend(nodes.into_iter().map(|node| Document { file: index, node }));
                    return;
                }
                Err(Stop::Bound(finding)) => {
                    sink.extend(build.findings);
                    sink.push(*finding);
                    return;
                }
                Err(Stop::Syntax { at, info }) => {
                    if let Some(insert) = text.missing_space(at) {
                        let place = text.original(insert);
                        sink.push(repair::finding(index, file, place));
                        text.insert_space(insert);
                        continue;
                    }
                    sink.extend(build.findings);
                    let at = text.original(at.min(text.text.len()));
                    let mut finding = Finding::new(
                        Rule::YamlSyntax,
                        format!("error converting YAML to JSON: yaml: {info}"),
                    )
                    .at(index, Span::new(at, (at + 1).min(file.text.len())));
                    let (line, _) = file.line_column(Span::new(at, at).start);
                    if file.line(line).is_some_and(|line| {
                        line.chars()
                            .take_while(|c| c.is_whitespace())
                            .any(|c| c == '\t')
                    }) {
                        finding = finding.help("indent with spaces; YAML does not take tabs");
                    }
                    sink.push(finding);
                    return;
                }
            }
        }
    }
}

/// The documents of a text as `kubectl` reads them, each a value; what cannot be read is a finding.
#[must_use]
pub fn documents(input: &Input<'_>, options: &Options) -> (Vec<Node>, Vec<Finding>) {
    let mut sink = Sink::new(options.limits.findings);
    let loader = Loader {
        limits: &options.limits,
        substitutions: &options.substitutions,
    };
    let (_, documents) = loader.load(0, input, &mut sink);
    let nodes = documents.into_iter().map(|document| document.node);
    (nodes.collect(), sink.into_findings())
}

/// The byte ranges between lines that start with `---`; each starts with that line.
fn chunks(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut start = 0;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let search = text[start..].find("\n---").map(|at| start + at + 1);
        let end = search.unwrap_or_else(|| {
            done = true;
            text.len()
        });
        let range = start..end;
        start = end;
        Some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> (Vec<Node>, Vec<Finding>) {
        let limits = Limits::default();
        let loader = Loader {
            limits: &limits,
            substitutions: &[("GATEWAY_NAME".to_owned(), "external-http".to_owned())],
        };
        let mut sink = Sink::new(100);
        let input = Input {
            name: "a.yaml",
            bytes: text.as_bytes(),
        };
        let (_, documents) = loader.load(0, &input, &mut sink);
        let nodes = documents
            .into_iter()
            .map(|document| document.node)
            .collect();
        (nodes, sink.into_findings())
    }

    fn rules(findings: &[Finding]) -> Vec<Rule> {
        findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn every_value_knows_its_bytes() {
        let text = "a:\n  - b: 12\n    c: \"x\"\n";
        let (nodes, findings) = load(text);
        assert_eq!(findings, []);
        let item = &nodes[0].get("a").unwrap().items()[0];
        assert_eq!(&text[item.get("b").unwrap().span.range()], "12");
        assert_eq!(&text[item.get("c").unwrap().span.range()], "\"x\"");
        assert_eq!(&text[item.entries()[1].key_span.range()], "c");
    }

    #[test]
    fn a_broken_document_leaves_its_neighbours() {
        let (nodes, findings) = load("a: 1\n---\nb: [\n---\nc: 3\n");
        assert_eq!(nodes.len(), 2);
        assert_eq!(rules(&findings), [Rule::YamlSyntax]);
    }

    #[test]
    fn a_missing_space_is_named_mended_and_read_past() {
        let text = "refs:\n- kind: Gateway\n  name:GATEWAY_NAME\nhostnames: [a]\n";
        let (nodes, findings) = load(text);
        assert_eq!(rules(&findings), [Rule::YamlSyntax]);
        let edit = &findings[0].fix.as_ref().unwrap().edits[0];
        assert_eq!(edit.place.span.start, text.find("GATEWAY").unwrap() as u32);
        let item = &nodes[0].get("refs").unwrap().items()[0];
        let name = item.get("name").unwrap();
        assert_eq!(name.as_str(), Some("external-http"));
        assert_eq!(&text[name.span.range()], "GATEWAY_NAME");
        let host = &nodes[0].get("hostnames").unwrap().items()[0];
        assert_eq!(&text[host.span.range()], "a");
    }

    #[test]
    fn duplicates_are_found_with_their_path_and_the_last_counts() {
        let (nodes, findings) = load("spec:\n  a: [{x: 1, x: 2}]\n");
        assert_eq!(rules(&findings), [Rule::DuplicateField]);
        assert_eq!(findings[0].path, "spec.a[0].x");
        let item = &nodes[0].at(&["spec", "a"]).unwrap().items()[0];
        assert_eq!(item.get("x").unwrap().as_int(), Some(2));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let previous = level - 1;
            let aliases = vec![format!("*a{previous}"); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let (nodes, findings) = load(&text);
        assert_eq!(nodes.len(), 0);
        assert_eq!(rules(&findings), [Rule::ExcessiveAliasing]);
    }

    #[test]
    fn anchors_around_anchors_do_not_copy_without_bound() {
        let text = format!(
            "a: {}[{}]{}",
            "&a [".repeat(90),
            "1,".repeat(50_000),
            "]".repeat(90)
        );
        let (_, findings) = load(&text);
        assert_eq!(rules(&findings), [Rule::ExcessiveAliasing]);
    }

    #[test]
    fn aliases_and_merges_give_the_values_they_name() {
        let (nodes, findings) = load("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\nc: *x\n");
        assert_eq!(findings, []);
        let expected = serde_json::json!({"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}, "c": {"k": 1, "l": 2}});
        assert_eq!(nodes[0].to_json(), expected);
    }

    #[test]
    fn a_thousand_levels_are_too_deep() {
        let (_, findings) = load(&"[".repeat(1000));
        assert_eq!(rules(&findings), [Rule::TooDeep]);
        let (_, findings) = load(&format!("{}1{}", "{a: ".repeat(1000), "}".repeat(1000)));
        assert_eq!(rules(&findings), [Rule::TooDeep]);
    }

    #[test]
    fn json_is_read_as_well() {
        let (nodes, findings) =
            load("{\n\t\"kind\": \"Gateway\",\n\t\"n\": [1, 2.5, true, null]\n}\n");
        assert_eq!(findings, []);
        let expected = serde_json::json!({"kind": "Gateway", "n": [1, 2.5, true, null]});
        assert_eq!(nodes[0].to_json(), expected);
    }
}
