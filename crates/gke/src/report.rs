//! What goes into a check and what comes out of it.

use crate::finding::{Finding, Severity};

/// A file to check: its name for messages and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The name, usually a path.
    pub name: &'a str,
    /// The content.
    pub bytes: &'a [u8],
}

/// Bounds on what is read, so that no input costs more than a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file; larger ones are not read.
    pub file_bytes: usize,
    /// Bytes of a document; the API server takes requests of 3 MiB.
    pub document_bytes: usize,
    /// Documents of a file.
    pub documents: usize,
    /// Levels of lists and maps inside each other.
    pub depth: usize,
    /// Values of a document that anchors keep and aliases copy.
    pub alias_nodes: usize,
    /// Findings kept in all.
    pub findings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 16 << 20,
            document_bytes: 3 << 20,
            documents: 20_000,
            depth: 100,
            alias_nodes: 100_000,
            findings: 10_000,
        }
    }
}

/// Collects findings up to a bound and counts the rest.
pub(crate) struct Sink {
    findings: Vec<Finding>,
    limit: usize,
    dropped: usize,
    errors: usize,
}

impl Sink {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            findings: Vec::new(),
            limit,
            dropped: 0,
            errors: 0,
        }
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        self.errors += usize::from(finding.severity == Severity::Error);
        if self.is_full() {
            self.dropped += 1;
        } else {
            self.findings.push(finding);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.findings.len() >= self.limit
    }

    /// How many errors came so far, dropped ones included.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

impl Extend<Finding> for Sink {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        for finding in findings {
            self.push(finding);
        }
    }
}
