//! What surrounds the plugins of a case: how they are set up, the upstreams that they call, and
//! what happens between exchanges.

use std::sync::Arc;

use gatewright_host::{AttachPoint, CalloutResponse, Capabilities, Events, HeaderMap};

use crate::model::Check;

/// What surrounds the plugins of a case.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// How plugins are set up, in the order of the chain. With none, the chain is the one that
    /// cases are run against; a case's own chain is longer by copies of its first plugin.
    pub plugins: Vec<Setup>,
    /// Where the plugins are attached.
    pub attach: AttachPoint,
    /// The upstreams that plugins may call.
    pub upstreams: Arc<Vec<Upstream>>,
    /// The phases that an extension lists for its plugin; `None` for what it is run with.
    pub events: Option<Events>,
}

/// How one plugin is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Its configuration, where it differs from the case's.
    pub config: Option<Arc<[u8]>>,
    /// Its name.
    pub name: String,
    /// Its root id.
    pub root_id: String,
    /// The id under which VMs share data and queues.
    pub vm_id: String,
    /// Its VM's configuration.
    pub vm_config: Option<Arc<[u8]>>,
    /// What it may call and be called with; `None` for everything.
    pub capabilities: Option<Arc<Capabilities>>,
    /// What becomes of exchanges when it fails; `None` for what it is run with.
    pub failure: Option<FailurePolicy>,
}

/// What becomes of exchanges when a plugin fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They fail.
    Closed,
    /// They go on without it.
    Open,
    /// They fail until it is started again, after a while.
    Reload,
}

impl FailurePolicy {
    /// Every policy.
    pub const ALL: &'static [Self] = &[Self::Closed, Self::Open, Self::Reload];

    /// The name as cases write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Reload => "reload",
        }
    }
}

/// An upstream for callouts.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// What it answers to one callout after the other; the last answer serves the rest.
    pub answers: Vec<Answer>,
}

/// An answer of an upstream.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Nanoseconds until it comes.
    pub after: u64,
    /// What it is.
    pub kind: AnswerKind,
}

/// What an upstream answers.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerKind {
    /// An HTTP response.
    Http(CalloutResponse),
    /// What comes on a gRPC call or stream.
    Grpc {
        /// Initial metadata; a call does not show it to plugins.
        initial: Option<HeaderMap>,
        /// Messages, of which a call shows the first.
        messages: Vec<Vec<u8>>,
        /// Trailing metadata; a call does not show it to plugins.
        trailing: Option<HeaderMap>,
        /// The status at the end.
        status: u32,
        /// The status message.
        message: String,
    },
    /// The connection breaks.
    Fails,
    /// Nothing comes: the callout ends by its own timeout, if it has one.
    Silent,
}

/// Something that happens between exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// So many nanoseconds pass.
    Advance(u64),
    /// Another VM puts items into a queue.
    Enqueue {
        /// The id of the VM that the queue belongs to.
        vm_id: String,
        /// The queue's name.
        queue: String,
        /// The items.
        items: Vec<Vec<u8>>,
    },
}

/// What is expected of a callout.
#[derive(Clone, Debug, Default)]
pub struct CalloutIs {
    /// The upstream's name.
    pub upstream: Option<String>,
    /// The gRPC service.
    pub service: Option<String>,
    /// The gRPC method.
    pub method: Option<String>,
    /// Checks on its headers, or metadata, and its body, or message.
    pub checks: Vec<Check>,
}
