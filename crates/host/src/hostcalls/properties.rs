//! Properties, which the documents of load balancers call attributes.

use std::sync::Arc;

use gatewright_abi::{Status, path};

use super::{Answer, Cx, read};
use crate::finding::FindingKind;
use crate::profile::Properties;
use crate::state::Place;
use crate::trace::Value;

pub(super) fn get(cx: &mut Cx<'_>, out: &mut Vec<u8>, key: u32, length: u32) -> Answer {
    let key = read(cx.memory, key, length)?;
    cx.state.meter.bytes_from_guest += u64::from(length);
    cx.state
        .note(|| [("path", Value::Bytes(dotted(key).into_bytes()))]);
    let is_root_id = key.strip_suffix(&[0]).unwrap_or(key) == b"plugin_root_id";
    let in_stream = matches!(cx.state.effective, Place::Stream(_));
    match cx.state.rules.properties {
        // Outside of a stream the tester knows the root id and nothing else.
        Properties::Given if !in_stream && !is_root_id => return Err(Status::Unimplemented),
        Properties::Given if in_stream => {}
        _ if is_root_id => {
            out.extend_from_slice(cx.state.settings.root_id.as_bytes());
            return Ok(());
        }
        _ => {}
    }
    let value = cx.state.current_stream().and_then(|stream| {
        stream
            .attributes
            .get(key)
            .map(|value| out.extend_from_slice(value))
    });
    if value.is_none() {
        if cx.state.rules.properties == Properties::Forwarded {
            cx.state
                .find(FindingKind::AttributeNotForwarded, || dotted(key));
        }
        return Err(Status::NotFound);
    }
    cx.state.note(|| [("value", Value::Bytes(out.clone()))]);
    Ok(())
}

/// Sets a property for the rest of the stream. Plugins of the same VM id and of others see it.
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
    Arc::make_mut(&mut stream.attributes).set_raw(key.to_vec(), value.to_vec());
    Ok(())
}

fn dotted(key: &[u8]) -> String {
    let segments: Vec<_> = path::split(key).map(String::from_utf8_lossy).collect();
    segments.join(".")
}
