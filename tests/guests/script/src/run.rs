//! The interpreter: finds what the script says for a callback, and does it.

use gatewright_abi::{BufferType, Callback, Hostcall, LogLevel, Status, pairs};

use crate::context;
use crate::names;
use crate::signature::{Parameter, gives_token, parameters};
use crate::sys;
use crate::word::{Word, quote, words};

/// An argument of a callback, as the guest's line shows it.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A plain number.
    Number(u32),
    /// A context, shown by its name.
    Context(u32),
    /// The size of the configuration, shown as `whole` when it is that of the script.
    Size(u32),
    /// The number of a callout or a queue, shown by the variable that holds it.
    Token(u32),
}

/// Does what the script says for a callback, and gives what it says to return.
pub fn call(callback: Callback, id: u32, arguments: &[Argument]) -> Option<u32> {
    if let (Callback::OnContextCreate, [Argument::Number(parent) | Argument::Context(parent)]) =
        (callback, arguments)
    {
        context::with(|memory| memory.create(id, *parent));
    }
    let script = script()?;
    let count = context::with(|memory| memory.count(callback, id));
    let name = callback
        .name()
        .strip_prefix("proxy_on_")
        .unwrap_or_default();
    let mut run = Run {
        id,
        returned: None,
        announced: false,
        line: 0,
    };
    let mut concerned = false;
    for (index, line) in script.lines().enumerate() {
        run.line = index + 1;
        let line = line.trim();
        if let Some(heading) = line.strip_prefix("on ") {
            let mut heading = heading.split_whitespace();
            let is_this = heading.next() == Some(name);
            let nth = heading.next().map(str::parse);
            if is_this && !run.announced {
                run.announce(name, arguments, script);
            }
            concerned = is_this && nth.is_none_or(|nth| nth == Ok(count));
        } else if concerned && !line.is_empty() && !run.line(line) {
            break;
        }
    }
    if callback == Callback::OnDelete {
        context::with(|memory| memory.forget(id));
    }
    run.returned
}

/// The script: the plugin's configuration, or the VM's where that cannot be read yet. It is read
/// once and kept.
fn script() -> Option<&'static str> {
    if let Some(script) = context::with(|memory| memory.script) {
        return Some(script);
    }
    let buffers = [BufferType::PluginConfiguration, BufferType::VmConfiguration];
    let bytes = buffers.into_iter().find_map(|buffer| {
        let mut out = [0_u32; 2];
        let arguments = [
            u64::from(buffer.as_u32()),
            0,
            u64::from(u32::MAX),
            sys::address(&raw mut out[0]),
            sys::address(&raw mut out[1]),
        ];
        let status = sys::hostcall(Hostcall::GetBufferBytes, &arguments);
        out = core::hint::black_box(out);
        let bytes = sys::take(out[0], out[1]);
        (status == Status::Ok.as_u32() && !bytes.is_empty()).then_some(bytes)
    })?;
    let script: &'static str = String::from_utf8_lossy(&bytes).into_owned().leak();
    context::with(|memory| memory.script = Some(script));
    Some(script)
}

fn log(level: LogLevel, text: &str) {
    let arguments = [
        u64::from(level.as_u32()),
        sys::address(text.as_ptr()),
        text.len() as u64,
    ];
    // A host that cannot log leaves nobody to tell.
    let _ = sys::hostcall(Hostcall::Log, &arguments);
}

/// One callback's run through the script.
struct Run {
    id: u32,
    returned: Option<u32>,
    announced: bool,
    line: usize,
}

impl Run {
    fn announce(&mut self, name: &str, arguments: &[Argument], script: &str) {
        self.announced = true;
        let text = context::with(|memory| {
            let mut text = format!("on {name} {}", memory.context(self.id));
            for argument in arguments {
                text.push(' ');
                text.push_str(&match argument {
                    Argument::Size(size) if *size as usize == script.len() => "whole".to_owned(),
                    Argument::Number(number) | Argument::Size(number) => number.to_string(),
                    Argument::Context(id) => memory.context(*id),
                    Argument::Token(token) => memory.token(*token),
                });
            }
            text
        });
        log(LogLevel::Info, &text);
    }

    /// Does one line, and says whether the next one follows.
    fn line(&mut self, text: &str) -> bool {
        let Some((mut words, mut text)) = words(text) else {
            return self.wrong("a quote or brace is not closed");
        };
        let mut times = 1;
        if let [Word::Name("repeat"), Word::Number(number), ..] = words[..] {
            times = number;
            words.drain(..2);
            text = text.splitn(3, ' ').nth(2).unwrap_or_default();
        }
        let quiet = words.first() == Some(&Word::Name("quiet"));
        if quiet {
            words.remove(0);
        }
        for _ in 0..times {
            let Some((first, rest)) = words.split_first() else {
                break;
            };
            let Word::Name(name) = first else {
                return self.wrong("a line begins with what to do");
            };
            match self.act(name, rest) {
                Act::Result(result) if quiet => drop(result),
                Act::Result(result) => log(LogLevel::Info, &format!("{text} = {result}")),
                Act::Return(number) => {
                    self.returned = Some(number);
                    return false;
                }
                Act::Wrong(what) => return self.wrong(what),
            }
        }
        true
    }

    fn wrong(&self, what: &str) -> bool {
        log(
            LogLevel::Error,
            &format!("line {} of the script: {what}", self.line),
        );
        true
    }

    fn act(&mut self, name: &str, rest: &[Word<'_>]) -> Act {
        if let Some(hostcall) = Hostcall::from_name(&format!("proxy_{name}")) {
            return self.hostcall(hostcall, rest);
        }
        let numbers: Option<Vec<i64>> = rest.iter().map(|word| self.number(word)).collect();
        let bytes = match rest.last() {
            Some(Word::Bytes(bytes)) => bytes.as_slice(),
            _ => &[],
        };
        match (name, rest, numbers.as_deref()) {
            ("return", _, Some([number])) => Act::Return(*number as u32),
            ("raw", [Word::Name(name), arguments @ ..], _) => self.raw(name, arguments),
            ("equal", _, Some([a, b])) => Act::Result((a == b).to_string()),
            ("less", _, Some([a, b])) => Act::Result((a < b).to_string()),
            ("grow", _, Some([pages])) => match sys::grow(*pages as usize) {
                -1 => Act::Result("refused".to_owned()),
                _ => Act::Result("grown".to_owned()),
            },
            ("trap", ..) => trap(),
            ("panic", ..) => panic_with(&String::from_utf8_lossy(bytes)),
            ("loop", ..) => spin(),
            ("recurse", ..) => Act::Result(recurse(&[0; 64]).to_string()),
            (name, [first, ..], _) if name.starts_with("wasi_") => {
                let Some(number) = self.number(first) else {
                    return Act::Wrong("it takes a number");
                };
                match (sys::wasi(name, number as u64, bytes), rest) {
                    (None, _) => Act::Wrong("no such call"),
                    (Some((error, Some(given))), [.., Word::Name("as"), Word::Name(variable)]) => {
                        context::with(|memory| memory.set(variable, given as i64, false));
                        Act::Result(error.to_string())
                    }
                    (Some((error, _)), _) => Act::Result(error.to_string()),
                }
            }
            _ => Act::Wrong("no such thing to do, or not with these words"),
        }
    }

    /// Makes a hostcall with the numbers as they stand, pointers and lengths included. `here` is
    /// the address of 64 KiB that nobody else uses, and a text is the address of its bytes.
    fn raw(&self, name: &str, words: &[Word<'_>]) -> Act {
        let Some(hostcall) = Hostcall::from_name(&format!("proxy_{name}")) else {
            return Act::Wrong("no such hostcall");
        };
        let here = scratch();
        let numbers: Option<Vec<u64>> = words
            .iter()
            .map(|word| match word {
                Word::Name("here") => Some(here),
                Word::Bytes(bytes) => Some(sys::address(bytes.as_ptr())),
                word => self.number(word).map(|number| number as u64),
            })
            .collect();
        match numbers {
            Some(numbers) => Act::Result(names::status(sys::hostcall(hostcall, &numbers))),
            None => Act::Wrong("`raw` takes numbers and texts only"),
        }
    }

    fn number(&self, word: &Word<'_>) -> Option<i64> {
        match word {
            Word::Number(number) => Some(*number),
            Word::Variable("context") => Some(i64::from(self.id)),
            // What a host did not give is 0, so that the calls that need it are made all the same.
            Word::Variable(name) => Some(context::with(|memory| memory.get(name)).unwrap_or(0)),
            Word::Bytes(_) | Word::Pairs(_) | Word::Name(_) => None,
        }
    }

    fn hostcall(&self, hostcall: Hostcall, words: &[Word<'_>]) -> Act {
        let (words, variable) = match words {
            [words @ .., Word::Name("as"), Word::Name(name)] => (words, Some(*name)),
            words => (words, None),
        };
        let mut words = words.iter();
        // Vectors that the arguments point into.
        let mut kept = Vec::new();
        let mut outs = [0_u64; 4];
        let mut next_out = sys::address(outs.as_mut_ptr());
        let mut out = || {
            let this = next_out;
            next_out += size_of::<u64>() as u64;
            this
        };
        let mut arguments = Vec::new();
        for parameter in parameters(hostcall) {
            match parameter {
                Parameter::Number | Parameter::Long => {
                    let Some(number) = words.next().and_then(|word| self.number(word)) else {
                        return Act::Wrong("a number is missing");
                    };
                    arguments.push(number as u64);
                }
                Parameter::Bytes | Parameter::Pairs => {
                    let bytes = match words.next() {
                        Some(Word::Bytes(bytes)) => bytes.clone(),
                        Some(Word::Pairs(fields)) => encode(fields),
                        _ => return Act::Wrong("bytes are missing"),
                    };
                    arguments.extend([sys::address(bytes.as_ptr()), bytes.len() as u64]);
                    kept.push(bytes);
                }
                Parameter::OutNumber | Parameter::OutLong => arguments.push(out()),
                Parameter::OutBytes | Parameter::OutPairs => arguments.extend([out(), out()]),
            }
        }
        if words.next().is_some() {
            return Act::Wrong("a word too many");
        }
        let status = sys::hostcall(hostcall, &arguments);
        drop(kept);
        if status != Status::Ok.as_u32() {
            return Act::Result(names::status(status));
        }
        Act::Result(results(hostcall, core::hint::black_box(outs), variable))
    }
}

enum Act {
    Result(String),
    Return(u32),
    Wrong(&'static str),
}

/// What a hostcall gave, as text; the first number of it goes into the variable instead.
fn results(hostcall: Hostcall, outs: [u64; 4], mut variable: Option<&str>) -> String {
    let mut text = Status::Ok.name().to_owned();
    let mut outs = outs.into_iter();
    let mut next = || outs.next().unwrap_or(0);
    for parameter in parameters(hostcall) {
        let given = match parameter {
            Parameter::Number | Parameter::Long | Parameter::Bytes | Parameter::Pairs => continue,
            Parameter::OutNumber | Parameter::OutLong => {
                let number = next();
                if let Some(name) = variable.take() {
                    let is_token = gives_token(hostcall);
                    context::with(|memory| memory.set(name, number as i64, is_token));
                    continue;
                }
                (number as i64).to_string()
            }
            Parameter::OutBytes => quote(&sys::take(next() as u32, next() as u32)),
            Parameter::OutPairs => {
                let wire = sys::take(next() as u32, next() as u32);
                match pairs::decode(&wire) {
                    Ok(fields) => braces(fields),
                    Err(_) => format!("malformed {}", quote(&wire)),
                }
            }
        };
        text.push(' ');
        text.push_str(&given);
    }
    text
}

fn braces<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let words: Vec<String> = fields
        .flat_map(|(name, value)| [quote(name), quote(value)])
        .collect();
    format!("{{{}}}", words.join(" "))
}

fn encode(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut wire = Vec::new();
    pairs::encode(
        fields.iter().map(|(name, value)| (&name[..], &value[..])),
        &mut wire,
    );
    wire
}

/// The address of 64 KiB of zeros, made once.
fn scratch() -> u64 {
    if let Some(address) = context::with(|memory| memory.get("here")) {
        return address as u64;
    }
    let address = sys::address(vec![0_u8; 64 * 1024].leak().as_ptr());
    context::with(|memory| memory.set("here", address as i64, false));
    address
}

fn trap() -> Act {
    #[cfg(target_os = "wasi")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_os = "wasi"))]
    Act::Wrong("traps exist in wasm only")
}

#[expect(clippy::panic, reason = "the script asks for it")]
fn panic_with(message: &str) -> Act {
    panic!("{message}")
}

/// Never ends. A loop whose body the compiler cannot see through, so that it stays.
fn spin() -> Act {
    let mut turns = 0_u64;
    while core::hint::black_box(turns) != u64::MAX {
        turns = turns.wrapping_add(2);
    }
    Act::Wrong("an endless loop ended")
}

/// Calls itself until the stack is used up.
#[expect(unconditional_recursion, reason = "the script asks for it")]
fn recurse(before: &[u8; 64]) -> u64 {
    let frame = core::hint::black_box(*before);
    u64::from(core::hint::black_box(frame)[0]) + recurse(&frame)
}
