//! Case files: read, run against a host, compared.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::lines::lines;
use super::model::{Bytes, Event, Headers, Host, Run};
use crate::root;

/// A guest, what happens to it, and what each profile expects.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub about: String,
    /// The guests that it is for: folders in `tests/guests`, or files in `tests/conformance/wat`.
    #[serde(default = "scripted")]
    pub guests: Vec<String>,
    /// The configuration: for the scripted guests, what to do.
    #[serde(default)]
    pub script: String,
    /// Properties of the request.
    #[serde(default)]
    pub properties: BTreeMap<String, Bytes>,
    /// Upstreams that callouts can reach.
    #[serde(default)]
    pub upstreams: Vec<Bytes>,
    /// Foreign functions that the host offers, and what they give.
    #[serde(default)]
    pub foreign: BTreeMap<String, Bytes>,
    /// What happens between the stream's opening and its end; default: one short exchange.
    #[serde(default = "exchange")]
    pub events: Vec<Event>,
    /// The trace, by the names of the profiles that share it.
    pub expect: BTreeMap<String, String>,
}

fn scripted() -> Vec<String> {
    vec!["raw".to_owned(), "bare".to_owned()]
}

fn headers(fields: &[(&str, &str)]) -> Headers {
    let bytes = |text: &str| Bytes(text.as_bytes().to_vec());
    fields
        .iter()
        .map(|(name, value)| (bytes(name), bytes(value)))
        .collect()
}

fn exchange() -> Vec<Event> {
    vec![
        Event::RequestHeaders {
            headers: headers(&[
                (":method", "GET"),
                (":path", "/"),
                (":authority", "example.com"),
            ]),
            end: true,
        },
        Event::ResponseHeaders {
            headers: headers(&[(":status", "200")]),
            end: true,
        },
    ]
}

/// Reads the cases of a file.
///
/// # Errors
/// A text with line and column when it is not one.
pub fn load(text: &str) -> Result<Vec<Case>, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

impl Case {
    /// The trace that a profile expects, as lines.
    pub fn expected(&self, profile: &str) -> Option<Vec<&str>> {
        let is_for = |names: &str| names.split_whitespace().any(|name| name == profile);
        let found = self.expect.iter().find(|(names, _)| is_for(names));
        found.map(|(_, text)| text.lines().map(str::trim_end).collect())
    }

    /// The case as a host gets it.
    pub fn run(&self, profile: &str, guest: &str) -> Run {
        let module = match guest.ends_with(".wat") {
            true => root().join("tests/conformance/wat").join(guest),
            false => crate::guest_path(guest),
        };
        let script = Bytes(self.script.clone().into_bytes());
        let mut events = vec![Event::Start, Event::Open];
        events.extend(self.events.iter().cloned());
        events.extend([Event::Close, Event::Stop]);
        Run {
            profile: profile.to_owned(),
            module: module.display().to_string(),
            // Google's platforms have no configuration of the VM.
            vm_configuration: match profile {
                "envoy" => script.clone(),
                _ => Bytes::default(),
            },
            configuration: script,
            properties: self.properties.clone().into_iter().collect(),
            upstreams: self.upstreams.clone(),
            foreign: self
                .foreign
                .iter()
                .map(|(name, result)| (Bytes(name.clone().into_bytes()), result.clone()))
                .collect(),
            events,
        }
    }
}

/// A case that a host does not hold to.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The file, the case and the guest.
    pub what: String,
    /// What was expected.
    pub expected: Vec<String>,
    /// What came.
    pub came: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.what)?;
        let pairs = self.expected.iter().zip(&self.came);
        let same = pairs.take_while(|(a, b)| a == b).count();
        for line in self.expected.iter().take(same) {
            writeln!(f, "    {line}")?;
        }
        for line in self.expected.iter().skip(same) {
            writeln!(f, "  - {line}")?;
        }
        for line in self.came.iter().skip(same) {
            writeln!(f, "  + {line}")?;
        }
        Ok(())
    }
}

/// Runs a case in a profile with each of its guests, and says where the traces differ.
pub fn check(host: &mut dyn Host, name: &str, case: &Case, profile: &str) -> Vec<Failure> {
    let expected: Vec<String> = match case.expected(profile) {
        Some(lines) => lines.into_iter().map(str::to_owned).collect(),
        None => vec![format!("the case says nothing of `{profile}`")],
    };
    let mut failures = Vec::new();
    for guest in &case.guests {
        let run = case.run(profile, guest);
        let came = match host.run(&run) {
            Ok(observed) => lines(&run.events, &observed),
            Err(error) => vec![format!("the host was not run: {error}")],
        };
        if came != expected {
            failures.push(Failure {
                what: format!("{name}: {}: guest {guest}, profile {profile}", case.about),
                expected: expected.clone(),
                came,
            });
        }
    }
    failures
}
