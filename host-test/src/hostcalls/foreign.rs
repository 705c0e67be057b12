//! `proxy_call_foreign_function`: functions that a proxy offers beside the ABI. Envoy's `clear_route_cache` is served; every
//! other
//! name is `NotFound`, as in a proxy that does not offer it.

use wasmtime::{Caller, Linker};

use super::{Guest, streams};
use crate::abi::Status;
use crate::memory::{HostResult, answer, parts, slice, write_u32};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |mut guest: Caller<'_, HostState>, name: u32, name_len: u32, arguments: u32, arguments_len: u32, to: u32, len_to: u32| {
            answer(call(&mut guest, (name, name_len), (arguments, arguments_len), to, len_to))
        },
    )?;
    Ok(())
}

fn call(guest: Guest<'_, '_>, name: (u32, u32), arguments: (u32, u32), to: u32, len_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let name = slice(memory, name.0, name.1)?;
    slice(memory, arguments.0, arguments.1)?;
    if name != b"clear_route_cache" {
        return Err(Status::NotFound.into());
    }
    streams::clear_route_cache(state);
    // It has no result. A guest that wants none passes no place for it.
    if to != 0 {
        write_u32(memory, to, 0)?;
    }
    if len_to != 0 {
        write_u32(memory, len_to, 0)?;
    }
    Ok(())
}
