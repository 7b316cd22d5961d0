//! The clock.

use super::{Answer, Cx};
use crate::trace::Value;

pub(super) fn now(cx: &mut Cx<'_>, out: u32) -> Answer {
    let now = cx.state.now();
    cx.state
        .note(|| [("nanoseconds", Value::Number(now as i64))]);
    cx.write(out, now.to_le_bytes())
}
