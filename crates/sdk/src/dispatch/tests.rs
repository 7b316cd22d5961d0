//! A host that breaks the rules: what panics in other dispatchers is survived here.

use super::*;
use crate::testing::TestPlugin;
use crate::{ConfigError, Flow, NoConfig, RequestHeaders};
use std::rc::Rc;

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

struct Count;
struct Visit;

impl Plugin for Count {
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
    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Flow, HostError> {
        log::info!("visited");
        Ok(Flow::Continue)
    }
}

/// A fresh host, and a dispatcher whose root is configured.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn dispatcher() -> Dispatcher<Count> {
    TestPlugin::<Count>::configure("").unwrap();
    let dispatcher = Dispatcher::new();
    dispatcher.create(1, 0);
    assert!(dispatcher.configure(1, 0));
    dispatcher
}

fn logs() -> Vec<String> {
    crate::sys::memory::with(|host| core::mem::take(&mut host.logs))
        .into_iter()
        .map(|(_, message)| message)
        .collect()
}

const REFUSED: &str = "stream refused: the plugin has no valid configuration";

#[test]
fn a_context_that_was_never_created_is_answered() {
    let dispatcher = dispatcher();
    assert_eq!(dispatcher.request_headers(7, 1, true), Action::Pause);
    assert_eq!(dispatcher.response_headers(7, 1, true), Action::Pause);
    assert_eq!(logs(), [REFUSED, REFUSED]);
    let reply = crate::sys::memory::with(|host| host.reply.take()).unwrap();
    assert_eq!(
        (reply.status, reply.details),
        (500, b"plugin_not_configured".to_vec())
    );
    assert_eq!(dispatcher.request_body(7, 1, true), Action::Continue);
    assert_eq!(dispatcher.response_body(7, 1, true), Action::Continue);
    assert!(dispatcher.done(7));
    dispatcher.log(7);
    dispatcher.delete(7);
    assert!(!dispatcher.configure(7, 0));
    assert_eq!(logs(), ["configuration refused: context 7 is no plugin"]);
}

#[test]
fn a_stream_of_a_root_that_does_not_exist_or_is_not_configured_is_answered() {
    let dispatcher = dispatcher();
    dispatcher.create(2, 9);
    dispatcher.create(3, 0);
    dispatcher.create(4, 3);
    for context in [2, 4] {
        assert_eq!(dispatcher.request_headers(context, 1, true), Action::Pause);
        assert_eq!(logs(), [REFUSED]);
    }
}

#[test]
fn an_id_that_comes_twice_begins_anew() {
    let dispatcher = dispatcher();
    dispatcher.create(2, 1);
    dispatcher.create(2, 1);
    assert_eq!(dispatcher.request_headers(2, 1, true), Action::Continue);
    dispatcher.delete(2);
    dispatcher.delete(2);
    dispatcher.create(1, 0);
    dispatcher.create(2, 1);
    assert_eq!(dispatcher.request_headers(2, 1, true), Action::Pause);
    assert_eq!(logs(), ["visited", REFUSED]);
}

#[test]
fn a_call_within_a_call_is_passed_over() {
    let dispatcher = dispatcher();
    dispatcher.create(2, 1);
    let inner = dispatcher.enter(2, |_| {
        dispatcher.create(3, 1);
        dispatcher.delete(2);
        (
            dispatcher.request_headers(2, 1, true),
            dispatcher.configure(1, 0),
        )
    });
    assert_eq!(inner, Some((Action::Continue, false)));
    assert_eq!(dispatcher.request_headers(2, 1, true), Action::Continue);
    assert_eq!(logs(), ["visited"]);
}

#[test]
fn a_thousand_streams_are_open_at_once() {
    let dispatcher = dispatcher();
    for context in 2..1_002 {
        dispatcher.create(context, 1);
    }
    for context in (2..1_002).rev().chain(2..1_002) {
        assert_eq!(
            dispatcher.request_headers(context, 1, true),
            Action::Continue
        );
    }
    for context in 2..1_002 {
        dispatcher.delete(context);
    }
    assert_eq!(dispatcher.request_headers(500, 1, true), Action::Pause);
}
