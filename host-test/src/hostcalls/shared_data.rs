//! Shared data: a value per key that every VM with the same id sees, written whole or by
//! compare-and-swap.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, give, parts, serve, slice, write_u32};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |mut guest: Caller<'_, HostState>,
         key: u32,
         len: u32,
         to: u32,
         len_to: u32,
         cas_to: u32| {
            serve(&mut guest, "proxy_get_shared_data", |guest| {
                get(guest, key, len, to, len_to, cas_to)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |mut guest: Caller<'_, HostState>,
         key: u32,
         key_len: u32,
         value: u32,
         value_len: u32,
         cas: u32| {
            serve(&mut guest, "proxy_set_shared_data", |guest| {
                set(guest, (key, key_len), (value, value_len), cas)
            })
        },
    )?;
    Ok(())
}

pub(super) fn vm_id(state: &HostState) -> Bytes {
    state.root().map(|root| root.vm_id.clone()).unwrap_or_default()
}

fn get(guest: Guest<'_, '_>, key: u32, len: u32, to: u32, len_to: u32, cas_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let key = Bytes::copy_from_slice(slice(memory, key, len)?);
    state.note(|note| note.arg("key", key.clone()));
    let (value, cas) = state.host.shared.get(&vm_id(state), &key).ok_or(Status::NotFound)?;
    state.note(|note| note.ret("value", value.clone()).ret("cas", cas));
    give(guest, &value, to, len_to)?;
    let (memory, _) = parts(guest)?;
    Ok(write_u32(memory, cas_to, cas)?)
}

fn set(guest: Guest<'_, '_>, key: (u32, u32), value: (u32, u32), cas: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let key = Bytes::copy_from_slice(slice(memory, key.0, key.1)?);
    let value = Bytes::copy_from_slice(slice(memory, value.0, value.1)?);
    state.note(|note| note.arg("key", key.clone()).arg("value", value.clone()).arg("cas", cas));
    Ok(state.host.shared.set(vm_id(state), key, value, cas)?)
}
