//! From text to documents: YAML and JSON, several documents a file, and every fault of the text
//! a finding instead of an end.
//!
//! A file is cut at its `---` lines first, as `kubectl` does, so that one broken document does not
//! take its neighbours along. Sizes, depth and the work that aliases cause are bounded.

use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle};

use crate::finding::Finding;
use crate::node::{Entry, Node, Value, resolve_plain};
use crate::place::{File, Place, Span};
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
                        sink.push(missing_space(index, file, place));
                        text.insert_space(insert);
                        continue;
                    }
                    sink.extend(build.findings);
                    let at = text.original(at.min(text.text.len()));
                    let mut finding = Finding::new(
                        Rule::YamlSyntax,
                        format!("error converting YAML to JSON: yaml: {info}"),
                    )
                    .at(index, Span::new(at, at + 1));
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

fn missing_space(index: usize, file: &File, at: usize) -> Finding {
    let (line, _) = file.line_column(Span::new(at, at).start);
    let start = file.line_start(line).unwrap_or(0) as usize;
    let key = file.text.get(start..at).unwrap_or("").trim();
    let key = key.trim_start_matches(['-', ' ']);
    Finding::new(
        Rule::YamlSyntax,
        "error converting YAML to JSON: yaml: could not find expected ':'",
    )
    .at(index, Span::new(at.saturating_sub(key.len()), at))
    .help(format!("write a space after `{key}`"))
    .fix(
        "insert a space after the colon",
        Place {
            file: index,
            span: Span::new(at, at),
        },
        " ".to_owned(),
    )
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

/// The text of a document with the spaces that it lacked, and the way back to real offsets.
struct Repaired {
    text: String,
    base: usize,
    /// Offsets in `text` of inserted spaces, ascending.
    inserted: Vec<usize>,
}

impl Repaired {
    fn new(text: &str, base: usize) -> Self {
        Self {
            text: text.to_owned(),
            base,
            inserted: Vec::new(),
        }
    }

    /// The offset in the file of an offset in the repaired text.
    fn original(&self, at: usize) -> usize {
        self.base + at - self.inserted.partition_point(|space| *space < at)
    }

    fn insert_space(&mut self, at: usize) {
        self.text.insert(at, ' ');
        let index = self.inserted.partition_point(|space| *space < at);
        for later in &mut self.inserted[index..] {
            *later += 1;
        }
        self.inserted.insert(index, at);
    }

    /// Where a space is missing after `key:` on one of the lines around a syntax error: the
    /// scanner notices the missing colon only when the next key comes.
    fn missing_space(&self, error: usize) -> Option<usize> {
        const MAX_REPAIRS: usize = 16;
        if self.inserted.len() >= MAX_REPAIRS {
            return None;
        }
        let error = error.min(self.text.len());
        let error_line = self.text.as_bytes()[..error]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let mut best = None;
        let mut offset = 0;
        for (number, line) in self.text.split('\n').enumerate() {
            if number > error_line + 1 {
                break;
            }
            if number + 2 >= error_line
                && let Some(at) = colon_without_space(line)
            {
                best = Some(offset + at);
            }
            offset += line.len() + 1;
        }
        best
    }
}

/// The offset after the colon of a line such as `- name:X`; a URL's colon does not count.
pub(crate) fn colon_without_space(line: &str) -> Option<usize> {
    let body = line.trim_start_matches([' ', '-']);
    let start = line.len() - body.len();
    let length = body
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let rest = body[length..].strip_prefix(':')?;
    let starts = |c: char| !c.is_whitespace() && c != '/' && c != ':';
    (length > 0 && rest.starts_with(starts)).then_some(start + length + 1)
}

/// Why a document ends early.
enum Stop {
    Syntax { at: usize, info: String },
    Bound(Box<Finding>),
}

enum Frame {
    List {
        items: Vec<Node>,
        start: usize,
        anchor: usize,
    },
    Map {
        entries: Vec<Entry>,
        seen: HashSet<String>,
        key: Option<Key>,
        start: usize,
        anchor: usize,
    },
}

struct Key {
    text: String,
    span: Span,
    merge: bool,
}

/// One pass over the events of a document.
struct Build<'a> {
    loader: &'a Loader<'a>,
    file: usize,
    text: &'a Repaired,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    copied: usize,
    findings: Vec<Finding>,
    done: Vec<Node>,
}

impl<'a> Build<'a> {
    fn new(loader: &'a Loader<'a>, file: usize, text: &'a Repaired) -> Self {
        Self {
            loader,
            file,
            text,
            frames: Vec::new(),
            anchors: HashMap::new(),
            copied: 0,
            findings: Vec::new(),
            done: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<Vec<Node>, Stop> {
        let mut parser = Parser::new_from_str(&self.text.text);
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let at = error.marker().byte_offset().unwrap_or(0);
                    if *error.kind() == ErrorKind::RecursionLimitExceeded {
                        return Err(self.too_deep(at));
                    }
                    return Err(Stop::Syntax {
                        at,
                        info: error.info(),
                    });
                }
            };
            let range = span.byte_range().unwrap_or(0..0);
            match event {
                Event::Scalar(text, style, anchor, _) => {
                    let span = self.span(range);
                    self.scalar(&text, style, anchor, span)?;
                }
                Event::SequenceStart(_, anchor, _) => self.open(
                    Frame::List {
                        items: Vec::new(),
                        start: range.start,
                        anchor,
                    },
                    range.start,
                )?,
                Event::MappingStart(_, anchor, _) => self.open(
                    Frame::Map {
                        entries: Vec::new(),
                        seen: HashSet::new(),
                        key: None,
                        start: range.start,
                        anchor,
                    },
                    range.start,
                )?,
                Event::SequenceEnd | Event::MappingEnd => self.close(range.end)?,
                Event::Alias(id) => {
                    let span = self.span(range);
                    self.alias(id, span)?;
                }
                Event::UnresolvedAlias(name) => {
                    return Err(Stop::Syntax {
                        at: range.start,
                        info: format!("unknown anchor '{name}' referenced"),
                    });
                }
                _ => {}
            }
        }
        Ok(std::mem::take(&mut self.done))
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(
            self.text.original(range.start),
            self.text.original(range.end),
        )
    }

    fn too_deep(&self, at: usize) -> Stop {
        let at = self.text.original(at.min(self.text.text.len()));
        let depth = self.loader.limits.depth;
        Stop::Bound(Box::new(
            Finding::new(Rule::TooDeep, format!("nested deeper than {depth} levels"))
                .at(self.file, Span::new(at, at + 1)),
        ))
    }

    fn open(&mut self, frame: Frame, at: usize) -> Result<(), Stop> {
        if self.frames.len() >= self.loader.limits.depth {
            return Err(self.too_deep(at));
        }
        if let Some(Frame::Map { key: None, .. }) = self.frames.last() {
            return Err(Stop::Syntax {
                at,
                info: "a key must be text, not a list or a map".to_owned(),
            });
        }
        self.frames.push(frame);
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Stop> {
        let (value, start, anchor) = match self.frames.pop() {
            Some(Frame::List {
                items,
                start,
                anchor,
            }) => (Value::List(items), start, anchor),
            Some(Frame::Map {
                entries,
                start,
                anchor,
                ..
            }) => (Value::Map(entries), start, anchor),
            None => return Ok(()),
        };
        let end = start
            + self
                .text
                .text
                .get(start..end)
                .map_or(0, |text| text.trim_end().len());
        let span = self.span(start..end);
        self.add(Node { value, span }, anchor)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        span: Span,
    ) -> Result<(), Stop> {
        let plain = style == ScalarStyle::Plain;
        if let Some(Frame::Map { key, .. }) = self.frames.last_mut()
            && key.is_none()
        {
            *key = Some(Key {
                text: text.to_owned(),
                span,
                merge: plain && text == "<<",
            });
            return Ok(());
        }
        let mut value = if plain {
            resolve_plain(text)
        } else {
            Value::String(text.to_owned())
        };
        if let Value::String(text) = &mut value {
            for (from, to) in self.loader.substitutions {
                if !from.is_empty() && text.contains(from.as_str()) {
                    *text = text.replace(from.as_str(), to);
                }
            }
        }
        self.add(Node { value, span }, anchor)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Stop> {
        let (node, size) = match self.anchors.get(&id) {
            Some((_, size)) if self.copied + size > self.loader.limits.alias_nodes => {
                return Err(self.aliasing(span));
            }
            Some((node, size)) => (node.clone(), *size),
            None => (
                Node {
                    value: Value::Null,
                    span,
                },
                1,
            ),
        };
        self.copied += size;
        if let Some(Frame::Map { key, .. }) = self.frames.last_mut()
            && key.is_none()
        {
            let text = node.as_str().unwrap_or_default().to_owned();
            *key = Some(Key {
                text,
                span,
                merge: false,
            });
            return Ok(());
        }
        self.add(node, 0)
    }

    fn aliasing(&self, span: Span) -> Stop {
        Stop::Bound(Box::new(
            Finding::new(
                Rule::ExcessiveAliasing,
                "error converting YAML to JSON: yaml: document contains excessive aliasing",
            )
            .at(self.file, span)
            .help("write the values out instead of repeating them by `*alias`"),
        ))
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            let size = size_of_tree(&node, self.loader.limits.alias_nodes);
            self.copied += size;
            if self.copied > self.loader.limits.alias_nodes {
                return Err(self.aliasing(node.span));
            }
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.frames.last_mut() {
            None => self.done.push(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map {
                entries, seen, key, ..
            }) => {
                let Some(key) = key.take() else { return Ok(()) };
                if key.merge {
                    return self.merge(node);
                }
                if seen.insert(key.text.clone()) {
                    entries.push(Entry {
                        key: key.text,
                        key_span: key.span,
                        value: node,
                    });
                    return Ok(());
                }
                // The last one counts, as when the JSON decoder of the server reads it.
                if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key.text) {
                    entry.value = node;
                    entry.key_span = key.span;
                }
                let path = self.path(&key.text);
                if self.findings.len() < self.loader.limits.findings {
                    self.findings.push(
                        Finding::new(
                            Rule::DuplicateField,
                            format!("strict decoding error: duplicate field {path:?}"),
                        )
                        .at(self.file, key.span)
                        .path(path)
                        .help("keep one of the two"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Adds what `<<` brings in; keys that the map has itself win.
    fn merge(&mut self, node: Node) -> Result<(), Stop> {
        let Some(Frame::Map { entries, seen, .. }) = self.frames.last_mut() else {
            return Ok(());
        };
        let maps = match node.value {
            Value::Map(_) => vec![node],
            Value::List(items) => items,
            _ => {
                return Err(Stop::Syntax {
                    at: (node.span.start as usize).saturating_sub(self.text.base),
                    info: "map merge requires map or sequence of maps as the value".to_owned(),
                });
            }
        };
        for map in maps {
            let Value::Map(merged) = map.value else {
                continue;
            };
            for entry in merged {
                if !seen.contains(&entry.key) && !entries.iter().any(|e| e.key == entry.key) {
                    entries.push(entry);
                }
            }
        }
        Ok(())
    }

    fn path(&self, last: &str) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match frame {
                Frame::List { items, .. } => path.push_str(&format!("[{}]", items.len())),
                Frame::Map { key: Some(key), .. } => push_key(&mut path, &key.text),
                Frame::Map { .. } => {}
            }
        }
        push_key(&mut path, last);
        path
    }
}

fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// The number of values in a tree, counted no further than just above `limit`.
fn size_of_tree(node: &Node, limit: usize) -> usize {
    let mut count = 0;
    let mut todo = vec![node];
    while let Some(node) = todo.pop() {
        count += 1;
        if count > limit {
            break;
        }
        match &node.value {
            Value::List(items) => todo.extend(items),
            Value::Map(entries) => todo.extend(entries.iter().map(|entry| &entry.value)),
            _ => {}
        }
    }
    count
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
