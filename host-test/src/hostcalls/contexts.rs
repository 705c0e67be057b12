//! Contexts: acting for another one, ending a root context, and the status of the last callout.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::Status;
use crate::memory::{HostResult, give, parts, serve, write_u32};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_set_effective_context",
        |mut guest: Caller<'_, HostState>, context: u32| {
            serve(&mut guest, "proxy_set_effective_context", |guest| set_effective(guest, context))
        },
    )?;
    linker.func_wrap("env", "proxy_done", |mut guest: Caller<'_, HostState>| {
        serve(&mut guest, "proxy_done", done)
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_status",
        |mut guest: Caller<'_, HostState>, code_to: u32, message_to: u32, len_to: u32| {
            serve(&mut guest, "proxy_get_status", |guest| {
                get_status(guest, code_to, message_to, len_to)
            })
        },
    )?;
    Ok(())
}

/// Lasts until the callback ends.
fn set_effective(guest: Guest<'_, '_>, context: u32) -> HostResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("context", context));
    // 0 is the one that the host entered the guest with, as in Envoy.
    state.effective = if context == 0 {
        state.entered
    } else {
        state.place(context).ok_or(Status::BadArgument)?
    };
    Ok(())
}

/// The guest has finished what it wanted to finish before its root context goes. Only after
/// `proxy_on_done` answered false.
fn done(guest: Guest<'_, '_>) -> HostResult {
    let state = guest.data_mut();
    let root = state.root_mut().filter(|root| root.awaiting_done).ok_or(Status::NotFound)?;
    root.done = true;
    Ok(())
}

/// The status of the callout whose answer is being delivered. The number stays until the next one,
/// as in Envoy; the message does not.
fn get_status(guest: Guest<'_, '_>, code_to: u32, message_to: u32, len_to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let (code, message) = (state.callout_status.code, state.callout_status.message.clone());
    state.note(|note| note.ret("code", code).ret("message", message.clone()));
    write_u32(memory, code_to, code)?;
    give(guest, &message, message_to, len_to)
}
