//! The gateway on real sockets, with clients and upstreams that are told byte by byte what to do.

mod callouts;
mod faults;
mod hostile;
mod http2;
mod page;
mod plugins;
mod protocols;
mod routes;
mod routing;
mod running;
mod support;
mod upstreams;
