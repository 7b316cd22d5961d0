//! Log messages and the level that is asked for.

use gatewright_abi::{LogLevel, Status};

use super::{Answer, Cx, read};
use crate::profile::LogLevelAnswer;
use crate::trace::{LogSource, Value};

pub(super) fn log(cx: &mut Cx<'_>, level: u32, message: u32, length: u32) -> Answer {
    let level = LogLevel::from_u32(level).ok_or(Status::BadArgument)?;
    let message = read(cx.memory, message, length)?;
    cx.state.meter.bytes_from_guest += u64::from(length);
    cx.state.note(|| {
        [
            ("level", Value::Name(level.name())),
            ("message", Value::Bytes(message.to_vec())),
        ]
    });
    cx.state.log(level, LogSource::Plugin, message);
    Ok(())
}

pub(super) fn get_level(cx: &mut Cx<'_>, out: u32) -> Answer {
    let level = match cx.state.rules.log_level {
        LogLevelAnswer::Set => cx.state.settings.log_level,
        LogLevelAnswer::Trace => LogLevel::Trace,
    };
    cx.state.note(|| [("level", Value::Name(level.name()))]);
    cx.write(out, level.as_u32().to_le_bytes())
}
