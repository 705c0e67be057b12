//! `proxy_get_property` and `proxy_set_property`.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, give, parts, serve, slice};
use crate::property;
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |mut guest: Caller<'_, HostState>, path: u32, len: u32, to: u32, len_to: u32| {
            serve(&mut guest, "proxy_get_property", |guest| get(guest, path, len, to, len_to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |mut guest: Caller<'_, HostState>, path: u32, path_len: u32, value: u32, value_len: u32| {
            serve(&mut guest, "proxy_set_property", |guest| {
                set(guest, path, path_len, value, value_len)
            })
        },
    )?;
    Ok(())
}

fn get(guest: Guest<'_, '_>, path: u32, len: u32, to: u32, len_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let path = slice(memory, path, len)?;
    state.note(|note| note.arg("path", dotted(path)));
    let value = property::get(path, state.stream(), state.root())?.into_bytes();
    state.note(|note| note.ret("value", value.clone()));
    give(guest, &value, to, len_to)
}

fn set(guest: Guest<'_, '_>, path: u32, path_len: u32, value: u32, value_len: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let (path, value) = (slice(memory, path, path_len)?, slice(memory, value, value_len)?);
    state.note(|note| note.arg("path", dotted(path)).arg("value", value));
    let limit = state.limits.filter_state_bytes;
    let stream = state.stream_mut().ok_or(Status::NotFound)?;
    Ok(stream.info.write(|info| info.filter_state.set_by_guest(path, value, limit))?)
}

fn dotted(path: &[u8]) -> Bytes {
    path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect()
}
