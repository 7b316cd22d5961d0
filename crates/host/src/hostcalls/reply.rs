//! Local replies.

use gatewright_abi::Callback;
use gatewright_abi::pairs::Pairs;

use super::headers::{is_protected, read_pairs};
use super::{Answer, Cx, read};
use crate::fault::Ended;
use crate::finding::FindingKind;
use crate::headers::HeaderMap;
use crate::profile::{Duplicates, LateReply};
use crate::reply::LocalReply;
use crate::state::State;
use crate::trace::{Entry, Value};

#[expect(clippy::too_many_arguments, reason = "the signature is the ABI's")]
pub(super) fn send(
    cx: &mut Cx<'_>,
    status: u32,
    details: u32,
    details_length: u32,
    body: u32,
    body_length: u32,
    headers: u32,
    headers_length: u32,
    grpc_status: i32,
) -> Answer {
    let details = read(cx.memory, details, details_length)?;
    let body = read(cx.memory, body, body_length)?;
    let pairs = read(cx.memory, headers, headers_length)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += (details.len() + body.len() + pairs.len()) as u64;
    let limit = state.limits.mutation_bytes.unwrap_or(usize::MAX);
    if body.len().max(pairs.len()) > limit {
        let size = body.len().max(pairs.len());
        state.find(FindingKind::MutationTooLarge, || {
            format!("a local reply of {size} bytes")
        });
        cx.ended = Some(Ended::Mutation { size, limit });
        return Ok(());
    }
    let fields = read_pairs(state, pairs);
    let mut headers = if is_sent_as_given(state, &fields) {
        HeaderMap::from_wire(&fields)
    } else {
        admitted(state, fields)
    };
    if state.rules.lower_names {
        headers.lower_names();
    }
    let reply = LocalReply {
        status,
        headers,
        body: body.to_vec(),
        grpc_status,
        details: details.to_vec(),
    };
    state.note(|| {
        [
            ("status", Value::Number(i64::from(reply.status))),
            ("headers", Value::Headers(reply.headers.clone())),
            ("body", Value::Bytes(reply.body.clone())),
            ("grpc_status", Value::Number(i64::from(reply.grpc_status))),
        ]
    });
    let in_time = matches!(
        state.entry,
        Entry::Callback(
            Callback::OnRequestHeaders | Callback::OnRequestBody | Callback::OnResponseHeaders
        )
    ) || (state.rules.pause && matches!(state.entry, Entry::Callback(_)));
    if !in_time {
        let entry = state.entry.name();
        state.find(FindingKind::LateReply, || {
            format!("status {status} from {entry}")
        });
        if state.rules.late_reply == LateReply::Dropped {
            return Ok(());
        }
    }
    if let Some(slot) = state.touch() {
        state.stream_mut(slot).reply = Some(reply);
    }
    Ok(())
}

/// Whether the platform takes the headers of a reply as they are.
fn is_sent_as_given(state: &State, fields: &Pairs<'_>) -> bool {
    state.rules.duplicates != Duplicates::Merged
        && !(state.rules.protected_headers
            && fields
                .clone()
                .any(|(name, _)| is_protected(name, Entry::Initialize, state.settings.attach)))
}

/// What the platform takes of a reply's headers.
fn admitted(state: &mut State, fields: Pairs<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if state.rules.protected_headers
            && is_protected(name, Entry::Initialize, state.settings.attach)
        {
            state.find(FindingKind::ProtectedHeader, || {
                String::from_utf8_lossy(name).into_owned()
            });
            continue;
        }
        // With merged duplicates the last value of a reply's header wins.
        match state.rules.duplicates {
            Duplicates::Kept | Duplicates::Inline => headers.append(name, value),
            Duplicates::Merged => headers.replace(name, value),
        }
    }
    headers
}
