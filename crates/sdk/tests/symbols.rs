//! A native build of a plugin refers to no hostcall, or it would not link on every platform.

#![cfg(target_os = "linux")]

use std::process::Command;

/// This test program links the SDK and runs a plugin, so its own symbols are the evidence. The
/// positive control keeps a broken search from passing: an undefined symbol that must be there.
#[test]
fn no_hostcall_is_undefined() {
    let program = std::env::current_exe().unwrap();
    let output = match Command::new("nm")
        .arg("--undefined-only")
        .arg(&program)
        .output()
    {
        Ok(output) => output,
        Err(error) => panic!("`nm` (binutils, which comes with any C compiler) is needed: {error}"),
    };
    assert!(output.status.success());
    let symbols = String::from_utf8(output.stdout).unwrap();
    assert!(symbols.contains("malloc"), "{symbols}");
    let hostcalls: Vec<&str> = symbols
        .lines()
        .filter(|line| line.contains("proxy_"))
        .collect();
    assert_eq!(hostcalls, [""; 0]);

    // And the SDK is really in it.
    let seen = gatewright::testing::TestPlugin::<Nothing>::configure("")
        .unwrap()
        .stream()
        .request_headers([("a", "b")]);
    assert!(seen.goes_on());
}

struct Nothing;

impl gatewright::Plugin for Nothing {
    type Config = gatewright::NoConfig;
    type Stream = Self;

    fn configure(_: gatewright::NoConfig) -> Result<Self, gatewright::ConfigError> {
        Ok(Self)
    }

    fn stream(self: &std::rc::Rc<Self>) -> Self {
        Self
    }
}

impl gatewright::Stream for Nothing {
    fn on_request_headers(
        &mut self,
        headers: &mut gatewright::RequestHeaders<'_>,
    ) -> Result<gatewright::Flow, gatewright::HostError> {
        headers.set("a", "c")?;
        Ok(gatewright::Flow::Continue)
    }
}

gatewright::plugin!(Nothing);
