//! Images from outside: packed twice, damaged, hostile, and through real peers.

#[path = "it/docker_registry.rs"]
mod docker_registry;
#[path = "it/golden.rs"]
mod golden;
#[path = "it/hostile_layers.rs"]
mod hostile_layers;
#[path = "it/hostile_layouts.rs"]
mod hostile_layouts;
#[path = "it/hostile_registry.rs"]
mod hostile_registry;
#[path = "it/peers.rs"]
mod peers;
#[path = "it/scripted.rs"]
mod scripted;
#[path = "it/signing.rs"]
mod signing;
#[path = "it/support.rs"]
mod support;
