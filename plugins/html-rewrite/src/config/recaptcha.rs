//! A reCAPTCHA key, which becomes a script at the top of the head.

use super::wrong;
use crate::rules::{Action, Rules};
use gatewright::ConfigError;
use serde::Deserialize;

/// What a key is for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(gatewright::schemars::JsonSchema))]
#[cfg_attr(test, schemars(crate = "gatewright::schemars"))]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum KeyType {
    Session,
    Action,
}

pub(super) fn add(rules: &mut Rules, kind: KeyType, key: &str) -> Result<(), ConfigError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // It goes into markup, so nothing but a key may.
    if key.is_empty() || !key.bytes().all(fits) {
        return Err(wrong("recaptcha_key_value", "must be a reCAPTCHA key"));
    }
    let (query, attributes) = match kind {
        KeyType::Session => ("?render=&waf=", " async defer"),
        KeyType::Action => ("?render=", ""),
    };
    let script = [
        "\n<script src=\"https://www.google.com/recaptcha/enterprise.js",
        query,
        key,
        "\"",
        attributes,
        "></script>\n",
    ];
    let group = rules.group();
    let action = Action::Prepend(script.concat());
    rules.add("recaptcha_key_value", "head", action, Some(group))
}
