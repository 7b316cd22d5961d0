//! Changes of header fields: as a callout asks for them, and what the load balancer makes of them.

use crate::headers::Headers;

/// What is done with a field that may exist already: Envoy's `HeaderAppendAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Another value beside those that there are.
    #[default]
    Append,
    /// Only where there is no such field.
    AddIfAbsent,
    /// The only value.
    Overwrite,
    /// The only value, where there is such a field.
    OverwriteIfExists,
}

/// Changes of header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChange {
    pub(crate) set: Vec<(String, Vec<u8>, Action)>,
    pub(crate) remove: Vec<String>,
}

impl HeaderChange {
    /// None.
    pub const fn new() -> Self {
        Self {
            set: Vec::new(),
            remove: Vec::new(),
        }
    }

    /// Gives a field one value.
    #[must_use]
    pub fn set(self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.with(name, value, Action::Overwrite)
    }

    /// Adds a value to a field. Pseudo-headers have one value, which this replaces.
    #[must_use]
    pub fn append(self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.with(name, value, Action::Append)
    }

    /// Does this with a field.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        value: impl Into<Vec<u8>>,
        action: Action,
    ) -> Self {
        self.set.push((name.into(), value.into(), action));
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn remove(mut self, name: impl Into<String>) -> Self {
        self.remove.push(name.into());
        self
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Makes the changes that are allowed. Gives the names of the fields that are not.
    ///
    /// Removals go first, as in Envoy, so that a field can be removed and set anew.
    pub fn apply(&self, headers: &mut Headers, rules: Rules) -> Vec<&str> {
        let mut refused = Vec::new();
        for name in &self.remove {
            // No message does without its pseudo-headers.
            if rules.forbid(name) || name.starts_with(':') || name.eq_ignore_ascii_case("host") {
                refused.push(name.as_str());
            } else {
                headers.remove(name);
            }
        }
        for (name, value, action) in &self.set {
            if rules.forbid(name) {
                refused.push(name.as_str());
                continue;
            }
            // What HTTP/1 calls `host` is the authority here.
            let name = if name.eq_ignore_ascii_case("host") && headers.get(":authority").is_some() {
                ":authority"
            } else {
                name
            };
            let exists = headers.get(name).is_some();
            match action {
                Action::Append if !name.starts_with(':') => {
                    headers.append(name.to_ascii_lowercase(), value.as_slice());
                }
                Action::AddIfAbsent if exists => {}
                Action::OverwriteIfExists if !exists => {}
                _ => headers.replace(&name.to_ascii_lowercase(), value.as_slice()),
            }
        }
        refused
    }
}

/// Which extension the changes come from, and so which fields it must leave alone.
///
/// The documentation says that changing these "isn't supported" and not what happens; of plugins it
/// says that such changes are ignored and processing goes on, and so it is taken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// A traffic extension: the route is chosen already.
    Traffic,
    /// A routing extension.
    Routing,
}

/// Fields that no callout may change.
const NAMES: [&str; 11] = [
    "cdn-loop",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "x-user-ip",
];

/// How fields begin that no callout may change.
const PREFIXES: [&str; 4] = ["x-amz-", "x-forwarded", "x-gfe", "x-google"];

/// What a traffic extension may not change either.
const ROUTED: [&str; 4] = [":authority", ":method", ":scheme", "host"];

impl Rules {
    /// Whether a field is forbidden.
    pub fn forbid(self, name: &str) -> bool {
        let is = |known: &&str| name.eq_ignore_ascii_case(known);
        let begins = |prefix: &&str| {
            let start = name.as_bytes().get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        NAMES.iter().any(is)
            || PREFIXES.iter().any(begins)
            || (self == Self::Traffic && ROUTED.iter().any(is))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: Rules, change: &HeaderChange, expected: &str, refused: &[&str]) {
        let mut headers: Headers = [(":authority", "a"), (":path", "/p"), ("x", "1")]
            .into_iter()
            .collect();
        let names = change.apply(&mut headers, rules);
        assert_eq!(names, refused);
        let fields: Vec<_> = headers
            .iter()
            .map(|(n, v)| format!("{n}={}", String::from_utf8_lossy(v)))
            .collect();
        assert_eq!(fields.join(" "), expected);
    }

    #[test]
    fn each_action_does_what_its_name_says() {
        let with = |name, action| HeaderChange::new().with(name, "2", action);
        for (name, action, expected) in [
            ("X", Action::Append, ":authority=a :path=/p x=1 x=2"),
            ("y", Action::Append, ":authority=a :path=/p x=1 y=2"),
            ("x", Action::AddIfAbsent, ":authority=a :path=/p x=1"),
            ("y", Action::AddIfAbsent, ":authority=a :path=/p x=1 y=2"),
            ("X", Action::Overwrite, ":authority=a :path=/p x=2"),
            ("y", Action::Overwrite, ":authority=a :path=/p x=1 y=2"),
            ("x", Action::OverwriteIfExists, ":authority=a :path=/p x=2"),
            ("y", Action::OverwriteIfExists, ":authority=a :path=/p x=1"),
            (":path", Action::Append, ":authority=a :path=2 x=1"),
        ] {
            check(Rules::Traffic, &with(name, action), expected, &[]);
        }
    }

    #[test]
    fn removals_go_before_additions() {
        let change = HeaderChange::new().append("x", "2").remove("X");
        check(Rules::Traffic, &change, ":authority=a :path=/p x=2", &[]);
    }

    #[test]
    fn forbidden_fields_are_left_as_they_are() {
        let change = HeaderChange::new()
            .set(":authority", "b")
            .set("Host", "b")
            .set("X-Forwarded-For", "b")
            .set("x-googler", "b")
            .set("TE", "trailers")
            .remove(":path");
        check(
            Rules::Traffic,
            &change,
            ":authority=a :path=/p x=1",
            &[
                ":path",
                ":authority",
                "Host",
                "X-Forwarded-For",
                "x-googler",
                "TE",
            ],
        );
        let change = HeaderChange::new()
            .append("host", "b")
            .set(":method", "PUT");
        check(
            Rules::Routing,
            &change,
            ":authority=b :path=/p x=1 :method=PUT",
            &[],
        );
    }
}
