//! What `gatewright serve` needs beside the gateway: its settings, images, services and watch.

mod bound;
pub(crate) mod callouts;
pub(crate) mod images;
pub(crate) mod kube;
pub(crate) mod record;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod tell;
pub(crate) mod watch;
