//! The little of protocol buffers that `kubectl` cannot do without: it creates Secrets and
//! namespaces in them, and asks for the older OpenAPI document in them alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The media type of objects.
pub(crate) const MEDIA: &str = "application/vnd.kubernetes.protobuf";
/// The media type of the older OpenAPI document, as it is answered with.
pub(crate) const OPENAPI: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What objects begin with.
const MAGIC: &[u8] = b"k8s\0";

/// A field of a message: its number and what is in it.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message; nothing at what is no message.
fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut all = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut rest)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                Field::Bytes(rest.split_off(..length)?)
            }
            _ => return None,
        };
        all.push((tag >> 3, field));
    }
    Some(all)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<Value> {
    Some(std::str::from_utf8(bytes).ok()?.into())
}

/// A map is a list of messages with a key and a value.
fn pair(bytes: &[u8], value: impl Fn(&[u8]) -> Option<Value>) -> Option<(String, Value)> {
    let (mut key, mut found) = (String::new(), value(b"")?);
    for (number, field) in fields(bytes)? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => key = std::str::from_utf8(bytes).ok()?.to_owned(),
            (2, Field::Bytes(bytes)) => found = value(bytes)?,
            _ => {}
        }
    }
    Some((key, found))
}

fn into(map: &mut Map<String, Value>, field: &str, (key, value): (String, Value)) {
    crate::object::as_map(map.entry(field).or_insert(Value::Null)).insert(key, value);
}

fn metadata(bytes: &[u8]) -> Option<Value> {
    let mut map = Map::new();
    for (number, field) in fields(bytes)? {
        let Field::Bytes(bytes) = field else { continue };
        let name = match number {
            1 => "name",
            2 => "generateName",
            3 => "namespace",
            11 => {
                into(&mut map, "labels", pair(bytes, text)?);
                continue;
            }
            12 => {
                into(&mut map, "annotations", pair(bytes, text)?);
                continue;
            }
            // The server writes the others, or they are empty in a new object.
            _ => continue,
        };
        if !bytes.is_empty() {
            map.insert(name.to_owned(), text(bytes)?);
        }
    }
    Some(map.into())
}

fn secret(bytes: &[u8], map: &mut Map<String, Value>) -> Option<()> {
    for (number, field) in fields(bytes)? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => {
                map.insert("metadata".to_owned(), metadata(bytes)?);
            }
            (2, Field::Bytes(bytes)) => {
                let entry = pair(bytes, |bytes| Some(STANDARD.encode(bytes).into()))?;
                into(map, "data", entry);
            }
            (3, Field::Bytes(bytes)) if !bytes.is_empty() => {
                map.insert("type".to_owned(), text(bytes)?);
            }
            (4, Field::Bytes(bytes)) => into(map, "stringData", pair(bytes, text)?),
            (5, Field::Number(number)) => {
                map.insert("immutable".to_owned(), (number != 0).into());
            }
            _ => {}
        }
    }
    Some(())
}

fn namespace(bytes: &[u8], map: &mut Map<String, Value>) -> Option<()> {
    for (number, field) in fields(bytes)? {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            map.insert("metadata".to_owned(), metadata(bytes)?);
        }
    }
    Some(())
}

fn object(bytes: &[u8]) -> Option<Result<Value, String>> {
    let mut map = Map::new();
    let (mut kind, mut raw) = (String::new(), &b""[..]);
    for (number, field) in fields(bytes.strip_prefix(MAGIC)?)? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => {
                for (number, field) in fields(bytes)? {
                    match (number, field) {
                        (1, Field::Bytes(bytes)) => {
                            map.insert("apiVersion".to_owned(), text(bytes)?);
                        }
                        (2, Field::Bytes(bytes)) => {
                            kind = std::str::from_utf8(bytes).ok()?.to_owned();
                        }
                        _ => {}
                    }
                }
            }
            (2, Field::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    match kind.as_str() {
        "Secret" => secret(raw, &mut map)?,
        "Namespace" => namespace(raw, &mut map)?,
        _ => return Some(Err(kind)),
    }
    map.insert("kind".to_owned(), kind.into());
    Some(Ok(map.into()))
}

/// Reads an object.
///
/// # Errors
/// That it is none, or of a kind that is only read as JSON.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Failure> {
    match object(bytes) {
        Some(Ok(object)) => Ok(object),
        Some(Err(kind)) => {
            let mut failure = Failure::unsupported(&["application/json"]);
            failure.message = format!("a {kind} is read as JSON here, as `kubectl apply` sends it");
            Err(failure)
        }
        None => Err(Failure::bad_request(
            "the body of the request is no protobuf of an object",
        )),
    }
}

/// The older OpenAPI document, without kinds: `kubectl` asks it for those alone that the newer one
/// lacks, and takes it for an answer that they are not there.
pub(crate) fn openapi() -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap_or(0);
        let mut field = vec![number << 3 | 2, length];
        field.extend_from_slice(bytes);
        field
    };
    let info = [field(1, b"gatewright"), field(2, b"v1")].concat();
    [field(1, b"2.0"), field(2, &info)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, bytes.len() as u8];
        field.extend_from_slice(bytes);
        field
    }

    fn envelope(kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &meta), field(2, raw)].concat()
    }

    #[test]
    fn a_secret_is_read() {
        let labels = field(11, &[field(1, b"a"), field(2, b"b")].concat());
        let raw = [
            field(1, &[field(1, b"tls"), field(3, b""), labels].concat()),
            field(2, &[field(1, b"tls.crt"), field(2, &[1, 2])].concat()),
            field(3, b"kubernetes.io/tls"),
        ]
        .concat();
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "tls", "labels": {"a": "b"}},
            "data": {"tls.crt": "AQI="},
        });
        assert_eq!(read(&envelope("Secret", &raw)), Ok(expected));
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_refused() {
        let whole = envelope("Namespace", &field(1, &field(1, b"shop")));
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            // Whatever is left of it, nothing panics.
            let _ = read(&whole[..length]);
        }
        assert_eq!(read(b"{}").unwrap_err().code, 400);
        assert_eq!(read(&envelope("Pod", b"")).unwrap_err().code, 415);
        assert!(fields(&[0xff; 12]).is_none());
    }
}
