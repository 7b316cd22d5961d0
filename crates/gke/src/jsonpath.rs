//! `kubectl get -o jsonpath=…` for one object, as far as people ask a Gateway for its address.

use serde_json::Value as Json;

use crate::check::Report;
use crate::describe::{DescribeOptions, find, stored};

/// The text that a JSONPath template gives for an object: `{.status.addresses[0].value}`, with
/// fields, indexes (from the end if negative), `[*]` and text around the braces.
///
/// # Errors
/// What `kubectl` prints for an object that is not there or a template that it cannot read.
pub fn get(
    report: &Report,
    kind: &str,
    namespace: &str,
    name: &str,
    template: &str,
    options: &DescribeOptions<'_>,
) -> Result<String, String> {
    let object = find(report, kind, namespace, name)?;
    let mut json = Json::Object(stored(report, object, options));
    json["metadata"]["name"] = object.id.name.clone().into();
    json["metadata"]["namespace"] = object.id.namespace.clone().into();
    evaluate(&json, template)
        .map_err(|error| format!("error: error parsing jsonpath {template}, {error}"))
}

fn evaluate(json: &Json, template: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (path, after) = after.split_once('}').ok_or("unclosed action")?;
        let found = follow(json, path)?;
        let shown: Vec<String> = found.iter().map(|value| show(value)).collect();
        text.push_str(&shown.join(" "));
        rest = after;
    }
    // A path without braces is taken as one, as kubectl does.
    if text.is_empty() && rest == template && template.starts_with('.') {
        return evaluate(json, &format!("{{{template}}}"));
    }
    text.push_str(rest);
    Ok(text)
}

fn follow<'j>(json: &'j Json, path: &str) -> Result<Vec<&'j Json>, String> {
    let mut found = vec![json];
    let mut rest = path.trim().trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or("unterminated array")?;
            found = found
                .into_iter()
                .flat_map(|value| at(value, index))
                .collect();
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (field, after) = after.split_at(end);
            if !field.is_empty() {
                found = found
                    .into_iter()
                    .filter_map(|value| value.get(field))
                    .collect();
            }
            rest = after;
        } else {
            return Err(format!("unrecognized character in action: {rest:?}"));
        }
    }
    Ok(found)
}

fn at<'j>(value: &'j Json, index: &str) -> Vec<&'j Json> {
    let quoted = index.trim_matches(['\'', '"']);
    if quoted.len() < index.len() {
        return value.get(quoted).into_iter().collect();
    }
    let Some(items) = value.as_array() else {
        return Vec::new();
    };
    if index == "*" {
        return items.iter().collect();
    }
    let Ok(number) = index.parse::<isize>() else {
        return Vec::new();
    };
    let number = match usize::try_from(number) {
        Ok(number) => Some(number),
        Err(_) => items.len().checked_sub(number.unsigned_abs()),
    };
    number
        .and_then(|number| items.get(number))
        .into_iter()
        .collect()
}

fn show(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Era;
    use crate::annotations::Cloud;
    use crate::fixtures::{GLOBAL, documented};

    #[test]
    fn a_gateways_address_is_got_as_the_documentation_asks_for_it() {
        let report = documented(&[], "external-http", GLOBAL);
        let options = DescribeOptions {
            era: Era::August2025,
            time: "2025-08-08T20:16:13Z",
            reconciled: true,
            cloud: Cloud {
                address: "127.0.0.7",
                ..Cloud::default()
            },
        };
        let get = |template| {
            get(
                &report,
                "gateways.gateway.networking.k8s.io",
                "default",
                "external-http",
                template,
                &options,
            )
        };
        assert_eq!(get("{.status.addresses[0].value}"), Ok("127.0.0.7".into()));
        assert_eq!(get("{.spec.listeners[*].port}"), Ok("80 443".into()));
        assert_eq!(
            get("ip={.status.addresses[-1].value};"),
            Ok("ip=127.0.0.7;".into())
        );
        assert_eq!(get("{.status.nothing}"), Ok(String::new()));
        assert!(get("{.status").is_err());
    }
}
