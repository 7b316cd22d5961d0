//! Objects in the shape of `kubectl describe`, in the two eras that the documentation shows.

mod table;

use serde_json::{Map, Value as Json, json};

use crate::annotations::{Cloud, annotations};
use crate::check::{Object, Report};
use crate::finding::ObjectId;
use crate::status::{Era, Status};
use crate::written::written;
use table::Table;

/// How to describe.
#[derive(Clone, Debug)]
pub struct DescribeOptions<'a> {
    /// Whose output: March or August 2025.
    pub era: Era,
    /// The time of creation and of the conditions, as in `2025-08-08T20:16:13Z`.
    pub time: &'a str,
    /// Whether the controller has been at it: right after `kubectl apply` there is neither status
    /// nor event, which is the first output that the documentation shows.
    pub reconciled: bool,
    /// Project, region and the Gateway's address.
    pub cloud: Cloud<'a>,
}

/// Describes an object, or says like `kubectl` that it does not exist.
///
/// # Errors
/// The text that `kubectl` prints when the server does not have the object: because no manifest
/// defines it, or because the API server rejects it.
pub fn describe(
    report: &Report,
    kind: &str,
    namespace: &str,
    name: &str,
    options: &DescribeOptions<'_>,
) -> Result<String, String> {
    let object = find(report, kind, namespace, name)?;
    let mut table = Table::default();
    table.row(0, "Name:", &object.id.name);
    table.row(0, "Namespace:", &object.id.namespace);
    table.texts("Labels:", &pairs(object, "labels", "="));
    let mut notes = pairs(object, "annotations", ": ");
    let gateway = report
        .model
        .gateway(namespace, name)
        .filter(|_| object.id.kind == "Gateway" && options.reconciled);
    if let Some(gateway) = gateway {
        for (key, value) in annotations(report, gateway, options.time, &options.cloud) {
            notes.extend(annotation_lines(&key, &value));
        }
    }
    table.texts("Annotations:", &notes);
    let stored = stored(report, object, options);
    for (key, value) in sorted(&stored) {
        content(&mut table, 0, key, value);
    }
    let status = report
        .statuses
        .get(&object.id)
        .filter(|_| options.reconciled);
    events(&mut table, &object.id, status, options.era);
    Ok(table.render())
}

/// The object of a kind by any of the names that `kubectl` takes for it.
pub(crate) fn find<'r>(
    report: &'r Report,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<&'r Object, String> {
    const PLURALS: [(&str, &str); 10] = [
        (
            "GCPTrafficExtension",
            "gcptrafficextensions.networking.gke.io",
        ),
        (
            "GCPRoutingExtension",
            "gcproutingextensions.networking.gke.io",
        ),
        ("GCPWasmPlugin", "gcpwasmplugins.networking.gke.io"),
        ("Gateway", "gateways.gateway.networking.k8s.io"),
        ("HTTPRoute", "httproutes.gateway.networking.k8s.io"),
        ("GCPBackendPolicy", "gcpbackendpolicies.networking.gke.io"),
        (
            "ReferenceGrant",
            "referencegrants.gateway.networking.k8s.io",
        ),
        ("Service", "services"),
        ("Deployment", "deployments.apps"),
        ("Secret", "secrets"),
    ];
    let asked = kind.to_ascii_lowercase();
    let Some((kind, plural)) = PLURALS.iter().find(|(kind, plural)| {
        let short = plural.split('.').next().unwrap_or_default();
        asked == kind.to_ascii_lowercase() || asked == *plural || asked == short
    }) else {
        return Err(format!(
            "error: the server doesn't have a resource type \"{kind}\""
        ));
    };
    report
        .object(kind, namespace, name)
        .filter(|object| !object.rejected)
        .ok_or_else(|| format!("Error from server (NotFound): {plural} \"{name}\" not found"))
}

/// The object as the server returns it: with metadata of its own and the status.
pub(crate) fn stored(
    report: &Report,
    object: &Object,
    options: &DescribeOptions<'_>,
) -> Map<String, Json> {
    let mut map = match object.node.to_json() {
        Json::Object(map) => map,
        _ => Map::new(),
    };
    map.remove("status");
    let number = fingerprint(&object.id);
    let mut metadata = json!({
        "creationTimestamp": options.time,
        "generation": 1,
        "resourceVersion": (number % 90_000_000 + 10_000_000).to_string(),
        "uid": uid(number),
    });
    if object.id.kind == "Gateway" {
        metadata["finalizers"] = json!(["gateway.finalizer.networking.gke.io"]);
    }
    map.insert("metadata".to_owned(), metadata);
    if !options.reconciled {
        return map;
    }
    if let Some(status) = written(report, object, options) {
        map.insert("status".to_owned(), status);
    }
    map
}

fn pairs(object: &Object, field: &str, between: &str) -> Vec<String> {
    let entries = object
        .node
        .at(&["metadata", field])
        .map(|node| node.entries());
    let mut pairs: Vec<String> = entries
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some(format!("{}{between}{}", entry.key, entry.value.as_str()?)))
        .collect();
    pairs.sort();
    pairs
}

/// Long values go to a line of their own and are cut, as `kubectl` does.
fn annotation_lines(key: &str, value: &str) -> Vec<String> {
    const WIDTH: usize = 140;
    if key.len() + value.len() + 2 < WIDTH {
        return vec![format!("{key}: {value}").trim_end().to_owned()];
    }
    let cut: String = value.chars().take(WIDTH - 2).collect();
    let dots = if cut.len() < value.len() { "..." } else { "" };
    vec![format!("{key}:"), format!("  {cut}{dots}")]
}

fn sorted(map: &Map<String, Json>) -> Vec<(&String, &Json)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn content(table: &mut Table, level: usize, key: &str, value: &Json) {
    let label = format!("{}:", label(key));
    match value {
        Json::Object(map) => {
            table.line(level, &label);
            for (key, value) in sorted(map) {
                content(table, level + 1, key, value);
            }
        }
        Json::Array(items) => {
            table.line(level, &label);
            for item in items {
                match item {
                    Json::Object(map) => {
                        for (key, value) in sorted(map) {
                            content(table, level + 1, key, value);
                        }
                    }
                    Json::String(text) => table.line(level + 1, text),
                    other => table.line(level + 1, &other.to_string()),
                }
            }
        }
        Json::String(text) => table.row(level, &label, text),
        Json::Null => table.row(level, &label, "<nil>"),
        other => table.row(level, &label, &other.to_string()),
    }
}

/// A field's name as words: `celMatcher` is `Cel Matcher`, `googleAPIServiceName` is
/// `Google API Service Name`.
fn label(field: &str) -> String {
    let letters: Vec<char> = field.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|i| letters.get(i));
        let after = letters.get(index + 1);
        let starts = letter.is_uppercase()
            && (before.is_some_and(|c| !c.is_uppercase())
                || after.is_some_and(|c| c.is_lowercase()));
        if (starts || index == 0) || words.is_empty() {
            words.push(letter.to_uppercase().collect());
        } else if let Some(word) = words.last_mut() {
            word.push(*letter);
        }
    }
    for word in &mut words {
        let upper = word.to_ascii_uppercase();
        if ["API", "URL", "UID", "OSB", "GUID"].contains(&upper.as_str()) {
            *word = upper;
        }
    }
    words.join(" ")
}

fn events(table: &mut Table, id: &ObjectId, status: Option<&Status>, era: Era) {
    let events = status
        .filter(|status| !status.ancestors.is_empty())
        .map(|status| status.events(id, era))
        .unwrap_or_default();
    if events.is_empty() {
        table.row(0, "Events:", "<none>");
        return;
    }
    table.line(0, "Events:");
    table.cells(&["  Type", "Reason", "Age", "From", "Message"]);
    table.cells(&["  ----", "------", "----", "----", "-------"]);
    for event in events {
        let kind = format!("  {}", event.kind);
        table.cells(&[
            &kind,
            event.reason,
            "0s",
            "sc-gateway-controller",
            &event.message,
        ]);
    }
}

/// A number of an object's name: the same on every machine.
pub(crate) fn fingerprint(id: &ObjectId) -> u64 {
    id.to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

fn uid(number: u64) -> String {
    let more = number.rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        number >> 32,
        number & 0xffff,
        (number >> 16) & 0xfff,
        more & 0xfff,
        more >> 16
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{
        APP, GLOBAL, INTERNAL, MISSING_PLUGIN, PLUGIN, ROUTING, TRAFFIC_WITH_PLUGIN, documented,
    };

    fn options(era: Era) -> DescribeOptions<'static> {
        DescribeOptions {
            era,
            time: "2025-08-08T20:16:13Z",
            reconciled: true,
            cloud: Cloud::default(),
        }
    }

    /// The lines without the padding between columns, from one line to the end.
    fn lines(text: &str, from: &str) -> Vec<String> {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .skip_while(|line| line != from)
            .collect()
    }

    #[test]
    fn labels_are_the_words_of_a_field() {
        let check = |field, expected| assert_eq!(label(field), expected);
        check("celMatcher", "Cel Matcher");
        check("googleAPIServiceName", "Google API Service Name");
        check("pluginConfigURI", "Plugin Config URI");
        check("apiVersion", "API Version");
        check("uid", "UID");
    }

    #[test]
    fn the_documented_plugin_is_described_as_documented() {
        let report = documented(&[PLUGIN, TRAFFIC_WITH_PLUGIN], "external-http", GLOBAL);
        let text = describe(
            &report,
            "gcpwasmplugins.networking.gke.io",
            "default",
            "gcp-wasm-plugin",
            &options(Era::August2025),
        )
        .unwrap();
        assert!(text.starts_with(
            "Name:         gcp-wasm-plugin\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\nAPI Version:  networking.gke.io/v1\nKind:         GCPWasmPlugin\nMetadata:\n"
        ), "{text}");
        assert!(text.contains(
            "Spec:\n  Log Config:\n    Enabled:        true\n    Min Log Level:  INFO\n    Sample Rate:    1000000\n  Versions:\n    Description:  Test wasm plugin version\n"
        ), "{text}");
        let condition = |reason: &str, kind: &str| {
            [
                "Last Transition Time: 2025-08-08T20:16:13Z",
                "Message:",
                "Observed Generation: 1",
            ]
            .map(str::to_owned)
            .into_iter()
            .chain([
                format!("Reason: {reason}"),
                "Status: True".to_owned(),
                format!("Type: {kind}"),
            ])
            .collect::<Vec<_>>()
        };
        let reference = "AncestorRef {Group: \"gateway.networking.k8s.io\", Kind: \"Gateway\", Namespace: \"default\", Name: \"external-http\", SectionName: nil, Port: nil}";
        let sync = "Normal SYNC 0s sc-gateway-controller";
        let mut expected: Vec<String> = [
            "Status:",
            "Ancestors:",
            "Ancestor Ref:",
            "Group: gateway.networking.k8s.io",
            "Kind: Gateway",
            "Name: external-http",
            "Namespace: default",
            "Conditions:",
        ]
        .map(str::to_owned)
        .to_vec();
        expected.extend(condition("Accepted", "Accepted"));
        expected.extend(condition("ResolvedRefs", "ResolvedRefs"));
        expected.extend(condition("ProgrammingSucceeded", "Programmed"));
        expected.extend([
            "Controller Name: networking.gke.io/gateway".to_owned(),
            "Events:".to_owned(),
            "Type Reason Age From Message".to_owned(),
            "---- ------ ---- ---- -------".to_owned(),
            "Normal ADD 0s sc-gateway-controller default/gcp-wasm-plugin".to_owned(),
            format!("{sync} Attachment of WasmPlugin \"default/gcp-wasm-plugin\" to {reference} was a success"),
            format!("{sync} All the object references were able to be resolved for WasmPlugin \"default/gcp-wasm-plugin\" bound to {reference}"),
            format!("{sync} Programming of WasmPlugin \"default/gcp-wasm-plugin\" to {reference} was a success"),
        ]);
        assert_eq!(lines(&text, "Status:"), expected);
    }

    #[test]
    fn a_missing_plugin_is_described_as_in_the_troubleshooting_section() {
        let report = documented(&[MISSING_PLUGIN], "external-http", GLOBAL);
        let text = describe(
            &report,
            "GCPTrafficExtension",
            "default",
            "my-gateway-plugin-extension",
            &options(Era::March2025),
        )
        .unwrap();
        let found = lines(&text, "Conditions:");
        let expected = [
            "Conditions:",
            "Last Transition Time: 2025-08-08T20:16:13Z",
            "Message:",
            "Reason: Accepted",
            "Status: True",
            "Type: Accepted",
            "Last Transition Time: 2025-08-08T20:16:13Z",
            "Message: error cause: invalid-wasm-plugin: GCPWasmPlugin default/my-wasm-plugin in GCPTrafficExtension default/my-gateway-plugin-extension does not exist",
            "Reason: GCPWasmPluginNotFound",
            "Status: False",
            "Type: ResolvedRefs",
            "Controller Name: networking.gke.io/gateway",
        ];
        assert_eq!(found[..expected.len()], expected);
    }

    #[test]
    fn march_knows_reconciliation_and_no_resolved_refs() {
        let report = documented(&[APP, ROUTING], "internal-http", INTERNAL);
        let text = describe(
            &report,
            "gcproutingextension",
            "default",
            "my-gateway-extension",
            &options(Era::March2025),
        )
        .unwrap();
        assert!(
            !text.contains("ResolvedRefs") && !text.contains("Observed Generation"),
            "{text}"
        );
        assert!(text.contains("Reconciliation of GCPRoutingExtension \"default/my-gateway-extension\" to AncestorRef {"));
    }

    #[test]
    fn right_after_apply_there_is_neither_status_nor_event() {
        let report = documented(&[APP, ROUTING], "internal-http", INTERNAL);
        let options = DescribeOptions {
            reconciled: false,
            ..options(Era::August2025)
        };
        let text = describe(
            &report,
            "gcproutingextension",
            "default",
            "my-gateway-extension",
            &options,
        )
        .unwrap();
        let tail = "    Name:             chain1\n  Target Refs:\n    Group:  gateway.networking.k8s.io\n    Kind:   Gateway\n    Name:   internal-http\nEvents:     <none>\n";
        assert!(text.ends_with(tail), "{text}");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let report = documented(&[], "external-http", GLOBAL);
        let get =
            |kind| describe(&report, kind, "default", "x", &options(Era::August2025)).unwrap_err();
        assert_eq!(
            get("gcpwasmplugin"),
            "Error from server (NotFound): gcpwasmplugins.networking.gke.io \"x\" not found"
        );
        assert_eq!(
            get("pizza"),
            "error: the server doesn't have a resource type \"pizza\""
        );
    }

    #[test]
    fn a_gateway_is_described_with_the_annotations_of_its_extension() {
        let report = documented(&[PLUGIN, TRAFFIC_WITH_PLUGIN], "external-http", GLOBAL);
        let text = describe(
            &report,
            "gateway",
            "default",
            "external-http",
            &options(Era::August2025),
        )
        .unwrap();
        for needle in [
            "networking.gke.io/lb-traffic-extensions:\n                projects/1234567890/locations/global/lbTrafficExtensions/",
            "networking.gke.io/wasm-plugins: projects/1234567890/locations/global/wasmPlugins/",
            "-wasm-plugin-version-",
            "networking.gke.io/last-reconcile-time: 2025-08-08T20:16:13Z",
            "networking.gke.io/lb-route-extensions:\n",
            "Gateway Class Name:  gke-l7-global-external-managed",
        ] {
            assert!(text.contains(needle), "{needle}\n{text}");
        }
    }
}
