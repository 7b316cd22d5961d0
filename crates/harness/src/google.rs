//! Google's suites, as text and as YAML: one schema, read strictly, with the tester's semantics.
//!
//! Both forms become a message of the schema and a tree of [`Places`]; from there on there is one
//! way. The schema is compiled once in a process, from the file beside this one.

mod convert;
mod http1;
mod message;
mod places;
mod yaml;

use std::path::Path;
use std::sync::OnceLock;

use protox::prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::model::Suite;
use crate::place::{Place, Wrong};
use crate::yaml::Node;
use miette::Diagnostic as _;
use places::Places;

const SCHEMA: &str = include_str!("google/suite.proto");

/// The message that a file holds.
fn schema() -> Result<MessageDescriptor, Wrong> {
    static SUITE: OnceLock<Result<MessageDescriptor, String>> = OnceLock::new();
    SUITE
        .get_or_init(compile)
        .clone()
        .map_err(|error| Wrong::new(Place::default(), format!("the schema of suites: {error}")))
}

fn compile() -> Result<MessageDescriptor, String> {
    struct InMemory;
    impl protox::file::FileResolver for InMemory {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            protox::file::File::from_source(name, SCHEMA)
        }
    }
    let mut compiler = protox::Compiler::with_file_resolver(InMemory);
    compiler
        .open_file("suite.proto")
        .map_err(|error| error.to_string())?
        .descriptor_pool()
        .get_message_by_name("service_extensions_samples.pb.TestSuite")
        .ok_or_else(|| "it has no `TestSuite`".to_owned())
}

/// Reads a suite in protobuf's text format.
pub(crate) fn read_text(text: &str, file: &Path) -> Result<Suite, Wrong> {
    let message = DynamicMessage::parse_text_format(schema()?, text).map_err(|error| {
        let offset = error
            .labels()
            .and_then(|mut labels| labels.next())
            .map_or(text.len(), |label| label.offset());
        Wrong::new(
            Place::of_offset(text, offset),
            error.to_string().replace('\'', "`"),
        )
    })?;
    convert::suite(&message, &Places::of_text(text), file)
}

/// Reads a suite in its YAML form.
pub(crate) fn read_yaml(node: &Node, file: &Path) -> Result<Suite, Wrong> {
    let (message, places) = yaml::message(schema()?, node)?;
    convert::suite(&message, &places, file)
}

/// Whether some field at the top is one of a suite.
pub(crate) fn looks_like_suite(text: &str) -> bool {
    let places = Places::of_text(text);
    places.has("test") || places.has("env")
}
