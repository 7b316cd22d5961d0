//! Contexts: the end of one, and acting on another.

use gatewright_abi::Status;

use super::{Answer, Cx};
use crate::state::Place;
use crate::trace::Value;

/// A root context that answered false from `on_done` says that it is done now. Nothing else is
/// waited for: streams are closed whatever they answer.
pub(super) fn done(cx: &mut Cx<'_>) -> Answer {
    if cx.state.effective == Place::Root && std::mem::take(&mut cx.state.done_pending) {
        Ok(())
    } else {
        Err(Status::NotFound)
    }
}

pub(super) fn set_effective(cx: &mut Cx<'_>, context: u32) -> Answer {
    cx.state
        .note(|| [("context", Value::Number(i64::from(context)))]);
    // Zero is no context of a plugin: it means the one whose callback runs.
    let context = match context {
        0 => cx.state.running,
        context => context,
    };
    cx.state.effective = cx.state.place(context).ok_or(Status::BadArgument)?;
    Ok(())
}
