//! Findings of checks, ours and those of other crates, in one plain form.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works here and may not in production.
    Warning,
    /// Production would refuse it.
    Error,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule's name.
    pub code: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(severity: Severity, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.into(),
            text: text.into(),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}[{}]: {}", self.code, self.text)
    }
}
