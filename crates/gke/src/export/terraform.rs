//! Resources as Terraform: the same fields in snake case, lists of objects as blocks.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::{Export, Resource, snake};

pub(super) fn render(export: &Export) -> String {
    let mut text = String::new();
    for note in &export.notes {
        let _ = writeln!(text, "# {}", note.replace('\n', " "));
    }
    for resource in &export.resources {
        if !text.is_empty() {
            text.push('\n');
        }
        one(&mut text, resource);
    }
    text
}

fn label(id: &str) -> String {
    id.replace('-', "_")
}

fn one(text: &mut String, resource: &Resource) {
    let kind = match resource.collection {
        "lbTrafficExtensions" => "lb_traffic_extension",
        "lbRouteExtensions" => "lb_route_extension",
        _ => "wasm_plugin",
    };
    let _ = writeln!(
        text,
        "resource \"google_network_services_{kind}\" \"{}\" {{",
        label(&resource.id)
    );
    let mut body = match &resource.body {
        Json::Object(body) => body.clone(),
        _ => Map::new(),
    };
    // The provider has the name's parts apart, and versions as blocks with their name inside.
    let mut parts = resource.parent.split('/');
    body.insert("name".to_owned(), resource.id.clone().into());
    body.insert(
        "project".to_owned(),
        parts.nth(1).unwrap_or_default().into(),
    );
    body.insert(
        "location".to_owned(),
        parts.nth(1).unwrap_or_default().into(),
    );
    if let Some(Json::Object(versions)) = body.remove("versions") {
        let blocks = versions
            .into_iter()
            .map(|(name, mut version)| {
                version["versionName"] = name.into();
                version
            })
            .collect();
        body.insert("versions".to_owned(), Json::Array(blocks));
    }
    block(text, &body, 1);
    text.push_str("}\n");
}

/// The fields of a block: first the values, aligned at `=`, then the blocks.
fn block(text: &mut String, body: &Map<String, Json>, level: usize) {
    let indent = "  ".repeat(level);
    let mut fields: Vec<(String, &Json)> = body
        .iter()
        .map(|(name, value)| (snake(name), value))
        .collect();
    // A name first, the rest by the alphabet, as people write it.
    fields.sort_by_key(|(name, _)| (!(name == "name" || name == "version_name"), name.clone()));
    let is_block = |value: &Json| match value {
        Json::Object(_) => true,
        Json::Array(items) => items.iter().any(Json::is_object),
        _ => false,
    };
    let is_map = |name: &str| name == "metadata";
    let (blocks, values): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .partition(|(name, value)| is_block(value) && !is_map(name));
    let width = values.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in values {
        let _ = writeln!(text, "{indent}{name:width$} = {}", expression(&name, value));
    }
    for (name, value) in blocks {
        let items = match value {
            Json::Array(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        for item in items.iter().filter_map(Json::as_object) {
            let _ = writeln!(text, "{indent}{name} {{");
            block(text, item, level + 1);
            let _ = writeln!(text, "{indent}}}");
        }
    }
}

fn expression(name: &str, value: &Json) -> String {
    match value {
        // A plugin is referred to, so that Terraform makes it first.
        Json::String(service) if name == "service" && service.contains("/wasmPlugins/") => {
            let id = service.rsplit('/').next().unwrap_or_default();
            format!("google_network_services_wasm_plugin.{}.id", label(id))
        }
        Json::String(text) => quote(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| expression("", item)).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{} = {}", quote(key), expression("", value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A string with Terraform's escapes: `${` and `%{` would be templates.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if letters.peek() == Some(&'{') => {
                quoted.push(c);
                quoted.push(c);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn templates_are_escaped() {
        assert_eq!(quote("a${b}%{c}$d\"\\"), r#""a$${b}%%{c}$d\"\\""#);
    }
}
