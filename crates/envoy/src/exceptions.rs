//! Where the emulator knowingly differs from Envoy: the closed list.
//!
//! An exception rewrites lines of both outcomes; a difference that is gone after the rewriting is
//! explained by those exceptions without which it would not be. The parity suite fails when one of
//! them no longer occurs.

use crate::outcome::Aspect;
use crate::verdict::Difference;

/// A difference that is known and stays.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Its name.
    pub id: &'static str,
    /// Why the emulator does not do the same.
    pub reason: &'static str,
    /// What Envoy does.
    pub envoy: &'static str,
    aspect: Aspect,
    /// What a line becomes: `None` leaves it out.
    rewrite: fn(&str) -> Option<String>,
}

/// Every exception, 15 at the most.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        id: "log-after-the-connection-manager",
        reason: "the emulator ends where the last plugin does; what follows depends on the \
                 connection and the time",
        envoy: "`on_log` reads response headers after the connection manager has set `date` and \
                `connection` and has taken off `transfer-encoding`",
        aspect: Aspect::Logs,
        rewrite: without_connection_headers,
    },
    Exception {
        id: "callout-without-trailers",
        reason: "the specification gives `proxy_http_call` trailers, and the embedder gets them",
        envoy: "the asynchronous client sends headers and body, and never trailers",
        aspect: Aspect::Callouts,
        rewrite: |line| (!line.starts_with("trailer ")).then(|| line.to_owned()),
    },
    Exception {
        id: "request-size-counts-bytes",
        reason: "the emulator takes `request.size` from `content-length`, which is all it knows \
                 in the callback of the headers",
        envoy: "without a length, `request.size` is the number of bytes that came so far",
        aspect: Aspect::Logs,
        rewrite: |line| {
            let size = "get_property \"request\\x00size\" = OK ";
            Some(match line.split_once(size) {
                Some((before, _)) => format!("{before}{size}…"),
                None => line.to_owned(),
            })
        },
    },
];

/// Takes the headers that the connection manager writes out of a printed header map.
fn without_connection_headers(line: &str) -> Option<String> {
    const MAP: &str = "get_header_map_pairs response_headers = OK {";
    if !line.contains(MAP) {
        return Some(line.to_owned());
    }
    let mut line = line.to_owned();
    for name in ["\"date\" ", "\"connection\" ", "\"transfer-encoding\" "] {
        while let Some(start) = line.find(name) {
            let value = start + name.len();
            let end = line[value + 1..].find('"').map(|end| value + 1 + end + 1);
            let end = end.unwrap_or(line.len());
            line.replace_range(start..end, "");
        }
    }
    // Where a header stood there are two spaces now, or one before a brace.
    while line.contains("  ") {
        line = line.replace("  ", " ");
    }
    Some(line.replace("{ ", "{").replace(" }", "}"))
}

/// The exceptions that explain a difference; none when some of it stays unexplained.
pub(crate) fn explain(difference: &Difference) -> Vec<&'static Exception> {
    let concerned: Vec<&Exception> = EXCEPTIONS
        .iter()
        .filter(|exception| Some(exception.aspect) == difference.aspect)
        .collect();
    let same = |without: Option<&str>| {
        let rewrite = |text: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| {
                    concerned
                        .iter()
                        .filter(|exception| Some(exception.id) != without)
                        .try_fold(line.to_owned(), |line, exception| {
                            (exception.rewrite)(&line)
                        })
                })
                .collect()
        };
        rewrite(&difference.emulator) == rewrite(&difference.envoy)
    };
    if !same(None) {
        return Vec::new();
    }
    EXCEPTIONS
        .iter()
        .filter(|exception| !same(Some(exception.id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(aspect: Aspect, emulator: &str, envoy: &str, ids: &[&str]) {
        let difference = Difference {
            exchange: Some(0),
            aspect: Some(aspect),
            emulator: emulator.to_owned(),
            envoy: envoy.to_owned(),
            known: Vec::new(),
        };
        let found: Vec<_> = explain(&difference).iter().map(|known| known.id).collect();
        assert_eq!(found, ids);
    }

    #[test]
    fn a_difference_is_explained_by_what_it_would_not_be_without() {
        let map = "INFO: get_header_map_pairs response_headers = OK";
        check(
            Aspect::Logs,
            &format!("a\n{map} {{\"x\" \"1\" \"transfer-encoding\" \"chunked\"}}\n"),
            &format!("a\n{map} {{\"x\" \"1\" \"date\" \"Mon, 1\"}}\n"),
            &["log-after-the-connection-manager"],
        );
        check(
            Aspect::Callouts,
            "trailer a: 1\n",
            "",
            &["callout-without-trailers"],
        );
    }

    #[test]
    fn what_is_left_over_is_unexplained() {
        check(Aspect::Callouts, "x: 1\ntrailer a: 1\n", "", &[]);
        check(Aspect::Upstream, "trailer a: 1\n", "", &[]);
    }

    #[test]
    fn the_list_is_short_and_its_names_are_distinct() {
        assert!(EXCEPTIONS.len() <= 15);
        for exception in EXCEPTIONS {
            let same = EXCEPTIONS.iter().filter(|other| other.id == exception.id);
            assert_eq!(same.count(), 1, "{}", exception.id);
            assert!(!exception.reason.is_empty() && !exception.envoy.is_empty());
        }
    }
}
