//! Shared queues. A queue has a VM id and a name, and a token that the other hostcalls use. New
//! items are announced to the plugin that registered the queue: `Vm::deliver_queue_items` calls its
//! `proxy_on_queue_ready`.

use bytes::Bytes;

use super::definition::{Definition, family};
use super::shared_data::vm_id;
use crate::memory::{Guest, HostcallResult, Span, give, parts, write_u32};

pub(super) const FAMILY: &[Definition] = family! {
    proxy_register_shared_queue(name: u32, len: u32, to: u32) in V0_1_0..=V0_2_1
        => |guest| register(guest, (name, len), to);
    proxy_resolve_shared_queue(vm: u32, vm_len: u32, name: u32, name_len: u32, to: u32)
        in V0_1_0..=V0_2_1
        => |guest| resolve(guest, (vm, vm_len), (name, name_len), to);
    proxy_enqueue_shared_queue(token: u32, data: u32, len: u32) in V0_1_0..=V0_2_1
        => |guest| enqueue(guest, token, (data, len));
    proxy_dequeue_shared_queue(token: u32, to: u32, len_to: u32) in V0_1_0..=V0_2_1
        => |guest| dequeue(guest, token, to, len_to);
};

fn register(guest: Guest<'_, '_>, name: Span, to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let name = Bytes::copy_from_slice(state.read(memory, name)?);
    // Items are announced to the root context, also when a stream registers the queue.
    let root = state.contexts.root().map_or(0, |root| root.context);
    state.note(|note| note.arg("name", name.clone()));
    let token =
        state.host.shared.register_queue(vm_id(state), name, state.mailbox.clone(), root)?;
    state.note(|note| note.ret("queue", token));
    Ok(write_u32(memory, to, token)?)
}

fn resolve(guest: Guest<'_, '_>, vm: Span, name: Span, to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let vm = Bytes::copy_from_slice(state.read(memory, vm)?);
    let name = Bytes::copy_from_slice(state.read(memory, name)?);
    state.note(|note| note.arg("vm_id", vm.clone()).arg("name", name.clone()));
    let vm = if vm.is_empty() { vm_id(state) } else { vm };
    let token = state.host.shared.resolve_queue(&vm, &name)?;
    state.note(|note| note.ret("queue", token));
    Ok(write_u32(memory, to, token)?)
}

fn enqueue(guest: Guest<'_, '_>, token: u32, data: Span) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let data = Bytes::copy_from_slice(state.read(memory, data)?);
    state.note(|note| note.arg("queue", token).arg("data", data.clone()));
    let chain = state.chain.get_or_insert_default();
    Ok(state.host.shared.enqueue(token, data, chain)?)
}

fn dequeue(guest: Guest<'_, '_>, token: u32, to: u32, len_to: u32) -> HostcallResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("queue", token));
    let item = state.host.shared.dequeue(token)?;
    state.note(|note| note.ret("data", item.clone()));
    give(guest, &item, to, len_to)
}
