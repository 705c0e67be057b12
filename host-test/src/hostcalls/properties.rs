//! `proxy_get_property` and `proxy_set_property`.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, answer, give, parts, slice};
use crate::property;
use crate::record::{Change, Text};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |mut guest: Caller<'_, HostState>, path: u32, len: u32, to: u32, len_to: u32| {
            answer(get(&mut guest, path, len, to, len_to))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |mut guest: Caller<'_, HostState>, path: u32, path_len: u32, value: u32, value_len: u32| {
            answer(set(&mut guest, path, path_len, value, value_len))
        },
    )?;
    Ok(())
}

fn get(guest: Guest<'_, '_>, path: u32, len: u32, to: u32, len_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let value = property::get(slice(memory, path, len)?, state.stream(), state.root())?.into_bytes();
    give(guest, &value, to, len_to)
}

fn set(guest: Guest<'_, '_>, path: u32, path_len: u32, value: u32, value_len: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let (path, value) = (slice(memory, path, path_len)?, slice(memory, value, value_len)?);
    let limit = state.limits.filter_state_bytes;
    let set = &mut state.stream_mut().ok_or(Status::NotFound)?.info.filter_state;
    let at = set.iter().position(|(name, _)| name == path);
    let kept: usize =
        set.iter().enumerate().filter(|(i, _)| Some(*i) != at).map(|(_, (name, value))| name.len() + value.len()).sum();
    if kept.saturating_add(path.len()).saturating_add(value.len()) > limit {
        return Err(Status::InternalFailure.into());
    }
    let copy = Bytes::copy_from_slice(value);
    match at.and_then(|at| set.get_mut(at)) {
        Some((_, old)) => *old = copy,
        None => set.push((Bytes::copy_from_slice(path), copy)),
    }
    state.record(|_| {
        let dotted: Vec<u8> = path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect();
        Change::PropertySet { path: Text(dotted.into()), value: Text::copy(value) }
    });
    Ok(())
}
