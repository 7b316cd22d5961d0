//! Bytes as text for people, the same on the terminal and on pages.

pub(crate) use gatewright_view::{shortened, shown, shown_lines};
