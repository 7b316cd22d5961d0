//! Slots of Google Ad Manager, which become markup beside the elements that they name.

use super::wrong;
use crate::rules::{Action, Rules};
use gatewright::ConfigError;
use serde::Deserialize;

/// Where the library of Google Publisher Tags lies.
const GPT: &str = "https://securepubads.g.doubleclick.net/tag/js/gpt.js";

/// The library and the slots.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Ads {
    /// Where the library of Google Publisher Tags lies.
    gpt_url: String,
    /// Whether the library is inserted, into the head or else before the body.
    inject_gpt: bool,
    /// The slots.
    slots: Vec<Slot>,
}

/// A slot for an ad.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(deny_unknown_fields)]
struct Slot {
    /// A name for the element.
    position: String,
    /// The path of the ad unit, such as `/1234/header`.
    slot: String,
    /// Such as `728x90`.
    size: String,
    /// Whether it goes before the tag or after it.
    #[serde(default)]
    insert_before: bool,
    /// A tag such as `<article>` or `</article>`.
    marker: String,
}

impl Default for Ads {
    fn default() -> Self {
        Self {
            gpt_url: GPT.to_owned(),
            inject_gpt: true,
            slots: Vec::new(),
        }
    }
}

impl Ads {
    /// Reads the lines of Google's sample: a directive and its values, parted by commas.
    pub(super) fn from_lines(bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = core::str::from_utf8(bytes).map_err(|_| wrong("", "must be UTF-8"))?;
        let mut ads = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split(',').map(str::trim_ascii).collect();
            let known = match words.as_slice() {
                ["gpt_url", url] => {
                    ads.gpt_url = (*url).to_owned();
                    true
                }
                ["inject_gpt", value] => {
                    ads.inject_gpt = *value == "true";
                    matches!(*value, "true" | "false")
                }
                ["ad", position, slot, size, before, marker] => {
                    ads.slots.push(Slot {
                        position: (*position).to_owned(),
                        slot: (*slot).to_owned(),
                        size: (*size).to_owned(),
                        insert_before: *before == "true",
                        marker: (*marker).to_owned(),
                    });
                    matches!(*before, "true" | "false")
                }
                _ => false,
            };
            if !known {
                let place = ["line ", &(index + 1).to_string()].concat();
                let message = "must be `gpt_url, URL`, `inject_gpt, true|false` or `ad, POSITION, SLOT, SIZE, true|false, MARKER`";
                return Err(wrong(&place, message));
            }
        }
        Ok(ads)
    }

    pub(super) fn add(&self, rules: &mut Rules) -> Result<(), ConfigError> {
        if self.inject_gpt {
            let visible = self.gpt_url.bytes().all(|byte| byte.is_ascii_graphic());
            let harmless = !self.gpt_url.contains(['"', '<', '>', '&']);
            if !self.gpt_url.starts_with("https://") || !visible || !harmless {
                let message = "must be a URL that begins with `https://`";
                return Err(wrong("ads.gpt_url", message));
            }
            let script = ["<script async src=\"", &self.gpt_url, "\"></script>\n"].concat();
            // In the head; before the body of a page that has none.
            let group = Some(rules.group());
            let head = Action::Prepend(["\n", &script].concat());
            rules.add("ads.gpt_url", "head", head, group)?;
            rules.add("ads.gpt_url", "body", Action::Before(script), group)?;
        }
        for (index, slot) in self.slots.iter().enumerate() {
            slot.add(rules, &["ads.slots[", &index.to_string(), "]"].concat())?;
        }
        Ok(())
    }
}

impl Slot {
    fn add(&self, rules: &mut Rules, place: &str) -> Result<(), ConfigError> {
        let at = |field: &str| [place, ".", field].concat();
        // All of these go into a script, so nothing but what they should be may.
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.position.is_empty() || !self.position.bytes().all(name) {
            return Err(wrong(
                &at("position"),
                "must be letters, digits, `-` and `_`",
            ));
        }
        let path = |byte: u8| name(byte) || matches!(byte, b'/' | b'.' | b',');
        if !self.slot.starts_with('/') || !self.slot.bytes().all(path) {
            let message = "must be the path of an ad unit, such as `/1234/header`";
            return Err(wrong(&at("slot"), message));
        }
        let number =
            |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let Some((width, height)) = self
            .size
            .split_once('x')
            .filter(|(width, height)| number(width) && number(height))
        else {
            return Err(wrong(&at("size"), "must be a size such as `728x90`"));
        };
        let html = self.html(width, height);
        let tag = self
            .marker
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        let (end, element) = match tag.map(|tag| (tag.strip_prefix('/'), tag)) {
            Some((Some(element), _)) => (true, element),
            Some((None, element)) => (false, element),
            None => (false, ""),
        };
        if element.is_empty() || !element.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let message = "must be a tag without attributes, such as `<article>` or `</article>`";
            return Err(wrong(&at("marker"), message));
        }
        let action = match (self.insert_before, end) {
            (true, false) => Action::Before(html),
            (false, false) => Action::Prepend(html),
            (true, true) => Action::Append(html),
            (false, true) => Action::After(html),
        };
        let group = rules.group();
        rules.add(&at("marker"), element, action, Some(group))
    }

    fn html(&self, width: &str, height: &str) -> String {
        let Self {
            position,
            slot,
            size,
            ..
        } = self;
        let id = ["ad-container-", position].concat();
        [
            "<div id=\"",
            &id,
            "\" class=\"ad-unit\"><script>\nwindow.googletag = window.googletag || {cmd: []};\n\
             googletag.cmd.push(function () {\n  googletag.defineSlot('",
            slot,
            "', [",
            width,
            ", ",
            height,
            "], '",
            &id,
            "').addService(googletag.pubads()); // [",
            size,
            "]\n  googletag.pubads().enableSingleRequest();\n  googletag.enableServices();\n  \
             googletag.display('",
            &id,
            "');\n});\n</script></div>\n",
        ]
        .concat()
    }
}
