//! What can be wrong with an expression, where, and how to mend it.

use std::fmt;

/// A range of bytes in an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        let narrow = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// The smallest span with both in it.
    pub(super) fn join(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Whether the two share a byte, or one is empty and touches the other.
    pub(super) fn touches(self, other: Span) -> bool {
        self.start < other.end.max(other.start + 1) && other.start < self.end.max(self.start + 1)
    }

    /// The text there, empty if the span is not one of `source`.
    pub fn of(self, source: &str) -> &str {
        source.get(self.range()).unwrap_or_default()
    }

    /// The same as a range.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Who speaks up about an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// The API server refuses the manifest: nothing is stored.
    ApiServer,
    /// The manifest is stored and the controller, or the load balancer, refuses it.
    Controller,
    /// Everyone accepts it, and it will surprise.
    Surprise,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $layer:ident;)+) => {
        /// A rule that an expression can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$name),+];

            /// The rule's code, for reports and for switching it off.
            pub fn code(self) -> &'static str {
                match self {
                    $(Rule::$name => $code,)+
                }
            }

            /// Who enforces it.
            pub fn layer(self) -> Layer {
                match self {
                    $(Rule::$name => Layer::$layer,)+
                }
            }
        }
    };
}

rules! {
    /// `maxLength` of the field.
    FieldLength = "cel-field-length", ApiServer;
    /// `pattern` of the field.
    FieldPattern = "cel-field-pattern", ApiServer;
    /// The load balancer's limit for one expression.
    ExpressionLength = "cel-expression-length", Controller;
    /// The limit for all expressions of one condition, ORed.
    ConditionLength = "cel-condition-length", Controller;
    /// The text is not CEL.
    Syntax = "cel-syntax", Controller;
    /// Typographic quotes, which the field admits and CEL does not.
    CurlyQuotes = "cel-curly-quotes", Controller;
    /// Brackets nested deeper than the load balancer's parser goes.
    Depth = "cel-depth", Controller;
    /// A name that is no attribute.
    UnknownAttribute = "cel-unknown-attribute", Controller;
    /// An attribute that does not exist at this kind of extension.
    Unavailable = "cel-attribute-unavailable", Controller;
    /// A function, method or macro that matchers do not have.
    UnknownFunction = "cel-unknown-function", Controller;
    /// A literal that matchers do not have.
    Literal = "cel-literal", Controller;
    /// An operand or argument of the wrong type, or too many or few.
    Type = "cel-type", Controller;
    /// The expression as a whole is not a boolean.
    NotBoolean = "cel-not-boolean", Controller;
    /// A regular expression that RE2 does not accept.
    Regex = "cel-regex", Controller;
    /// A regular expression above the limit.
    RegexLength = "cel-regex-length", Controller;
    /// A header name that can never be found.
    HeaderName = "cel-header-name", Surprise;
    /// Something that works in CEL and that the load balancer's reference does not list.
    Undocumented = "cel-undocumented", Surprise;
    /// An attribute of the response, which does not exist when a chain is chosen.
    NoResponseYet = "cel-no-response-yet", Surprise;
    /// What Google does not publish, and how it is taken here.
    Assumption = "cel-assumption", Surprise;
    /// All expressions of one condition, ORed, are near the limit.
    ConditionNearLimit = "cel-condition-near-limit", Surprise;
}

impl Rule {
    /// The reason of the condition `Accepted=False` that the controller gives.
    pub fn reason(self) -> Option<&'static str> {
        match self.layer() {
            Layer::ApiServer | Layer::Surprise => None,
            Layer::Controller if self == Rule::ConditionLength => Some("TooLarge"),
            Layer::Controller => Some("InvalidCELExpression"),
        }
    }
}

/// A replacement that mends the expression, or the first of what ails it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// Something wrong or surprising in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Where in the expression.
    pub span: Span,
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The one right mend, where there is one.
    pub fix: Option<Fix>,
}

impl Finding {
    pub(super) fn new(rule: Rule, span: Span, message: impl Into<String>) -> Self {
        Finding {
            rule,
            span,
            message: message.into(),
            help: None,
            fix: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            span,
            replacement: replacement.into(),
        });
        self
    }

    /// Whether the expression is refused because of it.
    pub fn is_error(&self) -> bool {
        self.rule.layer() != Layer::Surprise
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
