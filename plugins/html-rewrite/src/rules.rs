//! What to do to which elements.

use crate::host;
use lol_html::Selector;
use lol_html::html_content::{ContentType, Element};

/// All rules, in order.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// How many groups there are. A group acts on one element, the first that one of its rules
    /// selects.
    pub(crate) groups: usize,
}

/// An action on the elements that a selector selects.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) selector: Selector,
    pub(crate) action: Action,
    /// The group, if this does not act on all.
    pub(crate) group: Option<usize>,
}

/// Texts are HTML and go in as they are.
#[derive(Debug)]
pub(crate) enum Action {
    Before(String),
    Prepend(String),
    Append(String),
    After(String),
    Inner(String),
    Replace(String),
    Delete,
    SetAttribute(String, String),
    RemoveAttribute(String),
    ReplaceHost {
        attribute: String,
        from: String,
        to: String,
    },
}

impl Rules {
    /// Whether every rule is of a group, so that there is an end to what must be read.
    pub(crate) fn can_be_done(&self) -> bool {
        self.rules.iter().all(|rule| rule.group.is_some())
    }
}

impl Action {
    /// Says whether there was anything to do.
    pub(crate) fn run(&self, element: &mut Element<'_, '_>) -> bool {
        match self {
            Self::Before(html) => element.before(html, ContentType::Html),
            Self::Prepend(html) => element.prepend(html, ContentType::Html),
            Self::Append(html) => element.append(html, ContentType::Html),
            Self::After(html) => element.after(html, ContentType::Html),
            Self::Inner(html) => element.set_inner_content(html, ContentType::Html),
            Self::Replace(html) => element.replace(html, ContentType::Html),
            Self::Delete => element.remove(),
            // The name was checked with the configuration.
            Self::SetAttribute(name, value) => _ = element.set_attribute(name, value),
            Self::RemoveAttribute(name) => element.remove_attribute(name),
            Self::ReplaceHost {
                attribute,
                from,
                to,
            } => {
                let url = element.get_attribute(attribute);
                let Some(url) = url.and_then(|url| host::replace(&url, from, to)) else {
                    return false;
                };
                let _ = element.set_attribute(attribute, &url);
            }
        }
        true
    }
}
