//! A program that goes on, and what it says, line by line.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
#[cfg(target_os = "linux")]
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a test waits for what must come: only a failure takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with this.
pub(crate) struct Process {
    pub(crate) child: Child,
    said: Receiver<String>,
    /// All that it said, as far as it was waited for.
    pub(crate) text: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// A child, and which of its outputs is listened to. It is read to its end, so that it never
    /// fills.
    pub(crate) fn new(child: Child, output: impl Read + Send + 'static) -> Self {
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            said,
            text: String::new(),
        }
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        self.wait_for_all(&[part])
    }

    /// Waits for a line with all of this in it.
    #[track_caller]
    pub(crate) fn wait_for_all(&mut self, parts: &[&str]) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            assert!(line.is_ok(), "{parts:?} was not said: {}", self.text);
            let line = line.expect("it is");
            self.text.push_str(&line);
            self.text.push('\n');
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }

    /// Takes what was said since it was last waited for.
    pub(crate) fn catch_up(&mut self) {
        for line in self.said.try_iter() {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    /// Leaves out what was said since it was last waited for.
    pub(crate) fn forget(&mut self) {
        self.said.try_iter().for_each(drop);
    }

    /// Waits until nobody is left who could say anything: this process, and all that it started with
    /// the same output.
    #[track_caller]
    #[cfg(target_os = "linux")]
    pub(crate) fn wait_for_silence(&mut self) {
        let end = loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => self.text.push_str(&line),
                Err(end) => break end,
            }
        };
        assert_eq!(end, RecvTimeoutError::Disconnected, "{}", self.text);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it ends");
    }
}
