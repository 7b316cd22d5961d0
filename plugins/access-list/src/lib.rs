//! Lets requests through, or not, by the value of one header.

#![deny(clippy::indexing_slicing, clippy::expect_used)]

mod config;
mod decision;

use config::{Config, Settings};
use decision::Decision;
use gatewright::{
    ConfigError, Flow, HostError, LocalReply, Plugin, RequestHeaders, Stream, random_u64,
};
use std::rc::Rc;

struct AccessList(Settings);

impl Plugin for AccessList {
    type Config = Config;
    type Stream = Exchange;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let settings = config.settings()?;
        gatewright::log::info!("Config keys size {}", settings.rules.deny.len());
        Ok(Self(settings))
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange(Rc::clone(self))
    }
}

struct Exchange(Rc<AccessList>);

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        let settings = &self.0.0;
        // All of them: a second one must not get past by standing behind the first.
        let values = headers.get_all(&settings.header)?;
        let mut text = match settings
            .rules
            .decide(values.iter().map(|value| value.as_bytes()))
        {
            Decision::Allow => {
                if let Some(mark) = &settings.mark {
                    headers.set(&mark.name, &mark.value)?;
                }
                return Ok(Flow::Continue);
            }
            Decision::Missing => settings.missing_text.clone(),
            Decision::Deny => settings.denied_text.clone(),
        };
        if settings.request_id {
            text = format!("{text} - Request ID: {:x}", random_u64()?);
            gatewright::log::info!("access-list: {text}");
        }
        let reply = LocalReply::new(settings.status).header("content-type", "text/plain");
        Ok(reply.body(text).into())
    }
}

gatewright::plugin!(AccessList);

#[cfg(test)]
mod tests;
