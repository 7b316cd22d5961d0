//! Shows what cases can test: log lines by level, the clock, and a reply in place of a response.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

use gatewright::{
    ConfigError, Flow, HostError, LocalReply, NoConfig, Plugin, RequestHeaders, ResponseHeaders,
    Stream,
};
use std::rc::Rc;

struct Testing;

impl Plugin for Testing {
    type Config = NoConfig;
    type Stream = Self;

    const LOG_LEVEL: gatewright::log::LevelFilter = gatewright::log::LevelFilter::Trace;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn stream(self: &Rc<Self>) -> Self {
        Self
    }
}

impl Stream for Testing {
    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        gatewright::log::debug!("request headers");
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        gatewright::log::debug!("response headers");
        for count in 1..=3 {
            let now = gatewright::unix_time()?.as_nanos();
            gatewright::log::info!("time {count}: {now}");
        }
        if headers.contains("reply-with-error")? {
            let reply = LocalReply::new(500).header("error", "goaway");
            return Ok(reply.body("fake error").into());
        }
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(Testing);

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use gatewright::testing::{TestPlugin, set_clock};

    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    gatewright::config_schema!(NoConfig);

    #[test]
    fn time_stands_still_in_a_callback() {
        let mut stream = TestPlugin::<Testing>::configure("").unwrap().stream();
        set_clock(Duration::from_nanos(1_000_000));
        let seen = stream.response_headers([(":status", "200")]);
        let expected = [
            "response headers",
            "time 1: 1000000",
            "time 2: 1000000",
            "time 3: 1000000",
        ];
        assert_eq!(seen.messages(), expected);
        assert!(seen.goes_on());
    }

    #[test]
    fn a_response_that_asks_for_it_is_replaced() {
        let mut stream = TestPlugin::<Testing>::configure("").unwrap().stream();
        let seen = stream.response_headers([("reply-with-error", "")]);
        let reply = seen.reply.unwrap();
        assert_eq!((reply.status, &reply.body[..]), (500, &b"fake error"[..]));
    }
}
