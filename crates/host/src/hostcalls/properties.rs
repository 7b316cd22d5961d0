//! Properties, which the documents of load balancers call attributes.

use gatewright_abi::{Status, path};

use super::{Answer, Cx, computed, read};
use crate::finding::FindingKind;
use crate::profile::Properties;
use crate::state::{Place, State};
use crate::trace::Value;

pub(super) fn get(cx: &mut Cx<'_>, out: &mut Vec<u8>, key: u32, length: u32) -> Answer {
    let key = read(cx.memory, key, length)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += u64::from(length);
    state.note(|| [("path", Value::Bytes(dotted(key).into_bytes()))]);
    match state.rules.properties {
        Properties::Forwarded => forwarded(state, key, out)?,
        Properties::Given => given(state, key, out)?,
        Properties::Computed => computed::get(state, key, out)?,
    }
    state.note(|| [("value", Value::Bytes(out.clone()))]);
    Ok(())
}

fn is_root_id(key: &[u8]) -> bool {
    key.strip_suffix(&[0]).unwrap_or(key) == b"plugin_root_id"
}

/// What the extension forwards, and of that only what exists where the plugin is attached.
fn forwarded(state: &mut State, key: &[u8], out: &mut Vec<u8>) -> Answer {
    if is_root_id(key) {
        out.extend_from_slice(state.settings.root_id.as_bytes());
        return Ok(());
    }
    let attach = state.settings.attach;
    if !attach.has(key) {
        state.find(FindingKind::UnknownAttribute, || {
            format!("`{}` at a point of kind `{attach}`", dotted(key))
        });
        return Err(Status::NotFound);
    }
    let value = state
        .current_stream()
        .and_then(|stream| stream.attributes.get(key));
    match value {
        Some(value) => {
            out.extend_from_slice(value);
            Ok(())
        }
        None => {
            state.find(FindingKind::AttributeNotForwarded, || dotted(key));
            Err(Status::NotFound)
        }
    }
}

/// What the test gives, whatever it is; outside of a stream the tester knows the root id and
/// nothing else.
fn given(state: &mut State, key: &[u8], out: &mut Vec<u8>) -> Answer {
    match state.effective {
        Place::Root if is_root_id(key) => {
            out.extend_from_slice(state.settings.root_id.as_bytes());
            Ok(())
        }
        Place::Root => Err(Status::Unimplemented),
        Place::Stream(slot) => {
            let value = state.stream(slot).attributes.get(key);
            out.extend_from_slice(value.ok_or(Status::NotFound)?);
            Ok(())
        }
    }
}

/// Sets a property for the rest of the stream; every plugin of the exchange sees it.
pub(super) fn set(cx: &mut Cx<'_>, key: u32, key_length: u32, value: u32, length: u32) -> Answer {
    let key = read(cx.memory, key, key_length)?;
    let value = read(cx.memory, value, length)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += (key.len() + value.len()) as u64;
    state.note(|| {
        [
            ("path", Value::Bytes(dotted(key).into_bytes())),
            ("value", Value::Bytes(value.to_vec())),
        ]
    });
    let stream = state.current_stream().ok_or(Status::NotFound)?;
    stream.set_property(key.to_vec(), value.to_vec());
    stream.written.push((key.to_vec(), value.to_vec()));
    state.touch();
    Ok(())
}

fn dotted(key: &[u8]) -> String {
    let segments: Vec<_> = path::split(key).map(String::from_utf8_lossy).collect();
    segments.join(".")
}
