//! Pointers and lengths out of bounds, in every hostcall: a status, never a trap.
//!
//! The table below has an entry for each hostcall of the ABI; one that is missing does not compile.

use std::fmt::Write as _;
use std::sync::Arc;

use gatewright_abi::foreach_hostcall;
use gatewright_host::{
    Attributes, Chain, Door, Effect, Engine, EngineOptions, HeaderMap, Hostcall, PluginSpec,
    Profile, Recorded, Status, TraceLevel,
};

/// An argument of a hostcall that is right.
#[derive(Clone, Copy)]
enum Arg {
    /// A number.
    Is(i64),
    /// A pointer to bytes, whose length follows.
    In(u32, u32),
    /// A pointer to a place of so many bytes that the host writes to.
    Out(u32),
}

use Arg::{In, Is, Out};

/// A text of four bytes that names an upstream, a queue, a metric, a key and a function.
const NAME: Arg = In(64, 4);
/// A header map with what a callout needs.
const MAP: Arg = In(128, 61);
const PATH: Arg = In(80, 14);
const NOTHING: Arg = In(0, 0);

/// Arguments with which each hostcall succeeds in the callback below.
fn arguments(call: Hostcall) -> Vec<Arg> {
    use Hostcall as H;
    match call {
        H::Done | H::SetEffectiveContext | H::SetTickPeriodMilliseconds => Vec::new(),
        H::ContinueStream | H::CloseStream | H::GrpcCancel | H::GrpcClose => Vec::new(),
        H::RecordMetric | H::IncrementMetric => Vec::new(),
        H::Log => vec![Is(2), NAME],
        H::GetLogLevel => vec![Out(4)],
        H::GetCurrentTimeNanoseconds => vec![Out(8)],
        H::SetBufferBytes => vec![Is(0), Is(0), Is(0), NAME],
        H::GetBufferBytes => vec![Is(0), Is(0), Is(4), Out(4), Out(4)],
        H::GetBufferStatus => vec![Is(0), Out(4), Out(4)],
        H::GetHeaderMapSize => vec![Is(1), Out(4)],
        H::GetHeaderMapPairs => vec![Is(1), Out(4), Out(4)],
        H::SetHeaderMapPairs => vec![Is(1), MAP],
        H::GetHeaderMapValue => vec![Is(1), NAME, Out(4), Out(4)],
        H::AddHeaderMapValue | H::ReplaceHeaderMapValue => vec![Is(1), NAME, NAME],
        H::RemoveHeaderMapValue => vec![Is(1), NAME],
        H::GetStatus => vec![Out(4), Out(4), Out(4)],
        H::SendLocalResponse => vec![Is(200), NAME, NAME, MAP, Is(-1)],
        H::HttpCall => vec![NAME, MAP, NAME, MAP, Is(5), Out(4)],
        H::GrpcCall => vec![NAME, NAME, NAME, MAP, NAME, Is(5), Out(4)],
        H::GrpcStream => vec![NAME, NAME, NAME, MAP, Out(4)],
        H::GrpcSend => vec![Is(2), NAME, Is(0)],
        H::SetSharedData => vec![NAME, NAME, Is(0)],
        H::GetSharedData => vec![NAME, Out(4), Out(4), Out(4)],
        H::RegisterSharedQueue => vec![NAME, Out(4)],
        H::ResolveSharedQueue => vec![NOTHING, NAME, Out(4)],
        H::EnqueueSharedQueue => vec![Is(1), NAME],
        H::DequeueSharedQueue => vec![Is(1), Out(4), Out(4)],
        H::DefineMetric => vec![Is(0), NAME, Out(4)],
        H::GetMetric => vec![Is(4), Out(8)],
        H::GetProperty => vec![PATH, Out(4), Out(4)],
        H::SetProperty => vec![NAME, NAME],
        H::CallForeignFunction => vec![NAME, NAME, Out(4), Out(4)],
    }
}

/// The numbers of the arguments, each in its own place to write to.
fn numbers(arguments: &[Arg]) -> Vec<i64> {
    let mut out = Vec::new();
    for argument in arguments {
        match *argument {
            Is(number) => out.push(number),
            In(pointer, length) => out.extend([i64::from(pointer), i64::from(length)]),
            Out(_) => out.push(600 + 16 * out.len() as i64),
        }
    }
    out
}

/// Every way to point out of the guest's 65,536 bytes with one argument.
fn wrong_ways(arguments: &[Arg]) -> Vec<Vec<i64>> {
    let right = numbers(arguments);
    let mut ways = Vec::new();
    let mut place = 0;
    for argument in arguments {
        let mut with = |changes: &[(usize, i64)]| {
            let mut way = right.clone();
            for (at, number) in changes {
                way[place + at] = *number;
            }
            ways.push(way);
        };
        match *argument {
            Is(_) => {}
            In(..) => {
                with(&[(0, -1), (1, 4)]);
                with(&[(0, 65_533), (1, 4)]);
                with(&[(1, -1)]);
                with(&[(0, -16), (1, 32)]);
                with(&[(0, 65_537), (1, 0)]);
            }
            Out(size) => {
                with(&[(0, -1)]);
                with(&[(0, 65_537 - i64::from(size))]);
            }
        }
        place += match argument {
            In(..) => 2,
            Is(_) | Out(_) => 1,
        };
    }
    ways
}

macro_rules! imports {
    ($($variant:ident $name:literal ($($parameter:ident),*);)*) => {
        /// Imports of every hostcall, as `$name`.
        fn imports() -> String {
            let mut text = String::new();
            $(
                let _ = writeln!(
                    text,
                    concat!(
                        "(import \"env\" \"", $name, "\" (func $", $name,
                        " (param", $(" ", stringify!($parameter),)* ") (result i32)))"
                    )
                );
            )*
            text
        }
    };
}
foreach_hostcall!(imports);

/// One call with these numbers.
fn call(call: Hostcall, numbers: &[i64]) -> String {
    let arguments: String = numbers
        .iter()
        .map(|number| format!(" (i32.const {number})"))
        .collect();
    format!("(call ${}{arguments})", call.name())
}

/// A guest that makes one hostcall at the end of the request's body, after what it needs. Its
/// answer is the last hostcall of the callback.
fn guest(hostcall: Hostcall, numbers: &[i64]) -> Vec<u8> {
    use Hostcall as H;
    let before: String = [
        H::SetSharedData,
        H::RegisterSharedQueue,
        H::EnqueueSharedQueue,
    ]
    .into_iter()
    .chain([H::DefineMetric, H::GrpcStream, H::AddHeaderMapValue])
    .map(|ready| {
        format!(
            "(drop {})\n",
            call(ready, &self::numbers(&arguments(ready)))
        )
    })
    .collect();
    let text = format!(
        r#"(module {imports}
            (memory (export "memory") 1)
            (data (i32.const 64) "name")
            (data (i32.const 80) "plugin_root_id")
            (data (i32.const 128) "\03\00\00\00\05\00\00\00\01\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/\00:method\00GET\00:authority\00a\00")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 4096)
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                {before} (drop {call}) i32.const 0))"#,
        imports = imports(),
        call = call(hostcall, numbers),
    );
    wat::parse_str(text).expect("the guest is valid")
}

/// A door behind which everything is called `name`.
struct Named(Recorded);

impl Door for Named {
    fn realtime(&mut self) -> u64 {
        self.0.realtime()
    }

    fn monotonic(&mut self) -> u64 {
        self.0.monotonic()
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.0.random(buffer);
    }

    fn knows_upstream(&mut self, name: &[u8]) -> bool {
        name == b"name"
    }

    fn call_foreign(&mut self, name: &[u8], _: &[u8]) -> Option<Result<Vec<u8>, Status>> {
        (name == b"name").then(|| Ok(b"ok".to_vec()))
    }
}

/// The status that the call gets, in the profile that offers all of them.
fn status(engine: &Engine, hostcall: Hostcall, numbers: &[i64]) -> u32 {
    let plugin = engine
        .compile(&guest(hostcall, numbers))
        .expect("the guest compiles");
    let mut spec = PluginSpec::new(plugin, Profile::Envoy);
    spec.settings.root_id = "root".to_owned();
    let door = || Box::new(Named(Recorded::new(0, 1))) as Box<_>;
    let mut chain = Chain::start(Profile::Envoy, vec![spec], door, TraceLevel::Full);
    let stream = chain.open(&Arc::new(Attributes::new()));
    let mut effects: Vec<Effect> = Vec::new();
    chain.request_headers(stream, HeaderMap::new(), false, &mut effects);
    chain.request_body(stream, b"body".to_vec(), true, &mut effects);
    let trace = chain.close(stream);
    assert!(
        trace.faults.is_empty(),
        "{} {numbers:?}: {:?}",
        hostcall.name(),
        trace.faults
    );
    let calls = trace.spans.iter().flat_map(|span| &span.hostcalls);
    let last = calls.last().expect("it made the call");
    assert_eq!(last.call, hostcall, "{numbers:?}");
    last.status
}

#[test]
fn a_pointer_out_of_bounds_is_a_status_in_every_hostcall() {
    let engine = Engine::new(&EngineOptions::default()).expect("the engine starts");
    let mut tried = 0;
    for hostcall in Hostcall::ALL {
        let arguments = arguments(*hostcall);
        if arguments.is_empty() {
            continue;
        }
        let name = hostcall.name();
        assert_eq!(
            status(&engine, *hostcall, &numbers(&arguments)),
            0,
            "{name} when it is right"
        );
        for way in wrong_ways(&arguments) {
            let found = status(&engine, *hostcall, &way);
            assert_eq!(
                found,
                Status::InvalidMemoryAccess.as_u32(),
                "{name} with {way:?}"
            );
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}
