//! The configuration as users write it: rules, and what becomes rules.

mod ads;
mod recaptcha;

use crate::rules::{Action, Rule, Rules};
use ads::Ads;
use gatewright::{ConfigError, Configuration};
use lol_html::Selector;
use recaptcha::KeyType;
use serde::Deserialize;
use std::rc::Rc;

/// A configuration in either form: JSON, or the lines of Google's sample `ad_insertion`.
#[derive(Debug)]
pub(crate) struct Config(Fields);

/// How pages are edited. The lines of Google's sample `ad_insertion` are read as well.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    /// What is done to which elements.
    rules: Vec<RuleField>,
    /// Prefixes of paths whose responses are left alone.
    skip_paths: Vec<String>,
    /// Whether `accept-encoding` of requests is set to `identity`.
    ask_for_plain_body: bool,
    /// Slots of Google Ad Manager.
    ads: Option<Ads>,
    /// What the reCAPTCHA key is for.
    recaptcha_key_type: Option<KeyType>,
    /// The key, whose script goes to the top of the head.
    recaptcha_key_value: Option<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            skip_paths: Vec::new(),
            ask_for_plain_body: true,
            ads: None,
            recaptcha_key_type: None,
            recaptcha_key_value: None,
        }
    }
}

/// A selector and exactly one action. Texts are HTML and go in as they are.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct RuleField {
    /// A CSS selector.
    select: String,
    /// Whether only the first element that is selected is edited.
    #[serde(default)]
    once: bool,
    /// Goes before the element.
    before: Option<String>,
    /// Goes to its beginning.
    prepend: Option<String>,
    /// Goes to its end.
    append: Option<String>,
    /// Goes after it.
    after: Option<String>,
    /// Takes the place of its content.
    inner: Option<String>,
    /// Takes the place of all of it.
    replace: Option<String>,
    /// Whether the element goes.
    delete: Option<bool>,
    /// An attribute that it gets.
    set_attribute: Option<SetAttribute>,
    /// An attribute that goes.
    remove_attribute: Option<String>,
    /// A host in the URL of an attribute that becomes another.
    replace_host: Option<ReplaceHost>,
}

/// An attribute.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct SetAttribute {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// A host that becomes another in the URL of an attribute.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct ReplaceHost {
    /// The attribute.
    attribute: String,
    /// The host, and no other.
    from: String,
    /// What it becomes.
    to: String,
}

/// A configuration that is good.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) rules: Rc<Rules>,
    /// Prefixes of paths whose responses are left alone.
    pub(crate) skip_paths: Vec<String>,
    pub(crate) ask_for_plain_body: bool,
}

impl Configuration for Config {
    fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        match bytes.trim_ascii_start().first() {
            None | Some(b'{') => Fields::from_bytes(bytes).map(Self),
            Some(_) => Ok(Self(Fields {
                ads: Some(Ads::from_lines(bytes)?),
                skip_paths: vec!["/ads/".to_owned()],
                ..Fields::default()
            })),
        }
    }
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let fields = self.0;
        let mut rules = Rules::default();
        for (index, field) in fields.rules.into_iter().enumerate() {
            let place = ["rules[", &index.to_string(), "]"].concat();
            field.add(&mut rules, &place)?;
        }
        match (fields.recaptcha_key_type, fields.recaptcha_key_value) {
            (None, None) => {}
            (Some(kind), Some(key)) => recaptcha::add(&mut rules, kind, &key)?,
            _ => {
                let message = "must stand beside `recaptcha_key_value`";
                return Err(wrong("recaptcha_key_type", message));
            }
        }
        if let Some(ads) = fields.ads {
            ads.add(&mut rules)?;
        }
        if rules.rules.is_empty() {
            return Err(wrong("", "must have `rules`, `ads` or a reCAPTCHA key"));
        }
        Ok(Settings {
            rules: Rc::new(rules),
            skip_paths: fields.skip_paths,
            ask_for_plain_body: fields.ask_for_plain_body,
        })
    }
}

impl Rules {
    /// A new group.
    fn group(&mut self) -> usize {
        self.groups += 1;
        self.groups - 1
    }

    fn add(
        &mut self,
        place: &str,
        selector: &str,
        action: Action,
        group: Option<usize>,
    ) -> Result<(), ConfigError> {
        let selector = selector.parse::<Selector>().map_err(|error| {
            ConfigError::new(["must be a CSS selector: ", &error.to_string()].concat()).field(place)
        })?;
        self.rules.push(Rule {
            selector,
            action,
            group,
        });
        Ok(())
    }
}

impl RuleField {
    fn add(self, rules: &mut Rules, place: &str) -> Result<(), ConfigError> {
        let at = |field: &str| [place, ".", field].concat();
        let mut actions = Vec::new();
        actions.extend(self.before.map(Action::Before));
        actions.extend(self.prepend.map(Action::Prepend));
        actions.extend(self.append.map(Action::Append));
        actions.extend(self.after.map(Action::After));
        actions.extend(self.inner.map(Action::Inner));
        actions.extend(self.replace.map(Action::Replace));
        actions.extend(self.delete.filter(|delete| *delete).map(|_| Action::Delete));
        if let Some(SetAttribute { name, value }) = self.set_attribute {
            check_attribute(&name, &at("set_attribute.name"))?;
            actions.push(Action::SetAttribute(name, value));
        }
        if let Some(name) = self.remove_attribute {
            check_attribute(&name, &at("remove_attribute"))?;
            actions.push(Action::RemoveAttribute(name));
        }
        if let Some(ReplaceHost {
            attribute,
            from,
            to,
        }) = self.replace_host
        {
            check_attribute(&attribute, &at("replace_host.attribute"))?;
            if !is_host(&from) || !is_host(&to) {
                let message = "must lead `from` a host `to` a host";
                return Err(wrong(&at("replace_host"), message));
            }
            actions.push(Action::ReplaceHost {
                attribute,
                from,
                to,
            });
        }
        let group = self.once.then(|| rules.group());
        match (actions.pop(), actions.is_empty()) {
            (Some(action), true) => rules.add(&at("select"), &self.select, action, group),
            _ => Err(wrong(
                place,
                "must have one of `before`, `prepend`, `append`, `after`, `inner`, `replace`, `delete`, `set_attribute`, `remove_attribute`, `replace_host`",
            )),
        }
    }
}

fn check_attribute(name: &str, place: &str) -> Result<(), ConfigError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) {
        return Err(wrong(place, "must be the name of an attribute"));
    }
    Ok(())
}

fn is_host(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !text.is_empty() && text.bytes().all(fits)
}

fn wrong(field: &str, message: &str) -> ConfigError {
    ConfigError::new(message).field(field)
}
