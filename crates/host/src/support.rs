//! The page of what each profile supports, made from the table in `profile.rs`.
//!
//! Every field of [`Rules`] and [`Limits`] is taken apart here without `..`, so that one which the
//! page does not tell of does not compile.

use std::fmt::Write as _;

use gatewright_abi::{Callback, Hostcall};

use crate::limits::Limits;
use crate::profile::{
    AbsentBody, BufferWrites, Clock, Duplicates, Enqueue, HeaderAccess, LateReply, LogLevelAnswer,
    Profile, Properties, Rules, Support,
};

/// What each profile supports, as Markdown. `crates/host/SUPPORT.md` is this text.
///
/// ```
/// let page = gatewright_host::support_page();
/// assert!(page.contains("| `proxy_log` | works | works | works |"));
/// ```
pub fn support_page() -> String {
    let mut page = String::from(
        "# What each profile supports\n\n\
         Made from the table in `src/profile.rs`; a test fails when it is stale. To write it anew:\n\n\
         ```\n\
         cargo run -p gatewright-tests --bin conformance -- --support > crates/host/SUPPORT.md\n\
         ```\n\n\
         `google` is the load balancer, `tester` is Google's own test tool, `envoy` is Envoy with\n\
         proxy-wasm-cpp-host. What a call answers in detail is in `tests/conformance/cases`, a file\n\
         for each.\n\n",
    );
    table(&mut page, "Hostcalls", "hostcall", |rules| {
        Hostcall::ALL
            .iter()
            .map(|call| {
                (
                    format!("`{}`", call.name()),
                    treatment(rules.support(*call)),
                )
            })
            .collect()
    });
    table(&mut page, "Callbacks", "callback", |rules| {
        Callback::ALL
            .iter()
            .map(|callback| {
                let called = if is_called(rules, *callback) {
                    "called"
                } else {
                    "never"
                };
                (format!("`{}`", callback.name()), called.to_owned())
            })
            .collect()
    });
    table(&mut page, "Rules", "rule", rules);
    table(&mut page, "Limits", "limit", |rules| limits(&rules.limits));
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

type Rows = Vec<(String, String)>;

/// A table with a column for each profile. The rows are the same in each.
fn table(page: &mut String, title: &str, what: &str, rows: impl Fn(&Rules) -> Rows) {
    let _ = write!(page, "## {title}\n\n| {what} |");
    for profile in Profile::ALL {
        let _ = write!(page, " {profile} |");
    }
    page.push_str("\n|---|---|---|---|\n");
    let columns: Vec<Rows> = Profile::ALL.iter().map(|p| rows(p.rules())).collect();
    for (index, (name, _)) in columns.first().into_iter().flatten().enumerate() {
        let _ = write!(page, "| {name} |");
        for column in &columns {
            let _ = write!(page, " {} |", column[index].1);
        }
        page.push('\n');
    }
    page.push('\n');
}

fn treatment(support: Support) -> String {
    match support {
        Support::Works => "works",
        Support::Unimplemented => "`UNIMPLEMENTED`",
        Support::Ignored => "`OK`, does nothing",
        Support::NotFound => "`NOT_FOUND`",
    }
    .to_owned()
}

/// Whether anything ever leads to this callback. Only HTTP passes through this host.
fn is_called(rules: &Rules, callback: Callback) -> bool {
    use Callback as C;
    let works = |call| rules.support(call) == Support::Works;
    match callback {
        C::OnContextCreate
        | C::OnVmStart
        | C::OnConfigure
        | C::OnRequestHeaders
        | C::OnRequestBody
        | C::OnResponseHeaders
        | C::OnResponseBody
        | C::OnDone
        | C::OnDelete => true,
        C::OnRequestTrailers | C::OnResponseTrailers => rules.trailers,
        C::OnLog => rules.on_log,
        C::OnTick => works(Hostcall::SetTickPeriodMilliseconds),
        C::OnQueueReady => {
            works(Hostcall::EnqueueSharedQueue) && rules.enqueue == Enqueue::Announces
        }
        C::OnHttpCallResponse => works(Hostcall::HttpCall),
        C::OnGrpcReceiveInitialMetadata
        | C::OnGrpcReceive
        | C::OnGrpcReceiveTrailingMetadata
        | C::OnGrpcClose => works(Hostcall::GrpcCall) || works(Hostcall::GrpcStream),
        C::OnForeignFunction => works(Hostcall::CallForeignFunction),
        C::OnNewConnection
        | C::OnDownstreamData
        | C::OnUpstreamData
        | C::OnDownstreamConnectionClose
        | C::OnUpstreamConnectionClose => false,
    }
}

fn rules(rules: &Rules) -> Rows {
    let Rules {
        support: _,
        limits: _,
        duplicates,
        lower_names,
        header_access,
        buffer_writes,
        clock,
        pause,
        trailers,
        on_log,
        end_of_stream_on_headers,
        late_reply,
        protected_headers,
        properties,
        configuration_always,
        vm_configuration,
        absent_body,
        log_level,
        enqueue,
        status,
        replies_pass_plugins,
        restarts,
        failure_status,
        open_when_it_fails,
    } = rules;
    let yes = |yes: &bool| if *yes { "yes" } else { "no" }.to_owned();
    let row = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    vec![
        row(
            "fields of one name",
            match duplicates {
                Duplicates::Kept => "kept apart, in order",
                Duplicates::Merged => "joined by a comma, sorted by name",
                Duplicates::Inline => "kept apart, in order; those that Envoy knows by name joined",
            },
        ),
        ("header names are lower-cased".to_owned(), yes(lower_names)),
        row(
            "header maps are there",
            match header_access {
                HeaderAccess::CurrentCallback => "in their own callback",
                HeaderAccess::UntilContinued => "until the stream is continued; all in `on_log`",
            },
        ),
        row(
            "what of a body can be overwritten",
            match buffer_writes {
                BufferWrites::Anywhere => "any range",
                BufferWrites::Ends => "the first bytes, and none after the last",
            },
        ),
        row(
            "the clock",
            match clock {
                Clock::FrozenPerContext => "stands still from the creation of a context",
                Clock::Live => "goes on",
            },
        ),
        ("`Pause` holds the stream".to_owned(), yes(pause)),
        ("trailers are delivered".to_owned(), yes(trailers)),
        ("`on_log` is called".to_owned(), yes(on_log)),
        (
            "header callbacks are told that the stream ends".to_owned(),
            yes(end_of_stream_on_headers),
        ),
        row(
            "a reply when the response has begun",
            match late_reply {
                LateReply::Dropped => "is dropped",
                LateReply::Resets => "resets the stream",
            },
        ),
        (
            "edits of the load balancer's own headers are ignored".to_owned(),
            yes(protected_headers),
        ),
        row(
            "properties",
            match properties {
                Properties::Forwarded => "those forwarded, and `plugin_root_id`",
                Properties::Given => "those of the test",
                Properties::Computed => "computed from the stream, and those set",
            },
        ),
        (
            "the plugin's configuration can always be read".to_owned(),
            yes(configuration_always),
        ),
        ("VMs have a configuration".to_owned(), yes(vm_configuration)),
        row(
            "a body outside of its callback",
            match absent_body {
                AbsentBody::NotFound => "`NOT_FOUND`",
                AbsentBody::Empty => "empty",
            },
        ),
        row(
            "`proxy_get_log_level`",
            match log_level {
                LogLevelAnswer::Set => "the level that is set",
                LogLevelAnswer::Trace => "`TRACE`",
            },
        ),
        row(
            "an item put into a queue",
            match enqueue {
                Enqueue::Announces => "is announced",
                Enqueue::Fails => "ends the host",
            },
        ),
        (
            "`proxy_get_status`".to_owned(),
            match status {
                Some((code, message)) => format!("always {code}, `{message}`"),
                None => "that of the callout".to_owned(),
            },
        ),
        (
            "a reply passes the response callbacks".to_owned(),
            yes(replies_pass_plugins),
        ),
        (
            "a plugin that failed is started again".to_owned(),
            yes(restarts),
        ),
        (
            "what a client gets when a plugin fails closed".to_owned(),
            failure_status.to_string(),
        ),
        (
            "with fail-open, the request during which a plugin fails goes on".to_owned(),
            yes(open_when_it_fails),
        ),
    ]
}

fn limits(limits: &Limits) -> Rows {
    let Limits {
        module_bytes,
        memory_bytes,
        table_elements,
        fuel_per_invocation,
        fuel_per_request,
        fuel_at_start,
        log_entries,
        log_bytes,
        mutation_bytes,
        pairs_bytes,
        pairs_count,
        random_bytes,
        buffer_bytes,
    } = limits;
    let count = |number: &Option<usize>| match number {
        Some(number) => number.to_string(),
        None => "none".to_owned(),
    };
    let bytes = |number: &Option<usize>| match number {
        Some(number) => size(*number),
        None => "none".to_owned(),
    };
    let fuel = |number: &Option<u64>| match number {
        Some(number) => number.to_string(),
        None => "none".to_owned(),
    };
    let row = |name: &str, text: String| (name.to_owned(), text);
    vec![
        row("module and configuration", bytes(module_bytes)),
        row("memory of a VM", size(*memory_bytes)),
        row("elements of a table", table_elements.to_string()),
        row("fuel of an invocation", fuel(fuel_per_invocation)),
        row("fuel of a request", fuel(fuel_per_request)),
        row("fuel to start", fuel_at_start.to_string()),
        row("log messages of an invocation", count(log_entries)),
        row("bytes of log messages of an invocation", bytes(log_bytes)),
        row("a mutation of headers or body", bytes(mutation_bytes)),
        row("an encoded header map", size(*pairs_bytes)),
        row("pairs in it", pairs_count.to_string()),
        row("random bytes at once", size(*random_bytes)),
        row("a body held back", bytes(buffer_bytes)),
    ]
}

/// A number of bytes as people write it.
fn size(bytes: usize) -> String {
    const UNITS: &[(usize, &str)] = &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS
        .iter()
        .find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hostcall_and_callback_has_a_line() {
        let page = support_page();
        for call in Hostcall::ALL {
            assert!(page.contains(&format!("| `{}` |", call.name())));
        }
        for callback in Callback::ALL {
            assert!(page.contains(&format!("| `{}` |", callback.name())));
        }
    }

    #[test]
    fn sizes_are_written_as_people_do() {
        assert_eq!(size(16 << 20), "16 MiB");
        assert_eq!(size(1025), "1025 bytes");
    }
}
