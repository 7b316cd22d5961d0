//! Logs a line for each exchange when it is over.

use gatewright::{
    ConfigError, Flow, HostError, NoConfig, Plugin, RequestHeaders, ResponseHeaders, Stream, log,
};
use std::rc::Rc;

struct Lines;

impl Plugin for Lines {
    type Config = NoConfig;
    type Stream = Exchange;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn stream(self: &Rc<Self>) -> Exchange {
        Exchange::default()
    }
}

#[derive(Default)]
struct Exchange {
    path: Vec<u8>,
    status: Option<u16>,
}

impl Stream for Exchange {
    fn on_request_headers(&mut self, headers: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        if let Some(path) = headers.path()? {
            // Without the query, which may hold secrets.
            self.path = path.path().to_vec();
        }
        Ok(Flow::Continue)
    }

    fn on_response_headers(
        &mut self,
        headers: &mut ResponseHeaders<'_>,
    ) -> Result<Flow, HostError> {
        self.status = headers.status()?;
        Ok(Flow::Continue)
    }

    fn on_done(&mut self) {
        match self.status {
            Some(status) => log::info!("{} {status}", self.path.escape_ascii()),
            None => log::warn!("{} ended without a response", self.path.escape_ascii()),
        }
    }

    /// A plugin that only looks on lets exchanges pass, whatever the host answers it.
    fn on_error(&mut self, _: &HostError) -> Flow {
        Flow::Continue
    }
}

gatewright::plugin!(Lines);

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright::testing::TestPlugin;

    #[test]
    fn a_line_names_path_and_status() {
        let plugin = TestPlugin::<Lines>::configure("").unwrap();
        let mut stream = plugin.stream();
        stream.request_headers([(":path", "/a?secret=1")]);
        stream.response_headers([(":status", "404")]);
        assert_eq!(stream.done().messages(), ["/a 404"]);
    }
}
