//! What VMs share: data under keys, queues, and metrics.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatewright_abi::{MetricType, Status};

/// Data, queues and metrics that VMs share. Data and queues belong to a VM id; VMs of the same id
/// see the same.
#[derive(Debug, Default)]
pub struct Shared {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    data: HashMap<(String, Vec<u8>), Entry>,
    next_cas: u32,
    queues: Vec<Queue>,
    metrics: Vec<Metric>,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    cas: u32,
}

#[derive(Debug)]
struct Queue {
    vm_id: String,
    name: Vec<u8>,
    /// The plugin that registered it last, by its place in the chain: it is told of new items.
    owner: usize,
    items: VecDeque<Vec<u8>>,
    announced: usize,
}

/// A metric and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its kind.
    pub kind: MetricType,
    /// Its name.
    pub name: Vec<u8>,
    /// A counter's or gauge's value.
    pub value: u64,
    /// What a histogram recorded, in order.
    pub records: Vec<u64>,
}

/// A metric's number: its place, and its kind in the lowest two bits, as other hosts have it.
fn metric_id(place: usize, kind: MetricType) -> u32 {
    (place as u32 + 1) << 2 | kind.as_u32()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The data is consistent between any two statements that could panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value and the number that a conditional write must name.
    pub(crate) fn get(&self, vm_id: &str, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        let inner = self.lock();
        let entry = inner
            .data
            .get(&(vm_id.to_owned(), key.to_vec()))
            .ok_or(Status::NotFound)?;
        Ok((entry.value.clone(), entry.cas))
    }

    /// Writes a value; with a number other than zero only if nobody wrote since it was read.
    pub(crate) fn set(
        &self,
        vm_id: &str,
        key: &[u8],
        value: &[u8],
        cas: u32,
    ) -> Result<(), Status> {
        let mut inner = self.lock();
        let key = (vm_id.to_owned(), key.to_vec());
        if let Some(entry) = inner.data.get(&key)
            && cas != 0
            && cas != entry.cas
        {
            return Err(Status::CasMismatch);
        }
        // Zero means no condition, so it is never handed out.
        inner.next_cas = inner.next_cas.wrapping_add(1).max(1);
        let cas = inner.next_cas;
        inner.data.insert(
            key,
            Entry {
                value: value.to_vec(),
                cas,
            },
        );
        Ok(())
    }

    /// Opens a queue, or takes it over.
    pub(crate) fn register_queue(&self, vm_id: &str, name: &[u8], owner: usize) -> u32 {
        let mut inner = self.lock();
        let place = inner
            .queues
            .iter()
            .position(|queue| queue.vm_id == vm_id && queue.name == name);
        let place = place.unwrap_or_else(|| {
            inner.queues.push(Queue {
                vm_id: vm_id.to_owned(),
                name: name.to_vec(),
                owner,
                items: VecDeque::new(),
                announced: 0,
            });
            inner.queues.len() - 1
        });
        inner.queues[place].owner = owner;
        place as u32 + 1
    }

    /// A queue's number, by the id of the VM that opened it and its name.
    pub(crate) fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        let inner = self.lock();
        let is = |queue: &Queue| queue.vm_id.as_bytes() == vm_id && queue.name == name;
        let place = inner.queues.iter().position(is).ok_or(Status::NotFound)?;
        Ok(place as u32 + 1)
    }

    pub(crate) fn has_queue(&self, queue: u32) -> bool {
        queue_mut(&mut self.lock(), queue).is_ok()
    }

    /// Puts an item into a queue from outside of any VM. Says whether there is such a queue.
    pub fn put(&self, vm_id: &str, queue: &[u8], item: &[u8]) -> bool {
        self.resolve_queue(vm_id.as_bytes(), queue)
            .and_then(|queue| self.enqueue(queue, item))
            .is_ok()
    }

    /// The items that wait in a queue, if there is one of this name.
    pub fn queue(&self, vm_id: &str, queue: &[u8]) -> Option<Vec<Vec<u8>>> {
        let id = self.resolve_queue(vm_id.as_bytes(), queue).ok()?;
        let mut inner = self.lock();
        let items = &queue_mut(&mut inner, id).ok()?.items;
        Some(items.iter().cloned().collect())
    }

    /// A value that VMs of this id share.
    pub fn data(&self, vm_id: &str, key: &[u8]) -> Option<Vec<u8>> {
        Some(self.get(vm_id, key).ok()?.0)
    }

    pub(crate) fn enqueue(&self, queue: u32, item: &[u8]) -> Result<(), Status> {
        let mut inner = self.lock();
        let queue = queue_mut(&mut inner, queue)?;
        queue.items.push_back(item.to_vec());
        queue.announced += 1;
        Ok(())
    }

    pub(crate) fn dequeue(&self, queue: u32) -> Result<Vec<u8>, Status> {
        let mut inner = self.lock();
        queue_mut(&mut inner, queue)?
            .items
            .pop_front()
            .ok_or(Status::Empty)
    }

    /// A queue that got an item which its owner was not told of, and the owner.
    pub(crate) fn take_announcement(&self) -> Option<(usize, u32)> {
        let mut inner = self.lock();
        let place = inner.queues.iter().position(|queue| queue.announced > 0)?;
        inner.queues[place].announced -= 1;
        Some((inner.queues[place].owner, place as u32 + 1))
    }

    pub(crate) fn define_metric(&self, kind: MetricType, name: &[u8]) -> u32 {
        let mut inner = self.lock();
        let is = |metric: &Metric| metric.kind == kind && metric.name == name;
        let place = inner.metrics.iter().position(is).unwrap_or_else(|| {
            let name = name.to_vec();
            inner.metrics.push(Metric {
                kind,
                name,
                value: 0,
                records: Vec::new(),
            });
            inner.metrics.len() - 1
        });
        metric_id(place, kind)
    }

    /// Adds to a counter, which takes nothing negative, or to a gauge.
    pub(crate) fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Status> {
        let mut inner = self.lock();
        let metric = metric_mut(&mut inner, id)?;
        match metric.kind {
            MetricType::Counter if offset > 0 => {
                metric.value = metric.value.wrapping_add(offset.unsigned_abs());
            }
            MetricType::Gauge => metric.value = metric.value.wrapping_add_signed(offset),
            MetricType::Counter | MetricType::Histogram => return Err(Status::BadArgument),
        }
        Ok(())
    }

    /// Adds to a counter, sets a gauge, or adds a sample to a histogram.
    pub(crate) fn record_metric(&self, id: u32, value: u64) -> Result<(), Status> {
        let mut inner = self.lock();
        let metric = metric_mut(&mut inner, id)?;
        match metric.kind {
            MetricType::Counter => metric.value = metric.value.wrapping_add(value),
            MetricType::Gauge => metric.value = value,
            MetricType::Histogram => metric.records.push(value),
        }
        Ok(())
    }

    /// The value of a counter or gauge.
    pub(crate) fn get_metric(&self, id: u32) -> Result<u64, Status> {
        let mut inner = self.lock();
        let metric = metric_mut(&mut inner, id)?;
        match metric.kind {
            MetricType::Counter | MetricType::Gauge => Ok(metric.value),
            MetricType::Histogram => Err(Status::BadArgument),
        }
    }

    /// Every metric, in the order they were defined.
    pub fn metrics(&self) -> Vec<Metric> {
        self.lock().metrics.clone()
    }
}

fn queue_mut(inner: &mut Inner, queue: u32) -> Result<&mut Queue, Status> {
    let place = (queue as usize).checked_sub(1).ok_or(Status::NotFound)?;
    inner.queues.get_mut(place).ok_or(Status::NotFound)
}

fn metric_mut(inner: &mut Inner, id: u32) -> Result<&mut Metric, Status> {
    // The kind is read from the number itself, so a made-up number of a histogram is refused for
    // its kind where one of a counter is not found.
    if id & 3 == 3 {
        return Err(Status::BadArgument);
    }
    let place = ((id >> 2) as usize)
        .checked_sub(1)
        .ok_or(Status::NotFound)?;
    let metric = inner.metrics.get_mut(place).ok_or(Status::NotFound)?;
    if metric_id(place, metric.kind) == id {
        Ok(metric)
    } else {
        Err(Status::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conditional_write_loses_to_an_earlier_one() {
        let shared = Shared::default();
        assert_eq!(shared.get("vm", b"k"), Err(Status::NotFound));
        shared.set("vm", b"k", b"1", 0).unwrap();
        let (_, cas) = shared.get("vm", b"k").unwrap();
        shared.set("vm", b"k", b"2", cas).unwrap();
        assert_eq!(shared.set("vm", b"k", b"3", cas), Err(Status::CasMismatch));
        assert_eq!(shared.get("vm", b"k").unwrap().0, b"2");
        assert_eq!(shared.get("other", b"k"), Err(Status::NotFound));
    }

    #[test]
    fn a_queue_gives_its_items_in_order_and_tells_its_last_owner() {
        let shared = Shared::default();
        let queue = shared.register_queue("vm", b"q", 0);
        assert_eq!(shared.register_queue("vm", b"q", 2), queue);
        assert_eq!(shared.resolve_queue(b"vm", b"q"), Ok(queue));
        assert_eq!(
            shared.resolve_queue(b"vm", b"nosuch"),
            Err(Status::NotFound)
        );
        shared.enqueue(queue, b"a").unwrap();
        shared.enqueue(queue, b"b").unwrap();
        assert_eq!(shared.take_announcement(), Some((2, queue)));
        assert_eq!(shared.take_announcement(), Some((2, queue)));
        assert_eq!(shared.take_announcement(), None);
        assert_eq!(shared.dequeue(queue), Ok(b"a".to_vec()));
        assert_eq!(shared.dequeue(queue), Ok(b"b".to_vec()));
        assert_eq!(shared.dequeue(queue), Err(Status::Empty));
        assert_eq!(shared.enqueue(0, b""), Err(Status::NotFound));
        assert_eq!(shared.enqueue(99, b""), Err(Status::NotFound));
    }

    #[test]
    fn each_kind_of_metric_takes_what_it_may() {
        let shared = Shared::default();
        let counter = shared.define_metric(MetricType::Counter, b"c");
        let gauge = shared.define_metric(MetricType::Gauge, b"g");
        let histogram = shared.define_metric(MetricType::Histogram, b"h");
        assert_eq!(shared.define_metric(MetricType::Counter, b"c"), counter);
        assert_eq!(
            shared.increment_metric(counter, -1),
            Err(Status::BadArgument)
        );
        assert_eq!(
            shared.increment_metric(histogram, 1),
            Err(Status::BadArgument)
        );
        shared.increment_metric(counter, 2).unwrap();
        shared.record_metric(counter, 3).unwrap();
        shared.record_metric(gauge, 7).unwrap();
        shared.increment_metric(gauge, -3).unwrap();
        shared.record_metric(histogram, 9).unwrap();
        assert_eq!(
            (shared.get_metric(counter), shared.get_metric(gauge)),
            (Ok(5), Ok(4))
        );
        assert_eq!(shared.get_metric(histogram), Err(Status::BadArgument));
        assert_eq!(shared.get_metric(0), Err(Status::NotFound));
        assert_eq!(shared.metrics()[2].records, [9]);
    }
}
