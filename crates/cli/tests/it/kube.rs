//! `gatewright serve --kube`, asked by stock `kubectl`, `curl` and kube's own client.

mod client;
mod cluster;
mod documentation;
mod fixtures;
mod kubectl;
mod normal;
mod state;
