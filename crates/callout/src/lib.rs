//! Callouts (Envoy ext_proc v3): the client as the load balancer speaks it, and a server in Rust.
