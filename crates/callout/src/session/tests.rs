//! What is sent, what an answer means, and what is no answer.

use prost::Message as _;

use super::*;
use crate::wire::{
    BodyMutation, BodyResponse, BodySendMode, CommonResponse, HeaderSendMode, HeadersResponse,
    ImmediateResponse, PREFIX, ProcessingMode, ProcessingRequest, ProcessingResponse,
    StreamedBodyResponse, TrailersResponse,
};

const ALL: [Event; 6] = Event::ALL;

fn session(config: Config) -> Session {
    Session::new(Arc::new(config))
}

fn traffic() -> Config {
    Config {
        events: ALL.into_iter().collect(),
        ..Config::default()
    }
}

fn duplex() -> Config {
    Config {
        request_body: BodyMode::FullDuplex,
        fail_open: true,
        ..traffic()
    }
}

fn sent(bytes: &[u8]) -> ProcessingRequest {
    ProcessingRequest::decode(&bytes[PREFIX..]).expect("a message")
}

fn answer(response: processing_response::Response) -> ProcessingResponse {
    ProcessingResponse {
        response: Some(response),
        ..Default::default()
    }
}

fn headers() -> ProcessingResponse {
    answer(processing_response::Response::RequestHeaders(
        HeadersResponse::default(),
    ))
}

fn body(mutation: Option<Mutation>) -> ProcessingResponse {
    let common = CommonResponse {
        body_mutation: mutation.map(|mutation| BodyMutation {
            mutation: Some(mutation),
        }),
        ..Default::default()
    };
    answer(processing_response::Response::RequestBody(BodyResponse {
        response: Some(common),
    }))
}

fn part(bytes: &str, end: bool) -> ProcessingResponse {
    body(Some(Mutation::StreamedResponse(StreamedBodyResponse {
        body: bytes.into(),
        end_of_stream: end,
        ..Default::default()
    })))
}

const REQUEST: Half = Half::Request;

#[test]
fn the_first_message_tells_the_modes_and_every_message_the_metadata() {
    let mut config = traffic();
    config.response_body = BodyMode::FullDuplex;
    config.forward_headers = Some(vec!["X-Shown".to_owned()]);
    config.metadata = vec![("key".to_owned(), "value".to_owned())];
    config.metadata_namespace = "com.google.lb_traffic_extension.r.c.e".to_owned();
    let mut session = session(config);
    let fields: Headers = [(":path", "/"), ("x-shown", "1"), ("x-hidden", "1")]
        .into_iter()
        .collect();
    let first = sent(&session.head(REQUEST, &fields, false));
    let modes = first.protocol_config.expect("modes");
    assert_eq!(modes.request_body_mode, BodySendMode::Streamed as i32);
    assert_eq!(
        modes.response_body_mode,
        BodySendMode::FullDuplexStreamed as i32
    );
    let Some(processing_request::Request::RequestHeaders(head)) = first.request else {
        panic!("a head");
    };
    let shown = crate::wire::from_map(head.headers);
    let names: Vec<_> = shown.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [":path", "x-shown"]);
    session.came(headers()).expect("it is owed");
    let second = sent(&session.body(REQUEST, b"x", true));
    assert_eq!(second.protocol_config, None);
    for metadata in [first.metadata_context, second.metadata_context] {
        let texts = crate::wire::texts(metadata);
        assert_eq!(
            texts,
            [(
                "com.google.lb_traffic_extension.r.c.e".to_owned(),
                "key".to_owned(),
                "value".to_owned()
            )]
        );
    }
}

#[test]
fn chunks_are_answered_one_by_one() {
    let mut session = session(traffic());
    for (mutation, expected) in [
        (None, BodyChange::Keep),
        (
            Some(Mutation::Body(b"y".to_vec())),
            BodyChange::Replace(b"y".to_vec()),
        ),
        (Some(Mutation::ClearBody(true)), BodyChange::Clear),
        (Some(Mutation::ClearBody(false)), BodyChange::Keep),
    ] {
        session.body(REQUEST, b"x", false);
        assert_eq!(session.next(REQUEST), None);
        session.came(body(mutation)).expect("it is owed");
        assert_eq!(session.next(REQUEST), Some(Ok(Taken::Body(expected))));
    }
}

/// After `events`, this message is a breach.
#[track_caller]
fn breaks(config: Config, events: impl FnOnce(&mut Session), message: ProcessingResponse) {
    let mut session = session(config);
    events(&mut session);
    let came = session.came(message);
    assert!(matches!(came, Err(Failure::Protocol(_))), "{came:?}");
}

#[test]
fn an_answer_that_nobody_asked_for_is_a_breach() {
    breaks(traffic(), |_| {}, headers());
    breaks(traffic(), |_| {}, ProcessingResponse::default());
    breaks(traffic(), |_| {}, body(None));
    // A body's answer to a head.
    breaks(
        traffic(),
        |session| drop(session.head(REQUEST, &Headers::new(), false)),
        body(None),
    );
    // A second answer to the same head.
    breaks(
        traffic(),
        |session| {
            session.head(REQUEST, &Headers::new(), false);
            session.came(headers()).expect("it is owed");
        },
        headers(),
    );
    // The other half's.
    breaks(
        traffic(),
        |session| drop(session.head(Half::Response, &Headers::new(), false)),
        headers(),
    );
    // One by one, in the words of the other mode, and the other way round.
    breaks(
        traffic(),
        |session| drop(session.body(REQUEST, b"x", true)),
        part("x", true),
    );
    breaks(
        duplex(),
        |session| drop(session.body(REQUEST, b"x", true)),
        body(Some(Mutation::Body(b"x".to_vec()))),
    );
    // A part after the last, and one before the head.
    breaks(
        duplex(),
        |session| {
            session.body(REQUEST, b"x", true);
            session.came(part("x", true)).expect("it is due");
        },
        part("y", true),
    );
    breaks(
        duplex(),
        |session| {
            session.head(REQUEST, &Headers::new(), false);
            session.body(REQUEST, b"x", true);
        },
        part("x", true),
    );
}

#[test]
fn an_answer_without_content_answers_whatever_is_owed() {
    let mut session = session(traffic());
    session.trailers(REQUEST, &Headers::new());
    session
        .came(ProcessingResponse::default())
        .expect("it is owed");
    let taken = session.next(REQUEST);
    assert_eq!(taken, Some(Ok(Taken::Trailers(HeaderChange::new()))));
}

#[test]
fn parts_come_in_any_number_until_the_last() {
    let mut session = session(duplex());
    session.head(REQUEST, &Headers::new(), false);
    session.body(REQUEST, b"abc", false);
    session.came(headers()).expect("it is owed");
    session.came(part("a", false)).expect("it is due");
    session.came(part("b", false)).expect("it is due");
    session.body(REQUEST, b"", true);
    session.came(part("", true)).expect("it is due");
    assert_eq!(
        session.next(REQUEST),
        Some(Ok(Taken::Head(HeadChange::default())))
    );
    for (bytes, end) in [("a", false), ("b", false), ("", true)] {
        let taken = session.next(REQUEST);
        assert_eq!(taken, Some(Ok(Taken::Part(bytes.into(), end))));
    }
}

fn skipping() -> ProcessingResponse {
    ProcessingResponse {
        mode_override: Some(ProcessingMode {
            response_header_mode: HeaderSendMode::Skip.into(),
            request_trailer_mode: HeaderSendMode::Send.into(),
            response_body_mode: BodySendMode::Streamed.into(),
            ..Default::default()
        }),
        ..headers()
    }
}

/// The events that are wanted after an answer that overrides the mode.
#[track_caller]
fn left(config: Config, expected: &[Event]) {
    let mut session = session(config);
    session.head(REQUEST, &Headers::new(), false);
    session.came(skipping()).expect("it is owed");
    let wanted: Vec<_> = ALL.into_iter().filter(|e| session.wants(*e)).collect();
    assert_eq!(wanted, expected);
}

#[test]
fn an_override_chooses_later_events_for_traffic_extensions_only() {
    use Event as E;
    left(
        Config::default(),
        &[E::RequestHeaders, E::RequestTrailers, E::ResponseBody],
    );
    left(
        Config {
            rules: Rules::Routing,
            ..Config::default()
        },
        &[E::RequestHeaders, E::ResponseHeaders],
    );
    left(duplex(), &ALL);
}

#[test]
fn a_replaced_body_is_not_shown() {
    let mut session = session(traffic());
    session.head(REQUEST, &Headers::new(), false);
    let common = CommonResponse {
        status: ResponseStatus::ContinueAndReplace.into(),
        body_mutation: Some(BodyMutation {
            mutation: Some(Mutation::Body(b"new".to_vec())),
        }),
        ..Default::default()
    };
    let replacing = answer(processing_response::Response::RequestHeaders(
        HeadersResponse {
            response: Some(common),
        },
    ));
    session.came(replacing).expect("it is owed");
    let Some(Ok(Taken::Head(change))) = session.next(REQUEST) else {
        panic!("a head");
    };
    assert_eq!(change.body.as_deref(), Some(&b"new"[..]));
    assert!(!session.wants(Event::RequestBody) && !session.wants(Event::RequestTrailers));
    assert!(session.wants(Event::ResponseBody));
}

#[test]
fn a_reply_ends_it_and_is_ignored_in_a_routing_extension() {
    let reply = || {
        let immediate = ImmediateResponse::default();
        answer(processing_response::Response::ImmediateResponse(immediate))
    };
    let mut session = session(traffic());
    session.head(REQUEST, &Headers::new(), true);
    session.came(reply()).expect("it is an answer");
    assert_eq!(
        session.next(REQUEST),
        Some(Ok(Taken::Reply(Reply::new(200))))
    );
    assert!(!session.wants(Event::ResponseHeaders));

    let mut session = self::session(Config {
        rules: Rules::Routing,
        ..Config::default()
    });
    session.head(REQUEST, &Headers::new(), true);
    session.came(reply()).expect("it counts as one");
    let taken = session.next(REQUEST);
    assert_eq!(taken, Some(Ok(Taken::Head(HeadChange::default()))));
}

#[test]
fn a_stream_that_ends_well_stops_nothing() {
    let mut session = session(traffic());
    session.head(REQUEST, &Headers::new(), true);
    session.ended(None);
    assert_eq!(session.next(REQUEST), Some(Ok(Taken::Left)));
    assert!(!session.wants(Event::ResponseHeaders));
}

#[test]
fn a_body_that_is_not_given_back_is_empty_and_one_that_is_cut_off_is_lost() {
    let mut session = session(duplex());
    session.body(REQUEST, b"x", true);
    session.ended(None);
    assert_eq!(session.next(REQUEST), Some(Ok(Taken::Part(vec![], true))));
    assert_eq!(session.next(REQUEST), Some(Ok(Taken::Left)));

    let mut session = self::session(duplex());
    session.body(REQUEST, b"xy", true);
    session.came(part("x", false)).expect("it is due");
    session.ended(None);
    assert!(matches!(session.next(REQUEST), Some(Ok(_))));
    assert_eq!(session.next(REQUEST), Some(Err(Failure::Missing)));

    let mut session = self::session(duplex());
    session.head(REQUEST, &Headers::new(), false);
    session.body(REQUEST, b"x", true);
    session.ended(None);
    assert_eq!(session.next(REQUEST), Some(Err(Failure::Missing)));
}

#[test]
fn what_came_before_a_failure_still_counts() {
    let mut session = session(traffic());
    session.head(REQUEST, &Headers::new(), true);
    session.came(headers()).expect("it is owed");
    session.ended(Some(Failure::Broken("x".to_owned())));
    assert!(matches!(session.next(REQUEST), Some(Ok(Taken::Head(_)))));
    // The next event is told so that it can fail.
    assert!(session.wants(Event::ResponseHeaders));
    assert!(matches!(session.next(Half::Response), Some(Err(_))));
}

#[test]
fn it_fails_open_until_a_part_of_a_body_is_gone() {
    let fails = |config: Config, parted: bool| {
        let mut session = session(config);
        session.head(REQUEST, &Headers::new(), false);
        if parted {
            session.body(REQUEST, b"x", false);
        }
        let open = session.fail();
        assert!(!session.wants(Event::RequestBody));
        open
    };
    let open = |config| Config {
        fail_open: true,
        ..config
    };
    assert!(!fails(traffic(), false));
    assert!(fails(open(traffic()), true));
    assert!(fails(duplex(), false));
    assert!(!fails(duplex(), true));
}

#[test]
fn nobody_waits_for_what_an_observer_says() {
    let mut session = session(Config {
        observability: true,
        ..traffic()
    });
    let message = sent(&session.head(REQUEST, &Headers::new(), true));
    assert!(message.observability_mode);
    session.came(body(None)).expect("it does not count");
    assert_eq!(session.next(REQUEST), None);
}

#[test]
fn trailers_are_answered_with_a_change() {
    let mut session = session(traffic());
    session.trailers(REQUEST, &Headers::new());
    let change = HeaderChange::new().set("x", "1");
    session
        .came(answer(processing_response::Response::RequestTrailers(
            TrailersResponse {
                header_mutation: crate::wire::to_mutation(change.clone()),
            },
        )))
        .expect("it is owed");
    let taken = session.next(REQUEST);
    assert_eq!(taken, Some(Ok(Taken::Trailers(change))));
}
