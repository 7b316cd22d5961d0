//! Admission: what the API server says to an object before it is stored. The rules are those of
//! `gatewright-gke`; here they become the failures that clients are sent.

use gatewright_gke::{Finding, Input, Layer, Limits, Options, Profile, Rule, Severity, check};
use serde_json::Value;

use crate::failure::{Cause, Failure};
use crate::kinds::Kind;
use crate::object::meta_text;

/// What becomes of fields that a kind does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// The request fails.
    Strict,
    /// The client is warned, and they are dropped.
    #[default]
    Warn,
    /// They are dropped.
    Ignore,
}

impl FieldValidation {
    /// The value of the request's parameter.
    ///
    /// # Errors
    /// That there is no such value.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "Strict" => Ok(Self::Strict),
            "Warn" | "" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            other => Err(Failure::bad_request(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \
                 \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// An object as it is stored, and what its sender is warned of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Admitted {
    /// The object: defaults filled in, unknown fields dropped.
    pub(crate) object: Value,
    /// Sentences for the sender.
    pub(crate) warnings: Vec<String>,
}

/// Checks an object, fills in defaults and drops what the kind does not have.
///
/// # Errors
/// The failure that the API server answers with.
pub(crate) fn admit(
    kind: Kind,
    version: &str,
    object: Value,
    validation: FieldValidation,
    profile: Profile,
) -> Result<Admitted, Failure> {
    let info = kind.info();
    let name = meta_text(&object, "name").to_owned();
    let text = object.to_string();
    let limits = Limits::default();
    if text.len() > limits.document_bytes {
        return Err(Failure::too_large(limits.document_bytes));
    }
    let input = Input {
        name: "request",
        bytes: text.as_bytes(),
    };
    let options = Options {
        profile,
        limits,
        ..Options::default()
    };
    let report = check(&[input], &options);
    let findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.layer() == Layer::ApiServer)
        .collect();
    let mut strict = Vec::new();
    let mut causes = Vec::new();
    let mut notes = Vec::new();
    for finding in findings {
        match finding.rule {
            Rule::UnknownField | Rule::DuplicateField => {
                let said = finding.message.strip_prefix("strict decoding error: ");
                strict.push(said.unwrap_or(&finding.message).to_owned());
            }
            Rule::WrongType if finding.message.contains(": json: cannot unmarshal") => {
                let said = finding
                    .message
                    .split_once(": ")
                    .map_or("", |(_, rest)| rest);
                return Err(undecodable(info.name, version, said));
            }
            Rule::YamlSyntax | Rule::ExcessiveAliasing | Rule::TooDeep | Rule::ApiVersion => {
                return Err(undecodable(info.name, version, &finding.message));
            }
            _ if finding.severity == Severity::Error => causes.push(cause(finding)),
            // The server says last what it did not come to.
            _ if finding.rule == Rule::RulesNotChecked => notes.push(cause(finding)),
            _ => {}
        }
    }
    if validation == FieldValidation::Strict && !strict.is_empty() {
        let said = format!("strict decoding error: {}", strict.join(", "));
        return Err(undecodable(info.name, version, &said));
    }
    // Kinds that only stand here, such as namespaces, are not known to the checker.
    let checked = report.objects.into_iter().next();
    if checked.is_none() {
        causes.extend(bad_name(&name));
    }
    if !causes.is_empty() {
        causes.extend(notes);
        return Err(Failure::invalid(info, &name, &causes));
    }
    let warnings = match validation {
        FieldValidation::Warn => strict,
        _ => Vec::new(),
    };
    Ok(Admitted {
        object: checked.map_or(object, |checked| checked.node.to_json()),
        warnings,
    })
}

fn undecodable(kind: &str, version: &str, said: &str) -> Failure {
    Failure::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {said}"
    ))
}

/// A finding's message is the field and what is wrong with it.
fn cause(finding: &Finding) -> Cause {
    let own = finding
        .message
        .strip_prefix(finding.path.as_str())
        .and_then(|rest| rest.strip_prefix(": "))
        .filter(|_| !finding.path.is_empty());
    let (field, message) = match own {
        Some(message) => (finding.path.as_str(), message),
        None => finding
            .message
            .split_once(": ")
            .unwrap_or((&finding.path, &finding.message)),
    };
    let reason = if message.starts_with("Required value") {
        "FieldValueRequired"
    } else if message.starts_with("Unsupported value") {
        "FieldValueNotSupported"
    } else if message.starts_with("Too long") {
        "FieldValueTooLong"
    } else if message.starts_with("Too many") {
        "FieldValueTooMany"
    } else if message.contains("in body must be of type") {
        "FieldValueTypeInvalid"
    } else {
        "FieldValueInvalid"
    };
    Cause {
        reason: reason.to_owned(),
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

fn bad_name(name: &str) -> Option<Cause> {
    let word = |part: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty()
            && part.bytes().all(inside)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let (reason, message) = if name.is_empty() {
        let message = "Required value: name or generateName is required";
        ("FieldValueRequired", message.to_owned())
    } else if name.len() > 253 || !name.split('.').all(word) {
        let message = format!(
            "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case \
             alphanumeric characters, '-' or '.', and must start and end with an alphanumeric \
             character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        );
        ("FieldValueInvalid", message)
    } else {
        return None;
    };
    Some(Cause {
        reason: reason.to_owned(),
        field: "metadata.name".to_owned(),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plugin(version: Value) -> Value {
        json!({
            "apiVersion": "networking.gke.io/v1",
            "kind": "GCPWasmPlugin",
            "metadata": {"name": "p", "namespace": "default"},
            "spec": {"versions": [version]},
        })
    }

    fn told(kind: Kind, object: Value, validation: FieldValidation) -> Result<Admitted, Failure> {
        admit(kind, "v1", object, validation, Profile::Gke133)
    }

    #[test]
    fn what_breaks_a_rule_is_invalid_with_the_field_as_the_cause() {
        let wrong =
            plugin(json!({"name": "v", "image": "us-docker.pkg.dev/p/r/a:b", "weight": 2_000_000}));
        let failure = told(Kind::GcpWasmPlugin, wrong, FieldValidation::Strict).unwrap_err();
        assert_eq!(failure.code, 422);
        let details = failure.details.unwrap();
        assert_eq!(details["causes"][0]["field"], "spec.versions[0].weight");
        assert_eq!(
            details["causes"][0]["message"],
            "Invalid value: 2000000: spec.versions[0].weight in body should be less than or equal to 1000000"
        );
    }

    #[test]
    fn unknown_fields_fail_warn_or_go() {
        let odd = || {
            plugin(json!({"name": "v", "image": "us-docker.pkg.dev/p/r/a:b", "weight": 1, "x": 1}))
        };
        let failure = told(Kind::GcpWasmPlugin, odd(), FieldValidation::Strict).unwrap_err();
        assert_eq!(
            failure.message,
            "GCPWasmPlugin in version \"v1\" cannot be handled as a GCPWasmPlugin: strict decoding error: unknown field \"spec.versions[0].x\""
        );
        let warned = told(Kind::GcpWasmPlugin, odd(), FieldValidation::Warn).unwrap();
        assert_eq!(warned.warnings, ["unknown field \"spec.versions[0].x\""]);
        assert!(warned.object["spec"]["versions"][0].get("x").is_none());
        let silent = told(Kind::GcpWasmPlugin, odd(), FieldValidation::Ignore).unwrap();
        assert!(silent.warnings.is_empty());
    }

    #[test]
    fn a_built_in_kind_fails_to_be_decoded() {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"ports": [{"port": "many"}]},
        });
        let failure = told(Kind::Service, service, FieldValidation::Strict).unwrap_err();
        assert_eq!(failure.code, 400);
        assert!(failure.message.starts_with("Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal string into"), "{}", failure.message);
    }

    #[test]
    fn kinds_that_only_stand_here_have_names_at_least() {
        let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        assert!(told(Kind::Namespace, namespace("shop"), FieldValidation::Strict).is_ok());
        let failure =
            told(Kind::Namespace, namespace("Shop"), FieldValidation::Strict).unwrap_err();
        assert!(
            failure.message.contains("a lowercase RFC 1123 subdomain"),
            "{}",
            failure.message
        );
    }
}
