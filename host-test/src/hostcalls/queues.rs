//! Shared queues: named by VM id and name, then by token. Whoever registered a queue hears of new
//! items through `proxy_on_queue_ready`, which `Vm::deliver_queue_items` calls.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use super::shared_data::vm_id;
use crate::memory::{HostResult, give, parts, serve, slice, write_u32};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |mut guest: Caller<'_, HostState>, name: u32, len: u32, to: u32| {
            serve(&mut guest, "proxy_register_shared_queue", |guest| register(guest, name, len, to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |mut guest: Caller<'_, HostState>,
         vm: u32,
         vm_len: u32,
         name: u32,
         name_len: u32,
         to: u32| {
            serve(&mut guest, "proxy_resolve_shared_queue", |guest| {
                resolve(guest, (vm, vm_len), (name, name_len), to)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |mut guest: Caller<'_, HostState>, token: u32, data: u32, len: u32| {
            serve(&mut guest, "proxy_enqueue_shared_queue", |guest| {
                enqueue(guest, token, data, len)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |mut guest: Caller<'_, HostState>, token: u32, to: u32, len_to: u32| {
            serve(&mut guest, "proxy_dequeue_shared_queue", |guest| {
                dequeue(guest, token, to, len_to)
            })
        },
    )?;
    Ok(())
}

fn register(guest: Guest<'_, '_>, name: u32, len: u32, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let name = Bytes::copy_from_slice(slice(memory, name, len)?);
    // A queue registered from a stream is heard of on its root context.
    let root = state.root().map_or(0, |root| root.context);
    state.note(|note| note.arg("name", name.clone()));
    let token =
        state.host.shared.register_queue(vm_id(state), name, state.mailbox.clone(), root)?;
    state.note(|note| note.ret("queue", token));
    Ok(write_u32(memory, to, token)?)
}

fn resolve(guest: Guest<'_, '_>, vm: (u32, u32), name: (u32, u32), to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let vm = Bytes::copy_from_slice(slice(memory, vm.0, vm.1)?);
    let name = Bytes::copy_from_slice(slice(memory, name.0, name.1)?);
    state.note(|note| note.arg("vm_id", vm.clone()).arg("name", name.clone()));
    let vm = if vm.is_empty() { vm_id(state) } else { vm };
    let token = state.host.shared.resolve_queue(vm, name)?;
    state.note(|note| note.ret("queue", token));
    Ok(write_u32(memory, to, token)?)
}

fn enqueue(guest: Guest<'_, '_>, token: u32, data: u32, len: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let data = Bytes::copy_from_slice(slice(memory, data, len)?);
    state.note(|note| note.arg("queue", token).arg("data", data.clone()));
    Ok(state.host.shared.enqueue(token, data)?)
}

fn dequeue(guest: Guest<'_, '_>, token: u32, to: u32, len_to: u32) -> HostResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("queue", token));
    let item = state.host.shared.dequeue(token)?;
    state.note(|note| note.ret("data", item.clone()));
    give(guest, &item, to, len_to)
}
