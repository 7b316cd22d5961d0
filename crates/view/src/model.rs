//! What is shown of an exchange: plain data, the same in a report and behind the live page.
//!
//! Every text in it is for people: bytes that are no text are escaped, what is long is cut and says
//! so, and what is secret is hidden already. It serializes to the JSON of the admin port.

use serde::{Deserialize, Serialize};

/// A replay: a plugin's start, its exchanges, its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it shows.
    pub title: String,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// Expectations that did not hold.
    pub failures: Vec<String>,
    /// Its parts, in order.
    pub chapters: Vec<Exchange>,
}

/// A name and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub value: String,
}

impl Fact {
    /// A fact.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// One exchange, or the start or end of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The request line, or what part of the story it is.
    pub title: String,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<End>,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// What is to be said about the telling itself: what is cut, what is hidden.
    pub notes: Vec<String>,
    /// What all calls cost together.
    pub total: Cost,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The kind.
    pub kind: EndKind,
    /// In words.
    pub text: String,
}

/// The kinds of ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndKind {
    /// The backend's response went back.
    Response,
    /// An extension answered.
    Reply,
    /// An extension failed closed, or the load balancer answered with an error.
    Failed,
    /// The stream was reset, or the client went away.
    Reset,
    /// The request went on, and there is no response.
    Open,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A message, or a part of one, came or went.
    Message(Message),
    /// An extension was called.
    Call(Box<Call>),
}

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// From the client or to it.
    Client,
    /// From the backend or to it.
    Backend,
}

/// A message, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Whose it is.
    pub lane: Lane,
    /// Whether it comes in; it goes out otherwise.
    pub incoming: bool,
    /// What it is, in words.
    pub title: String,
    /// Whether it is there because something failed.
    pub bad: bool,
    /// Its headers or trailers.
    pub fields: Vec<Field>,
    /// Its body, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Body>,
}

/// A field of a header map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As text.
    Text,
    /// As a dump of bytes.
    Hex,
}

/// A body, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Its length in bytes.
    pub bytes: usize,
    /// How it is written.
    pub form: Form,
    /// The beginning of it.
    pub text: String,
    /// Bytes that are left out at the end.
    pub left_out: usize,
}

/// Who was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    /// A plugin in its VM.
    Plugin,
    /// A Service, by a callout.
    Callout,
    /// Nothing that works.
    Nothing,
}

/// A call of an extension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Who was called.
    pub kind: CallKind,
    /// Its name.
    pub who: String,
    /// The callback or event.
    pub name: String,
    /// What it was called with, in words.
    pub arguments: String,
    /// What it answered, where that means something.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<String>,
    /// Whether it failed.
    pub failed: bool,
    /// What it did to the message, as the access log says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effect: Option<String>,
    /// What it cost.
    pub cost: Cost,
    /// What it was about, before and after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub change: Option<Change>,
    /// Log messages.
    pub logs: Vec<Log>,
    /// What would surprise in production.
    pub findings: Vec<Finding>,
    /// How it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<Fault>,
    /// The hostcalls that it made, those of its log messages left out.
    pub hostcalls: Vec<Hostcall>,
    /// Hostcalls and log messages that are left out at the end.
    pub left_out: usize,
}

/// What calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Fuel, about an instruction each; 0 where none is counted.
    pub fuel: u64,
    /// CPU time in nanoseconds, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_ns: Option<u64>,
    /// Time in nanoseconds, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_ns: Option<u64>,
    /// Part of the budget that an exchange has, 1 for all of it; nothing where there is no budget.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
    /// Hostcalls.
    pub hostcalls: u32,
    /// Bytes that went from the plugin to the host.
    pub bytes_from_guest: u64,
    /// Bytes that went from the host to the plugin.
    pub bytes_to_guest: u64,
    /// Bytes by which the plugin's memory grew.
    pub memory_growth: u64,
}

/// What a call was about, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Change {
    /// Headers or trailers.
    Headers {
        /// The fields, in the order of the result; removed ones stand where they were.
        fields: Vec<FieldChange>,
        /// Whether fields that are otherwise the same come in another order.
        reordered: bool,
        /// Fields that are left out at the end.
        left_out: usize,
    },
    /// A body, or a part of one.
    Body(BodyChange),
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It is as it was.
    Same,
    /// It is new.
    Added,
    /// It has another value.
    Changed,
    /// It is gone.
    Removed,
}

/// A field and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// What became of it.
    pub became: Became,
    /// Its name.
    pub name: String,
    /// Its value, the old one where it is gone.
    pub value: String,
    /// Its old value, where it has another one now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub was: Option<String>,
}

/// A body and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyChange {
    /// Bytes before.
    pub before: usize,
    /// Bytes after.
    pub after: usize,
    /// How it is written.
    pub form: Form,
    /// Its lines, the same ones left out where there are many.
    pub lines: Vec<Line>,
}

impl BodyChange {
    /// Whether anything changed.
    pub fn is_changed(&self) -> bool {
        self.lines
            .iter()
            .any(|line| matches!(line.kind, LineKind::Added | LineKind::Removed))
    }
}

/// What a line of a body's change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// It is as it was.
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It stands for what is left out.
    LeftOut,
}

/// A line of a body's change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// Its text.
    pub text: String,
    /// The part of it that differs, as offsets in the text, where only a part does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mark: Option<(usize, usize)>,
}

/// A log message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Its level, in lower case.
    pub level: String,
    /// Its text.
    pub text: String,
}

/// Something that would surprise in production.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its code.
    pub code: String,
    /// The thing itself.
    pub detail: String,
    /// What to do.
    pub help: String,
}

/// How a plugin failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its code.
    pub code: String,
    /// In words.
    pub message: String,
    /// The plugin's stack, innermost first.
    pub frames: Vec<String>,
    /// The last hostcalls before it, oldest first.
    pub last_hostcalls: Vec<String>,
}

/// A hostcall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostcall {
    /// Its name.
    pub name: String,
    /// What was asked and what came of it.
    pub values: Vec<Fact>,
    /// The status that the plugin got, where it is no success.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<String>,
    /// The header map that it was about.
    pub fields: Vec<Field>,
}
