//! Contexts: the end of one, and acting on another.

use gatewright_abi::Status;

use super::{Answer, Cx};
use crate::trace::Value;

/// A context that answered false from `on_done` says that it is done now. Streams are closed
/// without waiting for it, so there is nothing left to do.
pub(super) fn done(_cx: &mut Cx<'_>) -> Answer {
    Ok(())
}

pub(super) fn set_effective(cx: &mut Cx<'_>, context: u32) -> Answer {
    cx.state
        .note(|| [("context", Value::Number(i64::from(context)))]);
    cx.state.effective = cx.state.place(context).ok_or(Status::BadArgument)?;
    Ok(())
}
