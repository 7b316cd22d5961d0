//! A journal that is ended at every step of every write, and read again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;

/// Files as they are for running programs, and as they are after a loss of power.
#[derive(Clone, Debug, Default)]
struct Files {
    seen: BTreeMap<String, Vec<u8>>,
    /// What was synced of each.
    safe: BTreeMap<String, Vec<u8>>,
    /// Renames since the folder was synced.
    renames: Vec<(String, String)>,
}

/// A disk that does so many steps and then nothing more. The step at which it ends is done in part
/// if it is an append.
#[derive(Clone, Debug)]
struct Mortal {
    files: Arc<Mutex<Files>>,
    left: usize,
    /// How much of the last append is done, in percent.
    part: usize,
}

impl Mortal {
    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(())
    }
}

impl Disk for Mortal {
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.lock().unwrap().seen.get(name).cloned())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let alive = self.step();
        let written = if alive.is_ok() {
            bytes
        } else {
            &bytes[..bytes.len() * self.part / 100]
        };
        let mut files = self.files.lock().unwrap();
        files
            .seen
            .entry(name.to_owned())
            .or_default()
            .extend(written);
        alive
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        let mut files = self.files.lock().unwrap();
        if let Some(bytes) = files.seen.get(name).cloned() {
            files.safe.insert(name.to_owned(), bytes);
        }
        Ok(())
    }

    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.step()?;
        let mut files = self.files.lock().unwrap();
        if let Some(bytes) = files.seen.get_mut(name) {
            bytes.truncate(length as usize);
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        let mut files = self.files.lock().unwrap();
        let bytes = files.seen.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.seen.insert(to.to_owned(), bytes);
        files.renames.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        self.step()?;
        let mut files = self.files.lock().unwrap();
        let renames = std::mem::take(&mut files.renames);
        for (from, to) in renames {
            if let Some(bytes) = files.safe.remove(&from) {
                files.safe.insert(to, bytes);
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        let mut files = self.files.lock().unwrap();
        files.seen.remove(name);
        files.safe.remove(name);
        Ok(())
    }
}

fn key(name: &str) -> Key {
    Key {
        kind: Kind::Secret,
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

/// What is to be there: the number and the objects' versions.
type Expected = (u64, BTreeMap<Key, u64>);

/// Puts, changes, deletes and compacts until the disk ends. Gives what was acknowledged, and what
/// would have been if the last write had been.
fn live(disk: Mortal) -> (Expected, Expected) {
    let mut objects = BTreeMap::new();
    let versions = |objects: &BTreeMap<Key, Arc<Value>>| {
        objects
            .iter()
            .map(|(key, object)| (key.clone(), crate::object::revision(object)))
            .collect::<BTreeMap<_, _>>()
    };
    let mut acknowledged: Expected = (0, BTreeMap::new());
    let Ok(opened) = Journal::on(Box::new(disk)) else {
        return (acknowledged.clone(), acknowledged);
    };
    let mut journal = opened.journal;
    for revision in 1..=12_u64 {
        let name = key(&format!("s{}", revision % 3));
        let mut after = objects.clone();
        let done = if revision % 5 == 0 {
            after.remove(&name);
            journal.delete(revision, &name)
        } else {
            let object = json!({"metadata": {"resourceVersion": revision.to_string()}});
            let done = journal.put(revision, &name, &object);
            after.insert(name, Arc::new(object));
            done
        };
        if done.is_err() {
            return (acknowledged, (revision, versions(&after)));
        }
        objects = after;
        acknowledged = (revision, versions(&objects));
        if revision % 4 == 0 && journal.compact(revision, &objects).is_err() {
            return (acknowledged.clone(), acknowledged);
        }
    }
    (acknowledged.clone(), acknowledged)
}

fn read_again(files: Files) -> Expected {
    let disk = Mortal {
        files: Arc::new(Mutex::new(files)),
        left: usize::MAX,
        part: 100,
    };
    let opened = Journal::on(Box::new(disk)).expect("a journal that a kill left is read");
    let mut objects = BTreeMap::new();
    for record in opened.records {
        match record {
            Record::Put { key, object } => {
                objects.insert(key, crate::object::revision(&object));
            }
            Record::Delete { key } => {
                objects.remove(&key);
            }
        }
    }
    (opened.revision, objects)
}

#[test]
fn nothing_that_was_acknowledged_is_lost_at_whatever_step_it_ends() {
    let mut ends = 0;
    for part in [0, 1, 50, 99, 100] {
        for left in 0.. {
            let files = Arc::new(Mutex::new(Files::default()));
            let disk = Mortal {
                files: Arc::clone(&files),
                left,
                part,
            };
            let (acknowledged, last) = live(disk);
            let files = files.lock().unwrap().clone();
            // After a kill the system still writes what programs wrote.
            let found = read_again(files.clone());
            assert!(
                found == acknowledged || found == last,
                "killed after {left} steps, {part}%: {found:?} is neither {acknowledged:?} nor {last:?}"
            );
            // After a loss of power only what was synced is there; a rename may be.
            let safe = Files {
                seen: files.safe.clone(),
                ..Files::default()
            };
            let found = read_again(safe);
            assert!(
                found == acknowledged || found == last,
                "power lost after {left} steps, {part}%: {found:?} is neither {acknowledged:?} nor {last:?}"
            );
            ends += 1;
            if acknowledged.0 == 12 && left > 60 {
                break;
            }
        }
    }
    assert!(ends > 200, "{ends}");
}

#[test]
fn a_write_that_failed_leaves_nothing_behind() {
    let files = Arc::new(Mutex::new(Files::default()));
    let disk = Mortal {
        files: Arc::clone(&files),
        left: usize::MAX,
        part: 50,
    };
    let mut journal = Journal::on(Box::new(disk)).unwrap().journal;
    let object = json!({"metadata": {"resourceVersion": "1"}});
    journal.put(1, &key("a"), &object).unwrap();
    let whole = files.lock().unwrap().seen[FILE].len();
    // As if the disk had been full.
    files
        .lock()
        .unwrap()
        .seen
        .get_mut(FILE)
        .unwrap()
        .extend(b"1234 torn");
    journal.torn = true;
    journal.put(2, &key("b"), &object).unwrap();
    let bytes = files.lock().unwrap().seen[FILE].clone();
    assert!(!bytes.windows(4).any(|part| part == b"torn"));
    assert!(bytes.len() > whole);
}

#[test]
fn a_damaged_file_and_a_foreign_one_are_refused() {
    let check = |bytes: &[u8], part: &str| {
        let mut files = Files::default();
        files.seen.insert(FILE.to_owned(), bytes.to_vec());
        let disk = Mortal {
            files: Arc::new(Mutex::new(files)),
            left: usize::MAX,
            part: 100,
        };
        let error = Journal::on(Box::new(disk)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(
        b"something else that is long enough\n",
        "no journal of this version",
    );
    check(b"short", "no journal");
    let mut bytes = HEADER.as_bytes().to_vec();
    bytes.extend(b"00000000 {}\n");
    bytes.extend(line(2, &key("a"), None));
    check(&bytes, "damaged at byte");
}

#[test]
fn a_folder_is_one_processs() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open(folder.path()).unwrap();
    let error = Journal::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(opened);
    assert!(Journal::open(folder.path()).is_ok());
}
