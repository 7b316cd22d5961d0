//! Data that VMs of one id share, and queues between them.

use super::{Answer, Cx, read};
use crate::fault::Ended;
use crate::profile::Enqueue;
use crate::trace::Value;

pub(super) fn get(
    cx: &mut Cx<'_>,
    out: &mut Vec<u8>,
    key: u32,
    key_length: u32,
    out_cas: u32,
) -> Answer {
    let key = read(cx.memory, key, key_length)?;
    cx.state.note(|| [("key", Value::Bytes(key.to_vec()))]);
    let (value, cas) = cx
        .state
        .settings
        .shared
        .get(&cx.state.settings.vm_id, key)?;
    cx.state.note(|| {
        [
            ("value", Value::Bytes(value.clone())),
            ("cas", Value::Number(cas.into())),
        ]
    });
    *out = value;
    cx.write(out_cas, cas.to_le_bytes())
}

pub(super) fn set(
    cx: &mut Cx<'_>,
    key: u32,
    key_length: u32,
    value: u32,
    length: u32,
    cas: u32,
) -> Answer {
    let key = read(cx.memory, key, key_length)?;
    let value = read(cx.memory, value, length)?;
    let state = &mut *cx.state;
    state.meter.bytes_from_guest += (key.len() + value.len()) as u64;
    state.note(|| {
        [
            ("key", Value::Bytes(key.to_vec())),
            ("value", Value::Bytes(value.to_vec())),
            ("cas", Value::Number(cas.into())),
        ]
    });
    state
        .settings
        .shared
        .set(&state.settings.vm_id, key, value, cas)
}

pub(super) fn register_queue(cx: &mut Cx<'_>, name: u32, length: u32, out: u32) -> Answer {
    let name = read(cx.memory, name, length)?;
    let settings = &cx.state.settings;
    let queue = settings
        .shared
        .register_queue(&settings.vm_id, name, settings.index);
    cx.state.note(|| {
        [
            ("name", Value::Bytes(name.to_vec())),
            ("queue", Value::Number(queue.into())),
        ]
    });
    cx.write(out, queue.to_le_bytes())
}

pub(super) fn resolve_queue(
    cx: &mut Cx<'_>,
    vm: u32,
    vm_length: u32,
    name: u32,
    length: u32,
    out: u32,
) -> Answer {
    let vm = read(cx.memory, vm, vm_length)?;
    let name = read(cx.memory, name, length)?;
    cx.state.note(|| {
        [
            ("vm_id", Value::Bytes(vm.to_vec())),
            ("name", Value::Bytes(name.to_vec())),
        ]
    });
    let queue = cx.state.settings.shared.resolve_queue(vm, name)?;
    cx.state.note(|| [("queue", Value::Number(queue.into()))]);
    cx.write(out, queue.to_le_bytes())
}

pub(super) fn enqueue(cx: &mut Cx<'_>, queue: u32, item: u32, length: u32) -> Answer {
    let item = read(cx.memory, item, length)?;
    cx.state.meter.bytes_from_guest += u64::from(length);
    cx.state.note(|| {
        [
            ("queue", Value::Number(queue.into())),
            ("value", Value::Bytes(item.to_vec())),
        ]
    });
    let shared = &cx.state.settings.shared;
    if cx.state.rules.enqueue == Enqueue::Fails && shared.has_queue(queue) {
        cx.ended = Some(Ended::HostFails(
            "Google's tester has no way to tell a queue's owner, and ends here",
        ));
        return Ok(());
    }
    shared.enqueue(queue, item)
}

pub(super) fn dequeue(cx: &mut Cx<'_>, out: &mut Vec<u8>, queue: u32) -> Answer {
    cx.state.note(|| [("queue", Value::Number(queue.into()))]);
    *out = cx.state.settings.shared.dequeue(queue)?;
    cx.state.note(|| [("value", Value::Bytes(out.clone()))]);
    Ok(())
}
