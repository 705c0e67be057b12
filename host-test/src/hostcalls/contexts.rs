//! Contexts: acting for another one, ending a root context, and the status of the last callout.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, answer, give, parts, write_u32};
use crate::record::Change;
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_set_effective_context", |mut guest: Caller<'_, HostState>, context: u32| {
        answer(set_effective(&mut guest, context))
    })?;
    linker.func_wrap("env", "proxy_done", |mut guest: Caller<'_, HostState>| answer(done(&mut guest)))?;
    linker.func_wrap(
        "env",
        "proxy_get_status",
        |mut guest: Caller<'_, HostState>, code_to: u32, message_to: u32, len_to: u32| {
            answer(get_status(&mut guest, code_to, message_to, len_to))
        },
    )?;
    Ok(())
}

/// Lasts until the callback ends.
fn set_effective(guest: Guest<'_, '_>, context: u32) -> HostResult {
    let state = guest.data_mut();
    state.effective = state.place(context).ok_or(Status::BadArgument)?;
    Ok(())
}

/// The guest has finished what it wanted to finish before its root context goes. Only after `proxy_on_done` answered false.
fn done(guest: Guest<'_, '_>) -> HostResult {
    let state = guest.data_mut();
    let root = state.root_mut().filter(|root| root.awaiting_done).ok_or(Status::NotFound)?;
    root.done = true;
    state.record(|_| Change::Done);
    Ok(())
}

/// The status of the callout whose answer is being delivered: none is, so 0 and no message, as in Envoy.
fn get_status(guest: Guest<'_, '_>, code_to: u32, message_to: u32, len_to: u32) -> HostResult {
    let (memory, _) = parts(guest)?;
    write_u32(memory, code_to, 0)?;
    give(guest, b"", message_to, len_to)
}
