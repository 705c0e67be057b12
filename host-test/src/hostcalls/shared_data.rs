//! Shared data: values that all VMs with the same VM id share, each under a key. A value is written
//! unconditionally or by compare-and-swap.

use bytes::Bytes;

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::memory::{Guest, HostcallResult, Span, give, parts, write_u32};
use crate::state::HostState;

pub(super) const FAMILY: &[Definition] = family! {
    proxy_get_shared_data(key: u32, len: u32, to: u32, len_to: u32, cas_to: u32) in V0_1_0..=V0_2_1
        => |guest| get(guest, (key, len), to, len_to, cas_to);
    proxy_set_shared_data(key: u32, key_len: u32, value: u32, value_len: u32, cas: u32)
        in V0_1_0..=V0_2_1
        => |guest| set(guest, (key, key_len), (value, value_len), cas);
};

pub(super) fn vm_id(state: &HostState) -> Bytes {
    state.contexts.root().map(|root| root.vm_id.clone()).unwrap_or_default()
}

fn get(guest: Guest<'_, '_>, key: Span, to: u32, len_to: u32, cas_to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let key = Bytes::copy_from_slice(state.read(memory, key)?);
    state.note(|note| note.arg("key", key.clone()));
    let (value, cas) = state.host.shared.get(&vm_id(state), &key).ok_or(Status::NotFound)?;
    state.note(|note| note.ret("value", value.clone()).ret("cas", cas));
    give(guest, &value, to, len_to)?;
    let (memory, _) = parts(guest)?;
    Ok(write_u32(memory, cas_to, cas)?)
}

fn set(guest: Guest<'_, '_>, key: Span, value: Span, cas: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let key = Bytes::copy_from_slice(state.read(memory, key)?);
    let value = Bytes::copy_from_slice(state.read(memory, value)?);
    state.note(|note| note.arg("key", key.clone()).arg("value", value.clone()).arg("cas", cas));
    Ok(state.host.shared.set(vm_id(state), key, value, cas)?)
}
