//! Queues between VMs.

use crate::{HostError, hostcall};

/// A queue that VMs share, by its id.
///
/// Who registers it is told when something is in it, by
/// [`Service::on_queue_ready`](super::Service::on_queue_ready). Who only puts in resolves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    pub(super) const fn from_id(id: u32) -> Self {
        Self(id)
    }

    /// Makes a queue, or finds that of this VM id, and asks to be told of what comes.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn register(name: impl AsRef<[u8]>) -> Result<Self, HostError> {
        hostcall::envoy::register_shared_queue(name.as_ref()).map(Self)
    }

    /// Finds a queue that a plugin with that VM id has registered.
    ///
    /// # Errors
    /// What the host answered, if it was neither a queue nor that there is none.
    pub fn resolve(
        vm_id: impl AsRef<[u8]>,
        name: impl AsRef<[u8]>,
    ) -> Result<Option<Self>, HostError> {
        let id = hostcall::envoy::resolve_shared_queue(vm_id.as_ref(), name.as_ref())?;
        Ok(id.map(Self))
    }

    /// Puts something in.
    ///
    /// # Errors
    /// What the host answered, if it was not OK.
    pub fn enqueue(self, value: impl AsRef<[u8]>) -> Result<(), HostError> {
        hostcall::envoy::enqueue_shared_queue(self.0, value.as_ref())
    }

    /// Takes the oldest out; `None` if there is nothing in it.
    ///
    /// # Errors
    /// What the host answered, if it was neither of these.
    pub fn dequeue(self) -> Result<Option<Vec<u8>>, HostError> {
        hostcall::envoy::dequeue_shared_queue(self.0)
    }
}
