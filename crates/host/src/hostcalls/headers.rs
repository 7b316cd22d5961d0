//! Header maps: of the request and of the response.

use gatewright_abi::{Callback, MapType, Status, Version, pairs};

use super::{Answer, Cx, read};
use crate::attach::AttachPoint;
use crate::fault::Ended;
use crate::finding::FindingKind;
use crate::headers::HeaderMap;
use crate::inline;
use crate::profile::Duplicates;
use crate::state::State;
use crate::trace::{Entry, Value};

/// Whether the load balancer ignores edits of this header in this callback: it keeps some headers
/// to itself, as its documentation lists them, and all that begin like others. A few more are taken
/// on the request of a traffic extension, where the route is chosen already.
#[inline]
pub(super) fn is_protected(name: &[u8], entry: Entry, attach: AttachPoint) -> bool {
    let is = |known: &[&str]| {
        known
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    let begins = |prefixes: &[&str]| {
        prefixes.iter().any(|prefix| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        })
    };
    let is_routed =
        || attach == AttachPoint::Traffic && entry == Entry::Callback(Callback::OnRequestHeaders);
    // Most names begin with a letter of none of these.
    match name.first().map_or(0, u8::to_ascii_lowercase) {
        b':' => is_routed() && is(&[":method", ":authority", ":scheme"]),
        b'h' => is_routed() && is(&["host"]),
        b'c' => is(&["connection"]),
        b'k' => is(&["keep-alive"]),
        b'p' => is(&[
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
        ]),
        b's' => is(&["sec-user-ip"]) || begins(&["sec-gfe-", "sec-google-"]),
        b't' => is(&["te", "trailer", "transfer-encoding"]),
        b'u' => is(&["upgrade"]),
        b'x' => {
            is(&[
                "x-dont-count-ads",
                "x-dont-show-ads",
                "x-gr",
                "x-proxyuser-ip",
                "x-user-ip",
            ]) || begins(&[
                "x-amz-",
                "x-forwarded-",
                "x-gfe-",
                "x-goog-",
                "x-google-",
                "x-gproxy-",
            ])
        }
        _ => false,
    }
}

/// The pairs that a guest handed over; a map that is too large or malformed is empty.
pub(super) fn read_pairs<'a>(state: &mut State, wire: &'a [u8]) -> pairs::Pairs<'a> {
    let problem = match pairs::decode(wire) {
        Ok(_) if wire.len() > state.limits.pairs_bytes => format!("{} bytes", wire.len()),
        Ok(pairs) if pairs.len() > state.limits.pairs_count => format!("{} pairs", pairs.len()),
        Ok(pairs) => return pairs,
        Err(error) => error.to_string(),
    };
    state.find(FindingKind::UnreadablePairs, || problem);
    pairs::Pairs::default()
}

/// Puts duplicates together and sorts by name, where the platform does so.
pub(crate) fn settle(map: &mut HeaderMap, which: MapType, duplicates: Duplicates) {
    match duplicates {
        Duplicates::Kept => return,
        Duplicates::Inline => return inline::settle(map, which),
        Duplicates::Merged => {}
    }
    let mut merged: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(map.len());
    for (name, value) in map.iter() {
        match merged
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, known)) => join(known, value),
            None => merged.push((name.to_vec(), value.to_vec())),
        }
    }
    merged.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
    *map = merged.into_iter().collect();
}

/// Appends a value to one that is there; an empty one is overwritten.
fn join(known: &mut Vec<u8>, value: &[u8]) {
    if !known.is_empty() {
        known.extend_from_slice(b", ");
    }
    known.extend_from_slice(value);
}

fn parse(state: &mut State, map: u32) -> Result<MapType, Status> {
    let map = MapType::from_u32(map).ok_or(Status::BadArgument)?;
    state.note(|| [("map", Value::Map(map))]);
    Ok(map)
}

/// Asks whether an edit goes through: not when the header is the load balancer's, and the guest is
/// ended when it is too large.
fn may_edit(cx: &mut Cx<'_>, name: (u32, u32), size: usize) -> Result<bool, Status> {
    let name = read(cx.memory, name.0, name.1)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += (name.len() + size) as u64;
    if let Some(limit) = state.limits.mutation_bytes.filter(|limit| size > *limit) {
        state.find(FindingKind::MutationTooLarge, || {
            format!("`{}` of {size} bytes", String::from_utf8_lossy(name))
        });
        cx.ended = Some(Ended::Mutation { size, limit });
        return Ok(false);
    }
    let attach = state.settings.attach;
    if state.rules.protected_headers && is_protected(name, state.entry, attach) {
        state.find(FindingKind::ProtectedHeader, || {
            String::from_utf8_lossy(name).into_owned()
        });
        return Ok(false);
    }
    Ok(true)
}

pub(super) fn size(cx: &mut Cx<'_>, map: u32, out: u32) -> Answer {
    let map = parse(cx.state, map)?;
    // What can only be read has no size: hosts measure the map that they would change.
    let size = cx.state.map_mut(map)?.byte_size() as u32;
    cx.state.note(|| [("size", Value::Number(size.into()))]);
    cx.write(out, size.to_le_bytes())
}

pub(super) fn get_pairs(cx: &mut Cx<'_>, out: &mut Vec<u8>, map: u32) -> Answer {
    let map = parse(cx.state, map)?;
    let outlives = cx.state.rules.pause;
    match cx.state.map(map) {
        Ok(headers) => {
            if !headers.is_empty() {
                headers.encode(out);
            }
        }
        // A map that is not there is an empty one to this call where maps outlive their callback.
        Err(_) if outlives => return Ok(()),
        Err(status) => return Err(status),
    }
    cx.state.note(|| {
        let headers = pairs::decode(out).into_iter().flatten().collect();
        [("headers", Value::Headers(headers))]
    });
    Ok(())
}

pub(super) fn get(
    cx: &mut Cx<'_>,
    out: &mut Vec<u8>,
    map: u32,
    key: u32,
    key_length: u32,
) -> Answer {
    let map = parse(cx.state, map)?;
    let key = read(cx.memory, key, key_length)?;
    cx.state.meter.bytes_from_guest += u64::from(key_length);
    cx.state.note(|| [("key", Value::Bytes(key.to_vec()))]);
    let old = cx.state.version == Version::V0_1_0;
    let in_log = cx
        .state
        .current_stream()
        .is_some_and(|stream| stream.read_only);
    let value = match cx.state.map(map) {
        Ok(headers) => headers.get(key),
        // In the end a map may never have been, which is no mistake of the guest.
        Err(_) if in_log => None,
        Err(status) => return Err(status),
    };
    match value {
        Some(value) => out.extend_from_slice(value),
        // The oldest ABI knows no difference between nothing and an empty value.
        None if old => return Ok(()),
        None => return Err(Status::NotFound),
    }
    cx.state.note(|| [("value", Value::Bytes(out.clone()))]);
    Ok(())
}

pub(super) fn set_pairs(cx: &mut Cx<'_>, map: u32, data: u32, length: u32) -> Answer {
    let map = parse(cx.state, map)?;
    let wire = read(cx.memory, data, length)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += u64::from(length);
    state.map_mut(map)?;
    if let Some(limit) = state
        .limits
        .mutation_bytes
        .filter(|limit| wire.len() > *limit)
    {
        let size = wire.len();
        state.find(FindingKind::MutationTooLarge, || {
            format!("a header map of {size} bytes")
        });
        cx.ended = Some(Ended::Mutation { size, limit });
        return Ok(());
    }
    let mut new: HeaderMap = read_pairs(state, wire).collect();
    state.note(|| [("headers", Value::Headers(new.clone()))]);
    if state.rules.lower_names {
        new.lower_names();
    }
    if state.rules.protected_headers {
        new = keep_protected(state, map, &new)?;
    }
    settle(&mut new, map, state.rules.duplicates);
    *state.map_mut(map)? = new;
    Ok(())
}

/// The new map with the load balancer's own headers as they were.
fn keep_protected(state: &mut State, map: MapType, new: &HeaderMap) -> Result<HeaderMap, Status> {
    let (entry, attach) = (state.entry, state.settings.attach);
    let is_own = |name: &[u8]| is_protected(name, entry, attach);
    let old = state.map(map)?.clone();
    let own =
        |map: &HeaderMap| -> HeaderMap { map.iter().filter(|(name, _)| is_own(name)).collect() };
    if own(&old) == own(new) {
        return Ok(new.clone());
    }
    for (name, value) in own(new).iter() {
        if !old.get_all(name).any(|known| known == value) {
            state.find(FindingKind::ProtectedHeader, || {
                String::from_utf8_lossy(name).into_owned()
            });
        }
    }
    for (name, _) in own(&old).iter() {
        if !new.contains(name) {
            state.find(FindingKind::ProtectedHeader, || {
                String::from_utf8_lossy(name).into_owned()
            });
        }
    }
    let mut kept: HeaderMap = old.iter().filter(|(name, _)| is_own(name)).collect();
    kept.extend(new.iter().filter(|(name, _)| !is_own(name)));
    Ok(kept)
}

pub(super) fn add(
    cx: &mut Cx<'_>,
    map: u32,
    key: u32,
    key_length: u32,
    value: u32,
    length: u32,
) -> Answer {
    edit(
        cx,
        map,
        (key, key_length),
        (value, length),
        |headers, duplicates, key, value| match duplicates {
            Duplicates::Kept => headers.append(key, value),
            Duplicates::Inline => {
                let map = MapType::from_u32(map).unwrap_or(MapType::HttpRequestHeaders);
                inline::add(headers, map, key, value);
            }
            Duplicates::Merged => {
                let mut joined = headers.get(key).unwrap_or_default().to_vec();
                join(&mut joined, value);
                headers.replace(key, &joined);
            }
        },
    )
}

pub(super) fn replace(
    cx: &mut Cx<'_>,
    map: u32,
    key: u32,
    key_length: u32,
    value: u32,
    length: u32,
) -> Answer {
    edit(
        cx,
        map,
        (key, key_length),
        (value, length),
        |headers, duplicates, key, value| match duplicates {
            Duplicates::Kept | Duplicates::Merged => headers.replace(key, value),
            Duplicates::Inline => inline::set(headers, key, value),
        },
    )
}

fn edit(
    cx: &mut Cx<'_>,
    map: u32,
    key: (u32, u32),
    value: (u32, u32),
    change: impl FnOnce(&mut HeaderMap, Duplicates, &[u8], &[u8]),
) -> Answer {
    let map = parse(cx.state, map)?;
    cx.read(key.0, key.1)?;
    cx.read(value.0, value.1)?;
    cx.state.map_mut(map)?;
    let goes_through = may_edit(cx, key, value.1 as usize)?;
    let key = read(cx.memory, key.0, key.1)?;
    let value = read(cx.memory, value.0, value.1)?;
    let state = &mut *cx.state;
    state.note(|| {
        [
            ("key", Value::Bytes(key.to_vec())),
            ("value", Value::Bytes(value.to_vec())),
        ]
    });
    if !goes_through {
        return Ok(());
    }
    let duplicates = state.rules.duplicates;
    let lower = state.rules.lower_names;
    let headers = state.map_mut(map)?;
    let before = headers.len();
    if lower && key.iter().any(u8::is_ascii_uppercase) {
        change(headers, duplicates, &key.to_ascii_lowercase(), value);
    } else {
        change(headers, duplicates, key, value);
    }
    if headers.len() != before && duplicates == Duplicates::Merged {
        // A sorted map stays sorted.
        settle(headers, map, duplicates);
    }
    Ok(())
}

pub(super) fn remove(cx: &mut Cx<'_>, map: u32, key: u32, key_length: u32) -> Answer {
    let map = parse(cx.state, map)?;
    let name = cx.read(key, key_length)?.to_vec();
    cx.state.note(|| [("key", Value::Bytes(name.clone()))]);
    cx.state.map_mut(map)?;
    if may_edit(cx, (key, key_length), 0)? {
        cx.state.map_mut(map)?.remove(&name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, on_request: bool, on_response: bool) {
        let at = |callback| {
            is_protected(
                name.as_bytes(),
                Entry::Callback(callback),
                AttachPoint::Traffic,
            )
        };
        assert_eq!(
            at(Callback::OnRequestHeaders),
            on_request,
            "{name} on the request"
        );
        assert_eq!(
            at(Callback::OnResponseHeaders),
            on_response,
            "{name} on the response"
        );
    }

    #[test]
    fn the_load_balancers_own_headers_are_known() {
        check("X-Forwarded-For", true, true);
        check("x-forwarded", false, false);
        check("Transfer-Encoding", true, true);
        check(":authority", true, false);
        check(":path", false, false);
        check(":status", false, false);
        check("x-goog", false, false);
        check("x-goog-a", true, true);
        let request = Entry::Callback(Callback::OnRequestHeaders);
        assert!(!is_protected(b"host", request, AttachPoint::Route));
    }

    #[test]
    fn merging_joins_and_sorts() {
        let mut map: HeaderMap = [("b", "1"), ("A", ""), ("B", "2"), ("a", "x")]
            .into_iter()
            .collect();
        settle(&mut map, MapType::HttpRequestHeaders, Duplicates::Merged);
        let expected: HeaderMap = [("A", "x"), ("b", "1, 2")].into_iter().collect();
        assert_eq!(map, expected);
    }
}
