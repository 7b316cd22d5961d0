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
    state.note(|| {
        [
            ("status", Value::Number(i64::from(status))),
            ("headers", Value::Headers(fields.clone().collect())),
            ("body", Value::Bytes(body.to_vec())),
            ("grpc_status", Value::Number(i64::from(grpc_status))),
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
    let Some(slot) = state.touch() else {
        return Ok(());
    };
    let mut reply = Box::<LocalReply>::default();
    reply.status = status;
    reply.body = body.to_vec();
    reply.grpc_status = grpc_status;
    reply.details = details.to_vec();
    let (rules, attach) = (state.rules, state.settings.attach);
    let admits =
        |name: &[u8]| !(rules.protected_headers && is_protected(name, Entry::Initialize, attach));
    if rules.duplicates == Duplicates::Merged || !reply.headers.fill(&fields, admits) {
        reply.headers = admitted(state, fields);
    }
    if rules.lower_names {
        reply.headers.lower_names();
    }
    state.stream_mut(slot).reply = Some(reply);
    Ok(())
}

/// What the platform takes of a reply's headers.
#[cold]
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
