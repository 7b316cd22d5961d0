//! What the in-memory host answers of the hostcalls that only Envoy has.

use super::{MemoryHost, with};
use crate::HeaderList;
use gatewright_abi::{Hostcall, MetricType, Status};

const OK: u32 = Status::Ok.as_u32();

/// A callout that a plugin made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCall {
    /// The number by which the answer finds it.
    pub token: u32,
    /// The upstream, as the plugin names it.
    pub upstream: Vec<u8>,
    /// Service and method of a gRPC call; none for HTTP.
    pub method: Option<(Vec<u8>, Vec<u8>)>,
    /// Headers, or metadata.
    pub headers: HeaderList,
    /// The body, or the message.
    pub body: Vec<u8>,
    /// The trailers of an HTTP call.
    pub trailers: HeaderList,
    /// Milliseconds until it is given up; 0 for a gRPC stream.
    pub timeout: u32,
}

/// A metric that a plugin defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: MetricType,
    /// The value of a counter or gauge, the last of a histogram.
    pub value: u64,
}

/// What plugins of a VM share, and what they asked of the world.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) sent: Vec<SentCall>,
    pub(crate) tick_period: u32,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) grpc_status: (u32, Vec<u8>),
    data: Vec<(Vec<u8>, Vec<u8>, u32)>,
    pub(crate) queues: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    tokens: u32,
}

impl Shared {
    pub(crate) const fn new() -> Self {
        Self {
            sent: Vec::new(),
            tick_period: 0,
            metrics: Vec::new(),
            grpc_status: (0, Vec::new()),
            data: Vec::new(),
            queues: Vec::new(),
            tokens: 0,
        }
    }

    fn send(&mut self, mut call: SentCall, token: &mut u32) {
        self.tokens += 1;
        call.token = self.tokens;
        *token = self.tokens;
        self.sent.push(call);
    }

    fn queue(&mut self, queue: u32) -> Option<&mut Vec<Vec<u8>>> {
        let index = usize::try_from(queue).ok()?.checked_sub(1)?;
        self.queues.get_mut(index).map(|(_, values)| values)
    }

    fn metric(&mut self, metric: u32) -> Option<&mut Metric> {
        self.metrics.get_mut(usize::try_from(metric).ok()?)
    }
}

/// One hostcall: the answer that the test prepared, or what `f` does.
fn call(hostcall: Hostcall, f: impl FnOnce(&mut MemoryHost) -> Result<(), Status>) -> u32 {
    with(|host| match host.enter(hostcall.name()) {
        Some(answer) => answer.status,
        None => f(host).map_or_else(Status::as_u32, |()| OK),
    })
}

fn list(wire: &[u8]) -> HeaderList {
    HeaderList::from_wire(wire.to_vec()).unwrap_or_default()
}

pub(crate) fn set_effective_context(_: u32) -> u32 {
    call(Hostcall::SetEffectiveContext, |_| Ok(()))
}

pub(crate) fn set_tick_period(milliseconds: u32) -> u32 {
    call(Hostcall::SetTickPeriodMilliseconds, |host| {
        host.shared.tick_period = milliseconds;
        Ok(())
    })
}

pub(crate) fn continue_stream(_: u32) -> u32 {
    call(Hostcall::ContinueStream, |_| Ok(()))
}

pub(crate) fn get_status(code: &mut u32, out: &mut Vec<u8>) -> u32 {
    with(|host| {
        host.read(Hostcall::GetStatus.name(), out, |host| {
            let (status, message) = host.shared.grpc_status.clone();
            *code = status;
            Ok(message)
        })
    })
}

pub(crate) fn http_call(
    upstream: &[u8],
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout: u32,
    token: &mut u32,
) -> u32 {
    let sent = SentCall {
        token: 0,
        upstream: upstream.to_vec(),
        method: None,
        headers: list(headers),
        body: body.to_vec(),
        trailers: list(trailers),
        timeout,
    };
    call(Hostcall::HttpCall, |host| {
        host.shared.send(sent, token);
        Ok(())
    })
}

fn grpc(
    [upstream, service, method]: [&[u8]; 3],
    metadata: &[u8],
    message: &[u8],
    timeout: u32,
) -> SentCall {
    SentCall {
        token: 0,
        upstream: upstream.to_vec(),
        method: Some((service.to_vec(), method.to_vec())),
        headers: list(metadata),
        body: message.to_vec(),
        trailers: HeaderList::new(),
        timeout,
    }
}

pub(crate) fn grpc_call(
    names: [&[u8]; 3],
    metadata: &[u8],
    message: &[u8],
    timeout: u32,
    token: &mut u32,
) -> u32 {
    call(Hostcall::GrpcCall, |host| {
        let sent = grpc(names, metadata, message, timeout);
        host.shared.send(sent, token);
        Ok(())
    })
}

pub(crate) fn grpc_stream(names: [&[u8]; 3], metadata: &[u8], token: &mut u32) -> u32 {
    call(Hostcall::GrpcStream, |host| {
        let sent = grpc(names, metadata, b"", 0);
        host.shared.send(sent, token);
        Ok(())
    })
}

pub(crate) fn grpc_send(token: u32, message: &[u8], _end_of_stream: bool) -> u32 {
    call(Hostcall::GrpcSend, |host| {
        let mut sent = host.shared.sent.iter_mut();
        let call = sent.find(|call| call.token == token);
        call.ok_or(Status::NotFound)?
            .body
            .extend_from_slice(message);
        Ok(())
    })
}

pub(crate) fn grpc_cancel(_: u32) -> u32 {
    call(Hostcall::GrpcCancel, |_| Ok(()))
}

pub(crate) fn grpc_close(_: u32) -> u32 {
    call(Hostcall::GrpcClose, |_| Ok(()))
}

pub(crate) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> u32 {
    call(Hostcall::SetSharedData, |host| {
        let data = &mut host.shared.data;
        match data.iter_mut().find(|(known, ..)| known == key) {
            Some((.., version)) if cas != 0 && cas != *version => Err(Status::CasMismatch),
            Some((_, old, version)) => {
                *old = value.to_vec();
                *version += 1;
                Ok(())
            }
            None => {
                data.push((key.to_vec(), value.to_vec(), 1));
                Ok(())
            }
        }
    })
}

pub(crate) fn get_shared_data(key: &[u8], out: &mut Vec<u8>, cas: &mut u32) -> u32 {
    with(|host| {
        host.read(Hostcall::GetSharedData.name(), out, |host| {
            let mut data = host.shared.data.iter();
            let (_, value, version) = data
                .find(|(known, ..)| known == key)
                .ok_or(Status::NotFound)?;
            *cas = *version;
            Ok(value.clone())
        })
    })
}

/// Ids of queues are their places, from one.
fn queue_id(queues: &[(Vec<u8>, Vec<Vec<u8>>)], name: &[u8]) -> Option<u32> {
    let place = queues.iter().position(|(known, _)| known == name)?;
    u32::try_from(place + 1).ok()
}

pub(crate) fn register_shared_queue(name: &[u8], queue: &mut u32) -> u32 {
    call(Hostcall::RegisterSharedQueue, |host| {
        let queues = &mut host.shared.queues;
        if queue_id(queues, name).is_none() {
            queues.push((name.to_vec(), Vec::new()));
        }
        *queue = queue_id(queues, name).ok_or(Status::InternalFailure)?;
        Ok(())
    })
}

pub(crate) fn resolve_shared_queue(_vm: &[u8], name: &[u8], queue: &mut u32) -> u32 {
    call(Hostcall::ResolveSharedQueue, |host| {
        *queue = queue_id(&host.shared.queues, name).ok_or(Status::NotFound)?;
        Ok(())
    })
}

pub(crate) fn enqueue_shared_queue(queue: u32, value: &[u8]) -> u32 {
    call(Hostcall::EnqueueSharedQueue, |host| {
        let queue = host.shared.queue(queue).ok_or(Status::NotFound)?;
        queue.push(value.to_vec());
        Ok(())
    })
}

pub(crate) fn dequeue_shared_queue(queue: u32, out: &mut Vec<u8>) -> u32 {
    with(|host| {
        host.read(Hostcall::DequeueSharedQueue.name(), out, |host| {
            let queue = host.shared.queue(queue).ok_or(Status::NotFound)?;
            if queue.is_empty() {
                return Err(Status::Empty);
            }
            Ok(queue.remove(0))
        })
    })
}

pub(crate) fn define_metric(kind: u32, name: &[u8], metric: &mut u32) -> u32 {
    call(Hostcall::DefineMetric, |host| {
        let metrics = &mut host.shared.metrics;
        let kind = MetricType::from_u32(kind).ok_or(Status::BadArgument)?;
        let known = metrics.iter().position(|known| known.name == name);
        let place = known.unwrap_or(metrics.len());
        if known.is_none() {
            metrics.push(Metric {
                name: name.to_vec(),
                kind,
                value: 0,
            });
        }
        *metric = u32::try_from(place).map_err(|_| Status::InternalFailure)?;
        Ok(())
    })
}

pub(crate) fn record_metric(metric: u32, value: u64) -> u32 {
    call(Hostcall::RecordMetric, |host| {
        host.shared.metric(metric).ok_or(Status::NotFound)?.value = value;
        Ok(())
    })
}

pub(crate) fn increment_metric(metric: u32, by: i64) -> u32 {
    call(Hostcall::IncrementMetric, |host| {
        let metric = host.shared.metric(metric).ok_or(Status::NotFound)?;
        if metric.kind == MetricType::Histogram || (metric.kind == MetricType::Counter && by < 0) {
            return Err(Status::BadArgument);
        }
        metric.value = metric.value.wrapping_add_signed(by);
        Ok(())
    })
}

pub(crate) fn get_metric(metric: u32, value: &mut u64) -> u32 {
    call(Hostcall::GetMetric, |host| {
        let metric = host.shared.metric(metric).ok_or(Status::NotFound)?;
        if metric.kind == MetricType::Histogram {
            return Err(Status::BadArgument);
        }
        *value = metric.value;
        Ok(())
    })
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> u32 {
    call(Hostcall::SetProperty, |host| {
        host.properties.retain(|(known, _)| known != path);
        host.properties.push((path.to_vec(), value.to_vec()));
        Ok(())
    })
}

/// There is none, but what a test answers.
pub(crate) fn call_foreign_function(_name: &[u8], _arguments: &[u8], out: &mut Vec<u8>) -> u32 {
    with(|host| {
        host.read(Hostcall::CallForeignFunction.name(), out, |_| {
            Err(Status::NotFound)
        })
    })
}
