//! Header work as plugins do it, on the SDK: `headers-bare` does the same on the bare crate.
#![cfg(target_os = "wasi")]

use gatewright::{
    ConfigError, Flow, HostError, LocalReply, NoConfig, Plugin, RequestHeaders, ResponseHeaders,
    Stream,
};
use std::rc::Rc;

struct Headers;
struct Visit;

impl Plugin for Headers {
    type Config = NoConfig;
    type Stream = Visit;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit
    }
}

impl Stream for Visit {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let agent = headers.get("user-agent")?;
        let kind = match agent.as_deref() {
            Some(agent) if agent.windows(6).any(|part| part == b"Mobile") => "phone",
            Some(_) => "desktop",
            None => return Ok(LocalReply::new(403).body("no agent").into()),
        };
        headers.set("x-device-type", kind)?;
        headers.append("x-seen", "gatewright")?;
        headers.remove("x-secret")?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        if headers.get(":status")?.as_deref() == Some(b"200") {
            headers.append("x-status", "fine")?;
        }
        headers.set("x-served-by", "edge")?;
        Ok(Flow::Continue)
    }
}

gatewright::plugin!(Headers);
