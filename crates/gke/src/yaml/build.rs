//! From a parser's events to a tree: anchors, merges and duplicates on the way.

use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle};

use super::Loader;
use super::repair::Repaired;
use crate::finding::Finding;
use crate::node::{Entry, Node, Value, resolve_plain};
use crate::place::Span;
use crate::rule::Rule;

/// Why a document ends early.
pub(super) enum Stop {
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
pub(super) struct Build<'a> {
    loader: &'a Loader<'a>,
    file: usize,
    text: &'a Repaired,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    copied: usize,
    pub(super) findings: Vec<Finding>,
    done: Vec<Node>,
}

impl<'a> Build<'a> {
    pub(super) fn new(loader: &'a Loader<'a>, file: usize, text: &'a Repaired) -> Self {
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

    pub(super) fn run(&mut self) -> Result<Vec<Node>, Stop> {
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
