//! What a check found: one problem with its place, the rule it breaks and how to mend it.

use std::fmt;

use crate::place::{Place, Span};
use crate::rule::Rule;

/// Who speaks: the layer of GKE that would show this to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// `kubectl apply` fails: the client cannot read it or the API server rejects it.
    ApiServer,
    /// It is stored, and the GKE Gateway controller reports it in a condition.
    Controller,
    /// Everything accepts it, and it does something else than meant.
    Surprise,
}

impl Layer {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "api-server",
            Self::Controller => "controller",
            Self::Surprise => "surprise",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// GKE refuses it.
    Error,
    /// GKE takes it; it is probably not what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What an object is called: kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Kind, such as `GCPTrafficExtension`.
    pub kind: String,
    /// Namespace; `default` where the manifest names none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A mend that has one right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative.
    pub title: String,
    /// The edits, all in one file, not overlapping.
    pub edits: Vec<Edit>,
}

/// Bytes to put in the place of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub place: Place,
    /// What stands there afterwards.
    pub replacement: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, which gives code and layer.
    pub rule: Rule,
    /// How bad; the rule's own unless the profile says otherwise.
    pub severity: Severity,
    /// Where, if it has a place in a file.
    pub place: Option<Place>,
    /// The object concerned, as far as it could be read.
    pub object: Option<ObjectId>,
    /// The field, as in `spec.extensionChains[0].name`; empty for the whole object.
    pub path: String,
    /// What the API server or the controller would print, or our own words.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The mend, where there is one right answer.
    pub fix: Option<Fix>,
}

impl Finding {
    /// A finding of a rule, with the rule's own severity and nothing else known.
    #[must_use]
    pub fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity(),
            place: None,
            object: None,
            path: String::new(),
            message: message.into(),
            help: None,
            fix: None,
        }
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, file: usize, span: Span) -> Self {
        self.place = Some(Place { file, span });
        self
    }

    /// Sets the object.
    #[must_use]
    pub fn of(mut self, object: &ObjectId) -> Self {
        self.object = Some(object.clone());
        self
    }

    /// Sets the field's path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the mend: one replacement at one place.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, place: Place, replacement: String) -> Self {
        self.fix = Some(Fix {
            title: title.into(),
            edits: vec![Edit { place, replacement }],
        });
        self
    }

    /// The layer that speaks.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.rule.layer()
    }

    /// The code of the rule.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.rule.code()
    }
}
