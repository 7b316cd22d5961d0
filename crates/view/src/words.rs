//! Calls in words: what a callback was called with, what it answered, what a hostcall was about.

use gatewright_host::{Callback, Entry};

use crate::text::bytes;

/// What a callback was called with.
pub fn arguments(entry: Entry, values: &[u32]) -> String {
    use Callback as C;
    let Entry::Callback(callback) = entry else {
        return String::new();
    };
    let end = |flag: u32| if flag == 0 { "" } else { ", end of stream" };
    let headers = |count: u32| match count {
        1 => "1 header".to_owned(),
        _ => format!("{count} headers"),
    };
    match (callback, values) {
        (C::OnContextCreate, [0]) => "the plugin".to_owned(),
        (C::OnContextCreate, [_]) => "a stream".to_owned(),
        (C::OnVmStart | C::OnConfigure, [size]) => bytes((*size).into()),
        (C::OnRequestHeaders | C::OnResponseHeaders, [count, flag]) => {
            format!("{}{}", headers(*count), end(*flag))
        }
        (C::OnRequestBody | C::OnResponseBody, [size, flag]) => {
            format!("{}{}", bytes((*size).into()), end(*flag))
        }
        (C::OnRequestTrailers | C::OnResponseTrailers, [count]) => headers(*count),
        (_, values) => {
            let values: Vec<_> = values.iter().map(u32::to_string).collect();
            values.join(", ")
        }
    }
}

/// What a callback answered, for those whose answer means something.
pub fn answer(entry: Entry, returned: u32) -> Option<String> {
    use Callback as C;
    let Entry::Callback(callback) = entry else {
        return None;
    };
    match callback {
        C::OnVmStart | C::OnConfigure | C::OnDone => {
            Some(if returned == 0 { "false" } else { "true" }.to_owned())
        }
        C::OnRequestHeaders
        | C::OnRequestBody
        | C::OnRequestTrailers
        | C::OnResponseHeaders
        | C::OnResponseBody
        | C::OnResponseTrailers => Some(match returned {
            0 => "continue".to_owned(),
            1 => "pause".to_owned(),
            other => other.to_string(),
        }),
        _ => None,
    }
}
