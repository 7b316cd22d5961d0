//! Any text as a file of cases: ours, Google's text form, and its YAML. Never a panic, and an error
//! stands where there is text.

#![no_main]

use std::path::Path;

use gatewright_harness::load_text;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else {
        return Corpus::Reject;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return Corpus::Reject;
    };
    // A file that a case names would be read: nothing is there, and no other folder is looked at.
    if text.contains("/dev") || text.contains("/proc") || text.contains("/sys") {
        return Corpus::Reject;
    }
    let name = match first {
        b'p' => "/nowhere/fuzz.textpb",
        _ => "/nowhere/fuzz.yaml",
    };
    if let Err(error) = load_text(text, Path::new(name)) {
        // In YAML a carriage return ends a line too, as editors show it.
        let lines = match first {
            b'p' => text.lines().count().max(1),
            _ => text.split(['\n', '\r']).count(),
        };
        assert!(error.place.line as usize <= lines + 1, "{error}");
        assert!(!error.message.is_empty());
        let _ = error.to_string();
    }
    Corpus::Keep
});
