//! What to do to headers: pure functions of a list of headers.

use crate::glob;
use crate::template::{Template, join};
use gatewright::{HeaderList, Headers, HostError};

/// Which message a rule rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

impl Side {
    /// The field of the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    pub(crate) fn has_pseudo_header(self, name: &str) -> bool {
        match self {
            Self::Request => [":method", ":scheme", ":authority", ":path"].contains(&name),
            Self::Response => name == ":status",
        }
    }

    pub(crate) const fn expected_name(self) -> &'static str {
        match self {
            Self::Request => "must be a header name, `:method`, `:scheme`, `:authority` or `:path`",
            Self::Response => "must be a header name or `:status`",
        }
    }
}

/// All rules, and which headers of the request must be kept for them.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) request: RuleList,
    pub(crate) response: RuleList,
    captured: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct RuleList {
    rules: Vec<Rule>,
    /// Whether no rule looks at a header of the message, so that each is one hostcall.
    direct: bool,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) when: Condition,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    Set(String, Template),
    Append(String, Template),
    Remove(String),
    Rename(String, String),
}

/// Tests that must all hold; none always do.
#[derive(Debug, Default)]
pub(crate) struct Condition(pub(crate) Vec<Test>);

#[derive(Debug)]
pub(crate) enum Test {
    /// Index of the captured `:path`, prefix.
    PathPrefix(usize, String),
    /// Index of the captured `:method`, methods.
    Method(usize, Vec<String>),
    Present(String),
    Absent(String),
    Equals(String, String),
    Matches(String, String),
}

/// The request's values that rules quote or test, as they arrived. Empty where the request had
/// none, and where the plugin was not called for the request.
#[derive(Debug, Default)]
pub(crate) struct Captured(Vec<Vec<u8>>);

impl Captured {
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }
}

impl Rules {
    pub(crate) fn new(request: Vec<Rule>, response: Vec<Rule>, captured: Vec<String>) -> Self {
        Self {
            request: RuleList::new(request),
            response: RuleList::new(response),
            captured,
        }
    }

    /// Keeps what rules will ask of the request.
    pub(crate) fn capture(&self, request: &HeaderList) -> Captured {
        let value = |name: &String| {
            let mut value = Vec::new();
            join(request, name, &mut value);
            value
        };
        Captured(self.captured.iter().map(value).collect())
    }

    pub(crate) fn captures_nothing(&self) -> bool {
        self.captured.is_empty()
    }
}

impl RuleList {
    fn new(rules: Vec<Rule>) -> Self {
        let direct = rules.iter().all(|rule| {
            rule.when.0.is_empty()
                && match &rule.action {
                    Action::Set(_, value) | Action::Append(_, value) => value.literal().is_some(),
                    Action::Remove(_) => true,
                    Action::Rename(..) => false,
                }
        });
        Self { rules, direct }
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Runs the rules in order, each on what those before it left.
    pub(crate) fn apply(&self, headers: &mut HeaderList, captured: &Captured) {
        for rule in &self.rules {
            if !rule.when.holds(headers, captured) {
                continue;
            }
            match &rule.action {
                Action::Set(name, value) => {
                    let value = value.render(headers, captured);
                    headers.set(name, value);
                }
                Action::Append(name, value) => {
                    let value = value.render(headers, captured);
                    headers.append(name, value);
                }
                Action::Remove(name) => {
                    headers.remove(name);
                }
                Action::Rename(from, to) => {
                    headers.rename(from, to);
                }
            }
        }
    }

    /// The same for rules that look at nothing: a hostcall each, and none to read.
    pub(crate) fn apply_directly<S: gatewright::Side>(
        &self,
        headers: &mut Headers<'_, S>,
    ) -> Result<(), HostError> {
        for rule in &self.rules {
            match &rule.action {
                Action::Set(name, value) => {
                    headers.set(name, value.literal().unwrap_or_default())?
                }
                Action::Append(name, value) => {
                    headers.append(name, value.literal().unwrap_or_default())?;
                }
                Action::Remove(name) => headers.remove(name)?,
                Action::Rename(..) => {}
            }
        }
        Ok(())
    }
}

impl Condition {
    fn holds(&self, headers: &HeaderList, captured: &Captured) -> bool {
        self.0.iter().all(|test| match test {
            Test::PathPrefix(path, prefix) => captured.get(*path).starts_with(prefix.as_bytes()),
            Test::Method(method, methods) => methods
                .iter()
                .any(|wanted| wanted.as_bytes() == captured.get(*method)),
            Test::Present(name) => headers.contains(name),
            Test::Absent(name) => !headers.contains(name),
            Test::Equals(name, value) => {
                headers.get_all(name).any(|other| other == value.as_bytes())
            }
            Test::Matches(name, pattern) => headers
                .get_all(name)
                .any(|value| glob::matches(pattern.as_bytes(), value)),
        })
    }
}
