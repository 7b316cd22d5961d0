//! A trace as HTML: the report of a replay and the live page.
