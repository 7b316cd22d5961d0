//! The progress of a push or pull, drawn on standard error if that is a terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_oci::Digest;
use gatewright_oci::registry::{Event, Progress};
use indicatif::{ProgressBar, ProgressStyle};

/// One bar for all blobs. Retries are told without a terminal too.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// Bytes done, and all bytes, of each blob.
    blobs: Mutex<BTreeMap<Digest, (u64, u64)>>,
}

impl Bar {
    /// A bar that knows of no blob yet.
    pub(crate) fn new() -> Arc<Self> {
        let bar = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        Arc::new(Self {
            bar,
            blobs: Mutex::default(),
        })
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn note(&self, digest: Digest, done: u64, size: u64) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(digest, (done, size));
        let sum = |part: fn(&(u64, u64)) -> u64| blobs.values().map(part).sum();
        self.bar.set_length(sum(|(_, size)| *size));
        self.bar.set_position(sum(|(done, _)| *done));
    }
}

impl Progress for Bar {
    fn event(&self, event: &Event) {
        match event {
            Event::Skipped { digest, size } | Event::Mounted { digest, size } => {
                self.note(*digest, *size, *size);
            }
            Event::Uploading { digest, sent, size } => self.note(*digest, *sent, *size),
            Event::Downloading { digest, got, size } => self.note(*digest, *got, *size),
            Event::Retrying { reason, after } => self.bar.suspend(|| {
                anstream::eprintln!("{reason}; trying again in {:.1} s", after.as_secs_f64());
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_upload_is_not_counted_twice() {
        let bar = Bar {
            bar: ProgressBar::hidden(),
            blobs: Mutex::default(),
        };
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let upload = |digest, sent| Event::Uploading {
            digest,
            sent,
            size: 100,
        };
        for event in [
            upload(a, 100),
            upload(a, 50),
            Event::Skipped { digest: b, size: 7 },
        ] {
            bar.event(&event);
        }
        assert_eq!((bar.bar.position(), bar.bar.length()), (57, Some(107)));
    }
}
