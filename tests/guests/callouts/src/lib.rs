//! A plugin on the SDK that asks an upstream about each request, counts, and is told of time.
#![cfg(target_os = "wasi")]

use gatewright::envoy::{self, Counter, HttpCall, Service};
use gatewright::{
    ConfigError, Flow, HostError, LocalReply, NoConfig, Plugin, RequestHeaders, Stream, log,
};
use std::rc::Rc;
use std::time::Duration;

struct Ask {
    asked: Option<Counter>,
}

struct Visit(Rc<Ask>);

impl Plugin for Ask {
    type Config = NoConfig;
    type Stream = Visit;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        // Refused in production, which `gatewright check` says before.
        let ticks = envoy::set_tick_period(Duration::from_secs(1));
        if let Err(error) = ticks {
            log::warn!("no ticks: {error}");
        }
        Ok(Self {
            asked: Counter::define("asked").ok(),
        })
    }

    fn stream(self: &Rc<Self>) -> Visit {
        Visit(Rc::clone(self))
    }
}

impl Service for Ask {
    fn on_tick(self: &Rc<Self>) -> Result<(), HostError> {
        log::info!("tick");
        Ok(())
    }
}

impl Stream for Visit {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let asked = self.0.asked;
        envoy::hold(headers, async move |headers| {
            let answer = HttpCall::get("auth", "auth.example", "/check")
                .send()
                .await?;
            if let Some(asked) = asked {
                asked.increment(1)?;
            }
            match answer.status() {
                Some(200) => headers.set("x-user", answer.body)?,
                _ => return Ok(LocalReply::new(403).into()),
            }
            Ok(Flow::Continue)
        })
    }

    fn on_error(&mut self, _: &HostError) -> Flow {
        LocalReply::new(502).into()
    }
}

gatewright::envoy_plugin!(Ask);
