//! Where things are in a JSON text: from a place to a field, and from a field to a place.
//!
//! `serde_json` says the line and column where it gave up, not the field. Finding the field from
//! the text afterwards costs nothing when all is well, and 1 KB of wasm instead of the 20 KB of a
//! wrapper around every deserialiser.

/// Where a key or a value stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Such as `rules[2].name`; empty for the whole text.
    pub(super) path: String,
    /// The first byte of it.
    pub(super) start: usize,
}

/// The last key or value that is complete before `end`, of which an error there speaks.
pub(super) fn last_before(json: &[u8], end: usize) -> Option<Place> {
    let mut last = None;
    walk(json, &mut |node| {
        if node.end > end {
            return false;
        }
        last = Some(Place {
            path: render(json, node.path),
            start: node.start,
        });
        true
    });
    last
}

/// The first byte of the value at this path.
pub(super) fn find(json: &[u8], path: &str) -> Option<usize> {
    let mut found = None;
    walk(json, &mut |node| {
        if !node.is_key && render(json, node.path) == path {
            found = Some(node.start);
        }
        found.is_none()
    });
    found
}

/// Line and column, both from 1, of a byte.
pub(super) fn line_and_column(json: &[u8], offset: usize) -> (usize, usize) {
    let before = json.get(..offset).unwrap_or(json);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    (line, column)
}

/// The byte at a line and column, as `serde_json` counts them: it has read `column` bytes of that
/// line.
pub(super) fn offset_of(json: &[u8], line: usize, column: usize) -> usize {
    let lines = json.split_inclusive(|byte| *byte == b'\n');
    let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    start.saturating_add(column).min(json.len())
}

struct Node<'a> {
    path: &'a [Frame],
    start: usize,
    end: usize,
    is_key: bool,
}

/// An object or an array that is open, and where in it the walk is.
#[derive(Clone, Copy)]
enum Frame {
    Object {
        start: usize,
        key: Option<(usize, usize)>,
    },
    Array {
        start: usize,
        index: usize,
    },
}

fn render(json: &[u8], path: &[Frame]) -> String {
    let mut text = String::new();
    for frame in path {
        match *frame {
            Frame::Object { key: None, .. } => {}
            Frame::Object {
                key: Some((start, end)),
                ..
            } => {
                if !text.is_empty() {
                    text.push('.');
                }
                let key = json.get(start..end).unwrap_or_default();
                text.push_str(&String::from_utf8_lossy(key));
            }
            Frame::Array { index, .. } => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}

/// Hands out every key and value in the order in which they end, until told to stop. A text that
/// is not JSON is walked as far as it goes.
fn walk(json: &[u8], visit: &mut dyn FnMut(Node<'_>) -> bool) {
    let mut stack: Vec<Frame> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let start = at;
        at += 1;
        let mut node_start = start;
        let mut is_key = false;
        match byte {
            b'{' => {
                stack.push(Frame::Object { start, key: None });
                continue;
            }
            b'[' => {
                stack.push(Frame::Array { start, index: 0 });
                continue;
            }
            b',' => {
                match stack.last_mut() {
                    Some(Frame::Object { key, .. }) => *key = None,
                    Some(Frame::Array { index, .. }) => *index += 1,
                    None => {}
                }
                continue;
            }
            b'}' | b']' => match stack.pop() {
                Some(Frame::Object { start, .. } | Frame::Array { start, .. }) => {
                    node_start = start;
                }
                None => return,
            },
            b'"' => {
                at = end_of_string(json, at);
                if let Some(Frame::Object { key, .. }) = stack.last_mut()
                    && key.is_none()
                {
                    *key = Some((start + 1, at.saturating_sub(1)));
                    is_key = true;
                }
            }
            b':' => continue,
            byte if byte.is_ascii_whitespace() => continue,
            _ => {
                let rest = json.get(at..).unwrap_or_default();
                at += rest
                    .iter()
                    .take_while(|byte| {
                        !matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
                    })
                    .count();
            }
        }
        let node = Node {
            path: &stack,
            start: node_start,
            end: at,
            is_key,
        };
        if !visit(node) {
            return;
        }
    }
}

fn end_of_string(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    json.len()
}
