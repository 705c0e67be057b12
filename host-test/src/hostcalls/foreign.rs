//! `proxy_call_foreign_function`: finds the function in the host's registry. A name that is not
//! there is `NotFound`, as in a proxy that does not offer it.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::foreign::ForeignCall;
use crate::memory::{HostResult, parts, place, serve, slice, write_u32};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |mut guest: Caller<'_, HostState>,
         name: u32,
         name_len: u32,
         arguments: u32,
         arguments_len: u32,
         to: u32,
         len_to: u32| {
            serve(&mut guest, "proxy_call_foreign_function", |guest| {
                call(guest, (name, name_len), (arguments, arguments_len), to, len_to)
            })
        },
    )?;
    Ok(())
}

fn call(
    guest: Guest<'_, '_>,
    name: (u32, u32),
    arguments: (u32, u32),
    to: u32,
    len_to: u32,
) -> HostResult {
    let (memory, state) = parts(guest)?;
    let name = slice(memory, name.0, name.1)?;
    let arguments = slice(memory, arguments.0, arguments.1)?;
    state.note(|note| note.arg("name", name).arg("arguments", arguments));
    let function = state.host.foreign.find(name).ok_or(Status::NotFound)?;
    let result = function(&mut ForeignCall::new(arguments, state))?;
    state.note(|note| note.ret("result", result.clone()));
    // A guest that wants no result passes no place for it.
    let pointer = if to == 0 { 0 } else { place(guest, &result)? };
    let (memory, _) = parts(guest)?;
    if to != 0 {
        write_u32(memory, to, pointer)?;
    }
    if len_to != 0 {
        write_u32(memory, len_to, u32::try_from(result.len()).unwrap_or(u32::MAX))?;
    }
    Ok(())
}
