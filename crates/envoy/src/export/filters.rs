//! The filters of a HTTPRoute's rule as fields of Envoy's route.

use gatewright_gke::RouteRule;
use serde_json::{Map, Value, json};

use super::Notes;
use super::clusters::Clusters;

/// What is around a rule as its filters are translated.
pub(super) struct Around<'a, 'c> {
    /// The route's namespace.
    pub(super) namespace: &'a str,
    /// The path that the match takes, whose prefix may be replaced.
    pub(super) prefix: &'a str,
    /// The port that is listened at, for redirects.
    pub(super) port: u16,
    pub(super) clusters: &'a mut Clusters<'c>,
    pub(super) notes: &'a mut Notes,
}

/// What the filters of a rule come to.
#[derive(Debug, Default)]
pub(super) struct Translated {
    /// Fields of the route itself.
    pub(super) route: Map<String, Value>,
    /// Fields of its action, if it goes to a cluster.
    pub(super) action: Map<String, Value>,
    /// The redirect, if it is one.
    pub(super) redirect: Option<Value>,
}

pub(super) fn translate(rule: &RouteRule, around: &mut Around<'_, '_>) -> Translated {
    let mut translated = Translated::default();
    for filter in &rule.filters {
        let content = &filter.content;
        match filter.kind.as_str() {
            "RequestHeaderModifier" => headers(
                &mut translated.route,
                "request",
                &content["requestHeaderModifier"],
            ),
            "ResponseHeaderModifier" => headers(
                &mut translated.route,
                "response",
                &content["responseHeaderModifier"],
            ),
            "URLRewrite" => rewrite(
                &mut translated.action,
                &content["urlRewrite"],
                around.prefix,
            ),
            "RequestRedirect" => {
                translated.redirect = Some(redirect(
                    &content["requestRedirect"],
                    around.prefix,
                    around.port,
                ));
            }
            "RequestMirror" => {
                let backend = &content["requestMirror"]["backendRef"];
                let namespace = backend["namespace"].as_str().unwrap_or(around.namespace);
                let port = backend["port"].as_u64().and_then(|p| u16::try_from(p).ok());
                if let Some(name) = backend["name"].as_str() {
                    let cluster = around.clusters.name(namespace, name, port.unwrap_or(80));
                    let mirrors = translated
                        .action
                        .entry("request_mirror_policies")
                        .or_insert_with(|| json!([]));
                    if let Some(mirrors) = mirrors.as_array_mut() {
                        mirrors.push(json!({"cluster": cluster}));
                    }
                }
            }
            other => around
                .notes
                .add(format!("a filter of type {other} is not carried over")),
        }
    }
    translated
}

/// A header modifier. Envoy removes first and adds then, a HTTPRoute the other way round, so what
/// would be removed again is not added.
fn headers(route: &mut Map<String, Value>, half: &str, content: &Value) {
    let list = |key: &str| content[key].as_array().into_iter().flatten();
    let removed: Vec<&str> = list("remove").filter_map(Value::as_str).collect();
    let mut add = Vec::new();
    for (key, action) in [
        ("set", "OVERWRITE_IF_EXISTS_OR_ADD"),
        ("add", "APPEND_IF_EXISTS_OR_ADD"),
    ] {
        for item in list(key) {
            let (Some(name), Some(value)) = (item["name"].as_str(), item["value"].as_str()) else {
                continue;
            };
            if removed
                .iter()
                .any(|removed| removed.eq_ignore_ascii_case(name))
            {
                continue;
            }
            add.push(json!({
                // A percent sign starts a command in Envoy's values.
                "header": {"key": name, "value": value.replace('%', "%%")},
                "append_action": action,
                "keep_empty_value": true,
            }));
        }
    }
    let mut extend = |key: String, values: Vec<Value>| {
        if values.is_empty() {
            return;
        }
        let all = route.entry(key).or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.extend(values);
        }
    };
    extend(format!("{half}_headers_to_add"), add);
    extend(
        format!("{half}_headers_to_remove"),
        removed.iter().map(|name| json!(name)).collect(),
    );
}

fn rewrite(action: &mut Map<String, Value>, content: &Value, prefix: &str) {
    if let Some(hostname) = content["hostname"].as_str() {
        action.insert("host_rewrite_literal".to_owned(), json!(hostname));
    }
    if let Some(rewrite) = new_path(&content["path"], prefix) {
        action.insert("regex_rewrite".to_owned(), rewrite);
    }
}

fn redirect(content: &Value, prefix: &str, listening: u16) -> Value {
    let mut redirect = Map::new();
    let scheme = content["scheme"].as_str();
    if let Some(scheme) = scheme {
        redirect.insert("scheme_redirect".to_owned(), json!(scheme));
    }
    if let Some(hostname) = content["hostname"].as_str() {
        redirect.insert("host_redirect".to_owned(), json!(hostname));
    }
    let own =
        Some(u64::from(listening)).filter(|port| scheme.is_none() && ![80, 443].contains(port));
    if let Some(port) = content["port"].as_u64().or(own) {
        redirect.insert("port_redirect".to_owned(), json!(port));
    }
    if let Some(rewrite) = new_path(&content["path"], prefix) {
        redirect.insert("regex_rewrite".to_owned(), rewrite);
    }
    let code = match content["statusCode"].as_u64() {
        Some(301) => "MOVED_PERMANENTLY",
        Some(303) => "SEE_OTHER",
        Some(307) => "TEMPORARY_REDIRECT",
        Some(308) => "PERMANENT_REDIRECT",
        _ => "FOUND",
    };
    redirect.insert("response_code".to_owned(), json!(code));
    Value::Object(redirect)
}

/// A new path as a regular expression over the old one and what stands in its place. Envoy's own
/// prefix rewrite leaves two slashes or none where a prefix ends in one.
fn new_path(content: &Value, prefix: &str) -> Option<Value> {
    let rewrite = |pattern: String, substitution: String| {
        Some(json!({"pattern": {"regex": pattern}, "substitution": substitution}))
    };
    match content["type"].as_str()? {
        "ReplaceFullPath" => rewrite(
            "^.*$".to_owned(),
            literal(content["replaceFullPath"].as_str()?),
        ),
        "ReplacePrefixMatch" => {
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            let new = content["replacePrefixMatch"].as_str()?;
            let new = new.strip_suffix('/').unwrap_or(new);
            match (prefix, new) {
                ("", "") => None,
                (prefix, "") => rewrite(
                    format!("^{}/?(.*)$", regex::escape(prefix)),
                    "/\\1".to_owned(),
                ),
                (prefix, new) => rewrite(
                    format!("^{}(.*)$", regex::escape(prefix)),
                    format!("{}\\1", literal(new)),
                ),
            }
        }
        _ => None,
    }
}

/// A text that stands for itself in a substitution.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_again_is_not_added() {
        let mut route = Map::new();
        let content = json!({
            "set": [{"name": "X-A", "value": "50%"}],
            "add": [{"name": "x-gone", "value": "1"}],
            "remove": ["X-Gone"],
        });
        headers(&mut route, "request", &content);
        let added = &route["request_headers_to_add"];
        assert_eq!(added.as_array().map(Vec::len), Some(1));
        assert_eq!(added[0]["header"]["value"], "50%%");
        assert_eq!(route["request_headers_to_remove"], json!(["X-Gone"]));
    }

    #[test]
    fn prefixes_are_replaced_by_patterns() {
        let check = |new: &str, prefix: &str, expected: Option<(&str, &str)>| {
            let content = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": new});
            let found = new_path(&content, prefix);
            let found = found.as_ref().map(|found| {
                (
                    found["pattern"]["regex"].as_str().expect("a pattern"),
                    found["substitution"].as_str().expect("a substitution"),
                )
            });
            assert_eq!(found, expected, "{prefix} -> {new}");
        };
        check("/xyz", "/foo", Some(("^/foo(.*)$", "/xyz\\1")));
        check("/", "/foo/", Some(("^/foo/?(.*)$", "/\\1")));
        check("/xyz/", "/", Some(("^(.*)$", "/xyz\\1")));
        check("/", "/", None);
    }
}
