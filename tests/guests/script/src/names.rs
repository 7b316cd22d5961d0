//! Names for the numbers of the ABI, so that a script can be read.

use gatewright_abi::Status;

/// The number that a name stands for.
pub(crate) fn number(name: &str) -> Option<i64> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

/// A status by its name; by its number, if the ABI has none.
pub(crate) fn status(number: u32) -> String {
    match Status::from_u32(number) {
        Some(status) => status.name().to_owned(),
        None => number.to_string(),
    }
}

const NAMES: &[(&str, i64)] = &[
    // Answers of callbacks.
    ("continue", 0),
    ("pause", 1),
    ("false", 0),
    ("true", 1),
    // Header maps.
    ("request_headers", 0),
    ("request_trailers", 1),
    ("response_headers", 2),
    ("response_trailers", 3),
    ("grpc_initial_metadata", 4),
    ("grpc_trailing_metadata", 5),
    ("call_headers", 6),
    ("call_trailers", 7),
    // Buffers.
    ("request_body", 0),
    ("response_body", 1),
    ("downstream_data", 2),
    ("upstream_data", 3),
    ("call_body", 4),
    ("grpc_message", 5),
    ("vm_configuration", 6),
    ("plugin_configuration", 7),
    ("call_data", 8),
    // Streams.
    ("request", 0),
    ("response", 1),
    ("downstream", 2),
    ("upstream", 3),
    // Metrics.
    ("counter", 0),
    ("gauge", 1),
    ("histogram", 2),
    // Log levels.
    ("trace", 0),
    ("debug", 1),
    ("info", 2),
    ("warn", 3),
    ("error", 4),
    ("critical", 5),
    // The largest number that a length can be.
    ("all", 0xffff_ffff),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = NAMES.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
        assert_eq!(number("call_trailers"), Some(7));
        assert_eq!(status(12), "UNIMPLEMENTED");
        assert_eq!(status(5), "5");
    }
}
