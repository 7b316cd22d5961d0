//! Generated scripts for the guests of the tests: what a plugin does in each callback.
//!
//! A script belongs to a family, which says what it is about; chance says the rest. The language is
//! described in `tests/guests/README.md`.

use gatewright_harness::FailurePolicy;

use super::dice::Dice;
use super::exchanges::NAMES;

/// What a script is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Observe,
    EditHeaders,
    EditBodies,
    Reply,
    Trap,
    Pause,
    Resume,
    Callout,
    State,
    Wrong,
}

impl Family {
    pub(super) const ALL: [Self; 10] = [
        Self::Observe,
        Self::EditHeaders,
        Self::EditBodies,
        Self::Reply,
        Self::Trap,
        Self::Pause,
        Self::Resume,
        Self::Callout,
        Self::State,
        Self::Wrong,
    ];

    /// Exchanges on one VM. Callouts speak of the first stream by its name.
    /// When a VM that failed is made again hangs on the time, so there is one exchange until then.
    pub(super) fn exchanges(self, policy: FailurePolicy) -> usize {
        match self {
            Self::Callout => 1,
            Self::Trap if policy == FailurePolicy::Reload => 1,
            Self::Trap => 3,
            _ => 9,
        }
    }

    /// How often it comes up among others.
    pub(super) const fn weight(self) -> usize {
        match self {
            Self::Callout => 6,
            Self::Trap => 4,
            Self::Observe | Self::State | Self::Wrong => 1,
            _ => 2,
        }
    }
}

const HEADERS: [&str; 2] = ["request_headers", "response_headers"];
const BODIES: [&str; 2] = ["request_body", "response_body"];
const TRAILERS: [&str; 2] = ["request_trailers", "response_trailers"];
const PHASES: [&str; 6] = [
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
];

/// A script, and what happens when the plugin fails.
pub(super) fn script(family: Family, dice: &mut Dice) -> (String, FailurePolicy) {
    let mut script = Script {
        dice,
        text: String::new(),
    };
    let mut policy = FailurePolicy::Closed;
    match family {
        Family::Observe => script.observe(),
        Family::EditHeaders => script.edit_headers(),
        Family::EditBodies => script.edit_bodies(),
        Family::Reply => script.reply(),
        Family::Trap => {
            policy = FailurePolicy::ALL[script.dice.below(FailurePolicy::ALL.len())];
            script.trap();
        }
        Family::Pause => script.pause(),
        Family::Resume => script.resume(),
        Family::Callout => script.callout(),
        Family::State => script.state(),
        Family::Wrong => script.wrong(),
    }
    (script.text, policy)
}

struct Script<'a> {
    dice: &'a mut Dice,
    text: String,
}

impl Script<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn on(&mut self, callback: &str) {
        self.line(&format!("on {callback}"));
    }

    fn observe(&mut self) {
        for map in HEADERS.into_iter().chain(TRAILERS) {
            self.on(map);
            self.line(&format!("get_header_map_pairs {map}"));
            self.line(&format!("get_header_map_size {map}"));
            for name in NAMES {
                self.line(&format!("get_header_map_value {map} \"{name}\""));
            }
        }
        for body in BODIES {
            self.on(body);
            self.line(&format!("get_buffer_status {body}"));
            self.line(&format!("get_buffer_bytes {body} 0 all"));
            self.line(&format!("get_buffer_bytes {body} 1 2"));
            self.line(&format!("get_buffer_bytes {body} 100000 5"));
        }
        self.end_of_stream();
    }

    /// What is left to see when an exchange ends.
    fn end_of_stream(&mut self) {
        self.on("log");
        for map in HEADERS.into_iter().chain(TRAILERS) {
            self.line(&format!("get_header_map_pairs {map}"));
        }
        for callback in ["done", "delete"] {
            self.on(callback);
            self.line("get_header_map_value request_headers \":path\"");
        }
    }

    fn edits(&mut self, map: &str) {
        let other = self
            .dice
            .pick(&["", "a", "b, c", "caf\\xe9", "long value with words"]);
        for _ in 0..1 + self.dice.below(6) {
            let name = self.dice.pick(NAMES);
            let line = match self.dice.below(8) {
                0 | 1 => format!("add_header_map_value {map} \"{name}\" \"{other}\""),
                2 | 3 => format!("replace_header_map_value {map} \"{name}\" \"new\""),
                4 => format!("remove_header_map_value {map} \"{name}\""),
                5 => format!("get_header_map_value {map} \"{name}\""),
                6 => format!(
                    "add_header_map_value {map} \"X-Added-{}\" \"{other}\"",
                    self.dice.below(3)
                ),
                _ => format!("get_header_map_size {map}"),
            };
            self.line(&line);
        }
    }

    fn edit_headers(&mut self) {
        self.on("request_headers");
        self.edits("request_headers");
        match self.dice.below(4) {
            0 => self.line("replace_header_map_value request_headers \":path\" \"/replaced?x\""),
            1 => self.line("replace_header_map_value request_headers \":authority\" \"other.test\""),
            2 => self.line(
                "set_header_map_pairs request_headers {\":method\" \"GET\" \":path\" \"/set\" \
                 \":authority\" \"set.test\" \":scheme\" \"http\" \"x-forwarded-proto\" \"http\" \"x-set\" \"1\" \"x-set\" \"2\"}",
            ),
            _ => {}
        }
        self.line("get_header_map_pairs request_headers");
        self.on("response_headers");
        self.edits("response_headers");
        match self.dice.below(4) {
            0 => self.line("replace_header_map_value response_headers \":status\" \"202\""),
            1 => self.line("get_header_map_pairs request_headers"),
            _ => {}
        }
        self.line("get_header_map_pairs response_headers");
        for map in TRAILERS {
            self.on(map);
            self.edits(map);
            self.line(&format!("get_header_map_pairs {map}"));
        }
    }

    /// Bodies change their length, so a length that was said is taken back.
    fn edit_bodies(&mut self) {
        for map in HEADERS {
            self.on(map);
            self.line(&format!("remove_header_map_value {map} \"content-length\""));
        }
        for body in BODIES {
            self.on(body);
            for _ in 0..1 + self.dice.below(3) {
                let edit = match self.dice.below(7) {
                    0 => format!("set_buffer_bytes {body} 0 0 \"before\""),
                    1 => format!("set_buffer_bytes {body} 0 all \"instead\""),
                    2 => format!("set_buffer_bytes {body} all 0 \"after\""),
                    3 => format!("set_buffer_bytes {body} 1 1 \"within\""),
                    4 => format!("set_buffer_bytes {body} 0 2 \"start\""),
                    5 => format!("set_buffer_bytes {body} 0 all \"\""),
                    _ => format!("get_buffer_bytes {body} 0 4"),
                };
                self.line(&edit);
            }
            self.line(&format!("get_buffer_bytes {body} 0 all"));
            self.line(&format!("get_buffer_status {body}"));
        }
    }

    fn send_reply(&mut self) {
        let status = self.dice.pick(&["200", "403", "404", "503", "418", "302"]);
        let details = self.dice.pick(&["", "why"]);
        let body = self.dice.pick(&["", "no", "longer \\xff body"]);
        let headers = self.dice.pick(&[
            "{}",
            "{\"x-reply\" \"1\" \"X-Reply\" \"2\"}",
            "{\"content-type\" \"text/html\" \"location\" \"/x\"}",
            "{\"set-cookie\" \"a=1\" \"set-cookie\" \"b=2\" \"cache-control\" \"no-store\"}",
        ]);
        let grpc = self.dice.pick(&["-1", "-1", "7"]);
        self.line(&format!(
            "send_local_response {status} \"{details}\" \"{body}\" {headers} {grpc}"
        ));
    }

    fn reply(&mut self) {
        let at = self.dice.pick(&PHASES);
        for phase in PHASES {
            self.on(phase);
            if phase == at {
                self.send_reply();
                if self.dice.chance(50) {
                    self.line("return pause");
                }
            } else if phase == "response_headers" {
                self.line("get_header_map_pairs response_headers");
                self.line("add_header_map_value response_headers \"x-seen\" \"1\"");
            } else if phase == "response_body" {
                self.line("get_buffer_bytes response_body 0 all");
            }
        }
        self.end_of_stream();
    }

    fn trap(&mut self) {
        let at = self.dice.pick(&PHASES);
        for phase in PHASES {
            self.on(phase);
            if phase == at {
                self.line("trap");
            }
        }
        self.end_of_stream();
    }

    fn pause(&mut self) {
        for phase in PHASES {
            self.on(phase);
            let held = match phase {
                "request_headers" | "response_headers" => 8,
                _ => 30,
            };
            if let "request_body" | "response_body" = phase {
                self.line(&format!("get_buffer_bytes {phase} 0 all"));
            }
            if self.dice.chance(held) {
                self.line("return pause");
            }
        }
        // The second chunk lets go of what the first was held for.
        let body = self.dice.pick(&BODIES);
        self.line(&format!("on {body} 2"));
        self.line("return continue");
        self.end_of_stream();
    }

    /// Holds a body until more of it came. Continuing a stream from within its own body callback
    /// is left out: a stock Envoy 1.40 crashes of it.
    fn resume(&mut self) {
        let stream = self.dice.below(2);
        self.on(HEADERS[stream]);
        self.line(&format!(
            "get_header_map_value {} \"x-dup\"",
            HEADERS[stream]
        ));
        self.line(&format!(
            "remove_header_map_value {} \"content-length\"",
            HEADERS[stream]
        ));
        self.line("return continue");
        self.line(&format!("on {} 1", BODIES[stream]));
        self.line("return pause");
        self.line(&format!("on {} 2", BODIES[stream]));
        self.line(&format!("get_buffer_bytes {} 0 all", BODIES[stream]));
        self.line(&format!(
            "set_buffer_bytes {} 0 0 \"held \"",
            BODIES[stream]
        ));
        self.line(&format!("on {}", TRAILERS[stream]));
        self.line(&format!("get_buffer_bytes {} 0 all", BODIES[stream]));
        self.end_of_stream();
    }

    fn callout(&mut self) {
        let stream = self.dice.below(2);
        let direction = ["request", "response"][stream];
        let service = self
            .dice
            .pick(&["plain", "plain", "trailing", "gone", "nosuch"]);
        let at = self
            .dice
            .pick(&[HEADERS[stream], HEADERS[stream], BODIES[stream]]);
        self.on(at);
        let body = self.dice.pick(&["", "asked"]);
        let trailers = self.dice.pick(&["{}", "{}", "{\"x-t\" \"1\"}"]);
        self.line(&format!(
            "http_call \"{service}\" {{\":method\" \"POST\" \":path\" \"/auth?x\" \":authority\" \
             \"auth.test\" \"x-a\" \"1\" \"X-A\" \"2\"}} \"{body}\" {trailers} 5000 as call"
        ));
        if service != "nosuch" {
            self.line("return pause");
        }
        self.on("http_call_response");
        self.line("get_header_map_pairs call_headers");
        self.line("get_header_map_value call_headers \":status\"");
        self.line("get_buffer_bytes call_body 0 all");
        self.line("get_buffer_status call_body");
        self.line("get_header_map_pairs call_trailers");
        self.line("get_status");
        self.line("set_effective_context $stream");
        match self.dice.below(4) {
            0 => self.send_reply(),
            1 => {
                self.line(&format!(
                    "add_header_map_value {} \"x-from-call\" \"1\"",
                    HEADERS[stream]
                ));
                self.line(&format!("continue_stream {direction}"));
            }
            2 => self.line(&format!("close_stream {direction}")),
            _ => self.line(&format!("continue_stream {direction}")),
        }
        self.end_of_stream();
    }

    /// What outlives an exchange, and what is known of one.
    fn state(&mut self) {
        self.on("configure");
        for line in [
            "get_buffer_status plugin_configuration",
            "define_metric counter \"c\" as counter",
            "define_metric gauge \"g\" as gauge",
            "define_metric histogram \"h\" as histogram",
            "define_metric 7 \"x\" as none",
            "register_shared_queue \"q\" as queue",
            "resolve_shared_queue \"\" \"nosuch\" as nothing",
            "set_tick_period_milliseconds 0",
            "set_shared_data \"k\" \"0\" 0",
        ] {
            self.line(line);
        }
        self.on("request_headers");
        for line in [
            "increment_metric $counter 2",
            "increment_metric $counter -1",
            "record_metric $counter 5",
            "get_metric $counter",
            "increment_metric $gauge 3",
            "increment_metric $gauge -1",
            "record_metric $gauge 9",
            "get_metric $gauge",
            "record_metric $histogram 9",
            "increment_metric $histogram 1",
            "get_metric $histogram",
            "get_shared_data \"k\" as cas",
            "set_shared_data \"k\" \"1\" $cas",
            "set_shared_data \"k\" \"2\" 99",
            "set_shared_data \"k\" \"3\" 0",
            "get_shared_data \"k\" as cas",
            "get_shared_data \"none\" as cas",
            "enqueue_shared_queue $queue \"one\"",
            "enqueue_shared_queue $queue \"two\"",
            "enqueue_shared_queue 99 \"two\"",
            "dequeue_shared_queue $queue",
            "dequeue_shared_queue 99",
            "get_log_level",
            "quiet get_current_time_nanoseconds",
            "get_property \"request\\x00path\"",
            "get_property \"request\\x00method\"",
            "get_property \"request\\x00host\"",
            "get_property \"request\\x00headers\\x00x-dup\"",
            "get_property \"plugin_root_id\"",
            "get_property \"no\\x00such\"",
            "set_property \"own\\x00thing\" \"1\"",
            "get_property \"own\\x00thing\"",
            "call_foreign_function \"nosuch\" \"\"",
            "set_effective_context $root",
            "get_header_map_value request_headers \":path\"",
            "set_effective_context $stream",
            "set_effective_context 4711",
            "done",
        ] {
            self.line(line);
        }
        self.on("queue_ready");
        self.line("dequeue_shared_queue $queue");
        self.line("dequeue_shared_queue $queue");
        self.on("response_headers");
        for line in [
            "get_property \"response\\x00code\"",
            "get_property \"request\\x00size\"",
            "get_property \"own\\x00thing\"",
            "get_property \"request\\x00headers\\x00:path\"",
            "get_property \"response\\x00headers\\x00x-dup\"",
        ] {
            self.line(line);
        }
    }

    /// Calls with arguments that are none, and out of their phase.
    fn wrong(&mut self) {
        for phase in PHASES {
            self.on(phase);
            for _ in 0..3 {
                let line = match self.dice.below(20) {
                    0 => "get_header_map_value 99 \"a\"".to_owned(),
                    1 => "get_header_map_pairs 99".to_owned(),
                    2 => "get_header_map_size 99".to_owned(),
                    3 => "add_header_map_value 99 \"a\" \"b\"".to_owned(),
                    4 => "get_buffer_bytes 99 0 10".to_owned(),
                    5 => "get_buffer_status 99".to_owned(),
                    6 => "set_buffer_bytes 99 0 0 \"x\"".to_owned(),
                    7 => "continue_stream 9".to_owned(),
                    8 => "continue_stream downstream".to_owned(),
                    9 => "close_stream 9".to_owned(),
                    10 => "log 77 \"no such level\"".to_owned(),
                    11 => "raw log 2 0xfffffff0 4096".to_owned(),
                    12 => "raw get_header_map_value 0 0xfffffff0 10 here here".to_owned(),
                    13 => "increment_metric 4711 1".to_owned(),
                    14 => "http_call \"plain\" {\":path\" \"/\"} \"\" {} 100 as call".to_owned(),
                    15 => "set_buffer_bytes plugin_configuration 0 0 \"x\"".to_owned(),
                    16 => "get_buffer_bytes plugin_configuration 0 4".to_owned(),
                    17 => format!("get_header_map_pairs {}", self.dice.pick(&HEADERS)),
                    18 => format!(
                        "get_header_map_value {} \"x-dup\"",
                        self.dice.pick(&TRAILERS)
                    ),
                    _ => format!("get_buffer_bytes {} 0 10", self.dice.pick(&BODIES)),
                };
                self.line(&line);
            }
        }
    }
}
