//! The journal of a store that outlives its process: one file, a line a write.
//!
//! A write is appended and synced before it is acknowledged. A kill may leave a torn last line,
//! which was not acknowledged and is cut off when the file is read again; every line has a checksum
//! to tell. When the file has grown, the objects are written to a new one, which takes its place in
//! one step.

mod disk;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

pub use disk::Disk;
use disk::Folder;

use crate::kinds::Kind;
use crate::object::Key;

/// The file's name in its folder.
const FILE: &str = "objects.journal";
/// The name under which the next one is written.
const NEXT: &str = "objects.journal.new";
/// The first line, so that no other file is taken for a journal.
const HEADER: &str = "gatewright-kube-journal 1\n";
/// How large a journal may be at least, and how much larger than when it was last compacted.
const LARGE: u64 = 1 << 20;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An object is this now.
    Put {
        /// Which.
        key: Key,
        /// What it is, with the number of the write.
        object: Value,
    },
    /// An object is gone.
    Delete {
        /// Which.
        key: Key,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    /// Bytes of whole lines.
    length: u64,
    /// The length when it was last compacted.
    compacted: u64,
    /// Whether bytes that do not count may stand after the whole lines.
    torn: bool,
    /// Whether it is not known which file is in place.
    lost: bool,
}

/// What a journal told when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// To go on with.
    pub journal: Journal,
    /// The writes in order.
    pub records: Vec<Record>,
    /// The number of the last.
    pub revision: u64,
}

impl Journal {
    /// Opens the journal of a folder, which is made if it is not there, and holds the folder for
    /// this process.
    ///
    /// # Errors
    /// That the folder cannot be had, is held by another process, or holds something else.
    pub fn open(folder: &Path) -> io::Result<Opened> {
        Self::on(Box::new(Folder::open(folder)?))
    }

    fn on(mut disk: Box<dyn Disk>) -> io::Result<Opened> {
        // What a kill left half-written.
        disk.remove(NEXT)?;
        let bytes = disk.read(FILE)?.unwrap_or_default();
        let mut records = Vec::new();
        let mut revision = 0;
        let mut length = 0;
        if bytes.len() >= HEADER.len() {
            if !bytes.starts_with(HEADER.as_bytes()) {
                let what = format!("`{FILE}` is no journal of this version");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            length = HEADER.len();
            for line in bytes[HEADER.len()..].split_inclusive(|byte| *byte == b'\n') {
                match read_line(line) {
                    Some((number, record)) => {
                        revision = revision.max(number);
                        records.extend(record);
                        length += line.len();
                    }
                    None => break,
                }
            }
            // A kill tears the last line only. What stands before whole lines is another fault.
            let rest = &bytes[length..];
            let more = rest.split_inclusive(|byte| *byte == b'\n').skip(1);
            if more.clone().any(|line| read_line(line).is_some()) {
                let what =
                    format!("`{FILE}` is damaged at byte {length}, with whole lines after it");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        } else if !HEADER.as_bytes().starts_with(&bytes) {
            let what = format!("`{FILE}` is no journal");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let mut journal = Self {
            disk,
            length: length as u64,
            compacted: length as u64,
            torn: length < bytes.len() || length == 0,
            lost: false,
        };
        journal.mend()?;
        Ok(Opened {
            journal,
            records,
            revision,
        })
    }

    /// Notes that an object is this now.
    ///
    /// # Errors
    /// That it cannot be noted; then it is not.
    pub fn put(&mut self, revision: u64, key: &Key, object: &Value) -> io::Result<()> {
        self.append(&line(revision, key, Some(object)))
    }

    /// Notes that an object is gone.
    ///
    /// # Errors
    /// That it cannot be noted; then it is not.
    pub fn delete(&mut self, revision: u64, key: &Key) -> io::Result<()> {
        self.append(&line(revision, key, None))
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.lost {
            return Err(io::Error::other(
                "the journal was lost while it was replaced; start anew",
            ));
        }
        self.mend()?;
        // Until it is synced it may be there in part, in whole or not at all.
        self.torn = true;
        self.disk.append(FILE, line)?;
        self.disk.sync(FILE)?;
        self.length += line.len() as u64;
        self.torn = false;
        Ok(())
    }

    /// Cuts off what does not count, and begins a file that has not even a header.
    fn mend(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        if self.length == 0 {
            self.replace(HEADER.as_bytes())?;
        } else {
            self.disk.truncate(FILE, self.length)?;
            self.disk.sync(FILE)?;
        }
        self.torn = false;
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.remove(NEXT)?;
        self.disk.append(NEXT, bytes)?;
        self.disk.sync(NEXT)?;
        self.lost = true;
        self.disk.rename(NEXT, FILE)?;
        self.disk.sync_folder()?;
        self.lost = false;
        self.length = bytes.len() as u64;
        self.compacted = self.length;
        Ok(())
    }

    /// Writes a journal of the objects alone in the place of one that is mostly history.
    ///
    /// # Errors
    /// That it cannot be written; the old one counts then.
    pub fn compact_if_large(
        &mut self,
        revision: u64,
        objects: &BTreeMap<Key, Arc<Value>>,
    ) -> io::Result<()> {
        if self.length < self.compacted.saturating_mul(2).max(LARGE) {
            return Ok(());
        }
        self.compact(revision, objects)
    }

    fn compact(&mut self, revision: u64, objects: &BTreeMap<Key, Arc<Value>>) -> io::Result<()> {
        let mut bytes = HEADER.as_bytes().to_vec();
        // The number goes on even if the last write was a deletion.
        bytes.extend(framed(&json!({"revision": revision})));
        for (key, object) in objects {
            bytes.extend(line(crate::object::revision(object), key, Some(object)));
        }
        let done = self.replace(&bytes);
        if done.is_err() {
            // Not tried again at every write.
            self.compacted = self.length;
        }
        done
    }
}

fn line(revision: u64, key: &Key, object: Option<&Value>) -> Vec<u8> {
    framed(&json!({
        "revision": revision,
        "kind": key.kind.info().name,
        "namespace": key.namespace,
        "name": key.name,
        "object": object,
    }))
}

fn framed(record: &Value) -> Vec<u8> {
    let text = record.to_string();
    format!("{:08x} {text}\n", checksum(text.as_bytes())).into_bytes()
}

/// The number and the record of a whole line; a line that only has a number has no record.
fn read_line(line: &[u8]) -> Option<(u64, Option<Record>)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, text) = line.split_once(' ')?;
    if sum.len() != 8 || u32::from_str_radix(sum, 16).ok()? != checksum(text.as_bytes()) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let revision = value.get("revision")?.as_u64()?;
    let Some(kind) = value.get("kind").and_then(Value::as_str) else {
        return Some((revision, None));
    };
    let text = |field: &str| Some(value.get(field)?.as_str()?.to_owned());
    let key = Key {
        kind: Kind::from_name(kind)?,
        namespace: text("namespace")?,
        name: text("name")?,
    };
    let record = match value.get("object")? {
        Value::Null => Record::Delete { key },
        object => Record::Put {
            key,
            object: object.clone(),
        },
    };
    Some((revision, Some(record)))
}

/// CRC-32, bit by bit: lines are short.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests;
