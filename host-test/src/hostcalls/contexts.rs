//! Contexts: which one hostcalls act on, the end of a root context, and the status of the last
//! callout.

use super::definition::{Definition, family};
use crate::abi::Status;
use crate::memory::{Guest, HostcallResult, give, parts, write_u32};

pub(super) const FAMILY: &[Definition] = family! {
    proxy_set_effective_context(context: u32) in V0_1_0..=V0_2_1
        => |guest| set_effective(guest, context);
    proxy_done() in V0_1_0..=V0_2_1
        => done;
    proxy_get_status(code_to: u32, message_to: u32, len_to: u32) in V0_1_0..=V0_2_1
        => |guest| get_status(guest, code_to, message_to, len_to);
};

/// Hostcalls act on this context until the callback ends.
fn set_effective(guest: Guest<'_, '_>, context: u32) -> HostcallResult {
    let state = guest.data_mut();
    state.note(|note| note.arg("context", context));
    // 0 is the context that the host called the guest with, as in Envoy.
    let context = match context {
        0 => state.contexts.entered(),
        id => state.contexts.find(id).ok_or(Status::BadArgument)?,
    };
    state.contexts.set_effective(context);
    Ok(())
}

/// The guest has finished its work, and its root context can be deleted. `NotFound` unless
/// `proxy_on_done` returned false before.
fn done(guest: Guest<'_, '_>) -> HostcallResult {
    let state = guest.data_mut();
    let root =
        state.contexts.root_mut().filter(|root| root.awaiting_done).ok_or(Status::NotFound)?;
    root.done = true;
    Ok(())
}

/// The status of the callout whose answer is being delivered. As in Envoy, the code stays until the
/// next answer, and the message does not.
fn get_status(guest: Guest<'_, '_>, code_to: u32, message_to: u32, len_to: u32) -> HostcallResult {
    let (memory, state) = parts(guest)?;
    let (code, message) = (state.callout_status.code, state.callout_status.message.clone());
    state.note(|note| note.ret("code", code).ret("message", message.clone()));
    write_u32(memory, code_to, code)?;
    give(guest, &message, message_to, len_to)
}
