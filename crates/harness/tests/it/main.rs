//! Runs cases of both formats against plugins written in WAT.

mod ours;
mod plugins;
mod suites;
mod tester;
