//! What happens to a running gateway from outside: files change, and signals come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A file changed.
    Changed,
    /// An object changed, which is whole at once.
    Stored,
    /// The gateway is to end.
    Stop,
}

/// How long changes are gathered: editors write a file in several steps.
const SETTLE: Duration = Duration::from_millis(50);

/// Tells of changes and signals.
pub(crate) struct Events {
    sender: Sender<Event>,
    received: Receiver<Event>,
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, RecursiveMode>,
    /// Files and folders of images, which may have any name.
    images: Arc<Mutex<Vec<PathBuf>>>,
}

impl Events {
    /// Listens to signals; [`watch`](Self::watch) adds files.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (sender, received) = channel();
        let stop = sender.clone();
        on_stop(move || {
            // Nobody may be left to hear it.
            let _ = stop.send(Event::Stop);
        })?;
        let images: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let known = Arc::clone(&images);
        let own = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let concerns = event.is_ok_and(|event| {
                let images = known.lock().unwrap_or_else(PoisonError::into_inner);
                !event.kind.is_access() && event.paths.iter().any(|path| concerns(path, &images))
            });
            if concerns {
                // The receiver only goes away with the program.
                let _ = sender.send(Event::Changed);
            }
        })
        .context("cannot watch files")?;
        Ok(Self {
            sender: own,
            received,
            watcher,
            watched: BTreeMap::new(),
            images,
        })
    }

    /// Watches these manifests and what images are made of. A watch that is needed no more stays:
    /// the end of one would end those below it, and a needless look costs less than a missed change.
    pub(crate) fn watch(&mut self, manifests: Vec<PathBuf>, images: Vec<PathBuf>) {
        let mut paths = manifests;
        paths.extend(images.iter().cloned());
        let images = images.into_iter().map(absolute).collect();
        *self.images.lock().unwrap_or_else(PoisonError::into_inner) = images;
        let wanted = wanted(paths);
        for (path, mode) in &wanted {
            if self.watched.get(path) == Some(mode) {
                continue;
            }
            if let Err(error) = self.watcher.watch(path, *mode) {
                anstream::eprintln!("cannot watch `{}`: {error}", path.display());
            }
        }
        self.watched = wanted;
    }

    /// Tells that an object changed, from any thread.
    pub(crate) fn stored(&self) -> Box<dyn Fn() + Send + Sync> {
        let sender = self.sender.clone();
        Box::new(move || {
            // The receiver only goes away with the program.
            let _ = sender.send(Event::Stored);
        })
    }

    /// Waits for the next event. Changes that come close together are one.
    pub(crate) fn next(&self) -> Event {
        let mut last = self.received.recv().unwrap_or(Event::Stop);
        loop {
            let next = match last {
                Event::Stop => return Event::Stop,
                Event::Changed => self.received.recv_timeout(SETTLE).ok(),
                Event::Stored => self.received.try_recv().ok(),
            };
            match (next, last) {
                (None, _) => return Event::Changed,
                (Some(Event::Stored), Event::Changed) => {}
                (Some(event), _) => last = event,
            }
        }
    }
}

/// What is watched for these paths: folders with all that is in them, and of a file the folder
/// alone, however much lies below it. Not the file itself, since one that an editor replaces is
/// another; of a link, the folder of what it leads to as well. A folder that is not there is left
/// out: the next one above it that is might be the root of everything.
fn wanted(paths: Vec<PathBuf>) -> BTreeMap<PathBuf, RecursiveMode> {
    use RecursiveMode::{NonRecursive, Recursive};
    let mut wanted = BTreeMap::new();
    let mut add = |folder: &Path, mode| {
        // One folder has one name here, whatever way leads to it.
        if let Ok(folder) = folder.canonicalize() {
            let known = wanted.entry(folder).or_insert(mode);
            if mode == Recursive {
                *known = mode;
            }
        }
    };
    for path in paths {
        if path.is_dir() {
            add(&path, Recursive);
            continue;
        }
        if let Ok(file) = path.canonicalize() {
            add(file.parent().unwrap_or(&file), NonRecursive);
        }
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => add(folder, NonRecursive),
            _ => add(Path::new("."), NonRecursive),
        }
    }
    let roots: Vec<PathBuf> = wanted
        .iter()
        .filter(|(_, mode)| **mode == Recursive)
        .map(|(folder, _)| folder.clone())
        .collect();
    wanted.retain(|folder, _| {
        let mut above = folder.ancestors().skip(1);
        !above.any(|above| roots.iter().any(|root| root == above))
    });
    wanted
}

/// Whether a change of a file may change what is served. Other files lie beside manifests too, such
/// as a log that each request makes longer. Build output changes at every build, and only its
/// modules matter.
fn concerns(path: &Path, images: &[PathBuf]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if matches!(ending, Some("yaml" | "yml" | "json")) {
        return !path.components().any(|part| part.as_os_str() == "target");
    }
    let path = absolute(path.to_path_buf());
    images.iter().any(|image| {
        path.strip_prefix(image).is_ok_and(|inside| {
            let is_output = inside.components().any(|part| part.as_os_str() == "target");
            !is_output || ending == Some("wasm")
        })
    })
}

/// The path without links and detours. Of a file that is gone its folder is resolved.
fn absolute(path: PathBuf) -> PathBuf {
    let resolved = path.canonicalize().ok().or_else(|| {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    });
    resolved.unwrap_or(path)
}

/// Does this when the program is told to stop, by SIGTERM or Ctrl-C.
#[cfg(unix)]
pub(crate) fn on_stop(stop: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        let signal = |kind| signal(kind).context("cannot listen to signals");
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    std::thread::Builder::new()
        .name("gatewright-signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            stop();
        })
        .context("cannot start a thread")?;
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn on_stop(stop: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    // Ctrl-C ends the program by itself there.
    std::mem::forget(stop);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_its_folder_is_watched_and_not_what_lies_below() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        let at = |name: &str| root.join(name);
        for name in ["manifests/plugins", "built"] {
            std::fs::create_dir_all(at(name)).expect("a folder");
        }
        for name in ["my.wasm", "built/my.wasm", "manifests/plugins/my.wasm"] {
            std::fs::write(at(name), b"").expect("a file");
        }
        let check = |paths: &[&str], expected: &[(&str, RecursiveMode)]| {
            let expected = expected.iter().map(|(name, mode)| {
                let folder = if name.is_empty() {
                    root.clone()
                } else {
                    at(name)
                };
                (folder, *mode)
            });
            let wanted = wanted(paths.iter().map(|name| at(name)).collect());
            assert_eq!(wanted, expected.collect(), "{paths:?}");
        };
        let (all, alone) = (RecursiveMode::Recursive, RecursiveMode::NonRecursive);
        check(
            &["manifests", "my.wasm", "gone.wasm"],
            &[("", alone), ("manifests", all)],
        );
        // What lies within a folder is watched with it, whatever way leads there.
        check(
            &["manifests/a.yaml", "manifests", "manifests/plugins/my.wasm"],
            &[("manifests", all)],
        );
        check(&["built/../manifests", "manifests"], &[("manifests", all)]);
        check(&["built/deep/down/my.wasm"], &[]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("built/my.wasm"), at("linked.wasm")).expect("a link");
            check(&["linked.wasm"], &[("", alone), ("built", alone)]);
        }
    }

    #[test]
    fn a_log_beside_manifests_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("plugin/target")).expect("a folder");
        let images = [absolute(at("my.wasm")), absolute(at("plugin"))];
        let check =
            |name: &str, expected| assert_eq!(concerns(&at(name), &images), expected, "{name}");
        check("route.yaml", true);
        check("gatewright.yaml", true);
        check("my.wasm", true);
        check("plugin/lib.rs", true);
        check("plugin/target/lib.d", false);
        check("other.wasm", false);
        check("log", false);
    }
}
