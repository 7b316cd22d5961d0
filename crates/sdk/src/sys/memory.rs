//! An in-memory host, one a thread, in the place of hostcalls where there are none.
//!
//! It behaves as Envoy does where a plugin can tell: names are lower-cased, a header map and a
//! buffer exist only in their phase, `get` answers the first of several values.

pub(crate) mod envoy;

use crate::HeaderList;
use gatewright_abi::{BufferType, LogLevel, MapType, Status};
use log::LevelFilter;
use std::cell::RefCell;

pub(crate) use envoy::Shared;
pub use envoy::{Metric, SentCall};

thread_local! {
    static HOST: RefCell<MemoryHost> = const { RefCell::new(MemoryHost::new()) };
}

/// Runs `f` on the host of this thread.
pub(crate) fn with<R>(f: impl FnOnce(&mut MemoryHost) -> R) -> R {
    HOST.with(|host| f(&mut host.borrow_mut()))
}

/// A reply that a plugin sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentReply {
    /// The HTTP status.
    pub status: u32,
    /// The headers.
    pub headers: HeaderList,
    /// The body.
    pub body: Vec<u8>,
    /// The response code details.
    pub details: Vec<u8>,
    /// The gRPC status; -1 for none.
    pub grpc_status: i32,
}

/// An answer that a test gives in place of the host's own.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) call: &'static str,
    pub(crate) status: u32,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct MemoryHost {
    pub(crate) maps: Vec<(MapType, HeaderList)>,
    pub(crate) buffers: Vec<(BufferType, Vec<u8>)>,
    pub(crate) logs: Vec<(LogLevel, String)>,
    pub(crate) reply: Option<SentReply>,
    pub(crate) answers: Vec<Answer>,
    /// Every hostcall made, by name.
    pub(crate) calls: Vec<&'static str>,
    pub(crate) random: u64,
    /// What the clock shows, in nanoseconds.
    pub(crate) time: u64,
    /// Properties by path, segments joined by zero bytes.
    pub(crate) properties: Vec<(Vec<u8>, Vec<u8>)>,
    /// What only Envoy has.
    pub(crate) shared: Shared,
    level: LevelFilter,
}

impl MemoryHost {
    pub(crate) const fn new() -> Self {
        Self {
            maps: Vec::new(),
            buffers: Vec::new(),
            logs: Vec::new(),
            reply: None,
            answers: Vec::new(),
            calls: Vec::new(),
            random: 0,
            time: 0,
            properties: Vec::new(),
            shared: Shared::new(),
            level: LevelFilter::Trace,
        }
    }

    pub(crate) fn set_log_level(&mut self, level: LevelFilter) {
        self.level = level;
    }

    /// Notes the call; the answer that a test prepared for it, if there is one.
    fn enter(&mut self, call: &'static str) -> Option<&Answer> {
        self.calls.push(call);
        self.answers.iter().find(|answer| answer.call == call)
    }

    fn map(&mut self, map: u32) -> Option<&mut HeaderList> {
        let map = MapType::from_u32(map)?;
        let (_, headers) = self.maps.iter_mut().find(|(other, _)| *other == map)?;
        Some(headers)
    }

    fn buffer(&mut self, buffer: u32) -> Option<&mut Vec<u8>> {
        let buffer = BufferType::from_u32(buffer)?;
        let (_, bytes) = self
            .buffers
            .iter_mut()
            .find(|(other, _)| *other == buffer)?;
        Some(bytes)
    }

    fn edit_map(
        &mut self,
        call: &'static str,
        map: u32,
        edit: impl FnOnce(&mut HeaderList),
    ) -> u32 {
        if let Some(answer) = self.enter(call) {
            return answer.status;
        }
        match self.map(map) {
            Some(headers) => {
                edit(headers);
                Status::Ok.as_u32()
            }
            None => Status::BadArgument.as_u32(),
        }
    }

    fn read(
        &mut self,
        call: &'static str,
        out: &mut Vec<u8>,
        read: impl FnOnce(&mut Self) -> Result<Vec<u8>, Status>,
    ) -> u32 {
        if let Some(answer) = self.enter(call) {
            out.clone_from(&answer.bytes);
            return answer.status;
        }
        match read(self) {
            Ok(bytes) => {
                *out = bytes;
                Status::Ok.as_u32()
            }
            Err(status) => status.as_u32(),
        }
    }
}

/// The functions that stand in for hostcalls, one for each in `wasi.rs`.
pub(crate) mod calls {
    pub(crate) use super::envoy;
    use super::{LevelFilter, SentReply, with};
    use crate::HeaderList;
    use gatewright_abi::{Hostcall, LogLevel, Status};

    pub(crate) fn log(level: u32, message: &[u8]) -> u32 {
        with(|host| {
            if let Some(answer) = host.enter(Hostcall::Log.name()) {
                return answer.status;
            }
            let Some(level) = LogLevel::from_u32(level) else {
                return Status::BadArgument.as_u32();
            };
            if passes(level, host.level) {
                let message = String::from_utf8_lossy(message).into_owned();
                host.logs.push((level, message));
            }
            Status::Ok.as_u32()
        })
    }

    fn passes(level: LogLevel, filter: LevelFilter) -> bool {
        let lowest = match filter {
            LevelFilter::Off => LogLevel::Critical,
            LevelFilter::Error => LogLevel::Error,
            LevelFilter::Warn => LogLevel::Warn,
            LevelFilter::Info => LogLevel::Info,
            LevelFilter::Debug => LogLevel::Debug,
            LevelFilter::Trace => LogLevel::Trace,
        };
        level >= lowest
    }

    pub(crate) fn get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_size: usize,
        out: &mut Vec<u8>,
    ) -> u32 {
        with(|host| {
            host.read(Hostcall::GetBufferBytes.name(), out, |host| {
                let bytes = host.buffer(buffer).ok_or(Status::NotFound)?;
                let end = start.saturating_add(max_size).min(bytes.len());
                Ok(bytes.get(start..end).unwrap_or_default().to_vec())
            })
        })
    }

    pub(crate) fn set_buffer_bytes(buffer: u32, start: usize, size: usize, value: &[u8]) -> u32 {
        with(|host| {
            if let Some(answer) = host.enter(Hostcall::SetBufferBytes.name()) {
                return answer.status;
            }
            let Some(bytes) = host.buffer(buffer) else {
                return Status::NotFound.as_u32();
            };
            let start = start.min(bytes.len());
            let end = start.saturating_add(size).min(bytes.len());
            bytes.splice(start..end, value.iter().copied());
            Status::Ok.as_u32()
        })
    }

    pub(crate) fn get_header_map_pairs(map: u32, out: &mut Vec<u8>) -> u32 {
        with(|host| {
            host.read(Hostcall::GetHeaderMapPairs.name(), out, |host| {
                Ok(host.map(map).ok_or(Status::BadArgument)?.to_wire())
            })
        })
    }

    pub(crate) fn set_header_map_pairs(map: u32, wire: &[u8]) -> u32 {
        with(|host| {
            let name = Hostcall::SetHeaderMapPairs.name();
            match HeaderList::from_wire(wire.to_vec()) {
                Ok(list) => host.edit_map(name, map, |headers| *headers = list),
                Err(_) => Status::BadArgument.as_u32(),
            }
        })
    }

    pub(crate) fn get_header_map_value(map: u32, name: &[u8], out: &mut Vec<u8>) -> u32 {
        with(|host| {
            host.read(Hostcall::GetHeaderMapValue.name(), out, |host| {
                let headers = host.map(map).ok_or(Status::BadArgument)?;
                headers
                    .get(name)
                    .map(<[u8]>::to_vec)
                    .ok_or(Status::NotFound)
            })
        })
    }

    pub(crate) fn add_header_map_value(map: u32, name: &[u8], value: &[u8]) -> u32 {
        let name = name.to_ascii_lowercase();
        with(|host| {
            host.edit_map(Hostcall::AddHeaderMapValue.name(), map, |headers| {
                headers.append(&name, value);
            })
        })
    }

    pub(crate) fn replace_header_map_value(map: u32, name: &[u8], value: &[u8]) -> u32 {
        let name = name.to_ascii_lowercase();
        with(|host| {
            host.edit_map(Hostcall::ReplaceHeaderMapValue.name(), map, |headers| {
                headers.set(&name, value);
            })
        })
    }

    pub(crate) fn remove_header_map_value(map: u32, name: &[u8]) -> u32 {
        with(|host| {
            host.edit_map(Hostcall::RemoveHeaderMapValue.name(), map, |headers| {
                headers.remove(name);
            })
        })
    }

    pub(crate) fn send_local_response(
        status: u32,
        details: &[u8],
        body: &[u8],
        headers: &[u8],
        grpc_status: i32,
    ) -> u32 {
        with(|host| {
            if let Some(answer) = host.enter(Hostcall::SendLocalResponse.name()) {
                return answer.status;
            }
            let Ok(headers) = HeaderList::from_wire(headers.to_vec()) else {
                return Status::BadArgument.as_u32();
            };
            host.reply = Some(SentReply {
                status,
                headers,
                body: body.to_vec(),
                details: details.to_vec(),
                grpc_status,
            });
            Status::Ok.as_u32()
        })
    }

    pub(crate) fn get_property(path: &[u8], out: &mut Vec<u8>) -> u32 {
        with(|host| {
            host.read(Hostcall::GetProperty.name(), out, |host| {
                let mut properties = host.properties.iter();
                let found = properties.find(|(known, _)| known == path);
                found
                    .map(|(_, value)| value.clone())
                    .ok_or(Status::NotFound)
            })
        })
    }

    pub(crate) fn get_current_time(nanoseconds: &mut u64) -> u32 {
        with(|host| {
            if let Some(answer) = host.enter(Hostcall::GetCurrentTimeNanoseconds.name()) {
                return answer.status;
            }
            *nanoseconds = host.time;
            Status::Ok.as_u32()
        })
    }

    /// SplitMix64 from the seed that the test chose.
    pub(crate) fn random(buffer: &mut [u8]) -> u32 {
        with(|host| {
            if let Some(answer) = host.enter("random_get") {
                return answer.status;
            }
            for chunk in buffer.chunks_mut(8) {
                host.random = host.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut word = host.random;
                word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                word ^= word >> 31;
                for (byte, random) in chunk.iter_mut().zip(word.to_le_bytes()) {
                    *byte = random;
                }
            }
            Status::Ok.as_u32()
        })
    }
}
