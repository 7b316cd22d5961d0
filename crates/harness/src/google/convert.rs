//! From a suite's message to the model, with the tester's rules for inputs.

use std::path::Path;
use std::sync::Arc;

use gatewright_host::{Attributes, HeaderMap, LogLevel, Profile};

use super::http1;
use super::message::Message;
use super::places::Places;
use crate::chunks::ChunkPlan;
use crate::model::{
    Budget, Case, Check, Event, Exchange, Format, ImmediateIs, Matcher, Pattern, Phase, Step, Suite,
};
use crate::place::Wrong;
use crate::re2;
use crate::world::World;
use protox::prost_reflect::DynamicMessage;

/// What the tester's clock shows when a suite sets none: a millisecond after the epoch.
const DEFAULT_CLOCK: u64 = 1_000_000;

/// What every test of a suite shares.
struct Common<'a> {
    folder: &'a Path,
    clock: u64,
    clock_set: bool,
    log_level: LogLevel,
    config: Option<Arc<[u8]>>,
}

pub(super) fn suite(
    message: &DynamicMessage,
    places: &Places,
    file: &Path,
) -> Result<Suite, Wrong> {
    let root = Message::new(message, places.clone());
    let mut common = Common {
        folder: file.parent().unwrap_or(Path::new("")),
        clock: DEFAULT_CLOCK,
        clock_set: false,
        log_level: LogLevel::Info,
        config: None,
    };
    if let Some(env) = root.message("env") {
        if let Some(seconds) = env.number("time_secs") {
            common.clock_set = true;
            common.clock = u64::try_from(seconds)
                .ok()
                .and_then(|seconds| seconds.checked_mul(1_000_000_000))
                .ok_or_else(|| env.wrong("time_secs", "`time_secs` is past the year 2554"))?;
        }
        if let Some(level) = env.number("log_level").filter(|level| *level > 0) {
            // The tester's numbers are the ABI's plus one.
            common.log_level = u32::try_from(level - 1)
                .ok()
                .and_then(LogLevel::from_u32)
                .ok_or_else(|| env.wrong("log_level", "`log_level` is no level"))?;
        }
        let config = env.text("config_path");
        if !config.is_empty() {
            // This path and `wasm_path` are relative to where the program runs.
            let bytes = std::fs::read(&config).map_err(|error| {
                env.wrong("config_path", format!("cannot read `{config}`: {error}"))
                    .help("this path is relative to the current folder")
            })?;
            common.config = Some(bytes.into());
        }
    }
    let cases = root
        .messages("test")
        .iter()
        .map(|test| case(test, &common))
        .collect::<Result<_, _>>()?;
    Ok(Suite {
        file: file.to_owned(),
        format: Format::Google,
        plugin: None,
        cases,
    })
}

fn case(test: &Message<'_>, common: &Common<'_>) -> Result<Case, Wrong> {
    let plan = match (test.number("num_chunks"), test.number("chunk_size")) {
        (Some(number), _) => Some(("num_chunks", number, ChunkPlan::Count as fn(usize) -> _)),
        (_, Some(size)) => Some(("chunk_size", size, ChunkPlan::Size as fn(usize) -> _)),
        (None, None) => None,
    };
    let plan = match plan {
        None => None,
        Some((field, number, plan)) => {
            let number = usize::try_from(number)
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| test.wrong(field, format!("`{field}` must be above 0")))?;
            Some((field, plan(number)))
        }
    };
    let mut attributes = Attributes::new();
    for property in test.messages("properties") {
        attributes.set(
            &property.text("path"),
            property.bytes("value").unwrap_or_default(),
        );
    }
    let mut steps = Vec::new();
    if let Some(invocation) = test.message("request_headers") {
        steps.push(headers(&invocation, Phase::RequestHeaders, common)?);
    }
    bodies(test, "request_body", plan.as_ref(), common, &mut steps)?;
    if let Some(invocation) = test.message("response_headers") {
        steps.push(headers(&invocation, Phase::ResponseHeaders, common)?);
    }
    bodies(test, "response_body", plan.as_ref(), common, &mut steps)?;
    // Of these three only the logs are looked at.
    let logs = |name: &str| match test.message(name) {
        Some(expectation) => log_checks(&expectation, common),
        None => Ok(Vec::new()),
    };
    let exchange = Exchange {
        steps,
        open: logs("stream_init")?,
        done: logs("stream_destroy")?,
        ..Exchange::default()
    };
    Ok(Case {
        name: test.text("name"),
        place: test.at(),
        profile: Profile::Tester,
        config: common.config.clone(),
        clock: common.clock,
        clock_set: common.clock_set,
        seed: 0,
        log_level: common.log_level,
        attributes: Arc::new(attributes),
        start_fails: false,
        start: logs("plugin_init")?,
        exchanges: vec![exchange],
        turns: None,
        unexplored: Vec::new(),
        budget: Budget::default(),
        world: World::default(),
    })
}

fn headers(invocation: &Message<'_>, phase: Phase, common: &Common<'_>) -> Result<Step, Wrong> {
    let input = invocation.message("input");
    let headers = match &input {
        None => HeaderMap::new(),
        Some(input) => {
            let parse = |field: &str, text: &[u8]| {
                http1::read(text, phase == Phase::RequestHeaders)
                    .map_err(|error| input.wrong(field, format!("no HTTP/1 message: {error}")))
            };
            let file = input.text("file");
            if !file.is_empty() {
                parse("file", &read_file(input, &file, common)?)?
            } else if let Some(content) = input.bytes("content") {
                parse("content", &content)?
            } else {
                let mut headers = HeaderMap::new();
                for header in input.messages("header") {
                    let value = header.bytes("value").unwrap_or_default();
                    headers.append(header.text("key").as_bytes(), &value);
                }
                headers
            }
        }
    };
    let mut checks = Vec::new();
    if let Some(result) = invocation.message("result") {
        for header in result.messages("has_header") {
            let key = header.text("key");
            if key.is_empty() {
                return Err(header.wrong("key", "`has_header` needs a `key`"));
            }
            let value = header.bytes("value").unwrap_or_default();
            checks.push(Check::HasMerged(key.into_bytes(), value));
        }
        for header in result.messages("no_header") {
            checks.push(Check::Lacks(header.text("key").into_bytes()));
        }
        for line in result.messages("headers") {
            checks.push(Check::HeaderLine(matcher(&line, common)?));
        }
        for body in result.messages("body") {
            checks.push(Check::Body(matcher(&body, common)?));
        }
        checks.push(immediate(&result));
        checks.extend(log_checks(&result, common)?);
    } else {
        checks.push(Check::Immediate(None));
    }
    Ok(Step {
        phase,
        event: Event::Headers {
            headers,
            end_of_stream: false,
        },
        checks,
        advance: 0,
    })
}

fn bodies(
    test: &Message<'_>,
    name: &str,
    plan: Option<&(&str, ChunkPlan)>,
    common: &Common<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), Wrong> {
    let phase = match name {
        "request_body" => Phase::RequestBody,
        _ => Phase::ResponseBody,
    };
    let invocations = test.messages(name);
    if let (Some((field, _)), true) = (plan, invocations.len() > 1) {
        return Err(test.wrong(
            name,
            format!("with `{field}` there may be only one `{name}`"),
        ));
    }
    for invocation in &invocations {
        let body = match invocation.message("input") {
            None => Vec::new(),
            Some(input) => {
                let file = input.text("file");
                if file.is_empty() {
                    input.bytes("content").unwrap_or_default()
                } else {
                    read_file(&input, &file, common)?
                }
            }
        };
        let chunks = match plan {
            None => vec![body],
            Some((field, plan)) => plan
                .split(&body)
                .map_err(|error| test.wrong(field, error))?,
        };
        let mut checks = Vec::new();
        let result = invocation.message("result");
        if let Some(result) = &result {
            // In a body phase the tester carries over the body alone: there is no header to be
            // had, and none is there to be lacked.
            for header in result.messages("has_header") {
                let value = header.bytes("value").unwrap_or_default();
                checks.push(Check::HasMerged(header.text("key").into_bytes(), value));
            }
            for line in result.messages("headers") {
                checks.push(Check::HeaderLine(matcher(&line, common)?));
            }
            for body in result.messages("body") {
                checks.push(Check::Body(matcher(&body, common)?));
            }
            checks.push(immediate(result));
            checks.extend(log_checks(result, common)?);
        }
        steps.push(Step {
            phase,
            event: Event::Body {
                chunks,
                end_of_stream: true,
            },
            checks,
            advance: 0,
        });
    }
    Ok(())
}

fn immediate(result: &Message<'_>) -> Check {
    let number = |message: &Message<'_>, name: &str| {
        message
            .number(name)
            .and_then(|number| u32::try_from(number).ok())
    };
    Check::Immediate(result.message("immediate").map(|message| ImmediateIs {
        http_status: number(&message, "http_status"),
        grpc_status: number(&message, "grpc_status"),
        details: message.optional_text("details"),
    }))
}

fn log_checks(expectation: &Message<'_>, common: &Common<'_>) -> Result<Vec<Check>, Wrong> {
    expectation
        .messages("log")
        .iter()
        .map(|log| Ok(Check::Log(None, matcher(log, common)?)))
        .collect()
}

fn matcher(message: &Message<'_>, common: &Common<'_>) -> Result<Matcher, Wrong> {
    let pattern = if let Some(exact) = message.bytes("exact") {
        Pattern::Exact(exact)
    } else if let Some(pattern) = message.optional_text("regex") {
        let regex = re2::full_match(&pattern)
            .map_err(|error| message.wrong("regex", format!("bad regular expression: {error}")))?;
        Pattern::Regex(pattern, regex)
    } else if let Some(file) = message.optional_text("file") {
        Pattern::Exact(read_file(message, &file, common)?)
    } else {
        return Err(Wrong::new(
            message.at(),
            "a matcher needs `exact`, `regex` or `file`",
        ));
    };
    Ok(Matcher {
        pattern,
        invert: message.is_true("invert"),
    })
}

fn read_file(message: &Message<'_>, file: &str, common: &Common<'_>) -> Result<Vec<u8>, Wrong> {
    std::fs::read(common.folder.join(file))
        .map_err(|error| message.wrong("file", format!("cannot read `{file}`: {error}")))
}
