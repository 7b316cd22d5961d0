//! The program as its users run it: command lines, exit codes, what is printed, what is written.

mod bench;
mod callouts;
mod check;
#[path = "../../../oci/tests/it/docker_registry.rs"]
mod docker_registry;
mod engines;
mod explain;
mod explore;
mod export;
mod exported;
mod images;
mod kube;
mod new;
mod process;
mod recorded;
mod registry;
mod serve;
mod serve_images;
mod serving;
mod soak;
mod support;
mod trace;
mod walkthroughs;
