//! Shared queues: named by VM id and name, then by token. Whoever registered a queue hears of new items through
//! `proxy_on_queue_ready`, which `Vm::deliver_queue_items` calls.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use super::shared_data::vm_id;
use crate::memory::{HostResult, answer, give, parts, slice, write_u32};
use crate::record::{Change, Text};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |mut guest: Caller<'_, HostState>, name: u32, len: u32, to: u32| answer(register(&mut guest, name, len, to)),
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |mut guest: Caller<'_, HostState>, vm: u32, vm_len: u32, name: u32, name_len: u32, to: u32| {
            answer(resolve(&mut guest, (vm, vm_len), (name, name_len), to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |mut guest: Caller<'_, HostState>, token: u32, data: u32, len: u32| answer(enqueue(&mut guest, token, data, len)),
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |mut guest: Caller<'_, HostState>, token: u32, to: u32, len_to: u32| answer(dequeue(&mut guest, token, to, len_to)),
    )?;
    Ok(())
}

fn register(guest: Guest<'_, '_>, name: u32, len: u32, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let name = Bytes::copy_from_slice(slice(memory, name, len)?);
    // A queue registered from a stream is heard of on its root context.
    let root = state.root().map_or(0, |root| root.context);
    let token = state.host.shared.register_queue(vm_id(state), name.clone(), state.mailbox.clone(), root)?;
    state.record(|_| Change::QueueRegistered { name: Text(name), token });
    Ok(write_u32(memory, to, token)?)
}

fn resolve(guest: Guest<'_, '_>, vm: (u32, u32), name: (u32, u32), to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let vm = Bytes::copy_from_slice(slice(memory, vm.0, vm.1)?);
    let name = Bytes::copy_from_slice(slice(memory, name.0, name.1)?);
    let vm = if vm.is_empty() { vm_id(state) } else { vm };
    let token = state.host.shared.resolve_queue(vm, name)?;
    Ok(write_u32(memory, to, token)?)
}

fn enqueue(guest: Guest<'_, '_>, token: u32, data: u32, len: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let data = Bytes::copy_from_slice(slice(memory, data, len)?);
    state.host.shared.enqueue(token, data.clone())?;
    state.record(|_| Change::Enqueued { token, data: Text(data) });
    Ok(())
}

fn dequeue(guest: Guest<'_, '_>, token: u32, to: u32, len_to: u32) -> HostResult {
    let state = guest.data_mut();
    let item = state.host.shared.dequeue(token)?;
    state.record(|_| Change::Dequeued { token });
    give(guest, &item, to, len_to)
}
