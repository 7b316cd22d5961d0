//! Envoy's log, read back: at its lowest level it tells every callback, hostcall and message.

use gatewright_host::LogLevel;

/// Stands before every line of the log, so that a message with line breaks stays whole. A guest
/// that wrote it would have to know it.
pub(crate) const MARK: &str = "\u{1e}gatewright\u{1e}";

/// The format to start Envoy with.
pub(crate) fn format() -> String {
    format!("{MARK}%t|%l|%n|%v")
}

/// One thing that the log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The host calls into the VM.
    Enter {
        /// The export.
        name: String,
        /// Its arguments.
        arguments: Vec<u32>,
    },
    /// The guest returned.
    Leave {
        /// The export.
        name: String,
        /// What it returned; 0 where there is nothing to return.
        returned: u32,
    },
    /// A function of module `env` was carried out.
    Answer {
        /// The hostcall.
        name: String,
        /// The status that the guest got.
        status: u32,
    },
    /// A message of a guest.
    Message {
        /// The VM that wrote it.
        vm: String,
        /// Its level.
        level: LogLevel,
        /// Its text.
        text: Vec<u8>,
    },
    /// A call into the guest failed.
    Failed {
        /// The export.
        name: String,
        /// What V8 says.
        why: String,
    },
}

/// A line: which thread wrote it, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) thread: u64,
    pub(crate) told: Told,
}

/// Reads what plugins did out of a part of the log. Lines of other parts of Envoy are left out.
pub(crate) fn parse(log: &[u8]) -> Vec<Line> {
    split(log, MARK.as_bytes())
        .into_iter()
        .skip(1)
        .filter_map(line)
        .collect()
}

fn split<'a>(text: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at + mark.len() <= text.len() {
        if text[at..].starts_with(mark) {
            parts.push(&text[start..at]);
            at += mark.len();
            start = at;
        } else {
            at += 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

fn line(line: &[u8]) -> Option<Line> {
    let mut parts = line.splitn(4, |byte| *byte == b'|');
    let mut text = || Some(std::str::from_utf8(parts.next()?).ok()?.to_owned());
    let (thread, level, logger) = (text()?.parse().ok()?, text()?, text()?);
    let message = parts.next()?;
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    (logger == "wasm").then_some(())?;
    let told = told(&level, message)?;
    Some(Line { thread, told })
}

fn told(level: &str, message: &[u8]) -> Option<Told> {
    if let Some(rest) = message.strip_prefix(b"wasm log ") {
        let end = rest.windows(2).position(|two| two == b": ")?;
        let prefix = std::str::from_utf8(&rest[..end]).ok()?;
        return Some(Told::Message {
            // The name of the plugin, when there is one, comes before that of its VM.
            vm: prefix.rsplit(' ').next()?.to_owned(),
            level: match level {
                "warning" => LogLevel::Warn,
                level => *LogLevel::ALL
                    .iter()
                    .find(|known| known.name().eq_ignore_ascii_case(level))?,
            },
            text: rest[end + 2..].to_vec(),
        });
    }
    let message = std::str::from_utf8(message).ok()?;
    if let Some(rest) = message.strip_prefix("[host->vm] ") {
        let (name, arguments) = rest.strip_suffix(')')?.split_once('(')?;
        return Some(Told::Enter {
            name: name.to_owned(),
            arguments: arguments
                .split(", ")
                .filter_map(|number| number.parse().ok())
                .collect(),
        });
    }
    if let Some(rest) = message.strip_prefix("[host<-vm] ") {
        let (name, returned) = rest.split_once(" return: ")?;
        return Some(Told::Leave {
            name: name.to_owned(),
            returned: returned.parse().unwrap_or(0),
        });
    }
    if let Some(rest) = message.strip_prefix("[vm<-host] env.") {
        let (name, status) = rest.split_once(" return: ")?;
        return Some(Told::Answer {
            name: name.to_owned(),
            status: status.parse().ok()?,
        });
    }
    if let Some(rest) = message.strip_prefix("Function: ") {
        let (name, why) = rest.split_once(" failed: ")?;
        return Some(Told::Failed {
            name: name.to_owned(),
            why: why.to_owned(),
        });
    }
    None
}

/// The end of a log, for people: its lines without marks, those of plugins left out.
pub(crate) fn tail(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let mut lines: Vec<&str> = text
        .split(MARK)
        .flat_map(|part| part.rsplit('|').next())
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('[') && !line.starts_with("wasm log"))
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines.drain(..lines.len().saturating_sub(12));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Told) {
        let log = format!("noise\n{MARK}7|trace|main|other\n{MARK}{text}\n");
        let lines = parse(log.as_bytes());
        assert_eq!(
            lines,
            [Line {
                thread: 42,
                told: expected
            }]
        );
    }

    #[test]
    fn calls_and_answers_are_read() {
        check(
            "42|trace|wasm|[host->vm] proxy_on_request_headers(2, 5, 1)",
            Told::Enter {
                name: "proxy_on_request_headers".into(),
                arguments: vec![2, 5, 1],
            },
        );
        check(
            "42|trace|wasm|[host<-vm] proxy_on_log return: void",
            Told::Leave {
                name: "proxy_on_log".into(),
                returned: 0,
            },
        );
        check(
            "42|trace|wasm|[vm<-host] env.proxy_log return: 2",
            Told::Answer {
                name: "proxy_log".into(),
                status: 2,
            },
        );
        check(
            "42|error|wasm|Function: proxy_on_log failed: Uncaught RuntimeError: unreachable",
            Told::Failed {
                name: "proxy_on_log".into(),
                why: "Uncaught RuntimeError: unreachable".into(),
            },
        );
    }

    #[test]
    fn a_message_keeps_its_line_breaks_and_bars() {
        check(
            "42|warning|wasm|wasm log c1 v1: a|b\n: c\n",
            Told::Message {
                vm: "v1".into(),
                level: LogLevel::Warn,
                text: b"a|b\n: c\n".to_vec(),
            },
        );
        check(
            "42|critical|wasm|wasm log v1: x",
            Told::Message {
                vm: "v1".into(),
                level: LogLevel::Critical,
                text: b"x".to_vec(),
            },
        );
    }

    #[test]
    fn the_tail_leaves_out_what_plugins_did() {
        let log = format!("{MARK}1|trace|wasm|[host->vm] x()\n{MARK}1|critical|main|bad thing\n");
        assert_eq!(tail(log.as_bytes()), "bad thing");
    }
}
