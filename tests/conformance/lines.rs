//! A trace as lines of text, as case files hold them.

use super::model::{Event, Headers, Observation};

/// The trace: `> event` where something was observed, then what was.
pub fn lines(events: &[Event], observed: &[Vec<Observation>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (event, observations) in events.iter().zip(observed) {
        if observations.is_empty() {
            continue;
        }
        lines.push(format!("> {}", name(event)));
        lines.extend(observations.iter().map(line));
    }
    if observed.len() != events.len() {
        let (answered, asked) = (observed.len(), events.len());
        lines.push(format!("the host answered {answered} of {asked} events"));
    }
    lines
}

/// The name that case files give an event.
fn name(event: &Event) -> &'static str {
    match event {
        Event::Start => "start",
        Event::Open => "open",
        Event::RequestHeaders { .. } => "request_headers",
        Event::RequestBody { .. } => "request_body",
        Event::RequestTrailers { .. } => "request_trailers",
        Event::ResponseHeaders { .. } => "response_headers",
        Event::ResponseBody { .. } => "response_body",
        Event::ResponseTrailers { .. } => "response_trailers",
        Event::Wait { .. } => "wait",
        Event::HttpCallResponse { .. } => "http_call_response",
        Event::HttpCallFailure { .. } => "http_call_failure",
        Event::GrpcInitialMetadata { .. } => "grpc_initial_metadata",
        Event::GrpcMessage { .. } => "grpc_message",
        Event::GrpcTrailingMetadata { .. } => "grpc_trailing_metadata",
        Event::GrpcClose { .. } => "grpc_close",
        Event::ForeignFunction { .. } => "foreign_function",
        Event::Close => "close",
        Event::Stop => "stop",
    }
}

fn line(observation: &Observation) -> String {
    use Observation as O;
    let end = |end: &bool| if *end { " end" } else { "" };
    match observation {
        O::Log { level, text } => {
            let text: String = text.0.escape_ascii().to_string();
            // The guest's own escapes are text already.
            let text = text.replace("\\\"", "\"").replace("\\\\", "\\");
            match level.as_str() {
                "info" => text,
                level => format!("{level}: {text}"),
            }
        }
        O::Failed => "! failed".to_owned(),
        O::RequestHeaders { headers, end: last } => {
            format!("< request_headers {}{}", braces(headers), end(last))
        }
        O::RequestBody { body, end: last } => {
            format!("< request_body {}{}", quote(&body.0), end(last))
        }
        O::RequestTrailers { headers } => format!("< request_trailers {}", braces(headers)),
        O::ResponseHeaders { headers, end: last } => {
            format!("< response_headers {}{}", braces(headers), end(last))
        }
        O::ResponseBody { body, end: last } => {
            format!("< response_body {}{}", quote(&body.0), end(last))
        }
        O::ResponseTrailers { headers } => format!("< response_trailers {}", braces(headers)),
        O::Reply {
            status,
            headers,
            body,
            grpc_status,
            details,
        } => format!(
            "< reply {status} {} {} {} {grpc_status}",
            quote(&details.0),
            quote(&body.0),
            braces(headers)
        ),
        O::Fail { status } => format!("< fail {status}"),
        O::Reset => "< reset".to_owned(),
        O::HttpCall {
            upstream,
            headers,
            body,
            trailers,
            timeout_ms,
        } => format!(
            "< http_call {} {} {} {} {timeout_ms}",
            quote(&upstream.0),
            braces(headers),
            quote(&body.0),
            braces(trailers)
        ),
        O::GrpcCall {
            upstream,
            service,
            method,
            headers,
            body,
            timeout_ms,
        } => format!(
            "< grpc_call {} {} {} {} {} {timeout_ms}",
            quote(&upstream.0),
            quote(&service.0),
            quote(&method.0),
            braces(headers),
            quote(&body.0)
        ),
        O::GrpcStream {
            upstream,
            service,
            method,
            headers,
        } => format!(
            "< grpc_stream {} {} {} {}",
            quote(&upstream.0),
            quote(&service.0),
            quote(&method.0),
            braces(headers)
        ),
        O::GrpcSend {
            call,
            body,
            end: last,
        } => {
            format!("< grpc_send {call} {}{}", quote(&body.0), end(last))
        }
        O::GrpcClose { call } => format!("< grpc_close {call}"),
        O::GrpcCancel { call } => format!("< grpc_cancel {call}"),
    }
}

fn quote(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn braces(headers: &Headers) -> String {
    let words: Vec<_> = headers
        .iter()
        .flat_map(|(name, value)| [quote(&name.0), quote(&value.0)])
        .collect();
    format!("{{{}}}", words.join(" "))
}
