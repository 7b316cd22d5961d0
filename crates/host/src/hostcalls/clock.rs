//! The clock and its ticks.

use super::{Answer, Cx};
use crate::state::Tick;
use crate::trace::Value;

pub(super) fn now(cx: &mut Cx<'_>, out: u32) -> Answer {
    let now = cx.state.now();
    cx.state
        .note(|| [("nanoseconds", Value::Number(now as i64))]);
    cx.write(out, now.to_le_bytes())
}

pub(super) fn set_tick_period(cx: &mut Cx<'_>, milliseconds: u32) -> Answer {
    cx.state
        .note(|| [("milliseconds", Value::Number(milliseconds.into()))]);
    let period = u64::from(milliseconds) * 1_000_000;
    let now = cx.state.door.monotonic();
    cx.state.tick = (period > 0).then(|| Tick {
        period,
        next: now.saturating_add(period),
    });
    Ok(())
}
