//! Metrics.

use gatewright_abi::{MetricType, Status};

use super::{Answer, Cx, read};
use crate::trace::Value;

pub(super) fn define(cx: &mut Cx<'_>, kind: u32, name: u32, length: u32, out: u32) -> Answer {
    let kind = MetricType::from_u32(kind).ok_or(Status::BadArgument)?;
    let name = read(cx.memory, name, length)?;
    let id = cx.state.settings.shared.define_metric(kind, name);
    cx.state.note(|| {
        [
            ("kind", Value::Name(kind.name())),
            ("name", Value::Bytes(name.to_vec())),
            ("metric", Value::Number(id.into())),
        ]
    });
    cx.write(out, id.to_le_bytes())
}

pub(super) fn increment(cx: &mut Cx<'_>, id: u32, offset: i64) -> Answer {
    cx.state.note(|| {
        [
            ("metric", Value::Number(id.into())),
            ("offset", Value::Number(offset)),
        ]
    });
    cx.state.settings.shared.increment_metric(id, offset)
}

pub(super) fn record(cx: &mut Cx<'_>, id: u32, value: u64) -> Answer {
    cx.state.note(|| {
        [
            ("metric", Value::Number(id.into())),
            ("value", Value::Number(value as i64)),
        ]
    });
    cx.state.settings.shared.record_metric(id, value)
}

pub(super) fn get(cx: &mut Cx<'_>, id: u32, out: u32) -> Answer {
    cx.state.note(|| [("metric", Value::Number(id.into()))]);
    let value = cx.state.settings.shared.get_metric(id)?;
    cx.state.note(|| [("value", Value::Number(value as i64))]);
    cx.write(out, value.to_le_bytes())
}
