//! Properties as Envoy computes them: from the stream, from what plugins set, and, for what only a
//! real connection knows, from what the embedder gives.
//!
//! Numbers are eight bytes, little-endian; a moment is nanoseconds since the epoch; a map is the
//! pair encoding. What the embedder gives under a path goes before what is computed, so that a case
//! can say what the connection was.

use gatewright_abi::{Status, pairs, path};

use super::Answer;
use crate::headers::HeaderMap;
use crate::state::{Place, State, StreamContext};

/// Under this name in the filter state Envoy keeps what a plugin sets.
const SET_BY_WASM: &[u8] = b"wasm.";

pub(super) fn get(state: &mut State, key: &[u8], out: &mut Vec<u8>) -> Answer {
    let key = key.strip_suffix(&[0]).unwrap_or(key);
    let settings = &state.settings;
    let of_plugin = match key {
        b"plugin_name" => Some(&settings.name),
        b"plugin_root_id" => Some(&settings.root_id),
        b"plugin_vm_id" => Some(&settings.vm_id),
        _ => None,
    };
    if let Some(text) = of_plugin {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let Place::Stream(slot) = state.effective else {
        return Err(Status::NotFound);
    };
    let stream = state.stream(slot);
    if let Some(value) = stream.attributes.get(key) {
        out.extend_from_slice(value);
        return Ok(());
    }
    let segments: Vec<&[u8]> = path::split(key).collect();
    let found = match segments.as_slice() {
        [b"request", rest @ ..] => request(stream, rest, out),
        [b"response", rest @ ..] => response(stream, rest, out),
        [b"filter_state", name] => name
            .strip_prefix(SET_BY_WASM)
            .and_then(|name| put(set_by_plugin(stream, name), out)),
        // Only a name without segments is looked up among what plugins set.
        [name] => put(set_by_plugin(stream, name), out),
        _ => None,
    };
    found
        .or_else(|| given_below(stream, key, out))
        .ok_or(Status::NotFound)
}

fn set_by_plugin<'a>(stream: &'a StreamContext, name: &[u8]) -> Option<&'a [u8]> {
    let property = stream.properties.iter().find(|(path, _)| path == name)?;
    Some(&property.1)
}

fn put(value: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(value?);
    Some(())
}

fn number(value: u64, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&value.to_le_bytes());
    Some(())
}

/// A map by its key, or all of it.
fn map(headers: Option<&HeaderMap>, rest: &[&[u8]], out: &mut Vec<u8>) -> Option<()> {
    let headers = headers?;
    match rest {
        [] => {
            headers.encode(out);
            Some(())
        }
        // By key a map joins the values of a name, as CEL sees it.
        [name] => {
            let mut values = headers.get_all(name);
            out.extend_from_slice(values.next()?);
            for value in values {
                out.push(b',');
                out.extend_from_slice(value);
            }
            Some(())
        }
        _ => None,
    }
}

/// The bytes of a body, as its headers announce them.
fn announced(headers: Option<&HeaderMap>) -> u64 {
    headers
        .and_then(|headers| headers.get(b"content-length"))
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .unwrap_or(0)
}

fn request(stream: &StreamContext, rest: &[&[u8]], out: &mut Vec<u8>) -> Option<()> {
    // Outside of their phase headers are not there, and what is made of them is not either.
    let headers = stream.maps[0].as_ref().filter(|_| !stream.request_hidden);
    let header = |name: &[u8]| headers.and_then(|headers| headers.get(name));
    let path = header(b":path");
    let query_at = path.and_then(|path| path.iter().position(|byte| *byte == b'?'));
    match rest {
        [b"headers", rest @ ..] => map(headers, rest, out),
        [b"path"] => put(path, out),
        [b"url_path"] => put(
            path.map(|path| &path[..query_at.unwrap_or(path.len())]),
            out,
        ),
        [b"query"] => {
            let query = path.map(|path| query_at.map_or(&[][..], |at| &path[at + 1..]));
            put(query, out)
        }
        [b"host"] => put(header(b":authority"), out),
        [b"scheme"] => put(header(b":scheme"), out),
        [b"method"] => put(header(b":method"), out),
        [b"referer"] => put(header(b"referer"), out),
        [b"useragent"] => put(header(b"user-agent"), out),
        [b"id"] => put(header(b"x-request-id"), out),
        [b"time"] => number(stream.clock, out),
        [b"size"] => number(announced(headers), out),
        [b"total_size"] => {
            let size = headers.map_or(0, HeaderMap::byte_size) as u64;
            number(announced(headers) + size, out)
        }
        _ => None,
    }
}

fn response(stream: &StreamContext, rest: &[&[u8]], out: &mut Vec<u8>) -> Option<()> {
    let headers = stream.maps[2].as_ref();
    match rest {
        [b"headers", rest @ ..] => map(headers, rest, out),
        [b"trailers", rest @ ..] => map(stream.maps[3].as_ref(), rest, out),
        [b"code"] => {
            let status = headers?.get(b":status")?;
            number(std::str::from_utf8(status).ok()?.parse().ok()?, out)
        }
        [b"flags"] => number(0, out),
        [b"size"] => number(announced(headers), out),
        [b"total_size"] => {
            let size = headers.map_or(0, HeaderMap::byte_size) as u64;
            number(announced(headers) + size, out)
        }
        [b"grpc_status"] => {
            let trailer = stream.maps[3]
                .as_ref()
                .and_then(|map| map.get(b"grpc-status"));
            let status = trailer.or_else(|| headers?.get(b"grpc-status"))?;
            number(std::str::from_utf8(status).ok()?.parse().ok()?, out)
        }
        _ => None,
    }
}

/// A path under which the embedder gives several values is a map of them.
fn given_below(stream: &StreamContext, key: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let below: Vec<_> = stream
        .attributes
        .iter()
        .filter_map(|(path, value)| {
            let name = path.strip_prefix(key)?.strip_prefix(&[0])?;
            (!name.contains(&0)).then_some((name, value))
        })
        .collect();
    if below.is_empty() {
        return None;
    }
    pairs::encode(below, out);
    Some(())
}
